"""Forecasts without skill, of any persistence, over overlapping targets: many runs at once, summed and bounded by the engine's own code."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from engine.domain.record import Bools, Floats
from engine.evidence import skill

KINDS = ("white", "persistent", "constant")
HORIZONS = (1, 3, 12)
PERSISTENCE = 0.95  # autoregression of the simulated market's signal
ONE_SIDED = 0.05 / 3  # error of the bound that sizes rest on, at each of three horizons


def forecasts(kind: str, shape: tuple[int, int, int], draw: np.random.Generator) -> Floats:
    """(runs, ticks, symbols) forecasts of mean square 1."""
    if kind == "constant":
        return np.ones(shape)
    shocks = draw.normal(size=shape)
    if kind == "white":
        return shocks
    shocks[:, 1:] *= math.sqrt(1.0 - PERSISTENCE**2)
    return np.asarray(lfilter([1.0], [1.0, -PERSISTENCE], shocks, axis=1))


def moves(runs: int, ticks: int, symbols: int, draw: np.random.Generator, *, shared: float = 0.5) -> Floats:
    """(runs, ticks, symbols) returns of variance 1 with heavy tails, `shared` of it common to the symbols."""
    common = draw.standard_t(5, (runs, ticks, 1)) * math.sqrt(0.6 * shared)
    return np.asarray(common + draw.standard_t(5, (runs, ticks, symbols)) * math.sqrt(0.6 * (1.0 - shared)))


def target(returns: Floats, horizon: int, ticks: int) -> Floats:
    """(runs, ticks, symbols) the return over the horizon from each tick, over its deviation."""
    walked = np.concatenate((np.zeros_like(returns[:, :1]), returns.cumsum(axis=1)), axis=1)
    return np.asarray((walked[:, horizon : horizon + ticks] - walked[:, :ticks]) / math.sqrt(horizon))


def scores(kind: str, *, noise: float, runs: int, ticks: int, seed: int, symbols: int = 4) -> Floats:
    """(2, ticks, 4, runs) gain and power by horizon; the last column is that of one forecast over its opposite, all horizons together."""
    draw = np.random.default_rng([seed, KINDS.index(kind)])
    returns = moves(runs, ticks + max(HORIZONS), symbols, draw)
    forecast = noise * forecasts(kind, (runs, ticks, symbols), draw)
    parts = np.zeros((2, ticks, len(HORIZONS) + 1, runs))
    for column, horizon in enumerate(HORIZONS):
        realised = target(returns, horizon, ticks)
        parts[0, :, column], parts[1, :, column] = (forecast * (2.0 * realised - forecast)).sum(axis=2).T, (realised * realised).sum(axis=2).T
        parts[0, :, -1] += 4.0 * (forecast * realised).sum(axis=2).T
        parts[1, :, -1] += parts[1, :, column]
    return parts


@dataclass(frozen=True, slots=True)
class Ever:
    """(H + 1, runs) whether it was ever so at a tick that was looked at."""

    above: Bools  # the lower bound lay above the truth
    outside: Bools  # the interval on screen did not hold the truth
    positive: Bools  # the lower bound lay above 0


def watch(parts: Floats, truth: Floats, *, every: int = 4, memory: float = 1.0) -> Ever:
    """Sums the gains tick by tick and looks at what is claimed at every fourth; `truth` (H + 1, 1)."""
    ticks, columns, runs = parts.shape[1:]
    held = skill.empty_skill(1, columns, runs)
    above, outside, positive = (np.zeros((columns, runs), dtype=bool) for _ in range(3))
    for tick in range(ticks):
        gain, power = parts[:, tick]
        sums = np.array((gain, gain * gain, power, np.ones_like(gain)))[:, None]
        held = skill.add_scores(held, sums, skill.block_ends(tick, (*HORIZONS, max(HORIZONS))), memory=memory)
        if tick % every == every - 1:
            ratio, reach, _ = (part[0] for part in skill.confidence_interval(held, 2.0 * ONE_SIDED))
            wide = skill.confidence_interval(held)[1][0]
            above |= ratio - reach > truth
            positive |= ratio - reach > 0.0
            outside |= np.abs(ratio - truth) > wide
    return Ever(above, outside, positive)
