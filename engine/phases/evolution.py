"""Phase 10, evolution: runs the contests, follows their verdicts, and starts trainings and searches when a trigger fires."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import EvolutionPlan, Forecast, MarketState, Predictions
from engine.domain.evolution import ArmForecast, ContestPoint, DriftRow, EvolutionReport, EvolutionState, FindingRow
from engine.domain.market import Inputs
from engine.domain.model import Catalog
from engine.domain.state import State
from engine.evidence import blends, contest, drift, findings, scoring, succession
from engine.evidence.scoring import ScoredForecasts
from engine.evolution import arms, events, progress, signals, triggers, verdicts
from engine.evolution.arms import CHALLENGER
from engine.evolution.progress import Progress

REWEIGH_EVERY = 8  # ticks
POINTS_EVERY = 8  # ticks between two stored points of a contest
FINDINGS_EVERY = 120  # ticks between two stored lists of findings


def propose_evolution(
    learned: State, predictions: Predictions, forecast: Forecast, market_state: MarketState, inputs: Inputs, state: State, catalog: Catalog
) -> EvolutionPlan:
    """Score the arms of all contests, follow the verdicts, and request the trainings and searches for which a trigger fires."""
    now = events.follow_events(Progress(learned), inputs, catalog)
    is_full = inputs.config.evolution == "full" and any(catalog.serving)
    now = now if is_full else signals.age_signals(now)
    if now.evolution.arms or is_full:
        scored = scoring.score_forecasts(state.pending, inputs.config.horizons, learned.pending.price[0])
        if is_full:
            now = verdicts.begin_blends(now, blends.BLENDS, inputs)
        now = _score(now, scored, predictions, forecast, market_state, inputs, state, is_full=is_full)
        now = verdicts.take_verdicts(now, inputs, catalog)
        now = _forecast(now, predictions, forecast, market_state, catalog)
    now = triggers.pull_triggers(now, market_state, inputs, catalog)
    evolution = now.evolution
    points: tuple[ContestPoint, ...] = ()
    if evolution.arms and inputs.tick % POINTS_EVERY == 0:
        count = evolution.directions.count
        moved = np.where(count > 0, evolution.directions.bps / np.maximum(count, 1.0), np.nan)
        points = contest.contest_points(evolution.contests, evolution.arms, inputs.config.horizons, count.astype(np.int64), moved)
        decided = {row.number for row in now.rows}  # at this tick: their verdicts are not replaced
        for place in (place for place, arm in enumerate(evolution.arms) if arm.number not in decided):
            now = now.report(progress.racing_row(now, place, catalog.names))
    forecasts = tuple(ArmForecast(arm.number, evolution.sums.pending[0, place]) for place, arm in enumerate(evolution.arms) if arm.kind == CHALLENGER)
    report = EvolutionReport(now.rows, points, forecasts, (), *_describe_signals(evolution, inputs))
    return EvolutionPlan(now.state, now.instructions, report)


def propose_nothing(
    learned: State, predictions: Predictions, forecast: Forecast, market_state: MarketState, inputs: Inputs, state: State, catalog: Catalog
) -> EvolutionPlan:
    """Fall back to no request; pending forecasts of the arms move on, and nothing is scored."""
    del predictions, forecast, market_state, inputs, state, catalog
    aged = signals.age_signals(Progress(learned).evolve(sums=arms.age_arms(learned.evolution.sums)))
    return EvolutionPlan(aged.state, (), EvolutionReport())


def _describe_signals(evolution: EvolutionState, inputs: Inputs) -> tuple[tuple[FindingRow, ...] | None, tuple[DriftRow, ...] | None]:
    """The findings where they were looked for at this tick, and the drift where it was tested."""
    biases: tuple[FindingRow, ...] | None = None
    if inputs.config.evolution == "full" and inputs.tick % FINDINGS_EVERY == 0:
        biases = signals.finding_rows(findings.list_findings(evolution.findings, inputs.symbols, inputs.config.horizons))
    reports = [drift.drift_from_json(event.detail) for event in inputs.events if event.kind == "drift"]
    return biases, signals.drift_rows(reports[-1]) if reports else None


def _score(
    now: Progress,
    scored: ScoredForecasts,
    predictions: Predictions,
    forecast: Forecast,
    market_state: MarketState,
    inputs: Inputs,
    state: State,
    *,
    is_full: bool,
) -> Progress:
    """Count the forecasts that come due in the contests, the weights of arms and blends, and with `is_full` in the detectors."""
    config, evolution, learned = inputs.config, now.evolution, now.state
    declined, losses, biases = evolution.decline, evolution.expected_loss, evolution.findings
    if is_full:
        declined, losses, biases = signals.update_signals(evolution, scored, predictions, forecast, market_state, inputs)
    on_record = np.asarray(~succession.find_probation(state.succession, config.horizons), dtype=np.float64)
    rows = learned.weight_rows.max(axis=1)
    gain, power, known, directions = arms.score_arms(evolution.sums, evolution.directions, scored, config.horizons)
    return now.evolve(
        decline=declined,
        expected_loss=losses,
        findings=biases,
        # the weights before this tick's targets were learned: the gains of the experts are out of sample
        blend_sums=blends.update_blends(evolution.blend_sums, scored, inputs.tick, learned.gram, rows, state.weights, config, on_record=on_record),
        contests=contest.update_contests(
            evolution.contests, gain, power, known, inputs.tick, config.horizons, config.contest_clip, config.contest_margin
        ),
        sums=arms.learn_weights(evolution.sums, evolution.arms, scored, learned, config, reweigh=inputs.tick % REWEIGH_EVERY == 0),
        directions=directions,
    )


def _forecast(now: Progress, predictions: Predictions, forecast: Forecast, market_state: MarketState, catalog: Catalog) -> Progress:
    """Make this tick's forecasts of the arms."""
    shadows = dict(zip(predictions.shadow_digests, predictions.shadows, strict=True))
    shadows |= {served.digest: predictions.mean[place] for place, served in enumerate(catalog.serving) if served is not None}
    weighted = np.where(np.isfinite(predictions.mean), predictions.mean, 0.0) * predictions.reliability
    blended = blends.blend_forecasts(now.evolution.blend_sums, weighted, market_state.regime, now.state.weights)
    by_name = dict(zip(blends.BLENDS, blended, strict=True))
    sums = arms.forecast_arms(now.evolution.sums, now.evolution.arms, shadows, by_name, predictions, forecast, now.state)
    return now.evolve(sums=arms.leave_out_newest(sums, now.evolution.contests.ticks == 0))
