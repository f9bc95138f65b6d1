"""Simulated contests, many runs at once: persistent signals, correlated symbols, heavy tails and clustered volatility."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy.signal import lfilter

from engine.domain.evolution import BETTER, RUNNING, Contests
from engine.domain.record import Floats, Ints
from engine.evidence import contest
from engine.evidence.scoring import CLIP

PERSISTENCE = 0.95  # autoregression of every signal
SHARED = 0.4  # correlation of the symbols' returns, and of each signal over symbols
CLUSTERING = 0.97  # autoregression of the log volatility
CONTEST_CLIP, MARGIN = 4.0, 0.0005  # the settings
KINDS = ("adds", "flipped", "twin", "mirrored", "noise")


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


def targets(signal: Floats, r2: float, horizon: int, draw: np.random.Generator) -> Floats:
    """(runs, ticks - horizon, symbols) targets over the horizon, of which the signal explains `r2`.

    Returns have 4 degrees of freedom and a volatility in clusters, which the forecast of volatility that scales them has not seen.
    """
    runs, ticks, symbols = signal.shape
    slope = math.sqrt(r2 * horizon) / (PERSISTENCE ** np.arange(horizon)).sum()
    wave = lfilter([1.0], [1.0, -CLUSTERING], draw.normal(size=(runs, ticks, 1)) * math.sqrt(1.0 - CLUSTERING**2), axis=1)
    returns = slope * signal + correlated(signal.shape, draw, tail=4) * np.exp(0.4 * wave - 0.16)
    walked = np.concatenate((np.zeros((runs, 1, symbols)), returns.cumsum(axis=1)), axis=1)
    return np.asarray(np.clip((walked[:, horizon:ticks] - walked[:, : ticks - horizon]) / math.sqrt(horizon), -CLIP, CLIP))


def simulate(
    kind: str, horizon: int, *, runs: int, ticks: int, seed: int, r2: float = 0.05, symbols: int = 8, alike: float = 1.0
) -> tuple[Floats, Floats, Floats]:
    """(ticks - horizon, runs, 1) gains of an arm, powers and the gains expected when the forecasts were made, by that tick.

    adds: the serving forecasts are noise, and the arm adds the signal. flipped: the arm is the serving forecast, the signal, with its sign turned.
    twin: both have the signal, the arm with the correlation `alike`. mirrored: as flipped, where the signal means nothing, so that the expected gain
    is exactly 0 whatever the past. noise: both forecasts mean nothing and are equally large on average, so that the smaller is better for a while.
    """
    draw = np.random.default_rng([seed, KINDS.index(kind), horizon])
    signal, other = signals((runs, ticks, symbols), draw), signals((runs, ticks, symbols), draw)
    skilled = kind in {"adds", "flipped", "twin"}
    target = targets(signal, r2 if skilled else 0.0, horizon, draw)
    size = math.sqrt(r2)
    serving = {"adds": math.sqrt(0.02) * other, "noise": size * other}.get(kind, size * signal)
    arm = {
        "adds": serving + size * signal,
        "twin": size * (alike * signal + math.sqrt(1.0 - alike * alike) * other),
        "noise": size * signal,
    }.get(kind, -size * signal)
    arm, serving = arm[:, : target.shape[1]], serving[:, : target.shape[1]]
    gain = ((target - serving) ** 2 - (target - arm) ** 2).mean(axis=2)
    known = size * signal[:, : target.shape[1]] if skilled else 0.0
    expected = ((known - serving) ** 2 - (known - arm) ** 2).mean(axis=2)
    return gain.T[..., None], (target * target).mean(axis=2).T[..., None], expected.T[..., None]


def race(gain: Floats, power: Floats, horizon: int, margin: float = MARGIN) -> Iterator[Contests]:
    """The contests of all runs at one horizon after each tick; gains and powers (ticks, runs, 1) by the tick of the forecasts."""
    contests, scored = contest.empty_contests(gain.shape[1], 1), np.ones(1, dtype=bool)
    for made in range(len(gain)):
        contests = contest.update_contests(contests, gain[made], power[made], scored, made + horizon, (horizon,), CONTEST_CLIP, margin)
        yield contests


def first_verdicts(gain: Floats, power: Floats, horizon: int, alpha: Floats | float, margin: float = MARGIN) -> tuple[Ints, Ints]:
    """(runs,) first verdict of each run, read after every tick, and its tick; RUNNING and the number of ticks where there was none."""
    runs = gain.shape[1]
    verdicts, when = np.full(runs, RUNNING), np.full(runs, len(gain))
    for contests in race(gain, power, horizon, margin):
        now = contest.judge_contests(contests, np.broadcast_to(alpha, runs), 10**9)
        fresh = (verdicts == RUNNING) & (now != RUNNING)
        verdicts, when = np.where(fresh, now, verdicts), np.where(fresh, contests.ticks, when)
        if (verdicts != RUNNING).all():
            break
    return verdicts, when


def count_false(verdicts: Ints, when: Ints, expected: Floats, margin: float) -> int:
    """The runs found better though the mean of the gains expected up to the verdict was at most the margin."""
    so_far = expected[:, :, 0].cumsum(axis=0)[when - 1, np.arange(len(when))] / when
    return int(((verdicts == BETTER) & (so_far <= margin)).sum())
