"""The triggers of phase 10: when to train the same recipes on newer data, and when to search for others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from engine import units
from engine.domain.decision import MarketState
from engine.domain.evolution import EvolutionState
from engine.domain.market import Inputs
from engine.domain.model import Catalog
from engine.evidence import decline, drift, expected_loss, findings
from engine.evolution import signals, strategy_choice, verdicts
from engine.evolution.events import search_to_json
from engine.evolution.progress import ALL, REFRESH, Progress, begin_search, racing_arms

CHANGE_SHARE = 0.5  # mean probability over the symbols that the regime has changed with this bar
SEARCH_AFTER = 288  # ticks of service before the first search
URGENT = frozenset({"performance decline", "target drift", "expected loss", "by hand"})  # triggers for which one challenger of several is held free
WINDOWS = ("longer window", "shorter window")  # strategies that concern every model at once


def pull_triggers(progress: Progress, market_state: MarketState, inputs: Inputs, catalog: Catalog) -> Progress:
    """The progress with a training where one is due, and with a search for each trigger that fires while there is room for one."""
    progress = _request_refresh(progress, inputs)
    state, config = progress.state, inputs.config
    if config.evolution != "full" or state.last_training < 0 or not any(catalog.serving):
        return progress
    for trigger, detail in _fired(progress, market_state, inputs):
        if trigger == "performance decline" and not _goes_on(progress, trigger, inputs.tick):
            progress = verdicts.retire_outdated_challengers(progress, inputs, catalog)
        evolution = progress.evolution
        under_way = [search for search in evolution.searches if search.place != ALL or search.strategy != REFRESH]
        reserved = trigger not in URGENT and config.max_challengers > 1  # the only one cannot be held free: nothing else would ever be searched
        room = config.max_challengers - reserved - len(racing_arms(evolution)) - len(under_way)
        if room <= 0 or not strategy_choice.may_start(evolution.triggers, trigger, inputs.tick):
            continue
        busy = list_open_strategies(evolution)
        if all(served is None or not (served.recipe.window_bars or served.recipe.since) for served in catalog.serving):
            busy.add("longer window")  # every model is trained on all bars that there are
        strategy = strategy_choice.choose_strategy(evolution.triggers, trigger, evolution.begun + 1, busy)
        place = None if strategy is None else choose_place(progress, strategy, catalog)
        if strategy is None or place is None:
            continue
        progress = begin_search(progress, place, strategy, trigger, detail, inputs.tick)
        progress = progress.instruct("search", place, search_to_json(progress.evolution.searches[-1]))
        if trigger == "performance decline":
            progress = verdicts.restart_blends(progress, inputs, catalog)
    return progress


def _goes_on(progress: Progress, trigger: str, tick: int) -> bool:
    """Whether a decline that is signalled has been answered in vain: it fires again, or an answer to it still races."""
    evolution = progress.evolution
    is_racing = any(evolution.arms[place].trigger == trigger for place in racing_arms(evolution))
    is_again = strategy_choice.fires_again(evolution.triggers, trigger, tick)
    return is_again or (is_racing and strategy_choice.was_in_vain(evolution.triggers, trigger))


def list_open_strategies(evolution: EvolutionState) -> set[str]:
    """The strategies that are searched or race: whether they work is not known yet, and a second search by one would mostly repeat the first."""
    searched = {search.strategy for search in evolution.searches if search.strategy != REFRESH}
    return searched | {evolution.arms[place].strategy for place in racing_arms(evolution)}


def choose_place(progress: Progress, strategy: str, catalog: Catalog) -> str | None:
    """The place on the model axis for a strategy: every place for another window, the least useful for another structure, else the most useful.

    A model's use is the part of the ensemble's gain that its weight accounts for: sum over horizons of w b. None where all places are in contests.
    """
    evolution = progress.evolution
    busy = {place for index in racing_arms(evolution) for place in evolution.arms[index].places}
    busy |= {catalog.names.index(search.place) for search in evolution.searches if search.place in catalog.names}
    if strategy in WINDOWS:  # its promotion ends contests about single places, whose recipes are of before the change
        return ALL
    free = [place for place, served in enumerate(catalog.serving) if served is not None and place not in busy]
    if not free:
        return None
    use = (progress.state.weights * progress.state.moment.T).sum(axis=1)[free]
    return catalog.names[free[int(np.argmin(use) if strategy == "structure search" else np.argmax(use))]]


def _request_refresh(progress: Progress, inputs: Inputs) -> Progress:
    """Request a training at the first bar with enough history, on schedule, and by hand."""
    trigger = _refresh_trigger(progress, inputs)
    if trigger is None:
        return progress
    progress = begin_search(progress, ALL, REFRESH, trigger, "", inputs.tick)
    state = replace(progress.state, last_training=inputs.tick, training_requests=progress.state.training_requests + 1)
    return replace(progress, state=state).instruct("retrain", ALL, trigger)


def _refresh_trigger(progress: Progress, inputs: Inputs) -> str | None:
    config, state = inputs.config, progress.state
    if any(event.kind == "command" and event.subject == "retrain" for event in inputs.events):
        return "by hand"
    if state.last_training < 0:
        return "first training" if state.decided >= config.first_training else None
    if config.evolution == "off":
        return None
    return "schedule" if inputs.tick - state.last_training >= config.retrain_every else None


def _fired(progress: Progress, market_state: MarketState, inputs: Inputs) -> Iterator[tuple[str, str]]:
    """The triggers that fire at this tick, with their figures, the most urgent first; those whose figures cost time only outside their pause."""
    evolution, horizons = progress.evolution, inputs.config.horizons
    if decline.has_declined(evolution.decline) and strategy_choice.may_start(evolution.triggers, "performance decline", inputs.tick):
        yield "performance decline", signals.describe_decline(decline.decline_figures(evolution.decline, horizons))
    yield from _drifted(inputs)
    harmed = expected_loss.expects_harm(evolution.expected_loss, horizons)
    if harmed.any():
        ahead = ", ".join(units.format_count(horizon, "bar") for horizon, harm in zip(horizons, harmed.tolist(), strict=True) if harm)
        yield "expected loss", f"pending forecasts of {ahead} are expected to do worse than none"
    changed = float(market_state.regime_change.mean())
    if changed > CHANGE_SHARE:
        yield "regime change", f"probability {units.format_percent(changed, 0)}, a mean over the symbols"
    if strategy_choice.may_start(evolution.triggers, "finding", inputs.tick):
        for finding in findings.standing_findings(evolution.findings, inputs.symbols, horizons)[:1]:
            yield "finding", finding.text
    yield from _scheduled(progress, inputs)


def _drifted(inputs: Inputs) -> Iterator[tuple[str, str]]:
    """Drift of the target and of the inputs, where it was tested before this tick."""
    for event in inputs.events:
        if event.kind == "drift":
            report = drift.drift_from_json(event.detail)
            inputs_drifted, targets_drifted = drift.drifted_columns(report)
            if targets_drifted:
                yield "target drift", signals.describe_drift(report.targets)
            if inputs_drifted:
                yield "input drift", signals.describe_drift(report.inputs)


def _scheduled(progress: Progress, inputs: Inputs) -> Iterator[tuple[str, str]]:
    """A search for new data, when there are twice as many as at the one before, and one on schedule."""
    decided, first = progress.state.decided, inputs.config.first_training
    fired = int(progress.evolution.triggers.fired[strategy_choice.position("new data")])
    since = decided - (inputs.tick - fired) if fired >= 0 else 0  # bars decided by then: a session need not begin with tick 0
    if decided >= 2 * max(since, first):
        yield "new data", f"{units.format_count(decided, 'bar')} decided, twice as many as at the search before"
    if decided - first >= SEARCH_AFTER:
        yield "schedule", ""
