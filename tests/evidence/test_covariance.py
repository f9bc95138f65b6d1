"""Correlations: Ledoit and Wolf's shrinkage against scikit-learn's, clusters and portfolios by hand and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf

from engine.evidence import covariance
from engine.window import decay_weights


def factor(symbols: int, bars: int, correlation: float, seed: int, *, tails: float = 0.0) -> np.ndarray:
    """Returns (symbols, bars) of unit variance with one common factor."""
    draw = np.random.default_rng(seed)

    def noise(shape: tuple[int, ...]) -> np.ndarray:
        return draw.standard_t(tails, shape) / np.sqrt(tails / (tails - 2)) if tails else draw.normal(size=shape)

    return np.asarray(np.sqrt(correlation) * noise((bars,)) + np.sqrt(1 - correlation) * noise((symbols, bars)))


def equal(bars: int) -> np.ndarray:
    return np.full(bars, 1.0 / bars)


@pytest.mark.parametrize(("symbols", "bars", "correlation"), [(2, 40, 0.5), (8, 120, 0.3), (20, 300, 0.7), (60, 50, 0.1), (5, 250, 0.0)])
@pytest.mark.parametrize("tails", [0.0, 4.0])
def test_with_equal_weights_the_shrinkage_is_that_of_scikit_learn(symbols: int, bars: int, correlation: float, tails: float) -> None:
    weights = equal(bars)
    standardised = covariance.standardise_returns(factor(symbols, bars, correlation, 3, tails=tails) * 0.01, weights)
    sample = covariance.sample_correlation(standardised, weights)
    oracle = LedoitWolf(assume_centered=True).fit(standardised.T)
    share = covariance.ledoit_wolf_shrinkage(standardised, weights, sample)
    assert share == pytest.approx(oracle.shrinkage_, rel=1e-9)
    np.testing.assert_allclose(covariance.shrink_correlation(sample, share), oracle.covariance_, atol=1e-12)


def test_a_bar_that_counts_twice_is_two_bars_for_the_correlation() -> None:
    returns = factor(4, 30, 0.4, 1)
    counts = np.random.default_rng(2).integers(1, 4, 30)
    weights = counts / counts.sum()
    repeated = np.repeat(returns, counts, axis=1)
    once = covariance.standardise_returns(returns, weights)
    often = covariance.standardise_returns(repeated, equal(int(counts.sum())))
    np.testing.assert_allclose(covariance.sample_correlation(once, weights), covariance.sample_correlation(often, equal(int(counts.sum()))))


def test_with_decaying_weights_shrinkage_is_closer_to_the_truth_than_the_sample_or_the_identity() -> None:
    weights, truth = decay_weights(300, 60.0), 0.15 + 0.85 * np.eye(12)
    errors = []
    for seed in range(60):
        standardised = covariance.standardise_returns(factor(12, 300, 0.15, seed, tails=5.0), weights)
        sample = covariance.sample_correlation(standardised, weights)
        share = covariance.ledoit_wolf_shrinkage(standardised, weights, sample)
        errors.append([np.square(estimate - truth).sum() for estimate in (sample, covariance.shrink_correlation(sample, share), np.eye(12))])
    plain, shrunk, none = np.mean(errors, axis=0)
    assert shrunk < 0.9 * plain
    assert shrunk < 0.3 * none


def test_nothing_is_learned_from_noise_and_nearly_all_from_copies() -> None:
    weights = decay_weights(300, 60.0)
    noise = covariance.estimate_correlation(factor(20, 300, 0.0, 5), weights, np.ones(20, dtype=bool))
    copies = covariance.estimate_correlation(np.repeat(factor(1, 300, 0.0, 5), 8, axis=0), weights, np.ones(8, dtype=bool))
    assert noise.shrinkage > 0.8
    assert copies.shrinkage < 0.05


@given(st.integers(0, 1_000))
@settings(max_examples=60, deadline=None)
def test_portfolio_variance_and_covariances_equal_those_of_the_matrix(seed: int) -> None:
    draw = np.random.default_rng(seed)
    weights = decay_weights(120, 30.0)
    returns = factor(7, 120, 0.5, seed) * draw.uniform(0.001, 0.1, 7)[:, None]
    moving = covariance.estimate_correlation(returns, weights, np.ones(7, dtype=bool))
    whole = covariance.shrink_correlation(covariance.sample_correlation(moving.standardised, weights), moving.shrinkage)
    some = np.sort(draw.choice(7, 4, replace=False))
    exposure = draw.normal(size=4)
    series = moving.portfolio_returns(exposure, some)
    assert moving.variance(exposure, series) == pytest.approx(exposure @ whole[np.ix_(some, some)] @ exposure)
    others = np.setdiff1d(np.arange(7), some)
    np.testing.assert_allclose(moving.covariances_with(series)[others], whole[np.ix_(others, some)] @ exposure)
    again = covariance.estimate_correlation(returns * 37.0, weights, np.ones(7, dtype=bool))
    np.testing.assert_allclose(again.standardised, moving.standardised)
    order = draw.permutation(7)
    assert covariance.estimate_correlation(returns[order], weights, np.ones(7, dtype=bool)).shrinkage == pytest.approx(moving.shrinkage)


def test_symbols_without_a_known_volatility_do_not_shift_the_shrinkage() -> None:
    weights, returns = decay_weights(200, 60.0), factor(6, 200, 0.4, 9)
    alone = covariance.estimate_correlation(returns, weights, np.ones(6, dtype=bool))
    unknown = covariance.estimate_correlation(np.concatenate((returns, np.zeros((3, 200)))), weights, np.arange(9) < 6)
    assert unknown.shrinkage == pytest.approx(alone.shrinkage)
    assert (unknown.standardised[6:] == 0).all()


def test_a_short_history_does_not_look_like_no_correlation() -> None:
    weights, both = decay_weights(300, 60.0), np.repeat(factor(1, 300, 0.0, 4), 2, axis=0)
    both[1, :200] = 0.0
    seen = np.ones((2, 300), dtype=bool)
    seen[1, :200] = False
    young = covariance.trim_weights(weights, seen)
    assert young.sum() == pytest.approx(1.0)
    assert young[199] == 0.0 < young[200]
    standardised = covariance.standardise_returns(both, young)
    assert covariance.sample_correlation(standardised, young)[0, 1] == pytest.approx(1.0)
    assert covariance.trim_weights(weights, seen[:1]) is weights


def test_a_cluster_is_a_chain_of_pairs_above_the_threshold_on_either_side() -> None:
    sample = np.eye(6)
    for left, right, value in ((0, 3, 0.85), (3, 5, -0.9), (1, 2, 0.81), (2, 4, 0.79)):
        sample[left, right] = sample[right, left] = value
    assert covariance.find_clusters(sample, 0.8).tolist() == [0, 1, 1, 0, 4, 0]
    assert covariance.find_clusters(sample, 0.99).tolist() == list(range(6))


def test_the_longest_chain_is_one_cluster() -> None:
    sample = np.eye(40) + 0.9 * (np.eye(40, k=1) + np.eye(40, k=-1))
    assert (covariance.find_clusters(sample, 0.8) == 0).all()
