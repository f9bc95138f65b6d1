"""Forecast intervals that keep their coverage in every regime: adaptive conformal inference (Gibbs and Candes 2021), one width per regime.

A regime without any symbol follows the others at a third of their rate, because most changes of a market concern most of its regimes.

An interval is forecast +- half-width x scale factor x volatility. The scale factor is a mean in logs of two parts: the forecast of volatility over
the last volatility known, and the half-width that a symbol's own misses have required, whatever its volatility. The mean is better than either. Where
more than half of a cell's targets are exactly 0, hits are counted by the randomised probability integral transform, in expectation: the zeros have
the mass z, and a central interval of level c < z covers a target of 0 with probability c / z.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from engine.domain.record import Bools, Floats, Ints
from engine.domain.state import Intervals
from engine.evidence.scoring import ScoredForecasts

LEVELS = np.array([0.8, 0.9])
MISS_PENALTY = (2.0 / (1.0 - LEVELS))[:, None]  # of the Winkler score, for each unit beyond an interval
NORMAL_HALF_WIDTHS = (1.2815515655446004, 1.6448536269514722)  # of a standard normal's intervals, the initial half-widths
UNOCCUPIED_RATE = 0.3  # of the learning rate, for a regime without any symbol
MIN_ROWS = 100  # before the zero mass is used
ZERO_MASS_HALFLIFE = 200.0  # ticks, half-life of the zero mass
MIN_ZERO_MASS = 0.5  # above which hits on zeros are counted in expectation
MIN_HALF_WIDTH = 0.02  # volatilities
INITIAL_RATE = 20.0  # rows: a half-width learns faster by INITIAL_RATE / (rows + 100 horizons), so that its initial value is soon forgotten
RATE_DELAY = 100.0  # rows per bar of the horizon, as targets overlap and come due late
FORECAST_WEIGHT = 0.6  # weight in logs of the volatility forecast in the scale factor; the rest is the symbol's own half-width
OWN_LEARNING_RATE = 0.01  # of the symbol's own half-width
CONSTANT_START = 0.001  # log return, initial value of the symbol's own and of the constant half-widths
CONSTANT_LEARNING_RATE = 0.03  # of the constant half-widths: between its best at one bar (0.1) and at twelve (0.01), see docs/decisions/0012


def initial_intervals(horizons: int, regimes: int, symbols: int) -> Intervals:
    """The state before any forecast has been scored: intervals as wide as a standard normal's."""
    cells, pairs = np.zeros((horizons, regimes)), np.zeros((horizons, regimes, 2))
    width = np.broadcast_to(np.array(NORMAL_HALF_WIDTHS), (horizons, regimes, 2)).copy()
    start, sums = np.full((horizons, 2, symbols), CONSTANT_START), np.zeros((horizons, 2))
    return Intervals(width, start, pairs, cells, cells, start, sums, sums)


def current_half_widths(intervals: Intervals) -> Floats:
    """(H, R, 2) half-widths in horizon volatilities; 0 where the zero mass alone exceeds the level."""
    zero_mass = _zero_mass(intervals)
    return np.where(zero_mass[:, :, None] > LEVELS, 0.0, intervals.half_width) if np.count_nonzero(zero_mass) else intervals.half_width


def scale_factors(intervals: Intervals, foreseen: Floats, scale: Floats) -> Floats:
    """(H, S, 2) factors of the half-widths.

    `foreseen` (S,) is the forecast volatility over the last one known, `scale` (H, S) the log return of one horizon volatility; where their product
    is not above 0, the symbol's own half-width is not used.
    """
    expected = scale * foreseen
    known = expected > 0
    own = np.where(known[:, None], intervals.symbol_half_width / np.where(known, expected, 1.0)[:, None], 1.0)
    return np.ascontiguousarray((foreseen * own ** (1.0 - FORECAST_WEIGHT)).transpose(0, 2, 1))


def half_widths_by_symbol(width: Floats, regime: Ints, reach: Floats) -> Floats:
    """(H, S, 2) half-widths of each symbol in its regime (S,), from current half-widths (H, R, 2) and scale factors (H, S, 2)."""
    return np.asarray(width[:, regime] * reach)


