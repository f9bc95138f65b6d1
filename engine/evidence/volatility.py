"""The forecast of realised volatility over the longest horizon, pooled over symbols and learned online.

The target is log realised variance (mean squared log return of the bars ahead). It is regressed on exponential means of absolute returns and of
ranges at several half-lives, the market's mean of these, and the time of day, all relative to the symbol's slow level. Absolute moves carry more
information than squared ones (Forsberg and Ghysels 2007). It is compared with the heterogeneous autoregression (HAR, Corsi 2009), fitted on the same
rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from engine.domain.evidence import SkillSums, VolatilityForecast, VolatilityModel
from engine.domain.market import MarketView
from engine.domain.record import Bools, Floats, Record
from engine.evidence import skill

MOVES, RANGES, SLOW = (2.0, 8.0, 72.0, 700.0), (1.0, 4.0, 24.0, 144.0, 700.0), 700.0  # half-lives in bars
LEARNING_RATES = 1.0 - 0.5 ** (1.0 / np.array((*MOVES, *RANGES, SLOW)))
KIND = np.array([0] * len(MOVES) + [1] * len(RANGES) + [2])  # |return|, range, squared return
LEVEL = len(MOVES) - 1  # the reference column of the others
OTHERS = np.array([column for column in range(len(KIND) - 1) if column != LEVEL])
LOG_FACTOR = np.where(KIND == 2, 1.0, 2.0)  # from the log of a move to the log of its square
OTHER_COUNT = len(OTHERS)
MARKET_COLUMNS = slice(len(MOVES) - 1, len(MOVES) + 3)  # of the others, those whose mean over the market is used
COLUMNS = OTHER_COUNT + 7  # the market's four, the level among symbols, the time of day, a constant
FORECASTS = COLUMNS + 4  # position of the forecasts in a row, after HAR's columns
PER_DAY = 96  # intervals of the daily profile
DAY = 86_400 * 10**9  # ns
DAILY_BARS = 288  # of HAR's daily component
PROFILE_PRIOR = 50.0  # rows of "no effect" behind every time of day
SLOPE_PRIOR = 10.0  # rows behind slopes of 0
SCORED_EVERY, REFIT_EVERY = 3, 24  # ticks between two scorings, and between two updates of the slopes
MIN_ROWS = 1_000.0  # of a forecast
MIN_MOVE = 1e-8  # mean moves below this count as 0


def empty_volatility(symbols: int, length: int) -> VolatilityModel:
    """The state before any bar; `length` is the longest horizon in bars."""
    averages, pair = np.zeros((symbols, len(KIND))), np.zeros(2)
    return VolatilityModel(
        averages, averages, np.zeros((PER_DAY, 2)), np.zeros((FORECASTS + 1, FORECASTS + 1)), np.zeros(COLUMNS), np.zeros(4),
        np.full((length, symbols, FORECASTS + 3), np.nan), np.zeros((symbols, 2)), skill.empty_skill(2, 1, 1), pair, pair,
    )  # fmt: skip


def forecast_volatility(before: VolatilityModel, view: MarketView) -> VolatilityForecast:
    """This bar's columns and the forecast from them; NaN while fewer than 1,000 rows have come due."""
    returns, length = view.returns, len(before.waiting)
    move, log_range = np.abs(returns[:, -1]), view.log_high[:, -1] - view.log_low[:, -1]
    fresh = ((view.age == 0) & (view.known > 1))[:, None]
    now = np.array((move, log_range, move * move))[KIND].T
    averages = before.averages + (now - before.averages) * LEARNING_RATES
    weight = before.weight + (1.0 - before.weight) * LEARNING_RATES
    if np.count_nonzero(fresh) < len(fresh):
        averages, weight = np.where(fresh, averages, before.averages), np.where(fresh, weight, before.weight)
    logs = np.log(np.maximum(averages / weight, MIN_MOVE)) * LOG_FACTOR
    level = logs[:, LEVEL : LEVEL + 1]
    row = np.empty((len(move), FORECASTS + 3))
    relative = logs[:, OTHERS] - level
    row[:, :OTHER_COUNT] = relative
    row[:, OTHER_COUNT:COLUMNS] = _market_columns(relative, level)
    row[:, COLUMNS - 2] = _seasonal(before.profile, view.at)
    recent = returns[:, -DAILY_BARS:]
    power = recent * recent
    parts = np.array((power[:, -length:].sum(axis=1) / length, power.sum(axis=1) / DAILY_BARS))
    row[:, COLUMNS : COLUMNS + 2] = np.log(np.maximum(parts, MIN_MOVE * MIN_MOVE)).T - level
    row[:, COLUMNS + 2] = logs[:, -1] - level[:, 0]
    row[:, COLUMNS + 3] = 1.0
    row[:, FORECASTS] = row[:, :COLUMNS] @ before.slopes + level[:, 0]
    row[:, FORECASTS + 1] = row[:, COLUMNS:FORECASTS] @ before.har_slopes + level[:, 0]
    row[:, FORECASTS + 2] = level[:, 0]
    if before.squared_error[1] < MIN_ROWS:
        return VolatilityForecast(averages, weight, row, np.full(len(move), np.nan), np.ones(len(move)))
    foreseen = np.sqrt(np.exp(row[:, FORECASTS] + 0.5 * before.squared_error[0] / before.squared_error[1]) * length)
    ratio = foreseen / (view.sigma * math.sqrt(length))
    return VolatilityForecast(averages, weight, row, foreseen, np.where(np.isfinite(ratio), np.clip(ratio, 0.25, 4.0), 1.0))


