"""The forecast of realised volatility over the longest horizon, pooled over symbols and learned online.

The target is log realised variance (mean squared log return of the bars to come). It is regressed on exponential means of absolute returns and of
ranges at several half-lives, the market's mean of these, and the time of day, all against the symbol's slow level. Absolute moves carry more than
squared ones (Forsberg and Ghysels 2007). Beside it stands the heterogeneous autoregression (HAR, Corsi 2009), fitted on the same rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.domain.market import View
from engine.domain.record import Bools, Floats, Record
from engine.domain.skill import Skill
from engine.domain.volatility import Foreseen, Volatility
from engine.evidence import skill

MOVES, RANGES, SLOW = (2.0, 8.0, 72.0, 700.0), (1.0, 4.0, 24.0, 144.0, 700.0), 700.0  # half-lives in bars
FADE = 0.5 ** (1.0 / np.array((*MOVES, *RANGES, SLOW)))
KIND = np.array([0] * len(MOVES) + [1] * len(RANGES) + [2])  # |return|, range, squared return
LEVEL = len(MOVES) - 1  # the column that the others are measured against
OTHERS = tuple(column for column in range(len(KIND) - 1) if column != LEVEL)
SHARED = slice(len(MOVES) - 1, len(MOVES) + 3)  # of the others, those whose mean over the market counts
COLUMNS = len(OTHERS) + 4 + 3  # the market's, the level among symbols, the time of day, a constant
PER_DAY = 96  # times of day that are told apart
DAY = 86_400 * 10**9  # ns
SPANS = (288,)  # bars of the day's component
SHY = 50.0  # rows of "as usual" behind every time of day
STIFF = 10.0  # rows behind slopes of 0
FEWEST = 2_000.0  # rows before anything is said
FAINT = 1e-8  # a mean move below this is none


def empty(symbols: int, length: int) -> Volatility:
    """Nothing seen; `length` is the longest horizon in bars."""
    averages, pair = np.zeros((symbols, len(KIND))), np.zeros(2)
    columns, har, said = (np.full((length, symbols, width), np.nan) for width in (COLUMNS, 4, 3))
    return Volatility(
        averages, averages, np.zeros((PER_DAY, 2)), np.zeros((COLUMNS, COLUMNS)), np.zeros(COLUMNS), np.zeros(COLUMNS),
        np.zeros((4, 4)), np.zeros(4), np.zeros(4), columns, har, said, np.zeros((symbols, 2)), skill.empty(2, 1, 1), pair, pair,
    )  # fmt: skip


def see(before: Volatility, view: View) -> Foreseen:
    """This bar's columns and the forecast made of them; NaN while fewer than 2,000 rows have come due."""
    move, reach = np.abs(view.returns[:, -1]), view.log_high[:, -1] - view.log_low[:, -1]
    fresh = ((view.age == 0) & (view.known > 1))[:, None]
    now = np.array((move, reach, move * move))[KIND].T
    averages = np.where(fresh, before.averages * FADE + now * (1.0 - FADE), before.averages)
    weight = np.where(fresh, before.weight * FADE + (1.0 - FADE), before.weight)
    logs = np.log(np.maximum(averages / weight, FAINT))
    level = 2.0 * logs[:, LEVEL]
    columns = _columns(2.0 * logs[:, OTHERS] - level[:, None], level, _usual(before.profile, view.at))
    har = _har(view, len(before.said), logs[:, -1], level)
    said = np.stack((columns @ before.slopes + level, har @ before.har_slopes + level, level), axis=1)
    if before.error[1] < FEWEST:
        return Foreseen(averages, weight, columns, har, said, np.full(len(level), np.nan))
    variance = np.exp(said[:, 0] + 0.5 * before.error[0] / before.error[1]) * len(before.said)
    return Foreseen(averages, weight, columns, har, said, np.sqrt(variance))


def blank(before: Volatility) -> Foreseen:
    """What is seen when nothing can be: the averages as they were, no columns, no forecast."""
    symbols, nothing = len(before.averages), before.columns[0] * np.nan
    return Foreseen(before.averages, before.weight, nothing, nothing[:, :4], nothing[:, :3], np.full(symbols, np.nan))


