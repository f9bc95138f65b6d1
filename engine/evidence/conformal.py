"""Intervals that keep their coverage in every regime: adaptive conformal inference (Gibbs and Candes 2021), a level per regime known at the decision.

A regime that no symbol is in moves along with the others, at a third of their pace: what changes in a market changes in most of its regimes.

An interval is forecast +- width x reach x volatility. The reach is part what the forecast of volatility makes of the last volatility known, part
what the symbol's own misses have come to need, whatever its volatility: a mean of the two in logs is better than either. Where
more than half the targets of a cell are exactly 0, a hit is counted by the randomised probability integral transform, in expectation: the atom
fills the share z of the distribution, and a central interval of level c < z covers a target of 0 with probability c / z.
"""

from __future__ import annotations

import numpy as np

from engine.domain.record import Bools, Floats, Ints
from engine.domain.state import Intervals
from engine.evidence.scoring import ScoredForecasts

LEVELS = np.array([0.8, 0.9])
NORMAL_HALF_WIDTHS = (1.2815515655446004, 1.6448536269514722)  # half-widths of a standard normal's, to start from
UNOCCUPIED_RATE = 0.3  # of the pace, for a regime that no symbol is in
FEWEST = 100  # rows before an atom is believed
ZERO_MASS_HALFLIFE = 200.0  # ticks, half-life of the share of zeros
ATOM = 0.5  # share of zeros from which a cell has an atom
NARROWEST = 0.02  # volatilities
HASTE = 20.0  # rows: while fewer are known a width learns at HASTE / (rows + 100 horizons) more, so that its start at a normal's is forgotten soon
PATIENCE = 100.0  # rows a bar of the horizon; targets overlap and come due late
FORECAST_WEIGHT = 0.6  # of the reach, in logs, is the forecast of volatility; the rest is the symbol's own
OWN_LEARNING_RATE = 0.01  # learning rate of the symbol's own
CONSTANT_START = 0.001  # log return, of the symbol's own and of the constant width before anything is known
CONSTANT_LEARNING_RATE = 0.03  # learning rate of the constant width: between its best at one bar (0.1) and at twelve (0.01), see docs/decisions/0012


def initial_intervals(horizons: int, regimes: int, symbols: int) -> Intervals:
    """Nothing scored; intervals as wide as a standard normal's."""
    cells, pairs = np.zeros((horizons, regimes)), np.zeros((horizons, regimes, 2))
    width = np.broadcast_to(np.array(NORMAL_HALF_WIDTHS), (horizons, regimes, 2)).copy()
    start, sums = np.full((horizons, 2, symbols), CONSTANT_START), np.zeros((horizons, 2))
    return Intervals(width, start, pairs, cells, cells, start, sums, sums)


def current_half_widths(intervals: Intervals) -> Floats:
    """(H, R, 2) half-widths, in horizon volatilities; 0 where an atom at 0 fills the level by itself."""
    return np.where(_atoms(intervals)[:, :, None] > LEVELS, 0.0, intervals.half_width)


def scale_factors(intervals: Intervals, foreseen: Floats, scale: Floats) -> Floats:
    """(H, S, 2) what widths are multiplied by.

    `foreseen` (S,) is the volatility foreseen over the last one known, `scale` (H, S) the log return of one horizon volatility; where that is not
    above 0, nothing of the symbol's own is heard.
    """
    usual = scale * foreseen
    known = usual > 0
    own = np.where(known[:, None], intervals.symbol_half_width / np.where(known, usual, 1.0)[:, None], 1.0)
    return np.ascontiguousarray((foreseen * own ** (1.0 - FORECAST_WEIGHT)).transpose(0, 2, 1))


def half_widths_by_symbol(width: Floats, regime: Ints, reach: Floats) -> Floats:
    """(H, S, 2) half-widths of each symbol in the regime it is in; `width` (H, R, 2) in force, `regime` (S,), `reach` (H, S, 2)."""
    return np.asarray(width[:, regime] * reach)


