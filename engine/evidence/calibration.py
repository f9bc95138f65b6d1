"""Calibration of the ensemble's forecasts: reliability, coverage, Brier and Winkler scores with their intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.domain.decision import REGIMES
from engine.domain.record import Floats
from engine.domain.state import State
from engine.evidence.proportions import MIN_COUNT, wilson_interval

INTERVAL_LEVELS = (0.8, 0.9)  # of the two intervals
Z_95 = 1.959963984540054  # standard normal quantile of a two-sided 95 % interval
Number = float | None


@dataclass(frozen=True, slots=True)
class ObservedShare:
    """An observed share with its 95 % interval where there is enough data."""

    share: Number
    low: Number
    high: Number
    n: int


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One bin of a reliability diagram: the mean of the stated probabilities and the observed frequency."""

    stated: float
    observed: ObservedShare


@dataclass(frozen=True, slots=True)
class HorizonCalibration:
    """Calibration of the forecasts of one horizon. Intervals account for dependent rows (effective n)."""

    horizon: int  # bars
    n: int  # rows in which the price moved
    brier: Number
    brier_low: Number
    brier_high: Number
    brier_naive: Number  # of always stating 1/2
    bins: tuple[ReliabilityBin, ...]
    coverage: tuple[tuple[float, str, ObservedShare], ...]  # level, regime or "all"
    winkler_gain: tuple[tuple[float, Number], ...]  # level, relative gain in Winkler score over intervals of constant width
    deflation: Number  # effective rows per row, None while unknown


@dataclass(frozen=True, slots=True)
class IntervalCoverage:
    """How often the outcome lay inside the stated interval."""

    horizon: int  # bars
    n: int  # forecasts that are due
    covered: int
    n_effective: float  # forecasts that do not overlap
    low: float | None  # 95 % interval of the share, None while there is not enough data
    high: float | None


def calibrate_horizon(state: State, place: int, horizon: int, deflation: Number) -> HorizonCalibration:
    """Calibration of the horizon at this place, from the counts in a state; `deflation` is the effective number of rows per row."""
    direction, intervals = state.direction, state.intervals
    n = float(direction.rows[place])
    bins = tuple(
        ReliabilityBin(float(stated / count), estimate_share(float(observed), float(count), deflation))
        for stated, observed, count in zip(direction.stated[place], direction.observed[place], direction.counted[place], strict=True)
        if count > 0
    )
    rows_of, covered_of = intervals.rows[place], intervals.covered[place]
    cells = [*zip(REGIMES, rows_of, covered_of, strict=True), ("all", rows_of.sum(), covered_of.sum(axis=0))]
    coverage = tuple(
        (level, regime, estimate_share(float(covered[column]), float(count), deflation))
        for column, level in enumerate(INTERVAL_LEVELS)
        for regime, count, covered in cells
    )
    ours, constant = intervals.winkler[place], intervals.winkler_constant[place]
    gains = tuple(
        (level, float(1.0 - ours[column] / constant[column]) if constant[column] > 0 else None) for column, level in enumerate(INTERVAL_LEVELS)
    )
    brier = float(direction.brier[place]) / n if n else None
    low, high = _brier_band(bins, brier, n, deflation)
    return HorizonCalibration(horizon, int(n), brier, low, high, 0.25 if n else None, bins, coverage, gains, deflation)


def estimate_share(count: float, n: float, deflation: Number) -> ObservedShare:
    """An observed share. Its interval accounts for dependent rows; while their dependence is unknown there is none."""
    if n <= 0:
        return ObservedShare(None, None, None, 0)
    share = min(1.0, count / n)
    low, high = (None if deflation is None else wilson_interval(share, n * min(1.0, deflation))) or (None, None)
    return ObservedShare(share, low, high, int(n))


def count_agreements(forecasts: Floats) -> tuple[Floats, Floats]:
    """(M, M) counts of rows in which two models forecast the same direction, and in which both forecast one; `forecasts` is (N, M)."""
    side = np.sign(forecasts)
    known = np.isfinite(side) & (side != 0)
    both = known.T.astype(float) @ known
    same = sum((known & (side == sign)).T.astype(float) @ (known & (side == sign)) for sign in (1.0, -1.0))
    return np.asarray(same), both


def _brier_band(bins: tuple[ReliabilityBin, ...], brier: Number, n: float, deflation: Number) -> tuple[Number, Number]:
    """95 % interval of the Brier score. Its variance is computed by bin, each row taken to have stated the mean of its bin."""
    effective = n * min(1.0, deflation or 0.0)
    if brier is None or effective < MIN_COUNT:
        return None, None
    square = sum(
        cell.observed.n * ((cell.observed.share or 0.0) * (1.0 - cell.stated) ** 4 + (1.0 - (cell.observed.share or 0.0)) * cell.stated**4)
        for cell in bins
    )
    radius = Z_95 * math.sqrt(max(0.0, square / n - brier * brier) / effective)
    return max(0.0, brier - radius), min(1.0, brier + radius)


def measure_coverage(horizon: int, outcome: Floats, low: Floats, high: Floats) -> IntervalCoverage:
    """Coverage of intervals (N,) over a horizon in bars; NaN where unknown. Forecasts overlap, so only every horizon-th counts as independent."""
    due = np.isfinite(outcome) & np.isfinite(low)
    n, covered = int(due.sum()), int((due & (outcome >= low) & (outcome <= high)).sum())
    least, most = (wilson_interval(covered / n, n / horizon) if n else None) or (None, None)
    return IntervalCoverage(horizon, n, covered, n / horizon, least, most)
