"""Forecasts of spread, depth, impact, micro-price and cost over the next bar, learned and scored tick by tick, always before what came is known.

A level is foreseen by its exponential mean and the regression of the next level on how far this one is from it, learned online and starting at
"the same as now". The micro-price is the mid plus a share of the size-weighted mid's offset (Stoikov 2018, its adjustment taken as linear in
the imbalance), the share learned from the moves of the mid up to the fill and starting at 0. The cost of an order is foreseen by one of three: the
cost on the last book (cut where it strays absurdly far), its usual cost, or half way between, whichever had the least 90 % quantile of errors.
Every score is against "the same as now" (for the micro-price: the mid stays).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.domain.evidence import SkillSums
from engine.domain.outlook import MEASURES, BookMeasurement, LiquidityForecast, LiquidityForecastRow
from engine.domain.record import Floats
from engine.evidence import skill

LEVEL_STEP = 1.0 - 0.5 ** (1 / 20)  # exponential means of levels and costs: a half-life of 20 ticks
STRAY_STEP = 1.0 - 0.5 ** (1 / 60)
BIAS_STEP = 1.0 - 0.5 ** (1 / 300)
REACH_STEP = 1.0 - 0.5 ** (1 / 100)
MEMORY = 0.5 ** (1 / 2000)
PRIOR = 20.0  # rows of "the same as now" a level's regression starts from
LEAN_PRIOR = 50.0  # rows of "the mid stays" the micro-price starts from
SETTLED = 20.0  # costs met before anything but the last book is offered
ABSURD = 16.0  # usual deviations beyond which a cost is cut: a book that has all but run dry fills up again
BETTER = 0.95  # another candidate must have this much of the last book's error at most
PULL = np.array([0.0, 0.5, 1.0]).reshape(3, 1, 1, 1)  # how far each candidate goes from the last book's cost to the usual one
PREFERENCE = np.array([1.0, 1.0 / BETTER, 1.0 / BETTER]).reshape(3, 1, 1, 1)
CORRECTED = np.array([0.0, 1.0, 1.0]).reshape(3, 1, 1, 1)  # the last book's cost is quoted as it is
QUANTILE = 0.9
Costs = tuple[Floats, Floats, Floats, Floats, Floats, Floats]  # usual, strayed, seen, bias, reach and scale


def empty_measurement(symbols: int) -> BookMeasurement:
    """A tick without books."""
    blank = np.full(symbols, np.nan)
    cost = np.full((2, 2, symbols), np.nan)
    return BookMeasurement(np.full((3, symbols), np.nan), cost, cost, blank, blank, blank)


def empty_liquidity_forecast(symbols: int = 0) -> LiquidityForecast:
    """Before anything is seen; it grows to the number of symbols with the first book."""
    cost, three = np.zeros((2, 2, symbols)), np.zeros((3, 2, 2, symbols))
    return LiquidityForecast(
        -1, empty_measurement(symbols), np.full((3, symbols), np.nan), np.zeros((3, 3, symbols)), np.zeros((3, symbols)), cost, cost, cost,
        three, three, cost, np.full((3, symbols), np.nan), np.zeros(symbols), three, cost, skill.empty_skill(1, 1, len(MEASURES)),
    )  # fmt: skip


def update_liquidity_forecast(before: LiquidityForecast, now: BookMeasurement, tick: int) -> LiquidityForecast:
    """Scores the pending forecasts against what came, if they were made a tick ago, learns from it, and forecasts from `now`."""
    symbols = now.mid.shape[0]
    if before.mean.shape[1] != symbols:
        before = replace(empty_liquidity_forecast(symbols), score=before.score)
    first = np.isnan(before.mean)
    mean = np.where(first, now.levels, before.mean + LEVEL_STEP * np.where(np.isnan(now.levels), 0.0, now.levels - before.mean))
    if before.tick != tick - 1 or tick == 0:
        costs = (before.mean_cost, before.mean_deviation, before.observations, before.bias, before.error_quantile, before.error_scale)
        return _foreseen(tick, now, mean, before.moments, before.offset_moments, costs, before.score)
    then = before.pending
    move = (now.mid_at_fill / then.mid - 1.0) * 1e4
    parts = (
        _gain(now.levels, before.level_forecast, then.levels),
        _gain(move[None], (before.offset_share * then.micro_price_offset)[None], np.zeros(1)),
        _gain(now.cost_at_fill, before.cost_forecast, then.cost_at_decision),
    )
    moments = before.moments * MEMORY + _moments(then.levels - before.mean, now.levels - before.mean)
    lean_moments = before.offset_moments * MEMORY + _moments(then.micro_price_offset, move)
    score = skill.add_scores(before.score, np.concatenate(parts, axis=1)[:, None, None], skill.block_ends(tick, (1,)), idle=True)
    return _foreseen(tick, now, mean, moments, lean_moments, _learn_costs(before, now.cost_at_fill, before.candidate_costs), score)


def _foreseen(
    tick: int, now: BookMeasurement, mean: Floats, moments: Floats, lean_moments: Floats, costs: Costs, score: SkillSums
) -> LiquidityForecast:
    candidates, chosen = _quoted(now.cost_at_decision, *costs[:-1])
    foreseen = _levels(now.levels, mean, moments), _share(lean_moments), candidates, chosen
    return LiquidityForecast(tick, now, mean, moments, lean_moments, *costs, *foreseen, score)


def _levels(now: Floats, mean: Floats, moments: Floats) -> Floats:
    rows, squares, products = moments
    slope = (np.clip(_ratio(products, squares, 1.0), 0.0, 1.0) * rows + PRIOR) / (rows + PRIOR)
    return np.asarray(mean + slope * (now - mean))


def _share(lean_moments: Floats) -> Floats:
    rows, squares, products = lean_moments
    return np.asarray(np.clip(_ratio(products, squares, 0.0) * rows / (rows + LEAN_PRIOR), 0.0, 1.0))


def liquidity_table(told: LiquidityForecast) -> tuple[LiquidityForecastRow, ...]:
    """Every measure's R2 against "the same as now" with its 95 % interval; None with fewer than 15 blocks scored."""
    score, rows = told.score, []
    r2, reach, _ = skill.confidence_interval(score)
    variance = skill.sampling_variance(score)[1]
    for index, measure in enumerate(MEASURES):
        at = (0, 0, index)
        n = int(score.rows[at])
        if np.isfinite(reach[at]):
            middle, half = float(r2[at]), float(reach[at])
            effective = min(float(n), n * float(score.gain_squared[at] / variance[at]))
            rows.append(LiquidityForecastRow(measure, middle, middle - half, middle + half, n, effective))
        elif score.power[at] > 0 and score.gain_squared[at] == 0.0 and score.blocks[at] >= skill.MIN_BLOCKS:  # only "the same as now" was ever said
            rows.append(LiquidityForecastRow(measure, 0.0, 0.0, 0.0, n, None))
        else:
            rows.append(LiquidityForecastRow(measure, None, None, None, n, None))
    return tuple(rows)


