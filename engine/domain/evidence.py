"""The sums that the evidence carries from tick to tick: skill, regimes, volatility, the liquidity forecast, and the succession of model versions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.record import Bools, Floats, Record

GAIN, GAIN_SQUARED, POWER, ROWS, BLOCKS, BLOCK_SQUARED, LAG_PRODUCTS, OPEN_GAIN, OPEN_POWER, LAST_RESIDUAL = range(10)


@dataclass(frozen=True, slots=True)
class SkillSums(Record):
    """The sums behind a ratio of gain to power and its interval, for (models + ensemble) x horizons x (regimes + all).

    For a forecast, gain is y^2 - (y - f)^2 and power is y^2, so that the ratio is R2; for declined trades, gain is in bps and power is their number.
    A block is a run of ticks over all symbols, so that correlated symbols count once. Its residual is its gain less its power times the ratio
    before it (see evidence.skill). All sums are in one array because they are updated together.
    """

    sums: Floats  # (10, M + 1, H, R + 1)

    @property
    def gain(self) -> Floats:
        """(M + 1, H, R + 1), as all sums below."""
        return np.asarray(self.sums[GAIN])

    @property
    def gain_squared(self) -> Floats:
        """Sum over rows of their squared gain."""
        return np.asarray(self.sums[GAIN_SQUARED])

    @property
    def power(self) -> Floats:
        """Sum of y^2."""
        return np.asarray(self.sums[POWER])

    @property
    def rows(self) -> Floats:
        """Number of forecasts scored."""
        return np.asarray(self.sums[ROWS])

    @property
    def blocks(self) -> Floats:
        """Number of complete blocks."""
        return np.asarray(self.sums[BLOCKS])

    @property
    def block_squared(self) -> Floats:
        """Sum of the squared residuals of the blocks."""
        return np.asarray(self.sums[BLOCK_SQUARED])

    @property
    def lag_products(self) -> Floats:
        """Sum of the products of each block's residual with that of the previous block."""
        return np.asarray(self.sums[LAG_PRODUCTS])

    @property
    def open_gain(self) -> Floats:
        """Gain of the current block."""
        return np.asarray(self.sums[OPEN_GAIN])

    @property
    def open_power(self) -> Floats:
        """Power of the current block."""
        return np.asarray(self.sums[OPEN_POWER])

    @property
    def last_residual(self) -> Floats:
        """Residual of the previous block."""
        return np.asarray(self.sums[LAST_RESIDUAL])


@dataclass(frozen=True, slots=True)
class RegimeModel(Record):
    """One hidden Markov model for all symbols, with R regimes; the sums are discounted means over the bars learned from."""

    bars: float  # number of bars learned from, discounted
    pairs: Floats  # (R, R) probability of regime i then regime j
    moments: Floats  # (R, 5) of 1, surge, surge^2, trend, trend^2 within each regime
    transition: Floats  # (R, R) in force, rows sum to 1
    emission: Floats  # (5, R) in force: the log density of an observation is [1, surge, surge^2, trend, trend^2] @ emission


@dataclass(frozen=True, slots=True)
class VolatilityForecast(Record):
    """The inputs and the volatility forecast of this tick; V averages, K columns."""

    averages: Floats  # (S, V) exponential means of |log return|, of the log range and of the squared log return
    weight: Floats  # (S, V) of the bars behind each, up to 1
    pending_row: Floats  # (S, K + 7) to be scored when it comes due, NaN where not known; columns as in `waiting` of the model
    horizon_sigma: Floats  # (S,) standard deviation of the log return over the longest horizon, NaN while not known
    scale_factor: Floats  # (S,) the same over the last known volatility, 0.25 to 4, by which intervals widen; 1 where either is unknown


@dataclass(frozen=True, slots=True)
class VolatilityModel(Record):
    """The sums of the regression, the rows not yet due (newest first, L = the longest horizon) and the scores."""

    averages: Floats  # (S, V)
    weight: Floats  # (S, V)
    profile: Floats  # (B, 2) by time of day: sum and count of log realised variance less its level
    moments: Floats  # (K + 5, K + 5) discounted products of the columns, the four HAR columns and the target
    slopes: Floats  # (K,) in force
    har_slopes: Floats  # (4,)
    waiting: Floats  # (L, S, K + 7) columns, the four HAR columns, and log variance: forecast, HAR forecast and slow level
    mean: Floats  # (S, 2) sum and count of log realised variance
    skill: SkillSums  # (2, 1, 1) against each symbol's own mean so far, and against the heterogeneous autoregression (HAR)
    squared_error: Floats  # (2,) sum of squared errors, and rows
    qlike: Floats  # (2,) sum and rows


@dataclass(frozen=True, slots=True)
class Succession(Record):
    """A horizon is on probation while `inherited` is below 1: its forecasts are scored separately from the record (see evidence.succession)."""

    inherited: Floats  # (H,) share of the proven size allowed by agreement with the versions of record; 1 where those serve
    record_versions: tuple[tuple[str, ...], ...]  # (H, M) versions that made the record of skill, "" where a model has none yet
    probation_skill: SkillSums  # (2, H, 1) scores of forecasts made on probation, over a long and a short memory
    on_probation: Bools  # (L, H) whether a pending forecast was made on probation, newest first; L = the longest horizon
    records_begun: int  # number of probation records begun, over all horizons


@dataclass(frozen=True, slots=True)
class Agreement(Record):
    """The agreement of newly adopted versions with earlier ones; NaN where they cannot be compared."""

    rows: int  # compared, one per symbol and tick
    with_record: Floats  # (H,) with the versions of record
    with_previous: Floats  # (H,) with the versions that served until now
    models: tuple[tuple[str, Floats], ...]  # version, (H,) with the version of record of the same model


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
    r2: float | None  # 1 - sum (y - f)^2 / sum (y - u)^2 with u the value now: no change
    low: float | None  # 95 % interval, valid under continuous watching
    high: float | None
    n: int
    n_effective: float | None