def learn(before: Volatility, seen: Foreseen, view: View, known: Bools, *, closes: bool, fade: float, again: bool) -> Volatility:
    """Scores and learns from the forecast that comes due with this bar; `known` (S,) where every bar since was there, `again` renews the slopes."""
    length = len(before.said)
    late = view.returns[:, -length:]
    power = (late * late).sum(axis=1) / length
    there = known & (power > FAINT * FAINT) & np.isfinite(before.columns[-1]).all(axis=1) & np.isfinite(before.har[-1]).all(axis=1)
    came = np.where(there, np.log(np.maximum(power, FAINT * FAINT)), 0.0)
    columns, har, said = (np.where(there[:, None], ring[-1], 0.0) for ring in (before.columns, before.har, before.said))
    target = came - said[:, 2]
    rows = float(there.sum())
    gram, moment = before.gram * fade + columns.T @ columns, before.moment * fade + columns.T @ target
    har_gram, har_moment = before.har_gram * fade + har.T @ har, before.har_moment * fade + har.T @ target
    scores, error, qlike = _score(before, came, said, np.exp(came), there, closes=closes)
    return Volatility(
        averages=seen.averages,
        weight=seen.weight,
        profile=_profile(before.profile, view.at - length * view.interval, float(target.sum()), rows),
        gram=gram,
        moment=moment,
        slopes=_slopes(gram, moment) if again else before.slopes,
        har_gram=har_gram,
        har_moment=har_moment,
        har_slopes=_slopes(har_gram, har_moment) if again else before.har_slopes,
        columns=np.concatenate((seen.columns[None], before.columns[:-1])),
        har=np.concatenate((seen.har[None], before.har[:-1])),
        said=np.concatenate((seen.said[None], before.said[:-1])),
        mean=before.mean + np.stack((came, there), axis=1),
        skill=scores,
        error=before.error + error,
        qlike=before.qlike + qlike,
    )


def _columns(relative: Floats, level: Floats, usual: float) -> Floats:
    known = np.isfinite(level)
    columns = np.empty((len(level), COLUMNS))
    many = len(OTHERS)
    columns[:, :many] = relative
    columns[:, many : many + 4] = relative[known, SHARED].mean(axis=0) if known.any() else np.nan
    columns[:, many + 4] = level - (level[known].mean() if known.any() else np.nan)
    columns[:, many + 5] = usual
    columns[:, many + 6] = 1.0
    return columns


def _har(view: View, length: int, week: Floats, level: Floats) -> Floats:
    """(S, 4) logs of realised variance over the horizon, the day and the week (an exponential mean), less the level; and 1."""
    power = view.returns * view.returns
    parts = [power[:, -span:].sum(axis=1) / span for span in (length, *SPANS)]
    logs = np.log(np.maximum(np.array(parts), FAINT * FAINT))
    return np.stack((logs[0] - level, logs[1] - level, week - level, np.ones(len(level))), axis=1)


def _score(before: Volatility, came: Floats, said: Floats, power: Floats, there: Bools, *, closes: bool) -> tuple[Skill, Floats, Floats]:
    """The scores after this tick, and what it adds to the squared errors and to QLIKE (Patton 2011), each with its rows."""
    if float(before.gram[-1, -1]) < FEWEST:  # the constant's sum is the number of rows
        return before.skill, np.zeros(2), np.zeros(2)
    usual = before.mean[:, 0] / np.maximum(before.mean[:, 1], 1.0)
    error, naive, other = (np.where(there, (came - one) ** 2, 0.0) for one in (said[:, 0], usual, said[:, 1]))
    rows = float(there.sum())
    gains, powers = np.stack((naive - error, other - error)), np.stack((naive, other))
    gain, squared, powered = (part.sum(axis=1)[:, None, None] for part in (gains, gains * gains, powers))
    told = skill.add(before.skill, (gain, squared, powered, np.full((2, 1, 1), rows)), np.array([float(closes)]))
    mse = before.error[0] / before.error[1] if before.error[1] > 0 else 0.0
    ratio = np.where(there, power / np.exp(said[:, 0] + 0.5 * mse), 1.0)
    return told, np.array((error.sum(), rows)), np.array(((ratio - np.log(ratio) - 1.0).sum(), rows))


def _slopes(gram: Floats, moment: Floats) -> Floats:
    return np.asarray(np.linalg.solve(gram + STIFF * np.eye(len(gram)), moment))


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
class Figures(Record):
    """How well volatility was foreseen, out of sample, with 95 % intervals."""

    r2: float  # of log realised variance, against each symbol's own mean so far
    low: float
    high: float
    saved: float  # share of the HAR regression's squared error that is saved
    saved_low: float
    saved_high: float
    qlike: float
    n: int


def figures(told: Volatility) -> Figures | None:
    """The scores so far; None with fewer than 30 blocks."""
    blocks = float(told.skill.blocks[0, 0, 0])
    if blocks < skill.FEWEST or told.qlike[1] <= 0:
        return None
    reach = skill.radius(told.skill.block_squared, told.skill.blocks, skill.SHOWN_ALPHA) / told.skill.power
    share = told.skill.gain / told.skill.power
    own, other = float(share[0, 0, 0]), float(share[1, 0, 0])
    wide, wide_other = float(reach[0, 0, 0]), float(reach[1, 0, 0])
    if not math.isfinite(wide):
        return None
    qlike, rows = float(told.qlike[0] / told.qlike[1]), int(told.skill.rows[0, 0, 0])
    return Figures(own, own - wide, own + wide, other, other - wide_other, other + wide_other, qlike, rows)
