"""What is known and foreseen of volatility: small sums over the market's past, carried from tick to tick."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.evidence import SkillSums
from engine.domain.record import Floats, Record


@dataclass(frozen=True, slots=True)
class VolatilityForecast(Record):
    """Volatility as it looks at this tick, and the forecast made of it; V averages, K columns."""

    averages: Floats  # (S, V) exponential means of |log return|, of the log range and of the squared log return
    weight: Floats  # (S, V) of the bars behind each, up to 1
    pending_row: Floats  # (S, K + 7) what waits to come due, NaN where not known: see Volatility.waiting
    horizon_sigma: Floats  # (S,) standard deviation of the log return over the longest horizon, NaN while not known
    scale_factor: Floats  # (S,) the same over the last volatility known, a quarter to four; 1 where either is not known: intervals are as much wider


@dataclass(frozen=True, slots=True)
class VolatilityModel(Record):
    """The regression's sums, what waits to come due (newest first, L = the longest horizon) and the scores."""

    averages: Floats  # (S, V)
    weight: Floats  # (S, V)
    profile: Floats  # (B, 2) by time of day: sum and count of log realised variance less its level
    moments: Floats  # (K + 5, K + 5) discounted products of the columns, of HAR's four and of the target
    slopes: Floats  # (K,) in force
    har_slopes: Floats  # (4,)
    waiting: Floats  # (L, S, K + 7) columns, HAR's four, and log variance as forecast, as HAR forecasts it, and its slow level
    mean: Floats  # (S, 2) sum and count of log realised variance
    skill: SkillSums  # (2, 1, 1): against each symbol's own mean so far, against the heterogeneous autoregression
    squared_error: Floats  # (2,) sum of squared errors and rows
    qlike: Floats  # (2,) sum and rows
