"""How the symbols of a book move together: exponentially weighted correlations, shrunk by the formula of Ledoit and Wolf.

Returns (N, T) are first put into units of their own exponentially weighted volatility, so that what is estimated here is the correlation; whoever
sizes multiplies it with the volatilities known at the decision. Means are taken as 0, as those volatilities take them: over a few hundred bars a
mean is all noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.record import Bools, Floats, Ints

MOST = 64  # symbols that the intensity of shrinkage is estimated from: it hardly depends on which
LEAST = 1e-4  # shrinkage there always is, so that the correlation of exact copies can be inverted


@dataclass(frozen=True, slots=True)
class CorrelationModel:
    """What is known of how S symbols move together, without a matrix of all their pairs."""

    standardised: Floats  # (S, T) returns in units of each symbol's volatility
    weights: Floats  # (T,) of the bars, summing to 1
    shrinkage: float  # share by which every pair's correlation is reduced

    def portfolio_returns(self, exposure: Floats, symbols: Ints) -> Floats:
        """(T,) what a portfolio with this exposure to some symbols, in units of risk, would have made in each bar."""
        return np.asarray(exposure @ self.standardised[symbols])

    def variance(self, exposure: Floats, series: Floats) -> float:
        """Of the portfolio with this exposure and its series: x'Cx."""
        return (1.0 - self.shrinkage) * float(series * series @ self.weights) + self.shrinkage * float(exposure @ exposure)

    def covariances_with(self, series: Floats) -> Floats:
        """(S,) covariance of each symbol with a portfolio's series; its own part in it counts as shrunk, too."""
        return np.asarray(self.standardised @ (series * self.weights) * (1.0 - self.shrinkage))


def estimate_correlation(returns: Floats, weights: Floats, known: Bools) -> CorrelationModel:
    """Of returns (S, T). The shrinkage is that of the symbols with a known volatility; of 64 of them, evenly spaced, where there are more."""
    standardised = standardise_returns(returns, weights)
    step = -(-len(returns) // MOST)
    some = standardised[::step] if known.all() else standardised[known][::step]
    return CorrelationModel(standardised, weights, ledoit_wolf_shrinkage(some, weights, sample_correlation(some, weights)) if len(some) else 1.0)


def standardise_returns(returns: Floats, weights: Floats) -> Floats:
    """(N, T) returns in units of the root of their weighted mean square; 0 for a symbol that never moved. Weights (T,) sum to 1."""
    power = (returns * returns) @ weights
    moving = power > 0
    return np.asarray(returns * np.where(moving, 1.0 / np.sqrt(np.where(moving, power, 1.0)), 0.0)[:, None])


def sample_correlation(standardised: Floats, weights: Floats) -> Floats:
    """(N, N) weighted correlation of standardised returns."""
    rooted = standardised * np.sqrt(weights)
    return np.asarray(rooted @ rooted.T)


def ledoit_wolf_shrinkage(standardised: Floats, weights: Floats, sample: Floats) -> float:
    """The share of the identity that makes the mean squared error smallest (Ledoit and Wolf 2004, lemma 3.5).

    The error of the sample is that of so many bars of equal weight as give a weighted mean its variance: 1 / sum of squared weights (Kish 1965).
    """
    count = len(sample)
    squared = float(np.vdot(sample, sample))
    scale = float(np.trace(sample)) / count
    distance = squared - scale * scale * count
    lengths = np.einsum("nt,nt->t", standardised, standardised)
    error = (float(lengths * lengths @ weights) - squared) * float(weights @ weights)
    return min(max(error / distance, LEAST), 1.0) if distance > 0 else 1.0


def shrink_correlation(sample: Floats, share: float) -> Floats:
    """(N, N) the sample correlation with every pair's reduced by the share; the diagonal is 1."""
    out = sample * (1.0 - share)
    np.fill_diagonal(out, 1.0)
    return out


def trim_weights(weights: Floats, seen: Bools) -> Floats:
    """(T,) weights that sum to 1 and begin where the youngest symbol has its first bar; `seen` (N, T) marks bars that are there.

    Before that a symbol without history would look like one that does not move with the others.
    """
    first = int(seen.argmax(axis=1).max())
    if not first:
        return weights
    out = weights.copy()
    out[:first] = 0.0
    return np.asarray(out / out.sum())


def find_clusters(sample: Floats, threshold: float) -> Ints:
    """(N,) the lowest index of each symbol's cluster: two symbols are in one where a chain of |correlation| above the threshold joins them."""
    count = len(sample)
    joined = np.abs(sample) > threshold
    np.fill_diagonal(joined, val=True)
    labels = np.arange(count)
    if np.count_nonzero(joined) <= count:
        return labels
    while True:
        lowest = np.where(joined, labels, count).min(axis=1)
        if (lowest == labels).all():
            return labels
        labels = lowest