def update_intervals(before: Intervals, scored: ScoredForecasts, step: float, horizons: tuple[int, ...]) -> Intervals:
    """Widen intervals that missed too often and narrow those that missed too seldom, each regime separately and all symbols of a tick at once.

    Every row counts the same, however many symbols are in its regime. The learning rate is `step` at one bar, and smaller by the root of a longer
    horizon, whose targets overlap; it begins higher and falls as a cell's rows grow (Robbins and Monro 1951), so that the initial value is soon
    forgotten.
    """
    known = scored.known[-1]
    if not np.count_nonzero(known):
        return before
    error = np.abs(scored.target - scored.mean[-1])
    member = ((scored.regime[:, :, None] == _indices(before.rows.shape[1])) & known[:, :, None]) * 1.0  # (H, S, R)
    width = (member @ scored.half_width) * scored.scale_factor  # (H, S, 2)
    zero = (scored.target == 0.0) & known
    zero_mass = _zero_mass(before)
    has_zeros = np.count_nonzero(zero) > 0
    randomises = has_zeros and bool((zero_mass > MIN_ZERO_MASS).any())
    inside = _hits(error, width, zero, member, zero_mass) if randomises else (error[:, :, None] <= width) * 1.0
    cells = member.transpose(0, 2, 1)
    covered, rows = cells @ inside, member.sum(axis=1)
    per_symbol = 1.0 / known.shape[1]
    shortfall = (LEVELS * rows[:, :, None] - covered) * per_symbol
    bars, base_rate = _base_rate(step, horizons)
    rate = base_rate + INITIAL_RATE / (before.rows * per_symbol + RATE_DELAY * bars)
    unoccupied = UNOCCUPIED_RATE * base_rate[:, :, None] * shortfall.sum(axis=1, keepdims=True)
    moved = np.where(rows[:, :, None] > 0, rate[:, :, None] * shortfall, unoccupied)
    remaining = _remaining(before, rows)
    zeros = (cells @ (zero[:, :, None] * 1.0))[:, :, 0] if has_zeros else np.zeros(rows.shape)
    miss_distance = (error * scored.scale)[:, None, :]
    constant, ours, theirs = _compare_with_constant(before, scored, miss_distance, width)
    return Intervals(
        half_width=np.maximum(before.half_width * np.exp(moved), MIN_HALF_WIDTH),
        symbol_half_width=_adapt(before.symbol_half_width, before.symbol_half_width, miss_distance, known, OWN_LEARNING_RATE),
        covered=before.covered + covered,
        rows=before.rows + rows,
        zero_mass=before.zero_mass * remaining + (1.0 - remaining) * zeros / np.maximum(rows, 1.0),
        constant_half_width=constant,
        winkler=before.winkler + ours,
        winkler_constant=before.winkler_constant + theirs,
    )


@cache
def _base_rate(step: float, horizons: tuple[int, ...]) -> tuple[Ints, Floats]:
    """(H, 1) the horizons, and the learning rates at them."""
    bars = np.array(horizons)[:, None]
    return bars, step / np.sqrt(bars)


@cache
def _indices(count: int) -> Ints:
    return np.arange(count)


def _remaining(intervals: Intervals, rows: Floats) -> Floats:
    """The remaining weight of an exponential mean after so many rows, one per symbol and tick."""
    return np.asarray(0.5 ** (rows / (ZERO_MASS_HALFLIFE * intervals.constant_half_width.shape[2])))


def _zero_mass(intervals: Intervals) -> Floats:
    """(H, R) recent share of targets that were exactly 0; 0 while fewer than 100 are known."""
    if not np.count_nonzero(intervals.zero_mass):
        return np.zeros(intervals.rows.shape)
    known = np.maximum(intervals.rows, 1.0)
    return np.where(intervals.rows >= MIN_ROWS, intervals.zero_mass / (1.0 - _remaining(intervals, known)), 0.0)


def _hits(error: Floats, width: Floats, zero: Bools, member: Floats, zero_mass: Floats) -> Floats:
    """(H, S, 2) probability that the randomised transform falls inside the interval; 0 or 1 for a target that is not 0."""
    mass = (member @ zero_mass[:, :, None])[:, :, 0]
    part = np.minimum(1.0, LEVELS / np.maximum(mass, MIN_ZERO_MASS)[:, :, None])
    return np.where((zero & (mass > MIN_ZERO_MASS))[:, :, None], part, error[:, :, None] <= width)


def _adapt(now: Floats, issued: Floats, miss_distance: Floats, known: Bools, step: float) -> Floats:
    """(H, 2, S) half-widths in log return, one step closer to the quantile of each level; `miss_distance` (H, 1, S)."""
    missed = np.where(known[:, None, :], LEVELS[:, None] - (miss_distance <= issued), 0.0)
    return np.asarray(now * np.exp(step * missed))


def _compare_with_constant(before: Intervals, scored: ScoredForecasts, miss_distance: Floats, width: Floats) -> tuple[Floats, Floats, Floats]:
    """The constant half-widths after this tick, and both Winkler scores (Winkler 1972) in log return, summed over symbols, (H, 2) each.

    Both are scored with the half-widths at the decision, because the current constant ones have learned from overlapping targets.
    """
    known = scored.known[-1]
    ours = width.transpose(0, 2, 1) * scored.scale[:, None, :]
    constant = scored.constant_half_width
    scores = [
        np.where(known[:, None, :], 2.0 * half + MISS_PENALTY * np.maximum(miss_distance - half, 0.0), 0.0).sum(axis=2) for half in (ours, constant)
    ]
    return _adapt(before.constant_half_width, constant, miss_distance, known, CONSTANT_LEARNING_RATE), scores[0], scores[1]