def missing_volatility_forecast(before: VolatilityModel) -> VolatilityForecast:
    """The forecast of a bar without data: unchanged averages, no columns, no forecast."""
    return VolatilityForecast(
        before.averages, before.weight, before.waiting[0] * np.nan, np.full(len(before.averages), np.nan), np.ones(len(before.averages))
    )


def update_volatility(
    before: VolatilityModel, seen: VolatilityForecast, view: MarketView, known: Bools, *, tick: int, fade: float
) -> VolatilityModel:
    """Score and learn from the forecast that comes due with this bar; `known` (S,) where every bar since then exists, `fade` discounts the sums.

    Every third tick is scored: targets overlap, so that the two ticks between add little. Targets also reach into the previous block.
    """
    waiting = np.concatenate((seen.pending_row[None], before.waiting[:-1]))
    if (tick + 1) % SCORED_EVERY:
        return replace(before, averages=seen.averages, weight=seen.weight, waiting=waiting)
    refit, length = (tick + 1) % REFIT_EVERY == 0, len(before.waiting)
    recent = view.returns[:, -length:]
    power = (recent * recent).sum(axis=1) / length
    usable = known & (power > MIN_MOVE * MIN_MOVE) & np.isfinite(before.waiting[-1].sum(axis=1))
    realised = np.where(usable, np.log(np.maximum(power, MIN_MOVE * MIN_MOVE)), 0.0)
    due = np.where(usable[:, None], before.waiting[-1], 0.0)
    rows, target = float(np.count_nonzero(usable)), realised - due[:, FORECASTS + 2]
    products = np.concatenate((due[:, :FORECASTS], target[:, None]), axis=1)
    moments = before.moments * fade + products.T @ products
    scores, error, qlike = _score(before, realised, due[:, FORECASTS:], usable, skill.block_ends(tick, (length,), SCORED_EVERY))
    return VolatilityModel(
        averages=seen.averages,
        weight=seen.weight,
        profile=_update_profile(before.profile, view.at - length * view.interval, float(target.sum()), rows),
        moments=moments,
        slopes=_slopes(moments, slice(0, COLUMNS)) if refit else before.slopes,
        har_slopes=_slopes(moments, slice(COLUMNS, FORECASTS)) if refit else before.har_slopes,
        waiting=waiting,
        mean=before.mean + np.array((realised, usable)).T,
        skill=scores,
        squared_error=before.squared_error + error,
        qlike=before.qlike + qlike,
    )


