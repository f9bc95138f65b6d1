"""The signals that a trigger may fire on: a decline of the ensemble's gains, the loss that is expected of pending forecasts, and findings of bias."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import units
from engine.domain.decision import Forecast, MarketState, Predictions
from engine.domain.evolution import (
    ColumnDrift,
    DeclineFigures,
    DeclineState,
    DriftReport,
    DriftRow,
    EvolutionState,
    ExpectedLossState,
    Finding,
    FindingRow,
    FindingsState,
)
from engine.domain.market import Inputs
from engine.domain.record import Floats
from engine.evidence import decline, expected_loss, findings
from engine.evidence.scoring import ScoredForecasts
from engine.evolution.progress import Progress

HOUR = 3_600 * 10**9  # ns
SHOWN = 3  # columns in a sentence


def update_signals(
    evolution: EvolutionState, scored: ScoredForecasts, predictions: Predictions, forecast: Forecast, market_state: MarketState, inputs: Inputs
) -> tuple[DeclineState, ExpectedLossState, FindingsState]:
    """The detectors with the ensemble's forecasts that come due counted, and this tick's conditions stored for later."""
    horizons = inputs.config.horizons
    mean, target, known = scored.mean[-1], scored.target, scored.known[-1]
    share = 1.0 / np.maximum(known.sum(axis=1), 1)
    gain = np.where(known, mean * (2.0 * target - mean), 0.0).sum(axis=1) * share
    power = np.where(known, target * target, 0.0).sum(axis=1) * share
    is_scored = np.asarray(known.any(axis=1))
    sigma = market_state.sigma
    with np.errstate(invalid="ignore", divide="ignore"):
        volatility = market_state.range_volatility / np.where(sigma > 0, sigma, np.nan)
    return (
        decline.update_decline(evolution.decline, gain, power, is_scored, inputs.tick, horizons),
        expected_loss.update_expected_loss(
            evolution.expected_loss, _conditions(predictions, forecast, market_state, volatility), gain, power, is_scored, inputs.tick, horizons
        ),
        findings.update_findings(
            evolution.findings,
            mean,
            target,
            known,
            market_state.regime,
            int(inputs.at // HOUR % 24),
            np.maximum(forecast.probability, 1.0 - forecast.probability),
            findings.volatility_bands(volatility),
            inputs.tick,
            horizons,
        ),
    )


def age_signals(progress: Progress) -> Progress:
    """The progress a tick later, at which no forecast was made: those that wait for their target move on."""
    loss, biases = progress.evolution.expected_loss, progress.evolution.findings
    if _is_blank(loss, biases):
        return progress
    return progress.evolve(
        expected_loss=replace(loss, waiting_conditions=_shift(loss.waiting_conditions, np.nan), waiting=_shift(loss.waiting, np.nan)),
        findings=replace(biases, waiting_code=_shift(biases.waiting_code, -1), waiting_hour=_shift(biases.waiting_hour, 0)),
    )


def _is_blank(loss: ExpectedLossState, biases: FindingsState) -> bool:
    """Whether nothing waits for its target, as where no search has ever been allowed: then a tick changes nothing."""
    waits = (biases.waiting_code != -1, biases.waiting_hour, np.isfinite(loss.waiting_conditions), np.isfinite(loss.waiting))
    return not any(np.count_nonzero(part) for part in waits)


def _shift(part: NDArray[Any], none: float) -> NDArray[Any]:
    return np.concatenate((np.full_like(part[:1], none), part[:-1]))


def describe_decline(figures: tuple[DeclineFigures, ...]) -> str:
    """The figures of the horizons at which a decline is signalled, in one line."""
    parts = [
        f"{units.format_count(row.horizon, 'bar')}: R² {units.format_percent(row.recent_r2, 2)} after {units.format_percent(row.earlier_r2, 2)}, "
        f"e-value {units.format_number(row.e_value, 0)} of {units.format_number(row.threshold, 0)}"
        for row in figures
        if row.e_value >= row.threshold
    ]
    return "; ".join(parts)


def describe_drift(rows: tuple[ColumnDrift, ...]) -> str:
    """The columns that have drifted, in one line, the clearest first."""
    drifted = [row for row in rows if row.drifted]
    named = ", ".join(f"{row.column} (KS {row.distance:.2f}, q {row.q:.1g})" for row in drifted[:SHOWN])
    more = f" and {len(drifted) - SHOWN} more" if len(drifted) > SHOWN else ""
    return f"{named}{more}"


def drift_rows(report: DriftReport) -> tuple[DriftRow, ...]:
    """The rows of the report for the store."""
    return tuple(
        DriftRow(subject, row.column, row.distance, row.q, _describe_place(row), row.drifted)
        for subject, rows in (("inputs", report.inputs), ("target", report.targets))
        for row in rows
    )


def finding_rows(discoveries: tuple[Finding, ...]) -> tuple[FindingRow, ...]:
    """The findings for the store; q is the least false-discovery rate at which the e-BH procedure discovers each."""
    return tuple(
        FindingRow(
            finding.condition,
            finding.value,
            finding.horizon,
            finding.kind,
            "R²" if finding.kind == "too bold" else "volatilities",
            finding.estimate,
            finding.low,
            finding.high,
            finding.n,
            findings.ALPHA * finding.threshold / finding.e_value,
        )
        for finding in discoveries
    )


def _conditions(predictions: Predictions, forecast: Forecast, market_state: MarketState, volatility: Floats) -> Floats:
    """(C,) the conditions of the market on which the loss of this tick's forecasts may depend; NaN where one is not known."""
    with np.errstate(invalid="ignore", divide="ignore"):
        level = _mean(np.log(np.where(volatility > 0, volatility, np.nan)))
    return np.array(
        [
            _mean(predictions.out_of_distribution),
            _mean(predictions.dispersion),
            _mean(forecast.mean * forecast.mean),
            market_state.stress,
            level,
        ]
    )


def _mean(values: Floats) -> float:
    """The mean of all values, as ndarray.mean computes it."""
    return float(np.add.reduce(values, axis=None)) / values.size


def _describe_place(row: ColumnDrift) -> str:
    """Where in the distribution the change is."""
    names = ("lowest fifth", "second fifth", "middle fifth", "fourth fifth", "highest fifth")
    return f"{'more' if row.change > 0 else 'fewer'} rows in the {names[row.quintile - 1]} ({units.format_percent(row.change, 0, signed=True)})"
