"""500,000 bars of the simulated market without a signal: neither trees nor a ridge find anything, at no cost, over any horizon."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from engine.domain.record import Floats
from engine.feeds._simulated_oracle import ratio_interval
from engine.feeds.simulated import SimulatedFeed
from tests.feeds.public_columns import Learner, Singles, ahead, columns, gather, mids, ridge, trees

BARS, SYMBOLS, WARM, FOLDS = 62_500, 8, 240, 4


@pytest.fixture(scope="module")
def market() -> tuple[Singles, Floats]:
    told = gather(SimulatedFeed(signal=0.0, bars=BARS, symbol_count=SYMBOLS).slices(None))
    return columns(told), mids(told)


@pytest.mark.parametrize("horizon", [1, 3, 12])
@pytest.mark.parametrize(("name", "learn"), [("ridge", ridge), ("trees", trees)])
def test_no_r2_has_a_lower_bound_above_zero(market: tuple[Singles, Floats], name: str, learn: Learner, horizon: int) -> None:
    """Walked forward: each of three parts is forecast from all that came before, a horizon left out between."""
    x, target = market[0][WARM:-horizon], ahead(market[1], horizon)[WARM:]
    edges = np.linspace(0, len(target), FOLDS + 1).astype(int)
    forecasts = [
        learn(x[: first - horizon].reshape(-1, x.shape[2]), target[: first - horizon].ravel(), x[first:end].reshape(-1, x.shape[2]))
        for first, end in pairwise(edges[1:])
    ]
    forecast, y = np.concatenate(forecasts).reshape(-1, SYMBOLS), target[edges[1] :]
    value, low, high = ratio_interval(y**2 - (y - forecast) ** 2, y**2)
    together = np.corrcoef(forecast.ravel(), y.ravel())[0, 1]
    print(f"horizon {horizon}, {name}: R2 {value:+.5%} ({low:+.5%} to {high:+.5%}), correlation {together:+.4f}, {y.size} rows")
    assert low <= 0.0
