"""Findings: conditions under which the forecasts are biased, with false discoveries under control however often one looks.

Each cell is a regime, three hours of the day, a fifth of the confidence, a band of volatility or a symbol, at a horizon. Three hypotheses are tested
for each: the expected gain y^2 - (y - f)^2 is not below 0, and y - f is not above and not below 0, given what was known at the forecast. An
e-process bets against each, block by block, with blocks that leave out the forecasts whose targets reach into the next (evidence.decline).
Discoveries are those of the e-BH procedure (Wang and Ramdas 2022): the k largest e-values where the k-th is at least K / (k ALPHA) of K hypotheses.
It holds the false-discovery rate at any stopping time under any dependence, which Benjamini and Hochberg's p-values, looked at again and again, do
not. What an e-process has lost while nothing was wrong it has to win back, so that a bias that begins late is found late.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from engine.domain.decision import REGIMES
from engine.domain.evolution import FINDING_KINDS, Finding, FindingsState
from engine.domain.record import Bools, Floats, Ints
from engine.evidence.decline import find_gapped_blocks
from engine.evidence.skill import add_scores, block_ends, confidence_interval, empty_skill
from engine.units import format_count, format_interval, format_number, format_percent

ALPHA = 0.05  # false-discovery rate
HOUR_BANDS, CONFIDENCE_BANDS, VOLATILITY_BANDS = 8, 5, ("low", "usual", "high")
MAX_SYMBOLS = 24  # that have a cell of their own
VOLATILITY_EDGES = np.array([0.8, 1.25])  # of a symbol's volatility over its usual one
CLIP = 3.0  # root mean squares of the cell's blocks before at which the sum of a block is clipped
BETS = np.array([0.05, 0.1, 0.2, 0.4, 0.7, 0.95]) / CLIP
MIN_BLOCKS = 10  # of a cell before the first bet
LOOK_EVERY = 12  # ticks
STANDING_LOOKS = 24  # in a row that make a discovery a trigger
HOURS_AT = len(REGIMES)
CONFIDENCE_AT = HOURS_AT + HOUR_BANDS
VOLATILITY_AT = CONFIDENCE_AT + CONFIDENCE_BANDS
SYMBOLS_AT = VOLATILITY_AT + len(VOLATILITY_BANDS)
SIGNS = np.array([-1.0, 1.0, -1.0])[:, None]  # of each kind: the direction in which its sum moves where it is true
SUMS = np.array([0, 1, 1])  # of each kind: of gain, or of y - f
_SCORES = np.array([[0, 1], [2, 3], [4, 5], [5, 5]])  # gain, its square, power and rows of the two scores, among the sums of a tick


def empty_findings(symbols: int, horizons: Sequence[int]) -> FindingsState:
    """The state before any forecast."""
    count, length, cells = len(horizons), max(horizons), SYMBOLS_AT + min(symbols, MAX_SYMBOLS)
    sums, kinds = np.zeros((2, count, cells)), len(FINDING_KINDS)
    return FindingsState(
        np.full((length, count, symbols), -1, dtype=np.int64),
        np.zeros(length, dtype=np.int64),
        empty_skill(2, count, cells),
        sums,
        sums,
        sums,
        np.zeros((kinds, count, cells, len(BETS))),
        np.zeros((kinds, count, cells), dtype=np.int64),
    )


def volatility_bands(ratio: Floats) -> Ints:
    """(S,) the band of each symbol's volatility over its usual one: 0 low, 1 usual, 2 high; usual where it is not known."""
    return VOLATILITY_EDGES.searchsorted(np.where(np.isfinite(ratio), ratio, 1.0), side="right").astype(np.int64)


