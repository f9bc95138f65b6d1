"""A hidden Markov model of four regimes, fitted as the engine goes, filtered forward and never smoothed.

The parameters are shared by all symbols and follow the data by recursive expectation and maximisation: the sums of expectation are made of filtered
probabilities only, whose mean at the true parameters is that of the regimes themselves, so the true parameters are where the recursion rests (see
Cappe 2011, "Online EM algorithm for hidden Markov models", for the form with smoothing). What is fitted at one bar serves from the next on.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from engine.domain.decision import REGIMES
from engine.domain.record import Bools, Floats
from engine.domain.regimes import RegimeModel

# Where the model starts: means and deviations, by regime, of the log volatility ratio (24 bars over 300) and of the trend's |t| (48 bars). A trend of
# pure noise has |t| of mean 0.80 and deviation 0.60 (the half-normal), which is where calm and ranging stand; the others stand two deviations off.
STAY = 0.97  # probability of the same regime in the next bar; the rest is shared
VOLATILITY_RATIO = ((-0.40, 0.25), (-0.02, 0.20), (0.05, 0.30), (0.50, 0.30))
TREND = ((0.80, 0.60), (0.80, 0.60), (2.20, 0.60), (1.00, 0.80))
PRIOR_BARS = 500.0  # what the start is worth; a bar n counts for (n + 500)^-0.8, slower than 1 / n, since filtered sums approach the truth slowly
DECAY = 0.8
MEMORY_BARS = 10_000.0  # the longest memory
KEPT = 0.01  # share of the start that is never forgotten, for a regime that does not come up
REFIT_EVERY = 8  # bars between two makings of the parameters
# Where means may go, so that a name keeps its meaning: calm is below the usual volatility, volatile above it, trending has the trend.
LOWEST = np.array([[-2.0, 0.0], [-0.20, 0.0], [-0.50, 1.60], [0.25, 0.0]])
HIGHEST = np.array([[-0.20, 1.40], [0.25, 1.40], [0.60, 6.0], [2.0, 1.50]])
MIN_DEVIATION, WIDEST = np.array([0.06, 0.20]), np.array([[0.6, 0.8], [0.6, 0.8], [0.8, 2.0], [1.0, 1.0]])
RAREST = 1e-4  # the least probability of any change
FAR = np.array([[2.5, 8.0]])  # surge and trend beyond this say no more than this


def uniform_probabilities(symbols: int) -> Floats:
    """(S, R) probabilities before anything is seen."""
    return np.full((symbols, len(REGIMES)), 1.0 / len(REGIMES))


@cache
def initial_regime_model() -> RegimeModel:
    """The model before anything is seen."""
    count = len(REGIMES)
    transition = np.full((count, count), (1.0 - STAY) / (count - 1))
    np.fill_diagonal(transition, STAY)
    both = np.array([VOLATILITY_RATIO, TREND])  # (2, R, 2)
    means, deviations = both[:, :, 0].T, both[:, :, 1].T
    squares = means * means + deviations * deviations
    moments = np.stack((np.ones(count), means[:, 0], squares[:, 0], means[:, 1], squares[:, 1]), axis=1) / count
    return RegimeModel(0.0, transition / count, moments, transition, _emission(means, deviations))


def filter_forward(before: Floats, surge: Floats, trend: Floats, seen: Bools, hidden: RegimeModel) -> tuple[Floats, RegimeModel]:
    """One step: (S, R) probabilities after this bar's two measures, (S,) each, and the model having learned from it.

    A symbol that is not seen at this bar moves on by the transition alone and teaches nothing.
    """
    told = np.empty((len(surge), 5))
    told[:, 0] = 1.0
    np.minimum(np.maximum(surge, -FAR[0, 0]), FAR[0, 0], out=told[:, 1])
    np.minimum(trend, FAR[0, 1], out=told[:, 3])
    told[:, 2::2] = told[:, 1::2] * told[:, 1::2]
    log_density = told @ hidden.emission
    log_density[~seen] = 0.0
    density = np.exp(log_density - log_density.max(axis=1)[:, None])
    moved = (before @ hidden.transition) * density
    total = moved.sum(axis=1)[:, None]
    after = moved / total
    count = int(np.count_nonzero(seen))
    if not count:
        return after, hidden
    share = seen[:, None] / (count * total)
    pairs = hidden.transition * (before.T @ (density * share))
    moments = (moved * share).T @ told
    return after, _learn(hidden, pairs, moments)


def change_probability(before: Floats, after: Floats, hidden: RegimeModel) -> Floats:
    """(S,) probability that the regime of this bar is another than that of the bar before, as known now; `hidden` is the model the filter used."""
    stayed = before * hidden.transition.diagonal() / (before @ hidden.transition)
    return np.asarray(1.0 - (after * stayed).sum(axis=1))


def _learn(hidden: RegimeModel, pairs: Floats, moments: Floats) -> RegimeModel:
    step = max((hidden.bars + PRIOR_BARS) ** -DECAY, 1.0 / MEMORY_BARS)
    pairs = hidden.pairs + step * (pairs - hidden.pairs)
    moments = hidden.moments + step * (moments - hidden.moments)
    learned = RegimeModel(hidden.bars + 1.0, pairs, moments, hidden.transition, hidden.emission)
    return learned if learned.bars % REFIT_EVERY else _refit(learned)


def _refit(hidden: RegimeModel) -> RegimeModel:
    pairs, moments = hidden.pairs + KEPT * initial_regime_model().pairs, hidden.moments + KEPT * initial_regime_model().moments
    transition = np.maximum(pairs / pairs.sum(axis=1)[:, None], RAREST)
    means = moments[:, 1::2] / moments[:, :1]
    deviations = np.sqrt(np.maximum(moments[:, 2::2] / moments[:, :1] - means * means, 0.0))
    emission = _emission(np.clip(means, LOWEST, HIGHEST), np.clip(deviations, MIN_DEVIATION, WIDEST))
    return replace(hidden, transition=transition / transition.sum(axis=1)[:, None], emission=emission)


def _emission(means: Floats, deviations: Floats) -> Floats:
    """(5, R): the log density of independent normals as a linear form in [1, x, x^2, y, y^2]."""
    precision = 1.0 / (deviations * deviations)  # (R, 2)
    constant = (-0.5 * means * means * precision - np.log(deviations) - 0.5 * np.log(2.0 * np.pi)).sum(axis=1)
    linear, square = means * precision, -0.5 * precision
    return np.ascontiguousarray(np.stack((constant, linear[:, 0], square[:, 0], linear[:, 1], square[:, 1])))


def emission_parameters(hidden: RegimeModel) -> tuple[Floats, Floats]:
    """Means and deviations in force, (R, 2) each: of the surge and of the trend."""
    linear, square = hidden.emission[1::2].T, hidden.emission[2::2].T
    return linear / (-2.0 * square), np.sqrt(-0.5 / square)
