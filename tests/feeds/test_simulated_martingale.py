"""Without a signal nothing public predicts the mid; with one, the best result is the oracle's. The long version is in tests/proof."""

from __future__ import annotations

import numpy as np
import pytest

from engine.domain.record import Floats
from engine.feeds._simulated_changes import own_gains, signal_gain
from engine.feeds._simulated_oracle import best_forecast, performance_ceiling, ratio_interval
from engine.feeds.simulated import SimulatedFeed
from tests.feeds.public_columns import Learner, Singles, ahead, columns, gather, mids, ridge, trees

BARS = 7500  # by 8 symbols: 60,000 rows
WARM = 240  # bars until every column is full
Found = tuple[Singles, Floats]


def seen(signal: float, bars: int = BARS) -> Found:
    results = gather(SimulatedFeed(signal=signal, bars=bars).slices(None))
    return columns(results), mids(results)


@pytest.fixture(scope="module")
def nothing() -> Found:
    return seen(0.0)


def r2(result: Found, learn: Learner, horizon: int) -> tuple[float, float, float]:
    """Out of sample, trained on the first half, with a 90 % interval over blocks of bars; a horizon's targets never overlap the split."""
    x, target = result[0][WARM:-horizon], ahead(result[1], horizon)[WARM:]
    half = len(target) // 2
    width = x.shape[2]
    forecast = learn(x[: half - horizon].reshape(-1, width), target[: half - horizon].ravel(), x[half:].reshape(-1, width)).reshape(-1, x.shape[1])
    y = target[half:]
    return ratio_interval(y**2 - (y - forecast) ** 2, y**2)


@pytest.mark.parametrize("horizon", [1, 12])
@pytest.mark.parametrize("learn", [ridge, trees])
def test_nobody_finds_anything_where_there_is_no_signal(nothing: Found, learn: Learner, horizon: int) -> None:
    value, low, _ = r2(nothing, learn, horizon)
    assert low <= 0.0
    assert value < 0.002


@pytest.mark.parametrize("learn", [ridge, trees])
def test_the_same_search_finds_a_signal_where_there_is_one(learn: Learner) -> None:
    value, low, _ = r2(seen(0.05), learn, 1)
    assert low > 0.0
    assert 0.015 < value < 0.06


def test_the_oracle_has_the_r2_that_was_asked_for_and_earns_more_the_stronger_the_signal() -> None:
    results = []
    for signal in (0.0, 0.02, 0.05):
        truth = SimulatedFeed(signal=signal).truth(25_000)
        results.append(performance_ceiling(truth.returns, truth.expected, 12.0))
    assert all(low <= signal <= high for signal, (_, low, high) in zip((0.0, 0.02, 0.05), (result.r2 for result in results), strict=True))
    net = [result.net_bps[0] for result in results]
    assert abs(net[0]) < 0.01  # nothing is forecast, so nothing is held
    assert 1.0 < net[1] < net[2]
    assert results[1].net_bps[1] > 0.0
    assert all(result.gross_bps >= result.net_bps[0] for result in results)


def test_the_best_forecast_needs_nothing_but_returns_and_the_switches_of_the_signal() -> None:
    feed = SimulatedFeed(signal=0.05, bars=3000)
    feed.switch_signal(0.0, 1_704_067_200 * 10**9 + 1000 * 60 * 10**9)
    feed.switch_signal(0.02, 1_704_067_200 * 10**9 + 2000 * 60 * 10**9)
    truth = feed.truth(3000)
    gain = np.repeat(signal_gain(np.array([0.05, 0.0, 0.02]), 0.95), 1000)
    result = best_forecast(truth.returns, own_gains(np.append(gain, gain[-1]), 0.95))
    np.testing.assert_allclose(result[:-1], truth.expected, atol=1e-15)
    assert result.shape == (3001, 8)
