"""The Sharpe ratio of daily returns, and the probability that it is really above zero."""

from __future__ import annotations

import math

import numpy as np

from engine.domain.record import Floats

DAYS = 365.0  # a year of markets that never close
FEWEST = 20  # days


def yearly(returns: Floats) -> float | None:
    """Mean over deviation of daily log returns (N,), times the root of 365; None with fewer than 20 days or without any movement."""
    ratio = _daily(returns)
    return None if ratio is None else ratio * math.sqrt(DAYS)


def probabilistic(returns: Floats) -> float | None:
    """Probability that the true Sharpe ratio is above 0, allowing for skew and heavy tails (Bailey and Lopez de Prado 2012, equation 11)."""
    ratio = _daily(returns)
    if ratio is None:
        return None
    scaled = (returns - returns.mean()) / returns.std()
    skew, kurtosis = float((scaled**3).mean()), float((scaled**4).mean())
    variance = 1.0 - skew * ratio + (kurtosis - 1.0) / 4.0 * ratio * ratio
    if variance <= 0:
        return None
    return 0.5 * (1.0 + math.erf(ratio * math.sqrt((len(returns) - 1) / variance) / math.sqrt(2.0)))


def _daily(returns: Floats) -> float | None:
    if len(returns) < FEWEST or not np.isfinite(returns).all() or returns.std() < 1e-12:
        return None
    return float(returns.mean() / returns.std(ddof=1))
