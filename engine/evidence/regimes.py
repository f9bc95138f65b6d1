"""A hidden Markov model of four regimes, fitted online, filtered forward and never smoothed.

The parameters are shared by all symbols and follow the data by online expectation maximisation: the expected sums are made of filtered probabilities
only, whose mean at the true parameters is that of the regimes themselves, so that the true parameters are a fixed point of the recursion (see Cappe
2011, "Online EM algorithm for hidden Markov models", for the form with smoothing). Parameters fitted at one bar are used from the next on.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from engine.domain.decision import REGIMES
from engine.domain.evidence import RegimeModel
from engine.domain.record import Bools, Floats

STAY = 0.97  # probability of the same regime in the next bar; the others share the rest
# Initial means and deviations, by regime, of the log volatility ratio (24 bars over 300) and of the trend's |t| (48 bars). A trend of pure noise has
# |t| of mean 0.80 and deviation 0.60 (half-normal), the values of calm and ranging; the others are two deviations away.
VOLATILITY_RATIO = ((-0.40, 0.25), (-0.02, 0.20), (0.05, 0.30), (0.50, 0.30))
TREND = ((0.80, 0.60), (0.80, 0.60), (2.20, 0.60), (1.00, 0.80))
PRIOR_BARS = 500.0  # weight of the initial values; bar n has the weight (n + 500)^-0.8, slower than 1 / n, because filtered sums converge slowly
DECAY = 0.8
MEMORY_BARS = 10_000.0  # the longest memory
PRIOR_SHARE = 0.01  # weight of the initial values that is never forgotten, for regimes that do not occur
REFIT_EVERY = 8  # bars between two updates of the parameters
# Bounds of the means, so that names keep their meaning: calm is below the usual volatility, volatile above it, trending has the trend.
MIN_MEAN = np.array([[-2.0, 0.0], [-0.20, 0.0], [-0.50, 1.60], [0.25, 0.0]])
MAX_MEAN = np.array([[-0.20, 1.40], [0.25, 1.40], [0.60, 6.0], [2.0, 1.50]])
MIN_DEVIATION, MAX_DEVIATION = np.array([0.06, 0.20]), np.array([[0.6, 0.8], [0.6, 0.8], [0.8, 2.0], [1.0, 1.0]])
MIN_TRANSITION = 1e-4  # smallest probability of any transition
MAX_INPUT = np.array([[2.5, 8.0]])  # volatility ratio and trend are clipped here


def uniform_probabilities(symbols: int) -> Floats:
    """(S, R) regime probabilities before any bar."""
    return np.full((symbols, len(REGIMES)), 1.0 / len(REGIMES))


@cache
def initial_regime_model() -> RegimeModel:
    """The model before any bar."""
    count = len(REGIMES)
    transition = np.full((count, count), (1.0 - STAY) / (count - 1))
    np.fill_diagonal(transition, STAY)
    both = np.array([VOLATILITY_RATIO, TREND])  # (2, R, 2)
    means, deviations = both[:, :, 0].T, both[:, :, 1].T
    squares = means * means + deviations * deviations
    moments = np.stack((np.ones(count), means[:, 0], squares[:, 0], means[:, 1], squares[:, 1]), axis=1) / count
    return RegimeModel(0.0, transition / count, moments, transition, _emission(means, deviations))


def filter_forward(before: Floats, volatility_ratio: Floats, trend: Floats, seen: Bools, hidden: RegimeModel) -> tuple[Floats, RegimeModel]:
    """One step of the forward filter: (S, R) probabilities after this bar's log volatility ratio and |trend|, (S,) each, and the updated model.

    A symbol without a bar (`seen` is False) moves on by the transition alone and does not update the model.
    """
    inputs = np.empty((len(volatility_ratio), 5))
    inputs[:, 0] = 1.0
    np.minimum(np.maximum(volatility_ratio, -MAX_INPUT[0, 0]), MAX_INPUT[0, 0], out=inputs[:, 1])
    np.minimum(trend, MAX_INPUT[0, 1], out=inputs[:, 3])
    inputs[:, 2::2] = inputs[:, 1::2] * inputs[:, 1::2]
    log_density = inputs @ hidden.emission
    log_density[~seen] = 0.0
    density = np.exp(log_density - log_density.max(axis=1)[:, None])
    joint = (before @ hidden.transition) * density
    total = joint.sum(axis=1)[:, None]
    after = joint / total
    count = int(np.count_nonzero(seen))
    if not count:
        return after, hidden
    share = seen[:, None] / (count * total)
    pairs = hidden.transition * (before.T @ (density * share))
    moments = (joint * share).T @ inputs
    return after, _learn(hidden, pairs, moments)


def change_probability(before: Floats, after: Floats, hidden: RegimeModel) -> Floats:
    """(S,) probability that this bar's regime differs from the previous bar's, as known now; `hidden` is the model that the filter used."""
    stayed = before * hidden.transition.diagonal() / (before @ hidden.transition)
    return np.asarray(1.0 - (after * stayed).sum(axis=1))


def emission_parameters(hidden: RegimeModel) -> tuple[Floats, Floats]:
    """Current means and deviations, (R, 2) each, of the log volatility ratio and of the trend."""
    linear, square = hidden.emission[1::2].T, hidden.emission[2::2].T
    return linear / (-2.0 * square), np.sqrt(-0.5 / square)


def _learn(hidden: RegimeModel, pairs: Floats, moments: Floats) -> RegimeModel:
    step = max((hidden.bars + PRIOR_BARS) ** -DECAY, 1.0 / MEMORY_BARS)
    pairs = hidden.pairs + step * (pairs - hidden.pairs)
    moments = hidden.moments + step * (moments - hidden.moments)
    learned = RegimeModel(hidden.bars + 1.0, pairs, moments, hidden.transition, hidden.emission)
    return learned if learned.bars % REFIT_EVERY else _refit(learned)


def _refit(hidden: RegimeModel) -> RegimeModel:
    pairs, moments = hidden.pairs + PRIOR_SHARE * initial_regime_model().pairs, hidden.moments + PRIOR_SHARE * initial_regime_model().moments
    transition = np.maximum(pairs / pairs.sum(axis=1)[:, None], MIN_TRANSITION)
    means = moments[:, 1::2] / moments[:, :1]
    deviations = np.sqrt(np.maximum(moments[:, 2::2] / moments[:, :1] - means * means, 0.0))
    emission = _emission(np.clip(means, MIN_MEAN, MAX_MEAN), np.clip(deviations, MIN_DEVIATION, MAX_DEVIATION))
    return replace(hidden, transition=transition / transition.sum(axis=1)[:, None], emission=emission)


def _emission(means: Floats, deviations: Floats) -> Floats:
    """(5, R): the log density of independent normals as a linear form in [1, x, x^2, y, y^2]."""
    precision = 1.0 / (deviations * deviations)  # (R, 2)
    constant = (-0.5 * means * means * precision - np.log(deviations) - 0.5 * np.log(2.0 * np.pi)).sum(axis=1)
    linear, square = means * precision, -0.5 * precision
    return np.ascontiguousarray(np.stack((constant, linear[:, 0], square[:, 0], linear[:, 1], square[:, 1])))
