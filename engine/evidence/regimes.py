"""A hidden Markov model of four regimes, filtered forward and never smoothed."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import REGIMES
from engine.domain.record import Floats

STAY = 0.97  # probability of the same regime in the next bar; the rest is shared
# Means and deviations, by regime, of the log volatility ratio (24 bars over 300) and of the trend's |t| (48 bars). A trend of pure noise has
# |t| of mean 0.80 and deviation 0.60 (the half-normal), which is where calm and ranging stand; the others stand two deviations off.
SURGE = ((-0.40, 0.25), (-0.02, 0.20), (0.05, 0.30), (0.50, 0.30))
TREND = ((0.80, 0.60), (0.80, 0.60), (2.20, 0.60), (1.00, 0.80))


def uniform(symbols: int) -> Floats:
    """(S, R) probabilities before anything is seen."""
    return np.full((symbols, len(REGIMES)), 1.0 / len(REGIMES))


def filter_forward(before: Floats, surge: Floats, trend: Floats) -> Floats:
    """One step of the forward filter: (S, R) after seeing this bar's two measures, (S,) each."""
    moved = before * STAY + (1.0 - before) * ((1.0 - STAY) / (len(REGIMES) - 1))
    log_likelihood = _log_normal(surge, SURGE) + _log_normal(trend, TREND)
    weighted = moved * np.exp(log_likelihood - log_likelihood.max(axis=1)[:, None])
    return np.asarray(weighted / weighted.sum(axis=1)[:, None])


def _log_normal(values: Floats, parameters: tuple[tuple[float, float], ...]) -> Floats:
    means = np.array([mean for mean, _ in parameters])
    deviations = np.array([deviation for _, deviation in parameters])
    scaled = np.clip((values[:, None] - means) / deviations, -6.0, 6.0)
    return np.asarray(-0.5 * scaled * scaled - np.log(deviations))
