"""How spread, depth, impact, the micro-price and the cost of trading are foreseen, and how well."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.record import Floats, Record
from engine.domain.skill import Skill

LEVELS = ("spread", "depth", "impact")  # log bps, log money, bps: over or at the end of the next bar
NOTIONALS = (10_000.0, 100_000.0)  # money, of the orders whose cost is quoted
MEASURES = (*LEVELS, "micro_price", "cost_10k", "cost_100k")


@dataclass(frozen=True, slots=True)
class Measured(Record):
    """What one tick's books and flow tell; NaN where they do not."""

    levels: Floats  # (3, S) by LEVELS
    quoted: Floats  # (2, 2, S) bps from the mid by NOTIONALS and side (buy, sell): walking the book of the decision
    met: Floats  # (2, 2, S) the same of the book that orders of the tick before met
    mid: Floats  # (S,) price
    met_mid: Floats  # (S,)
    lean: Floats  # (S,) bps, the size-weighted mid over the mid


@dataclass(frozen=True, slots=True)
class Outlook(Record):
    """Sums that forecasts are made of, and those their scores are made of (see evidence.outlook); S = 0 before the first book."""

    tick: int  # at which the pending forecasts were made, -1 before the first
    pending: Measured
    mean: Floats  # (3, S) exponential means of the levels
    moments: Floats  # (3, 3, S) discounted rows, sum d^2 and sum d (next - mean), d being level - mean
    lean_moments: Floats  # (3, S) discounted rows, sum of lean^2 and of lean x move of the mid
    usual: Floats  # (2, 2, S) exponential mean of the cost met, 0 before the first
    strayed: Floats  # (2, 2, S) exponential mean of |cost met - usual|
    seen: Floats  # (2, 2, S) costs met
    bias: Floats  # (3, 2, 2, S) running mean of (met - candidate) by candidate; the first is never corrected
    reach: Floats  # (3, 2, 2, S) running 90 % quantile of |met - candidate|
    scale: Floats  # (2, 2, S) running mean of |met - candidate|, the step of `reach`
    next_levels: Floats  # (3, S) forecast of the levels, NaN where this bar's are not known
    share: Floats  # (S,) of the lean that the mid makes up for, 0..1
    candidates: Floats  # (3, 2, 2, S) bps, what the cost may be foreseen by, without their bias taken out
    next_cost: Floats  # (2, 2, S) bps, the forecast chosen of them
    score: Skill  # (1, 1, 6) by MEASURES


@dataclass(frozen=True, slots=True)
class OutlookRow(Record):
    """How well a measure is foreseen; None where there is not enough data."""

    measure: str  # of MEASURES
    r2: float | None  # 1 - sum (y - f)^2 / sum (y - naive)^2, naive being "the same as now"
    low: float | None  # 95 % interval, valid under continuous watching
    high: float | None
    n: int
    n_effective: float | None
