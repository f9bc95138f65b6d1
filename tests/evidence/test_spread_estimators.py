"""Spread estimators: by hand, recovering known spreads, and never claiming more than they can know."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.record import Floats
from engine.evidence.spread_estimators import MIN_PAIRS, SquaredSpread, abdi_ranaldo, corwin_schultz, shrink_spread, spread_interval

STEPS = 60  # trades a bar


def bars(spread_bps: float, volatility_bps: float, count: int = 300, seed: int = 1) -> tuple[Floats, Floats, Floats]:
    """(1, T) log high, low and close of trades at the bid or the ask round an efficient price."""
    random = np.random.default_rng(seed)
    mid = np.cumsum(random.normal(0.0, volatility_bps * 1e-4 / math.sqrt(STEPS), (count, STEPS))).reshape(count, STEPS)
    trades = mid + random.choice([-0.5, 0.5], mid.shape) * spread_bps * 1e-4
    return trades.max(axis=1)[None], trades.min(axis=1)[None], trades[:, -1][None]


def test_two_bars_give_the_papers_result() -> None:
    """Bars that trade between a bid of -s/2 and an ask of s/2 alone: eta is 0 and each close s/2 away, so 4 (s/2)^2 = s^2."""
    half = np.full((1, 40), 3e-4)
    side = np.where(np.arange(40) % 2, 1.0, -1.0)[None]
    result = abdi_ranaldo(half, -half, half * side)
    assert result.mean[0] == pytest.approx(36.0)  # (6 bps)^2
    assert result.pairs[0] == 39
    assert not result.radius[0] > 1e-3  # without scatter


def test_corwin_and_schultz_by_hand() -> None:
    """High / low of 1.02 and 1.01 with the two bars' range of 1.03: beta, gamma and alpha of the paper's equations 10, 12 and 18."""
    beta = math.log(1.02) ** 2 + math.log(1.01) ** 2
    gamma = math.log(1.03) ** 2
    k = 3 - 2 * math.sqrt(2)
    alpha = (math.sqrt(2 * beta) - math.sqrt(beta)) / k - math.sqrt(gamma / k)
    expected = 2 * (math.exp(alpha) - 1) / (1 + math.exp(alpha))
    pair_spreads = corwin_schultz(np.array([[102.0, 103.0]]), np.array([[100.0, 103.0 / 1.01]]))
    assert pair_spreads.shape == (1, 1)
    assert pair_spreads[0, 0] == pytest.approx(expected)
    assert expected == pytest.approx(-0.017857, abs=1e-6)
    high, low = np.array([[102.0, 103.0, 104.0], [50.0, 52.0, 51.0]]), np.array([[100.0, 103.0 / 1.01, 101.0], [49.0, 50.0, 48.0]])
    parts = [corwin_schultz(high[:, pair : pair + 2], low[:, pair : pair + 2]) for pair in range(2)]
    np.testing.assert_allclose(corwin_schultz(high, low), np.concatenate(parts, axis=1))


def test_bars_that_only_bounce_have_the_spread_as_corwin_and_schultz_do() -> None:
    high, low = np.full((1, 50), 100.05), np.full((1, 50), 99.95)
    assert corwin_schultz(high, low)[0] * 1e4 == pytest.approx(10.0, rel=1e-3)


def test_a_wide_spread_is_found_and_its_interval_holds() -> None:
    for seed in range(5):
        result = abdi_ranaldo(*bars(20.0, 10.0, seed=seed))
        estimate, low, high, pairs = spread_interval(result)[:, 0]
        assert low < 20.0 < high
        assert estimate == pytest.approx(20.0, rel=0.15)
        assert pairs == 299
        assert 16.0 < float(shrink_spread(result, 2.0)[0]) < 23.0


def test_noise_never_replaces_the_configured_spread() -> None:
    high, low, close = bars(0.1, 15.0, 6_000, seed=3)
    windows = (slice(at, at + 300) for at in range(0, 5_700, 10))
    result = [float(shrink_spread(abdi_ranaldo(high[:, window], low[:, window], close[:, window]), 2.0)[0]) for window in windows]
    assert np.mean(np.array(result) == 2.0) > 0.97
    assert min(result) == 2.0


def test_a_missing_bar_counts_for_nothing() -> None:
    high, low, close = bars(20.0, 10.0, 120)
    seen = np.ones((1, 120), dtype=bool)
    seen[0, 50:60] = False
    high, low, close = high.copy(), low.copy(), close.copy()
    for part in (high, low, close):
        part[0, 50:60] = close[0, 49]
    whole = abdi_ranaldo(high, low, close, seen)
    parts = [abdi_ranaldo(high[:, ends], low[:, ends], close[:, ends]) for ends in (slice(0, 50), slice(60, 120))]
    assert whole.pairs[0] == 49 + 59
    assert whole.mean[0] * whole.pairs[0] == pytest.approx(sum(float(part.mean[0] * part.pairs[0]) for part in parts))


def test_with_too_few_bars_there_is_no_estimate() -> None:
    high, low, close = (part[:, :MIN_PAIRS] for part in bars(20.0, 10.0))
    result = abdi_ranaldo(high, low, close)
    assert np.isnan(result.mean).all()
    assert shrink_spread(result, 2.0).tolist() == [2.0]
    assert np.isnan(spread_interval(result)[:3]).all()
    nothing = np.full((1, 300), np.nan)
    assert shrink_spread(abdi_ranaldo(nothing, nothing, nothing, np.zeros((1, 300), dtype=bool)), 3.0).tolist() == [3.0]


@given(st.floats(-1e4, 1e4), st.floats(0.0, 1e4), st.floats(0.0, 50.0))
@settings(max_examples=300, deadline=None)
def test_the_estimate_only_ever_raises_the_setting_and_never_beyond_itself(mean: float, radius: float, setting: float) -> None:
    result = float(shrink_spread(SquaredSpread(np.array([mean]), np.array([radius]), np.array([299.0])), setting)[0])
    assert result >= setting
    assert result <= max(setting, math.sqrt(max(mean, 0.0))) * (1 + 1e-9)
    if mean - radius <= setting * setting:
        assert result == setting


@pytest.mark.parametrize(
    ("mean", "radius", "spread"),
    [
        (116.0, 50.0, math.sqrt(16.0 + 75.0)),  # 100 above the setting's 16, of which 1 - (50 / 100)^2 is believed
        (116.0, 10.0, math.sqrt(16.0 + 99.0)),
        (116.0, 100.0, 4.0),  # no more than its radius above
        (116.0, math.nan, 4.0),
    ],
)
def test_the_believed_part_of_the_excess_worked_by_hand(mean: float, radius: float, spread: float) -> None:
    squared = SquaredSpread(np.array([mean, 25.0]), np.array([radius, 5.0]), np.full(2, 299.0))
    assert shrink_spread(squared, 4.0).tolist() == pytest.approx([spread, math.sqrt(16.0 + 9.0 * (1.0 - (5.0 / 9.0) ** 2))])


def test_windows_of_a_block_are_estimated_as_each_alone() -> None:
    high, low, close = (
        np.stack([np.repeat(part, 3, axis=0) for part in parts]) for parts in zip(bars(20.0, 10.0), bars(5.0, 10.0, seed=2), strict=True)
    )
    seen = np.ones(close.shape, dtype=bool)
    assert close.shape == (2, 3, 300)
    for whole in (abdi_ranaldo(high, low, close), abdi_ranaldo(high, low, close, seen)):
        assert whole.pairs.tolist() == [[299.0] * 3] * 2
        figures = spread_interval(whole)
        assert figures.shape == (2, 4, 3)
        for block in range(2):
            np.testing.assert_allclose(figures[block], spread_interval(abdi_ranaldo(high[block], low[block], close[block])))


def test_each_symbol_is_estimated_separately() -> None:
    parts = [bars(spread, 10.0, seed=seed) for seed, spread in enumerate((0.5, 20.0, 40.0))]
    high, low, close = (np.concatenate([part[place] for part in parts]) for place in range(3))
    together = abdi_ranaldo(high, low, close)
    np.testing.assert_allclose(together.mean, [float(abdi_ranaldo(*part).mean[0]) for part in parts])
    assert shrink_spread(together, 2.0)[0] == 2.0
    assert shrink_spread(together, 2.0)[2] > shrink_spread(together, 2.0)[1] > 10.0
