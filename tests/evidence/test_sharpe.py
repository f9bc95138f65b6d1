"""The Sharpe ratio and the probability that it is above zero, against the formulas written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from engine.evidence import sharpe


@pytest.mark.parametrize("seed", range(5))
def test_the_probability_is_that_of_bailey_and_lopez_de_prado(seed: int) -> None:
    returns = np.random.default_rng(seed).standard_t(4, 250) * 0.01 + 0.0008
    ratio = returns.mean() / returns.std(ddof=1)
    skew, kurtosis = stats.skew(returns), stats.kurtosis(returns, fisher=False)
    z = ratio * math.sqrt(249) / math.sqrt(1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2)
    assert sharpe.probabilistic(returns) == pytest.approx(stats.norm.cdf(z))
    assert sharpe.yearly(returns) == pytest.approx(ratio * math.sqrt(365))


def test_a_martingale_is_above_zero_half_of_the_time() -> None:
    draw = np.random.default_rng(1)
    told = [sharpe.probabilistic(draw.normal(0, 0.01, 120)) for _ in range(400)]
    above = np.mean([value is not None and value > 0.95 for value in told])
    assert 0.02 < above < 0.09


@pytest.mark.parametrize(
    "returns", [np.zeros(100), np.full(100, 0.01), np.linspace(-1, 1, 19), np.array([np.nan] * 30), np.array([]), np.r_[np.inf, np.ones(40)]]
)
def test_where_nothing_can_be_said_nothing_is(returns: np.ndarray) -> None:
    assert sharpe.yearly(returns) is None
    assert sharpe.probabilistic(returns) is None
