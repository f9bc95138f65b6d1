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
    assert sharpe.probabilistic_sharpe_ratio(returns) == pytest.approx(stats.norm.cdf(z))
    assert sharpe.annualised_sharpe_ratio(returns, 365.0) == pytest.approx(ratio * math.sqrt(365))
    assert sharpe.annualised_sharpe_ratio(returns, 252.0) == pytest.approx(ratio * math.sqrt(252))


def test_a_martingale_is_above_zero_half_of_the_time() -> None:
    draw = np.random.default_rng(1)
    probabilities = [sharpe.probabilistic_sharpe_ratio(draw.normal(0, 0.01, 120)) for _ in range(400)]
    above = np.mean([value is not None and value > 0.95 for value in probabilities])
    assert 0.02 < above < 0.09


@pytest.mark.parametrize(
    "returns", [np.zeros(100), np.full(100, 0.01), np.linspace(-1, 1, 19), np.array([np.nan] * 30), np.array([]), np.r_[np.inf, np.ones(40)]]
)
def test_without_enough_days_there_is_no_ratio(returns: np.ndarray) -> None:
    assert sharpe.annualised_sharpe_ratio(returns, 365.0) is None
    assert sharpe.probabilistic_sharpe_ratio(returns) is None


def test_the_best_of_a_hundred_is_that_of_the_published_example() -> None:
    """Bailey and Lopez de Prado (2014), numerical example: 100 trials, variance 1/2 per year of 250 days."""
    assert sharpe.expected_maximum_sharpe(0.5 / 250, 100) == pytest.approx(0.1132, abs=5e-5)


def test_one_trial_is_not_deflated_and_many_are() -> None:
    returns = np.random.default_rng(3).normal(0.001, 0.01, 250)
    own = sharpe.daily_sharpe_ratio(returns) or 0.0
    assert sharpe.deflated_sharpe_ratio(returns, (own,)) == sharpe.probabilistic_sharpe_ratio(returns)
    ratios = (own, 0.02, -0.03, None, 0.05)
    benchmark = sharpe.expected_maximum_sharpe(float(np.var([own, 0.02, -0.03, 0.05], ddof=1)), 5)
    assert sharpe.deflated_sharpe_ratio(returns, ratios) == pytest.approx(sharpe.probabilistic_sharpe_ratio(returns, above=benchmark))
    alone = sharpe.expected_maximum_sharpe(1 / 249, 3)
    assert sharpe.deflated_sharpe_ratio(returns, (own, None, None)) == pytest.approx(sharpe.probabilistic_sharpe_ratio(returns, above=alone))
    assert sharpe.deflated_sharpe_ratio(np.zeros(100), ratios) is None
    with pytest.raises(ValueError, match="this one among them"):
        sharpe.deflated_sharpe_ratio(returns, ())


def test_the_best_of_many_without_skill_is_seldom_called_skilled() -> None:
    draw, plain, deflated = np.random.default_rng(11), 0, 0
    for _ in range(200):
        returns = draw.normal(0, 0.01, (40, 250))
        ratios = tuple(sharpe.daily_sharpe_ratio(row) for row in returns)
        best = returns[int(np.argmax([ratio or 0.0 for ratio in ratios]))]
        plain += (sharpe.probabilistic_sharpe_ratio(best) or 0.0) > 0.95
        deflated += (sharpe.deflated_sharpe_ratio(best, ratios) or 0.0) > 0.95
    assert plain > 150
    assert deflated < 16


def test_returns_that_move_by_next_to_nothing_still_have_a_ratio_and_those_that_stand_still_have_none() -> None:
    returns = 1.5e-12 * (np.tile([1.0, -1.0], 10) + 0.1)
    assert sharpe.annualised_sharpe_ratio(returns, 365.0) == pytest.approx(0.1 / math.sqrt(20 / 19) * math.sqrt(365), rel=1e-6)
    assert sharpe.annualised_sharpe_ratio(0.6 * returns, 365.0) is None


def test_a_year_has_as_many_trading_days_as_the_whole_weeks_seen() -> None:
    always = list(range(20_000, 20_030))
    assert sharpe.trading_days_per_year(always) == 365.0
    weekdays = [day for day in range(20_000, 20_030) if (day + 3) % 7 < 5]  # day 0 was a Thursday
    assert sharpe.trading_days_per_year(weekdays) == pytest.approx(365.0 * 5 / 7)
    holiday = [day for day in weekdays if day != weekdays[10]]
    assert sharpe.trading_days_per_year(holiday) == pytest.approx(365.0 * 19 / 28)


def test_less_than_a_week_gives_no_year() -> None:
    assert sharpe.trading_days_per_year([]) is None
    assert sharpe.trading_days_per_year([20_000, 20_001, 20_004]) is None


def test_four_weeks_from_monday_to_friday_are_not_taken_for_a_year_of_281_days() -> None:
    monday = 20_000 - (20_000 + 3) % 7
    days = [monday + 7 * week + day for week in range(4) for day in range(5)]
    assert sharpe.trading_days_per_year(days) == pytest.approx(365.0 * 5 / 7)
