"""Simulated contests, many runs at once: persistent signals, correlated symbols, heavy tails and clustered volatility, scored by the engine's own code."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy.signal import lfilter

from engine.domain.evolution import Contests
from engine.domain.record import Floats, Ints
from engine.evidence import contest
from engine.evidence.scoring import CLIP

PERSISTENCE = 0.95  # autoregression of every signal
SHARED = 0.4  # correlation of the symbols' returns, and of each signal over symbols
CLUSTERING = 0.97  # autoregression of the log volatility
CONTEST_CLIP, MARGIN = 4.0, 0.0005  # the settings


def correlated(shape: tuple[int, int, int], draw: np.random.Generator, tail: int | None = None) -> Floats:
    """(runs, ticks, symbols) of variance 1 and correlation SHARED over symbols, normal or of a Student distribution."""

    def shocks(*size: int) -> Floats:
        return draw.normal(size=size) if tail is None else draw.standard_t(tail, size) * math.sqrt((tail - 2.0) / tail)

    runs, ticks, symbols = shape
    return np.asarray(math.sqrt(SHARED) * shocks(runs, ticks, 1) + math.sqrt(1.0 - SHARED) * shocks(runs, ticks, symbols))


def signals(shape: tuple[int, int, int], draw: np.random.Generator) -> Floats:
    """(runs, ticks, symbols) of mean square 1 and autoregression PERSISTENCE."""
    shocks = correlated(shape, draw)
    shocks[:, 1:] *= math.sqrt(1.0 - PERSISTENCE**2)
    return np.asarray(lfilter([1.0], [1.0, -PERSISTENCE], shocks, axis=1))


def weight(r2: float, horizon: int) -> float:
    """The forecast over the horizon of a signal of 1 that explains this share of the target."""
    return math.sqrt(r2) if horizon else 0.0


def market(skill: Floats, r2: float, horizon: int, draw: np.random.Generator, *, clustered: bool = True) -> Floats:
    """(runs, ticks - horizon, symbols) targets over the horizon, of which the signal explains `r2`; returns have 4 degrees of freedom."""
    runs, ticks, symbols = skill.shape
    persistence = PERSISTENCE ** np.arange(horizon)
    slope = math.sqrt(r2 * horizon) / persistence.sum()
    noise = correlated(skill.shape, draw, tail=4)
    if clustered:
        wave = lfilter([1.0], [1.0, -CLUSTERING], draw.normal(size=(runs, ticks, 1)) * math.sqrt(1.0 - CLUSTERING**2), axis=1)
        noise = noise * np.exp(0.4 * wave - 0.16)
    returns = slope * skill + noise
    walked = np.concatenate((np.zeros((runs, 1, symbols)), returns.cumsum(axis=1)), axis=1)
    realised = (walked[:, horizon : ticks + 0] - walked[:, : ticks - horizon]) / math.sqrt(horizon)
    return np.clip(realised, -CLIP, CLIP)


def paired(arm: Floats, serving: Floats, target: Floats) -> tuple[Floats, Floats]:
    """(ticks, runs) gains and powers, means over symbols."""
    span = target.shape[1]
    gain = ((target - serving[:, :span]) ** 2 - (target - arm[:, :span]) ** 2).mean(axis=2)
    return gain.T, (target**2).mean(axis=2).T


def course(gain: Floats, power: Floats, horizons: tuple[int, ...]) -> Iterator[Contests]:
    """The contests of all runs after each tick, from gains and powers (ticks, runs, H) by the tick at which a forecast was made."""
    contests = contest.empty_contests(gain.shape[1], len(horizons))
    longest, scored = max(horizons), np.ones(len(horizons), dtype=bool)
    index = np.arange(len(horizons))
    for tick in range(longest, len(gain)):
        made = tick - np.array(horizons)
        due, moved = gain[made, :, index].T, power[made, :, index].T
        contests = contest.update_contests(contests, due, moved, scored, tick, horizons, CONTEST_CLIP, MARGIN)
        yield contests


def first_verdicts(gain: Floats, power: Floats, horizons: tuple[int, ...], alpha: float) -> tuple[Ints, Ints]:
    """(runs,) first verdict of each run, looked at after every tick, and the tick; RUNNING and the last tick where there was none."""
    runs = gain.shape[1]
    verdict, when = np.zeros(runs, dtype=np.int64), np.full(runs, len(gain), dtype=np.int64)
    for contests in course(gain, power, horizons):
        now = contest.judge_contests(contests, np.full(runs, alpha), 10**9)
        new = (verdict == 0) & (now != 0)
        verdict, when = np.where(new, now, verdict), np.where(new, contests.ticks, when)
    return verdict, when
