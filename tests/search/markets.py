"""Training rows with a known relation between columns and returns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.domain.model import TrainingSet
from engine.domain.record import Floats

HORIZONS = (1, 3, 12)
Relation = Callable[[Floats, Floats], Floats]  # (T, S, F) columns and (T, 1) share of the time passed -> (T, S) expected return of the next bar


def nothing(x: Floats, _: Floats) -> Floats:
    return 0.0 * x[..., 0]


def linear(strength: float, columns: int = 6) -> Relation:
    """The mean of some columns, with so large a standard deviation."""
    return lambda x, _: strength * x[..., :columns].sum(axis=-1) / np.sqrt(columns)


def flipped(strength: float, at: float) -> Relation:
    """The same, with the other sign before that share of the time."""
    return lambda x, passed: np.where(passed < at, -1.0, 1.0) * linear(strength)(x, passed)


def product(strength: float) -> Relation:
    """The product of two columns, which no linear model sees."""
    return lambda x, _: strength * x[..., 1] * x[..., 7]


def make_training(
    seed: int, relation: Relation = nothing, *, bars: int = 1_500, symbols: int = 6, columns: int = 20, persistence: float = 0.5
) -> TrainingSet:
    """Rows of symbols with autoregressive columns and returns that follow the relation with unit noise; targets are in horizon volatilities."""
    random = np.random.default_rng(seed)
    shocks = random.normal(size=(bars, symbols, columns))
    x = shocks.copy()
    for bar in range(1, bars):
        x[bar] = persistence * x[bar - 1] + np.sqrt(1.0 - persistence**2) * shocks[bar]
    returns = relation(x, np.arange(bars)[:, None] / bars) + random.normal(size=(bars, symbols))
    price = np.vstack([np.zeros((1, symbols)), np.cumsum(returns, axis=0)])
    y = np.full((bars, symbols, len(HORIZONS)), np.nan)
    for place, horizon in enumerate(HORIZONS):
        y[: bars - horizon, :, place] = (price[horizon:bars] - price[: bars - horizon]) / np.sqrt(horizon)
    names = tuple(f"family_{place // 5}.column_{place}" for place in range(columns))
    tick = np.repeat(np.arange(bars, dtype=np.int64), symbols)
    return TrainingSet(names, HORIZONS, x.reshape(-1, columns).astype(np.float32), y.reshape(-1, len(HORIZONS)), tick, bars - 1)
