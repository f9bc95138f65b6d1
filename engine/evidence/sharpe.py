"""The Sharpe ratio of daily returns, and the probability that it exceeds zero or the luck of many trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from engine.domain.record import Floats

YEAR, WEEK = 365.0, 7  # days
MIN_DAYS = 20  # days
EULER = 0.5772156649015329  # the Euler-Mascheroni constant


def annualised_sharpe_ratio(returns: Floats, days: float) -> float | None:
    """Mean over deviation of daily log returns (N,), times the root of the trading days per year; None as for the daily ratio."""
    ratio = daily_sharpe_ratio(returns)
    return None if ratio is None else ratio * math.sqrt(days)


def trading_days_per_year(traded: Sequence[int]) -> float | None:
    """Trading days per year at the rate of those seen (days since the epoch, in order); None before a whole week.

    Only the last whole weeks count: twenty days from a Monday to a Friday contain four weeks of work and three weekends.
    """
    weeks = (traded[-1] - traded[0] + 1) // WEEK if traded else 0
    return sum(day > traded[-1] - weeks * WEEK for day in traded) / (weeks * WEEK) * YEAR if weeks else None


def probabilistic_sharpe_ratio(returns: Floats, *, above: float = 0.0) -> float | None:
    """The probability that the true daily Sharpe ratio exceeds `above`, given skewness and kurtosis (Bailey and Lopez de Prado 2012, equation 11)."""
    ratio = daily_sharpe_ratio(returns)
    if ratio is None:
        return None
    scaled = (returns - returns.mean()) / returns.std()
    skew, kurtosis = float((scaled**3).mean()), float((scaled**4).mean())
    variance = 1.0 - skew * ratio + (kurtosis - 1.0) / 4.0 * ratio * ratio
    if variance <= 0:
        return None
    return 0.5 * (1.0 + math.erf((ratio - above) * math.sqrt((len(returns) - 1) / variance) / math.sqrt(2.0)))


def deflated_sharpe_ratio(returns: Floats, trials: Sequence[float | None]) -> float | None:
    """The probability that the true Sharpe ratio exceeds the maximum expected of as many trials without skill (Bailey and Lopez de Prado 2014).

    `trials` are the daily Sharpe ratios of all configurations tried, including this one, None for those without one. Their variance is that of the
    ratio's sampling error where fewer than two are known. None as for the daily ratio; raises ValueError for no trials.
    """
    if not trials:
        raise ValueError("a deflated Sharpe ratio needs the trials, this one among them")
    count, known = len(trials), [ratio for ratio in trials if ratio is not None]
    if count == 1 or daily_sharpe_ratio(returns) is None:
        return probabilistic_sharpe_ratio(returns)
    variance = float(np.var(known, ddof=1)) if len(known) > 1 else 1.0 / (len(returns) - 1)
    return probabilistic_sharpe_ratio(returns, above=expected_maximum_sharpe(variance, count))


def expected_maximum_sharpe(variance: float, trials: int) -> float:
    """The expected maximum of the Sharpe ratios of two or more independent trials without skill, given the variance of the ratios."""
    quantile = NormalDist().inv_cdf
    return math.sqrt(variance) * ((1.0 - EULER) * quantile(1.0 - 1.0 / trials) + EULER * quantile(1.0 - 1.0 / (trials * math.e)))


def daily_sharpe_ratio(returns: Floats) -> float | None:
    """Mean over deviation of daily log returns (N,); None with fewer than 20 days or without any movement."""
    if len(returns) < MIN_DAYS or not np.isfinite(returns).all() or returns.std() < 1e-12:
        return None
    return float(returns.mean() / returns.std(ddof=1))
