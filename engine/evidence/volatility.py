"""The forecast of realised volatility over the longest horizon, pooled over symbols and learned online.

The target is log realised variance (mean squared log return of the bars to come). It is regressed on exponential means of absolute returns and of
ranges at several half-lives, the market's mean of these, and the time of day, all against the symbol's slow level. Absolute moves carry more than
squared ones (Forsberg and Ghysels 2007). Beside it stands the heterogeneous autoregression (HAR, Corsi 2009), fitted on the same rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from engine.domain.evidence import SkillSums
from engine.domain.market import MarketView
from engine.domain.record import Bools, Floats, Record
from engine.domain.volatility import VolatilityForecast, VolatilityModel
from engine.evidence import skill

MOVES, RANGES, SLOW = (2.0, 8.0, 72.0, 700.0), (1.0, 4.0, 24.0, 144.0, 700.0), 700.0  # half-lives in bars
PACE = 1.0 - 0.5 ** (1.0 / np.array((*MOVES, *RANGES, SLOW)))
KIND = np.array([0] * len(MOVES) + [1] * len(RANGES) + [2])  # |return|, range, squared return
LEVEL = len(MOVES) - 1  # the column that the others are measured against
OTHERS = np.array([column for column in range(len(KIND) - 1) if column != LEVEL])
TWICE = np.where(KIND == 2, 1.0, 2.0)  # log of a move to log of its square
MANY = len(OTHERS)
SHARED = slice(len(MOVES) - 1, len(MOVES) + 3)  # of the others, those whose mean over the market counts
COLUMNS = MANY + 7  # the market's four, the level among symbols, the time of day, a constant
SAID = COLUMNS + 4  # where the forecasts stand in a row, after HAR's columns
PER_DAY = 96  # times of day that are told apart
DAY = 86_400 * 10**9  # ns
DAILY = 288  # bars of the day's component
SHY = 50.0  # rows of "as usual" behind every time of day
STIFF = 10.0  # rows behind slopes of 0
SCORED_EVERY, RENEWED = 3, 24  # ticks from one scoring, and from one renewal of the slopes, to the next
FEWEST = 1_000.0  # rows before anything is said
FAINT = 1e-8  # a mean move below this is none


def empty_volatility(symbols: int, length: int) -> VolatilityModel:
    """Nothing seen; `length` is the longest horizon in bars."""
    averages, pair = np.zeros((symbols, len(KIND))), np.zeros(2)
    return VolatilityModel(
        averages, averages, np.zeros((PER_DAY, 2)), np.zeros((SAID + 1, SAID + 1)), np.zeros(COLUMNS), np.zeros(4),
        np.full((length, symbols, SAID + 3), np.nan), np.zeros((symbols, 2)), skill.empty_skill(2, 1, 1), pair, pair,
    )  # fmt: skip


def forecast_volatility(before: VolatilityModel, view: MarketView) -> VolatilityForecast:
    """This bar's columns and the forecast made of them; NaN while fewer than 1,000 rows have come due."""
    returns, length = view.returns, len(before.waiting)
    move, reach = np.abs(returns[:, -1]), view.log_high[:, -1] - view.log_low[:, -1]
    fresh = ((view.age == 0) & (view.known > 1))[:, None]
    now = np.array((move, reach, move * move))[KIND].T
    averages = np.where(fresh, before.averages + (now - before.averages) * PACE, before.averages)
    weight = np.where(fresh, before.weight + (1.0 - before.weight) * PACE, before.weight)
    logs = np.log(np.maximum(averages / weight, FAINT)) * TWICE
    level = logs[:, LEVEL : LEVEL + 1]
    row = np.empty((len(move), SAID + 3))
    relative = logs[:, OTHERS] - level
    row[:, :MANY] = relative
    row[:, MANY:COLUMNS] = _shared(relative, level)
    row[:, COLUMNS - 2] = _usual(before.profile, view.at)
    late = returns[:, -DAILY:]
    power = late * late
    parts = np.array((power[:, -length:].sum(axis=1) / length, power.sum(axis=1) / DAILY))
    row[:, COLUMNS : COLUMNS + 2] = np.log(np.maximum(parts, FAINT * FAINT)).T - level
    row[:, COLUMNS + 2] = logs[:, -1] - level[:, 0]
    row[:, COLUMNS + 3] = 1.0
    row[:, SAID] = row[:, :COLUMNS] @ before.slopes + level[:, 0]
    row[:, SAID + 1] = row[:, COLUMNS:SAID] @ before.har_slopes + level[:, 0]
    row[:, SAID + 2] = level[:, 0]
    if before.squared_error[1] < FEWEST:
        return VolatilityForecast(averages, weight, row, np.full(len(move), np.nan), np.ones(len(move)))
    foreseen = np.sqrt(np.exp(row[:, SAID] + 0.5 * before.squared_error[0] / before.squared_error[1]) * length)
    ratio = foreseen / (view.sigma * math.sqrt(length))
    return VolatilityForecast(averages, weight, row, foreseen, np.where(np.isfinite(ratio), np.clip(ratio, 0.25, 4.0), 1.0))


def missing_volatility_forecast(before: VolatilityModel) -> VolatilityForecast:
    """What is seen when nothing can be: the averages as they were, no columns, no forecast."""
    return VolatilityForecast(
        before.averages, before.weight, before.waiting[0] * np.nan, np.full(len(before.averages), np.nan), np.ones(len(before.averages))
    )


