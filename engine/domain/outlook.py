"""Forecasts of spread, depth, impact, the micro-price and the cost of trading, and their scores."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.evidence import SkillSums
from engine.domain.record import Floats, Record

LEVELS = ("spread", "depth", "impact")  # log bps, log money, bps; over the next bar or at its end
NOTIONALS = (10_000.0, 100_000.0)  # money; sizes of the orders whose cost is quoted
MEASURES = (*LEVELS, "micro_price", "cost_10k", "cost_100k")


@dataclass(frozen=True, slots=True)
class BookMeasurement(Record):
    """Measurements of one tick's books and order flow; NaN where there is none."""

    levels: Floats  # (3, S) by LEVELS
    cost_at_decision: Floats  # (2, 2, S) by NOTIONALS and side (buy, sell): bps from the mid of walking the book at the decision
    cost_at_fill: Floats  # (2, 2, S) the same, of the book in which the orders of the previous tick were filled
    mid: Floats  # (S,) price
    mid_at_fill: Floats  # (S,)
    micro_price_offset: Floats  # (S,) bps of the size-weighted mid above the mid


@dataclass(frozen=True, slots=True)
class LiquidityForecast(Record):
    """The sums behind the forecasts and behind their scores (see evidence.liquidity_forecast); S = 0 before the first book."""

    tick: int  # at which the pending forecasts were made, -1 before the first
    pending: BookMeasurement
    mean: Floats  # (3, S) exponential means of the levels
    moments: Floats  # (3, 3, S) discounted rows, sum d^2 and sum d (next - mean), d being level - mean
    offset_moments: Floats  # (3, S) discounted rows, sum of offset^2 and of offset x move of the mid
    mean_cost: Floats  # (2, 2, S) exponential mean of the cost at the fill, 0 before the first
    mean_deviation: Floats  # (2, 2, S) exponential mean of |cost - its mean|
    observations: Floats  # (2, 2, S) number of costs observed
    bias: Floats  # (3, 2, 2, S) running mean of (cost - candidate) by candidate; the first is never corrected
    error_quantile: Floats  # (3, 2, 2, S) running 90 % quantile of |cost - candidate|
    error_scale: Floats  # (2, 2, S) running mean of |cost - candidate|, the step of that quantile
    level_forecast: Floats  # (3, S) forecast of the levels, NaN where those of this bar are not known
    offset_share: Floats  # (S,) of the micro-price's offset that the mid moves by, 0..1
    candidate_costs: Floats  # (3, 2, 2, S) bps, candidate forecasts of the cost before correction of their bias
    cost_forecast: Floats  # (2, 2, S) bps, the forecast selected from them
    score: SkillSums  # (1, 1, 6) by MEASURES


@dataclass(frozen=True, slots=True)
class LiquidityForecastRow(Record):
    """The forecast skill of one measure; None where there is not enough data."""

    measure: str  # of MEASURES
    r2: float | None  # 1 - sum (y - f)^2 / sum (y - naive)^2, naive being "the same as now"
    low: float | None  # 95 % interval, valid under continuous watching
    high: float | None
    n: int
    n_effective: float | None
