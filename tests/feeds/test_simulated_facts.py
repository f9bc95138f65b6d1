"""The simulated market shows the stylised facts of real ones, within the range of the recordings (docs/simulated_market.md)."""

from __future__ import annotations

import numpy as np
import pytest

from tests.feeds.market_facts import LAGS, QUANTILES, SCALES, Facts, facts, simulated

BARS = 4320  # three days of minutes, 51,840 steps a symbol


@pytest.fixture(scope="module")
def all_facts() -> list[Facts]:
    return [facts(series) for series in simulated(BARS)]


def middle(all_facts: list[Facts], name: str) -> np.ndarray:
    """The median over symbols."""
    return np.asarray(np.median([getattr(seed_facts, name) for seed_facts in all_facts], axis=0))


def test_tails_are_heavy_and_thin_out_with_time(all_facts: list[Facts]) -> None:
    kurtosis = middle(all_facts, "kurtosis")
    assert 10.0 < kurtosis[0] < 40.0  # recordings at 5 s: 4 to 17, thin ones more
    assert np.all(np.diff(kurtosis) < 0.0)
    assert all(seed_facts.kurtosis.min() > 3.0 for seed_facts in all_facts)


def test_returns_have_no_memory_and_their_size_has_one_to_lag_50(all_facts: list[Facts]) -> None:
    assert np.all(np.abs(middle(all_facts, "memory")) < 0.01)
    assert all(seed_facts.clustering.min() > 0.03 for seed_facts in all_facts)
    assert np.all(middle(all_facts, "clustering") < 0.3)


def test_variance_grows_with_time_alone(all_facts: list[Facts]) -> None:
    """The signature plot of the mid is flat: 0.95 to 1.15 from 5 s to 2 min on AMZN and AAPL."""
    np.testing.assert_allclose(middle(all_facts, "signature"), 1.0, atol=0.06)


def test_order_flow_explains_the_return_of_its_own_time_as_on_the_recordings(all_facts: list[Facts]) -> None:
    r2 = middle(all_facts, "ofi_r2")
    assert all(
        0.12 < seed_facts.ofi_r2[SCALES.index(2)] < 0.65 for seed_facts in all_facts
    )  # at 10 s: bitstamp 0.12, AAPL 0.50, AMZN 0.53, BTCUSDT 0.61
    assert 0.3 < r2[0] < r2[1] < r2[SCALES.index(12)] < 0.65
    assert 0.15 < middle(all_facts, "signed_r2")[0] < r2[0]  # trades tell less than books and trades


def test_spreads_and_depths_scatter_as_on_the_recordings(all_facts: list[Facts]) -> None:
    spread, depth = middle(all_facts, "spread"), middle(all_facts, "depth")
    low, high = int(np.argmin(np.abs(QUANTILES - 0.1))), int(np.argmin(np.abs(QUANTILES - 0.9)))
    assert 0.45 < spread[low] < 0.8  # AMZN 0.58, AAPL 0.53
    assert 1.4 < spread[high] < 2.0  # 1.50, 1.53
    assert 0.3 < depth[low] < 0.55  # 0.46, 0.50
    assert 2.2 < depth[high] < 3.2  # 2.71, 2.64
    assert 0.4 < middle(all_facts, "lean") < 0.65  # 0.58, 0.58
    memory = middle(all_facts, "depth_memory")
    assert 0.3 < memory[0] < 0.7
    assert memory[LAGS.index(10)] < 0.3


def test_orders_come_in_clusters_and_lean_to_one_side(all_facts: list[Facts]) -> None:
    assert 8.0 < middle(all_facts, "dispersion") < 40.0  # 1 were a Poisson process; AMZN 15, AAPL 19, ETHUSDT 60
    memory = middle(all_facts, "trades_memory")
    assert 0.2 < memory[0] < 0.5
    assert np.all(memory > 0.1)
    assert 0.35 < middle(all_facts, "volume_and_size") < 0.7  # AMZN 0.50, BTCUSDT 0.52
    assert 0.35 < middle(all_facts, "one_sided") < 0.8  # BTCUSDT 0.47, AAPL 0.68, AMZN 0.79


def test_the_facts_are_able_to_fail(all_facts: list[Facts]) -> None:
    """The same count on returns in another order finds neither clusters nor flow that goes with the price."""
    series = simulated(1440)[0]
    order = np.random.default_rng(1).permutation(len(series.ofi))
    mid = np.concatenate([series.mid[:1], series.mid[0] * np.exp(np.cumsum(np.diff(np.log(series.mid))[order]))])
    seed_facts = facts(type(series)(mid, *(getattr(series, name) for name in ("spread", "bid", "ask", "ofi", "signed", "volume", "trades"))))
    assert abs(seed_facts.clustering).max() < 0.03
    assert np.nanmax(seed_facts.ofi_r2[:3]) < 0.05