def _ratio(part: Floats, whole: Floats, otherwise: float) -> Floats:
    known = whole > 0
    return np.where(known, part, otherwise) / np.where(known, whole, 1.0)


def _gain(came: Floats, forecast: Floats, naive: Floats) -> Floats:
    """(4, K) by the first axis of `came`: squared error of the naive forecast less that of the forecast, its square, the naive one's, rows."""
    plain, error = came - naive, came - forecast
    known = np.isfinite(plain) & np.isfinite(error)
    power = np.where(known, plain * plain, 0.0)
    gain = power - np.where(known, error * error, 0.0)
    return np.asarray(np.array((gain, gain * gain, power, known)).reshape(4, len(came), -1).sum(axis=2))


def _moments(x: Floats, y: Floats) -> Floats:
    """(3, ...) rows, x^2 and x y, 0 where either is not known."""
    known = np.isfinite(x + y)
    if not known.all():
        x, y = np.where(known, x, 0.0), np.where(known, y, 0.0)
    return np.array((known * 1.0, x * x, x * y))


def _quoted(quoted: Floats, usual: Floats, strayed: Floats, seen: Floats, bias: Floats, reach: Floats) -> tuple[Floats, Floats]:
    """(3, 2, 2, S) the candidates, their bias left in, and (2, 2, S) the forecast chosen; NaN where the last book does not hold it."""
    settled = seen >= SETTLED
    usual = np.where(settled, usual, quoted)
    capped = np.where(settled, np.minimum(quoted, usual + ABSURD * strayed), quoted)
    candidates = capped + PULL * (usual - capped)
    chosen = (reach * PREFERENCE).argmin(axis=0)
    picked = np.choose(chosen, candidates + bias)
    return candidates, np.where(settled, np.maximum(picked, 0.0), quoted)


def _learn_costs(before: LiquidityForecast, met: Floats, candidates: Floats) -> Costs:
    """usual, strayed, seen, bias, reach and scale with what orders met; as they were where that is not known."""
    error = met - candidates
    known = np.isfinite(error[0])
    if not known.all():
        error, met = np.where(known, error, before.bias), np.where(known, met, before.mean_cost)
    seen = before.observations + known
    young = known / np.maximum(seen, 1.0)
    off = np.abs(error - before.bias)
    scale = before.error_scale + np.maximum(known * REACH_STEP, young) * (off.sum(axis=0) / len(off) - before.error_scale)
    reach = np.maximum(before.error_quantile + 4.0 * REACH_STEP * known * scale * ((off > before.error_quantile) - (1.0 - QUANTILE)), 0.0)
    bias = before.bias + np.maximum(BIAS_STEP, young) * (error - before.bias) * CORRECTED
    first = before.observations == 0
    apart = met - before.mean_cost
    usual = before.mean_cost + np.maximum(LEVEL_STEP, first) * apart
    strayed = before.mean_deviation + known * np.maximum(STRAY_STEP, first) * (np.abs(np.where(first, error[0], apart)) - before.mean_deviation)
    return usual, strayed, seen, bias, reach, scale