def update_volatility(
    before: VolatilityModel, seen: VolatilityForecast, view: MarketView, known: Bools, *, tick: int, fade: float
) -> VolatilityModel:
    """Scores and learns from the forecast that comes due with this bar; `known` (S,) where every bar since was there.

    Every third tick is scored: targets overlap, so the two between would say the same again. They also reach into the block before.
    """
    waiting = np.concatenate((seen.pending_row[None], before.waiting[:-1]))
    if (tick + 1) % SCORED_EVERY:
        return replace(before, averages=seen.averages, weight=seen.weight, waiting=waiting)
    again, length = (tick + 1) % RENEWED == 0, len(before.waiting)
    late = view.returns[:, -length:]
    power = (late * late).sum(axis=1) / length
    there = known & (power > FAINT * FAINT) & np.isfinite(before.waiting[-1].sum(axis=1))
    came = np.where(there, np.log(np.maximum(power, FAINT * FAINT)), 0.0)
    due = np.where(there[:, None], before.waiting[-1], 0.0)
    rows, target = float(np.count_nonzero(there)), came - due[:, SAID + 2]
    products = np.concatenate((due[:, :SAID], target[:, None]), axis=1)
    moments = before.moments * fade + products.T @ products
    scores, error, qlike = _score(before, came, due[:, SAID:], there, skill.block_ends(tick, (length,), SCORED_EVERY))
    return VolatilityModel(
        averages=seen.averages,
        weight=seen.weight,
        profile=_profile(before.profile, view.at - length * view.interval, float(target.sum()), rows),
        moments=moments,
        slopes=_slopes(moments, slice(0, COLUMNS)) if again else before.slopes,
        har_slopes=_slopes(moments, slice(COLUMNS, SAID)) if again else before.har_slopes,
        waiting=waiting,
        mean=before.mean + np.array((came, there)).T,
        skill=scores,
        squared_error=before.squared_error + error,
        qlike=before.qlike + qlike,
    )


def _shared(relative: Floats, level: Floats) -> Floats:
    """(S, 7) the market's means, the level among symbols, room for the time of day, and a constant."""
    both = np.concatenate((relative[:, SHARED], level), axis=1)
    known = np.isfinite(level)
    market = np.where(known, both, 0.0).sum(axis=0) / max(1, np.count_nonzero(known))
    told = np.empty((len(level), 7))
    told[:, :4] = market[:4]
    told[:, 4] = level[:, 0] - market[4]
    told[:, 5:] = 1.0
    return told


def _score(before: VolatilityModel, came: Floats, said: Floats, there: Bools, closes: Floats) -> tuple[SkillSums, Floats, Floats]:
    """The scores after this tick, and what it adds to the squared errors and to QLIKE (Patton 2011), each with its rows."""
    if float(before.moments[COLUMNS - 1, COLUMNS - 1]) < FEWEST:  # the constant's sum is the number of rows
        return before.skill, np.zeros(2), np.zeros(2)
    usual = before.mean[:, 0] / np.maximum(before.mean[:, 1], 1.0)
    away = np.where(there, came - np.array((said[:, 0], usual, said[:, 1])), 0.0)
    squares = away * away
    gains, rows = squares[1:] - squares[0], float(np.count_nonzero(there))
    sums = np.array((gains.sum(axis=1), (gains * gains).sum(axis=1), squares[1:].sum(axis=1), (rows, rows)))[:, :, None, None]
    told = skill.add_scores(before.skill, sums, closes)
    mse = float(before.squared_error[0] / before.squared_error[1]) if before.squared_error[1] > 0 else 0.0
    excess = np.where(there, away[0] - 0.5 * mse, 0.0)  # log of the ratio of what came to the forecast
    return told, np.array((squares[0].sum(), rows)), np.array(((np.exp(excess) - excess - 1.0).sum(), rows))


def _slopes(moments: Floats, which: slice) -> Floats:
    gram = moments[which, which]
    return np.asarray(np.linalg.solve(gram + STIFF * np.eye(len(gram)), moments[which, -1]))


def _time(at: int) -> int:
    return at % DAY * PER_DAY // DAY


def _usual(profile: Floats, at: int) -> float:
    """What the time of day makes of log variance, shrunk towards nothing."""
    told, rows = profile[_time(at)].tolist()
    return float(told / (rows + SHY))


def _profile(before: Floats, at: int, told: float, rows: float) -> Floats:
    profile = before.copy()
    profile[_time(at)] += (told, rows)
    return profile


@dataclass(frozen=True, slots=True)
class VolatilityScores(Record):
    """How well volatility was foreseen, out of sample, with 95 % intervals."""

    r2: float  # of log realised variance, against each symbol's own mean so far
    low: float
    high: float
    har_gain: float  # share of the HAR regression's squared error that is saved
    har_gain_low: float
    har_gain_high: float
    qlike: float
    n: int


def volatility_scores(told: VolatilityModel) -> VolatilityScores | None:
    """The scores so far; None with fewer than 15 blocks."""
    share, reach, _ = skill.confidence_interval(told.skill)
    own, other = float(share[0, 0, 0]), float(share[1, 0, 0])
    wide, wide_other = float(reach[0, 0, 0]), float(reach[1, 0, 0])
    if not math.isfinite(wide) or told.qlike[1] <= 0:
        return None
    qlike, rows = float(told.qlike[0] / told.qlike[1]), int(told.skill.rows[0, 0, 0])
    return VolatilityScores(own, own - wide, own + wide, other, other - wide_other, other + wide_other, qlike, rows)
