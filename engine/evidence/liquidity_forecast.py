"""Forecasts of spread, depth, impact, micro-price and cost over the next bar, learned and scored tick by tick, always before the outcome is known.

A level is forecast by its exponential mean and the regression of the next level on the distance of this one from the mean, learned online from "the
same as now". The micro-price is the mid plus a share of the size-weighted mid's offset (Stoikov 2018, with an adjustment linear in the imbalance);
the share is learned from the moves of the mid up to the fill and starts at 0. The cost of an order is forecast by one of three candidates: the cost
on the last book (capped where it strays extremely far), its mean cost, or the midpoint of both, whichever had the smallest 90 % quantile of errors.
Scores are against "the same as now" (for the micro-price: the mid stays).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.domain.evidence import MEASURES, BookMeasurement, LiquidityForecast, LiquidityForecastRow, SkillSums
from engine.domain.record import Floats
from engine.evidence import skill

LEVEL_STEP = 1.0 - 0.5 ** (1 / 20)  # exponential means of levels and costs: a half-life of 20 ticks
DEVIATION_STEP = 1.0 - 0.5 ** (1 / 60)
BIAS_STEP = 1.0 - 0.5 ** (1 / 300)
QUANTILE_STEP = 1.0 - 0.5 ** (1 / 100)
MEMORY = 0.5 ** (1 / 2000)
PRIOR = 20.0  # rows of "the same as now" behind a level's regression
OFFSET_PRIOR = 50.0  # rows of "the mid stays" behind the micro-price
MIN_OBSERVATIONS = 20.0  # of costs before a candidate other than the last book is used
MAX_DEVIATIONS = 16.0  # mean deviations at which a cost is capped: a nearly empty book fills up again
MAX_ERROR_RATIO = 0.95  # largest error of another candidate over that of the last book
MEAN_SHARE = np.array([0.0, 0.5, 1.0]).reshape(3, 1, 1, 1)  # position of each candidate between the last book's cost and the mean cost
PREFERENCE = np.array([1.0, 1.0 / MAX_ERROR_RATIO, 1.0 / MAX_ERROR_RATIO]).reshape(3, 1, 1, 1)
CORRECTED = np.array([0.0, 1.0, 1.0]).reshape(3, 1, 1, 1)  # the last book's cost is not corrected
QUANTILE = 0.9
Costs = tuple[Floats, Floats, Floats, Floats, Floats, Floats]  # mean cost, mean deviation, observations, bias, error quantile and error scale


def empty_measurement(symbols: int) -> BookMeasurement:
    """The measurement of a tick without books."""
    blank = np.full(symbols, np.nan)
    cost = np.full((2, 2, symbols), np.nan)
    return BookMeasurement(np.full((3, symbols), np.nan), cost, cost, blank, blank, blank)


def empty_liquidity_forecast(symbols: int = 0) -> LiquidityForecast:
    """The state before any book; it grows to the number of symbols with the first one."""
    cost, three = np.zeros((2, 2, symbols)), np.zeros((3, 2, 2, symbols))
    return LiquidityForecast(
        -1, empty_measurement(symbols), np.full((3, symbols), np.nan), np.zeros((3, 3, symbols)), np.zeros((3, symbols)), cost, cost, cost,
        three, three, cost, np.full((3, symbols), np.nan), np.zeros(symbols), three, cost, skill.empty_skill(1, 1, len(MEASURES)),
    )  # fmt: skip


def update_liquidity_forecast(before: LiquidityForecast, now: BookMeasurement, tick: int) -> LiquidityForecast:
    """Score the pending forecasts against `now` if they were made a tick ago, learn from the errors, and forecast from `now`."""
    symbols = now.mid.shape[0]
    if before.mean.shape[1] != symbols:
        before = replace(empty_liquidity_forecast(symbols), score=before.score)
    first = np.isnan(before.mean)
    mean = np.where(first, now.levels, before.mean + LEVEL_STEP * np.where(np.isnan(now.levels), 0.0, now.levels - before.mean))
    if before.tick != tick - 1 or tick == 0:
        costs = (before.mean_cost, before.mean_deviation, before.observations, before.bias, before.error_quantile, before.error_scale)
        return _forecast_from(tick, now, mean, before.moments, before.offset_moments, costs, before.score)
    pending = before.pending
    move = (now.mid_at_fill / pending.mid - 1.0) * 1e4
    parts = (
        _gain(now.levels, before.level_forecast, pending.levels),
        _gain(move[None], (before.offset_share * pending.micro_price_offset)[None], np.zeros(1)),
        _gain(now.cost_at_fill, before.cost_forecast, pending.cost_at_decision),
    )
    moments = before.moments * MEMORY + _moments(pending.levels - before.mean, now.levels - before.mean)
    offset_moments = before.offset_moments * MEMORY + _moments(pending.micro_price_offset, move)
    score = skill.add_scores(before.score, np.concatenate(parts, axis=1)[:, None, None], skill.block_ends(tick, (1,)), idle=True)
    return _forecast_from(tick, now, mean, moments, offset_moments, _learn_costs(before, now.cost_at_fill, before.candidate_costs), score)


def liquidity_table(liquidity: LiquidityForecast) -> tuple[LiquidityForecastRow, ...]:
    """The R2 of every measure against "the same as now" with its 95 % interval; None with fewer than 15 scored blocks."""
    score, rows = liquidity.score, []
    r2, half_width, _ = skill.confidence_interval(score)
    variance = skill.sampling_variance(score)[1]
    for index, measure in enumerate(MEASURES):
        at = (0, 0, index)
        n = int(score.rows[at])
        if np.isfinite(half_width[at]):
            middle, half = float(r2[at]), float(half_width[at])
            effective = min(float(n), n * float(score.gain_squared[at] / variance[at]))
            rows.append(LiquidityForecastRow(measure, middle, middle - half, middle + half, n, effective))
        elif (
            score.power[at] > 0 and score.gain_squared[at] == 0.0 and score.blocks[at] >= skill.MIN_BLOCKS
        ):  # only "the same as now" was ever forecast
            rows.append(LiquidityForecastRow(measure, 0.0, 0.0, 0.0, n, None))
        else:
            rows.append(LiquidityForecastRow(measure, None, None, None, n, None))
    return tuple(rows)


def _forecast_from(
    tick: int, now: BookMeasurement, mean: Floats, moments: Floats, offset_moments: Floats, costs: Costs, score: SkillSums
) -> LiquidityForecast:
    candidates, selected = _forecast_cost(now.cost_at_decision, *costs[:-1])
    forecasts = _forecast_levels(now.levels, mean, moments), _offset_share(offset_moments), candidates, selected
    return LiquidityForecast(tick, now, mean, moments, offset_moments, *costs, *forecasts, score)


def _forecast_levels(now: Floats, mean: Floats, moments: Floats) -> Floats:
    rows, squares, products = moments
    slope = (np.clip(_ratio(products, squares, 1.0), 0.0, 1.0) * rows + PRIOR) / (rows + PRIOR)
    return np.asarray(mean + slope * (now - mean))


def _offset_share(offset_moments: Floats) -> Floats:
    rows, squares, products = offset_moments
    return np.asarray(np.clip(_ratio(products, squares, 0.0) * rows / (rows + OFFSET_PRIOR), 0.0, 1.0))


def _ratio(part: Floats, whole: Floats, default: float) -> Floats:
    known = whole > 0
    if np.count_nonzero(known) == known.size:
        return part / whole
    return np.where(known, part, default) / np.where(known, whole, 1.0)


def _gain(realised: Floats, forecast: Floats, unchanged: Floats) -> Floats:
    """(4, K) by the first axis: gain (squared error of no change less that of the forecast), its square, squared error of no change, rows."""
    change, error = realised - unchanged, realised - forecast
    known = np.isfinite(change) & np.isfinite(error)
    power, lost = change * change, error * error
    if np.count_nonzero(known) < known.size:
        power, lost = np.where(known, power, 0.0), np.where(known, lost, 0.0)
    gain = power - lost
    return np.asarray(np.array((gain, gain * gain, power, known)).reshape(4, len(realised), -1).sum(axis=2))


def _moments(x: Floats, y: Floats) -> Floats:
    """(3, ...) rows, x^2 and x y, 0 where either is unknown."""
    known = np.isfinite(x + y)
    if not known.all():
        x, y = np.where(known, x, 0.0), np.where(known, y, 0.0)
    return np.array((known * 1.0, x * x, x * y))


def _forecast_cost(
    quoted: Floats, mean_cost: Floats, mean_deviation: Floats, observations: Floats, bias: Floats, error_quantile: Floats
) -> tuple[Floats, Floats]:
    """(3, 2, 2, S) the candidates, uncorrected, and (2, 2, S) the forecast selected from them; NaN where the last book is too thin."""
    sufficient = observations >= MIN_OBSERVATIONS
    mean_cost = np.where(sufficient, mean_cost, quoted)
    capped = np.where(sufficient, np.minimum(quoted, mean_cost + MAX_DEVIATIONS * mean_deviation), quoted)
    candidates = capped + MEAN_SHARE * (mean_cost - capped)
    selected = (error_quantile * PREFERENCE).argmin(axis=0)
    picked = np.choose(selected, candidates + bias)
    return candidates, np.where(sufficient, np.maximum(picked, 0.0), quoted)


def _learn_costs(before: LiquidityForecast, met: Floats, candidates: Floats) -> Costs:
    """The cost sums after the costs that orders met, (2, 2, S); unchanged where these are unknown."""
    error = met - candidates
    known = np.isfinite(error[0])
    if not known.all():
        error, met = np.where(known, error, before.bias), np.where(known, met, before.mean_cost)
    observations = before.observations + known
    young_step = known / np.maximum(observations, 1.0)
    deviation = np.abs(error - before.bias)
    scale = before.error_scale + np.maximum(known * QUANTILE_STEP, young_step) * (deviation.sum(axis=0) / len(deviation) - before.error_scale)
    error_quantile = np.maximum(
        before.error_quantile + 4.0 * QUANTILE_STEP * known * scale * ((deviation > before.error_quantile) - (1.0 - QUANTILE)), 0.0
    )
    bias = before.bias + np.maximum(BIAS_STEP, young_step) * (error - before.bias) * CORRECTED
    first = before.observations == 0
    distance = met - before.mean_cost
    mean_cost = before.mean_cost + np.maximum(LEVEL_STEP, first) * distance
    mean_deviation = before.mean_deviation + known * np.maximum(DEVIATION_STEP, first) * (
        np.abs(np.where(first, error[0], distance)) - before.mean_deviation
    )
    return mean_cost, mean_deviation, observations, bias, error_quantile, scale