def update_intervals(before: Intervals, scored: ScoredForecasts, step: float, horizons: tuple[int, ...]) -> Intervals:
    """Widens what missed too often and narrows what missed too seldom, every regime by itself and all symbols of a tick at once.

    Every row counts the same, be its regime full or nearly empty at the tick. The learning rate is `step` at one bar, less by the root of a longer
    horizon, whose targets overlap; it begins higher and falls as a cell's rows grow (Robbins and Monro 1951), so that the start at a normal's is soon
    forgotten.
    """
    known = scored.known[-1]
    if not known.any():
        return before
    error = np.abs(scored.target - scored.mean[-1])
    member = ((scored.regime[:, :, None] == np.arange(before.rows.shape[1])) & known[:, :, None]) * 1.0  # (H, S, R)
    width = (member @ scored.half_width) * scored.scale_factor  # (H, S, 2)
    zero = (scored.target == 0.0) & known
    atoms = _atoms(before)
    inside = np.where(zero[:, :, None] & (atoms > ATOM).any(), _hits(error, width, zero, member, atoms), error[:, :, None] <= width)
    cells = member.transpose(0, 2, 1)
    covered, rows = cells @ inside, member.sum(axis=1)
    each, bars = 1.0 / known.shape[1], np.array(horizons)[:, None]
    short = (LEVELS * rows[:, :, None] - covered) * each
    slow = step / np.sqrt(bars)
    pace = slow + HASTE / (before.rows * each + PATIENCE * bars)
    along = UNOCCUPIED_RATE * slow[:, :, None] * short.sum(axis=1, keepdims=True)
    moved = np.where(rows[:, :, None] > 0, pace[:, :, None] * short, along)
    fade = _fade(before, rows)
    zeros = (cells @ (zero[:, :, None] * 1.0))[:, :, 0]
    away = (error * scored.scale)[:, None, :]
    constant, ours, theirs = _against_constant(before, scored, away, width)
    return Intervals(
        half_width=np.maximum(before.half_width * np.exp(moved), NARROWEST),
        symbol_half_width=_followed(before.symbol_half_width, before.symbol_half_width, away, known, OWN_LEARNING_RATE),
        covered=before.covered + covered,
        rows=before.rows + rows,
        zero_mass=before.zero_mass * fade + (1.0 - fade) * zeros / np.maximum(rows, 1.0),
        constant_half_width=constant,
        winkler=before.winkler + ours,
        winkler_constant=before.winkler_constant + theirs,
    )


def _fade(intervals: Intervals, rows: Floats) -> Floats:
    """What is left of a mean after so many rows, of which each symbol gives one a tick."""
    return np.asarray(0.5 ** (rows / (ZERO_MASS_HALFLIFE * intervals.constant_half_width.shape[2])))


def _atoms(intervals: Intervals) -> Floats:
    """(H, R) share of targets that were exactly 0 of late; 0 while fewer than 100 are known."""
    known = np.maximum(intervals.rows, 1.0)
    return np.where(intervals.rows >= FEWEST, intervals.zero_mass / (1.0 - _fade(intervals, known)), 0.0)


def _hits(error: Floats, width: Floats, zero: Bools, member: Floats, atoms: Floats) -> Floats:
    """(H, S, 2) probability that the randomised transform falls inside; 0 or 1 for a target that is not 0."""
    atom = (member @ atoms[:, :, None])[:, :, 0]
    part = np.minimum(1.0, LEVELS / np.maximum(atom, ATOM)[:, :, None])
    return np.where((zero & (atom > ATOM))[:, :, None], part, error[:, :, None] <= width)


def _followed(now: Floats, issued: Floats, away: Floats, known: Bools, step: float) -> Floats:
    """(H, 2, S) half-widths in log return, a step nearer to what would have covered each level's share; `away` (H, 1, S)."""
    missed = np.where(known[:, None, :], LEVELS[:, None] - (away <= issued), 0.0)
    return np.asarray(now * np.exp(step * missed))


def _against_constant(before: Intervals, scored: ScoredForecasts, away: Floats, width: Floats) -> tuple[Floats, Floats, Floats]:
    """The constant widths after this tick, and both Winkler scores (Winkler 1972) in log return, summed over symbols, (H, 2) each.

    Both are judged by the widths in force at the decision. The constant ones of now have met targets that overlap with this one.
    """
    known = scored.known[-1]
    ours = width.transpose(0, 2, 1) * scored.scale[:, None, :]
    constant = scored.constant_half_width
    penalty = (2.0 / (1.0 - LEVELS))[:, None]
    told = [np.where(known[:, None, :], 2.0 * one + penalty * np.maximum(away - one, 0.0), 0.0).sum(axis=2) for one in (ours, constant)]
    return _followed(before.constant_half_width, constant, away, known, CONSTANT_LEARNING_RATE), told[0], told[1]