@dataclass(frozen=True, slots=True)
class VolatilityScores(Record):
    """Out-of-sample scores of the volatility forecast with 95 % intervals."""

    r2: float  # of log realised variance, against each symbol's own mean so far
    low: float
    high: float
    har_gain: float  # share of HAR's squared error that the forecast avoids
    har_gain_low: float
    har_gain_high: float
    qlike: float
    n: int


def volatility_scores(model: VolatilityModel) -> VolatilityScores | None:
    """The scores so far; None with fewer than 15 blocks."""
    r2, half_widths, _ = skill.confidence_interval(model.skill)
    own_r2, har_r2 = float(r2[0, 0, 0]), float(r2[1, 0, 0])
    half_width, har_half_width = float(half_widths[0, 0, 0]), float(half_widths[1, 0, 0])
    if not math.isfinite(half_width) or model.qlike[1] <= 0:
        return None
    qlike, rows = float(model.qlike[0] / model.qlike[1]), int(model.skill.rows[0, 0, 0])
    return VolatilityScores(own_r2, own_r2 - half_width, own_r2 + half_width, har_r2, har_r2 - har_half_width, har_r2 + har_half_width, qlike, rows)


def _market_columns(relative: Floats, level: Floats) -> Floats:
    """(S, 7) the market's means, the symbol's level relative to the market's, a place for the time of day, and a constant."""
    relative_and_level = np.concatenate((relative[:, MARKET_COLUMNS], level), axis=1)
    known = np.isfinite(level)
    market = np.where(known, relative_and_level, 0.0).sum(axis=0) / max(1, np.count_nonzero(known))
    columns = np.empty((len(level), 7))
    columns[:, :4] = market[:4]
    columns[:, 4] = level[:, 0] - market[4]
    columns[:, 5:] = 1.0
    return columns


def _score(before: VolatilityModel, realised: Floats, forecasts: Floats, usable: Bools, closes: Floats) -> tuple[SkillSums, Floats, Floats]:
    """The scores after this tick, and its contributions to the squared errors and to QLIKE (Patton 2011), each with its rows."""
    if float(before.moments[COLUMNS - 1, COLUMNS - 1]) < MIN_ROWS:  # the constant's sum is the number of rows
        return before.skill, np.zeros(2), np.zeros(2)
    running_mean = before.mean[:, 0] / np.maximum(before.mean[:, 1], 1.0)
    errors = np.where(usable, realised - np.array((forecasts[:, 0], running_mean, forecasts[:, 1])), 0.0)
    squares = errors * errors
    gains, rows = squares[1:] - squares[0], float(np.count_nonzero(usable))
    sums = np.array((gains.sum(axis=1), (gains * gains).sum(axis=1), squares[1:].sum(axis=1), (rows, rows)))[:, :, None, None]
    scores = skill.add_scores(before.skill, sums, closes)
    mse = float(before.squared_error[0] / before.squared_error[1]) if before.squared_error[1] > 0 else 0.0
    excess = np.where(usable, errors[0] - 0.5 * mse, 0.0)  # log ratio of the realised to the forecast variance
    return scores, np.array((squares[0].sum(), rows)), np.array(((np.exp(excess) - excess - 1.0).sum(), rows))


def _slopes(moments: Floats, which: slice) -> Floats:
    gram = moments[which, which]
    return np.asarray(np.linalg.solve(gram + SLOPE_PRIOR * np.eye(len(gram)), moments[which, -1]))


def _time_index(at: int) -> int:
    return at % DAY * PER_DAY // DAY


def _seasonal(profile: Floats, at: int) -> float:
    """The effect of the time of day on log variance, shrunk towards 0."""
    total, rows = profile[_time_index(at)].tolist()
    return float(total / (rows + PROFILE_PRIOR))


def _update_profile(before: Floats, at: int, total: float, rows: float) -> Floats:
    profile = before.copy()
    profile[_time_index(at)] += (total, rows)
    return profile
