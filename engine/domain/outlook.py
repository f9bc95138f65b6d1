"""How spread, depth, impact, the micro-price and the cost of trading are foreseen, and how well."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.evidence import SkillSums
from engine.domain.record import Floats, Record

LEVELS = ("spread", "depth", "impact")  # log bps, log money, bps: over or at the end of the next bar
NOTIONALS = (10_000.0, 100_000.0)  # money, of the orders whose cost is quoted
MEASURES = (*LEVELS, "micro_price", "cost_10k", "cost_100k")


@dataclass(frozen=True, slots=True)
class BookMeasurement(Record):
    """What one tick's books and flow tell; NaN where they do not."""

    levels: Floats  # (3, S) by LEVELS
    cost_at_decision: Floats  # (2, 2, S) bps from the mid by NOTIONALS and side (buy, sell): walking the book of the decision
    cost_at_fill: Floats  # (2, 2, S) the same of the book that orders of the tick before met
    mid: Floats  # (S,) price
    mid_at_fill: Floats  # (S,)
    micro_price_offset: Floats  # (S,) bps, the size-weighted mid over the mid


@dataclass(frozen=True, slots=True)
class LiquidityForecast(Record):
    """Sums that forecasts are made of, and those their scores are made of (see evidence.outlook); S = 0 before the first book."""

    tick: int  # at which the pending forecasts were made, -1 before the first
    pending: BookMeasurement
    mean: Floats  # (3, S) exponential means of the levels
    moments: Floats  # (3, 3, S) discounted rows, sum d^2 and sum d (next - mean), d being level - mean
    offset_moments: Floats  # (3, S) discounted rows, sum of lean^2 and of lean x move of the mid
    mean_cost: Floats  # (2, 2, S) exponential mean of the cost met, 0 before the first
    mean_deviation: Floats  # (2, 2, S) exponential mean of |cost met - usual|
    observations: Floats  # (2, 2, S) costs met
    bias: Floats  # (3, 2, 2, S) running mean of (met - candidate) by candidate; the first is never corrected
    error_quantile: Floats  # (3, 2, 2, S) running 90 % quantile of |met - candidate|
    error_scale: Floats  # (2, 2, S) running mean of |met - candidate|, the step of `reach`
    level_forecast: Floats  # (3, S) forecast of the levels, NaN where this bar's are not known
    offset_share: Floats  # (S,) of the lean that the mid makes up for, 0..1
    candidate_costs: Floats  # (3, 2, 2, S) bps, what the cost may be foreseen by, without their bias taken out
    cost_forecast: Floats  # (2, 2, S) bps, the forecast chosen of them
    score: SkillSums  # (1, 1, 6) by MEASURES


@dataclass(frozen=True, slots=True)
class LiquidityForecastRow(Record):
    """How well a measure is foreseen; None where there is not enough data."""

    measure: str  # of MEASURES
    r2: float | None  # 1 - sum (y - f)^2 / sum (y - naive)^2, naive being "the same as now"
    low: float | None  # 95 % interval, valid under continuous watching
    high: float | None
    n: int
    n_effective: float | None