def update_findings(
    state: FindingsState,
    mean: Floats,
    target: Floats,
    known: Bools,
    regime: Ints,
    hour: int,
    confidence: Floats,
    volatility_band: Ints,
    tick: int,
    horizons: Sequence[int],
) -> FindingsState:
    """Score the forecasts `mean` (H, S) that come due with this tick against `target` where both are `known`, then store the conditions of the
    forecasts made at this tick: regime (S,), hour of the day in UTC, confidence (H, S) from 0 to 1 and volatility band (S,)."""
    sums = _sum_by_cell(state, np.where(known, mean, 0.0), np.where(known, target, 0.0), known, horizons)
    opens, inside, closes = find_gapped_blocks(tick, horizons)
    open_sums = np.where(opens[:, None], 0.0, state.open_sums) + np.where(inside[:, None], sums[:2], 0.0)
    band = np.minimum(np.fmax(confidence * CONFIDENCE_BANDS, 0.0).astype(np.int64), CONFIDENCE_BANDS - 1)
    code = regime + HOURS_AT * volatility_band + HOURS_AT * len(VOLATILITY_BANDS) * band
    squares, blocks, log_wealth, held = state.squares, state.blocks, state.log_wealth, state.held
    if closes.any():
        squares, blocks, log_wealth = _close_blocks(state, open_sums, closes)
    if tick % LOOK_EVERY == LOOK_EVERY - 1:
        held = np.where(_discover(log_wealth)[0], held + 1, 0)
    return FindingsState(
        np.concatenate((code[None], state.waiting_code[:-1])),
        np.concatenate((np.array([hour * HOUR_BANDS // 24]), state.waiting_hour[:-1])),
        add_scores(state.scores, sums[_SCORES], block_ends(tick, horizons)),
        open_sums,
        squares,
        blocks,
        log_wealth,
        held,
    )


def list_findings(state: FindingsState, symbols: Sequence[str], horizons: Sequence[int]) -> tuple[Finding, ...]:
    """The discoveries of now, those with the largest e-values first."""
    discovered, e_values, threshold = _discover(state.log_wealth)
    ratio, half_width, _ = confidence_interval(state.scores)
    findings = []
    for kind, place, cell in np.argwhere(discovered).tolist():
        at = (SUMS[kind], place, cell)
        estimate = float(state.scores.gain[at] / state.scores.power[at])
        low, high = (float(ratio[at] + sign * half_width[at]) if np.isfinite(half_width[at]) else None for sign in (-1.0, 1.0))
        condition, value, phrase = _name_cell(cell, symbols)
        n, name = int(state.scores.rows[0, place, cell]), FINDING_KINDS[kind]
        text = f"{phrase} forecasts of {format_count(horizons[place], 'bar')} are {_describe(name, estimate, low, high, n)}"
        ticks, e_value = int(state.held[kind, place, cell]) * LOOK_EVERY, float(e_values[kind, place, cell])
        findings.append(Finding(condition, value, horizons[place], name, estimate, low, high, n, e_value, threshold, ticks, text))
    return tuple(sorted(findings, key=lambda finding: -finding.e_value))


def standing_findings(state: FindingsState, symbols: Sequence[str], horizons: Sequence[int]) -> tuple[Finding, ...]:
    """The discoveries that have held for so many looks in a row that they are a trigger."""
    if not (state.held >= STANDING_LOOKS).any():
        return ()
    return tuple(finding for finding in list_findings(state, symbols, horizons) if finding.held_ticks >= STANDING_LOOKS * LOOK_EVERY)


def _sum_by_cell(state: FindingsState, mean: Floats, target: Floats, known: Bools, horizons: Sequence[int]) -> Floats:
    """(6, H, C) sums over the symbols in each cell of gain, y - f, their squares, y^2 and rows."""
    ahead, (count, symbols) = np.asarray(horizons) - 1, mean.shape
    cells = state.blocks.shape[2]
    index = np.empty((count, symbols, 5), dtype=np.int64)
    index[:, :, :3] = _cells_by_code(cells)[np.where(known, state.waiting_code[ahead, np.arange(count)], -1)]
    index[:, :, 3] = (HOURS_AT + state.waiting_hour[ahead])[:, None]
    symbol_cells, offsets = _places(cells, count, symbols)
    index[:, :, 4] = symbol_cells
    index[:, :, 3:][index[:, :, 0] == cells] = cells
    values = np.empty((6, count, symbols, 5))
    residual, gain = target - mean, mean * (2.0 * target - mean)
    for row, value in enumerate((gain, residual, gain * gain, residual * residual, target * target, known)):
        values[row] = value[:, :, None]
    sums = np.bincount((index + offsets).ravel(), values.ravel(), minlength=6 * count * (cells + 1))
    return np.asarray(sums.reshape(6, count, cells + 1)[:, :, :-1], dtype=np.float64)


@cache
def _places(cells: int, count: int, symbols: int) -> tuple[Ints, Ints]:
    """(S,) the cell of each symbol, and (6, H, 1, 1) where the cells of each sum and horizon begin."""
    return np.minimum(np.arange(SYMBOLS_AT, SYMBOLS_AT + symbols), cells), (np.arange(6 * count) * (cells + 1)).reshape(6, count, 1, 1)


@cache
def _cells_by_code(cells: int) -> Ints:
    """(61, 3) the cells of regime, confidence and volatility by code; the last row, of -1, has the place behind all cells that is not counted."""
    code = np.arange(HOURS_AT * len(VOLATILITY_BANDS) * CONFIDENCE_BANDS)
    regime, rest = code % HOURS_AT, code // HOURS_AT
    table = np.stack((regime, CONFIDENCE_AT + rest // len(VOLATILITY_BANDS), VOLATILITY_AT + rest % len(VOLATILITY_BANDS)), axis=1)
    return np.concatenate((table, np.full((1, 3), cells)))


def _close_blocks(state: FindingsState, open_sums: Floats, closes: Bools) -> tuple[Floats, Floats, Floats]:
    """The squares, the number of blocks and the capital after the blocks that end: each bet is on the scale of the blocks before."""
    there = closes[:, None] & (open_sums != 0.0)
    ready = there & (state.blocks >= MIN_BLOCKS)
    scale = np.sqrt(state.squares / np.maximum(state.blocks, 1.0))
    excess = np.clip(np.where(ready, open_sums, 0.0) / np.where(ready & (scale > 0.0), scale, np.inf), -CLIP, CLIP)
    log_wealth = state.log_wealth + np.log1p((SIGNS[:, :, None] * excess[SUMS])[:, :, :, None] * BETS)
    return state.squares + np.where(there, open_sums * open_sums, 0.0), state.blocks + there, log_wealth


def _discover(log_wealth: Floats) -> tuple[Bools, Floats, float]:
    """(3, H, C) whether e-BH discovers it, its e-value, and the threshold that the discoveries reach."""
    e_values = np.exp(np.minimum(log_wealth, 500.0)).mean(axis=3)
    if float(e_values.max()) < 1.0 / ALPHA:
        return np.zeros(e_values.shape, dtype=np.bool_), e_values, float(e_values.size / ALPHA)
    ranked = np.sort(e_values, axis=None)[::-1]
    passing = np.flatnonzero(ranked * np.arange(1, len(ranked) + 1) >= len(ranked) / ALPHA)
    threshold = len(ranked) / (ALPHA * (int(passing[-1]) + 1 if len(passing) else 1))
    return e_values >= threshold, e_values, threshold


def _name_cell(cell: int, symbols: Sequence[str]) -> tuple[str, str, str]:
    """The condition, its value, and how a sentence on it begins."""
    if cell < HOURS_AT:
        return "regime", REGIMES[cell], f"In the {REGIMES[cell]} regime"
    if cell < CONFIDENCE_AT:
        hours = 24 // HOUR_BANDS
        value = f"{(cell - HOURS_AT) * hours:02d}-{(cell - HOURS_AT + 1) * hours:02d} UTC"
        return "hour", value, f"At {value}"
    if cell < VOLATILITY_AT:
        low, high = ((cell - CONFIDENCE_AT + step) / CONFIDENCE_BANDS for step in (0, 1))
        value = format_interval(low * 100.0, high * 100.0, 0, "%")
        return "confidence", value, f"At a confidence of {value}"
    if cell < SYMBOLS_AT:
        value = VOLATILITY_BANDS[cell - VOLATILITY_AT]
        return "volatility", value, f"At {value} volatility"
    return "symbol", symbols[cell - SYMBOLS_AT], f"For {symbols[cell - SYMBOLS_AT]}"


def _describe(kind: str, estimate: float, low: float | None, high: float | None, n: int) -> str:
    if kind == FINDING_KINDS[0]:
        bounds = [None if bound is None else bound * 100.0 for bound in (low, high)]
        return f"{kind}: R² {format_percent(estimate)} ({format_interval(bounds[0], bounds[1], 1, '%')}, n={n:,})"
    interval = format_interval(low, high, 2) if estimate > 0.0 or low is None or high is None else format_interval(-high, -low, 2)
    return f"{kind} by {format_number(abs(estimate), 2)} volatilities ({interval}, n={n:,})"
