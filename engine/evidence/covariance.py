"""The correlation of symbols: exponentially weighted and shrunk towards the identity by the formula of Ledoit and Wolf (2004).

Returns (N, T) are first divided by their own exponentially weighted volatility, so that the estimate is a correlation, which sizing multiplies with
the volatilities known at the decision. Means are assumed to be 0, as in those volatilities: over a few hundred bars a mean is all noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.record import Bools, Floats, Ints

MAX_SYMBOLS = 64  # from which the shrinkage is estimated: it hardly depends on their choice
MIN_SHRINKAGE = 1e-4  # so that the correlation of exact copies can be inverted


@dataclass(frozen=True, slots=True)
class CorrelationModel:
    """The shrunk correlation of S symbols, without the matrix of all their pairs."""

    standardised: Floats  # (S, T) returns in units of each symbol's volatility
    weights: Floats  # (T,) of the bars, summing to 1
    shrinkage: float  # share by which every pair's correlation is reduced

    def portfolio_returns(self, exposure: Floats, symbols: Ints) -> Floats:
        """(T,) returns by bar of a portfolio with this exposure (n,) to some symbols (n,), in units of risk."""
        return np.asarray(exposure @ self.standardised[symbols])

    def variance(self, exposure: Floats, series: Floats) -> float:
        """Variance x'Cx of the portfolio with this exposure (n,) and its returns (T,)."""
        return (1.0 - self.shrinkage) * float(series * series @ self.weights) + self.shrinkage * float(exposure @ exposure)

    def covariances_with(self, series: Floats) -> Floats:
        """(S,) covariance of each symbol with a portfolio's returns (T,); the symbol's own part in them is shrunk, too."""
        return np.asarray(self.standardised @ (series * self.weights) * (1.0 - self.shrinkage))


def estimate_correlation(returns: Floats, weights: Floats, known: Bools) -> CorrelationModel:
    """The correlation of returns (S, T); shrinkage is estimated from at most 64, evenly spaced, of the symbols with a `known` (S,) volatility."""
    standardised = standardise_returns(returns, weights)
    step = -(-len(returns) // MAX_SYMBOLS)
    sample = standardised[::step] if known.all() else standardised[known][::step]
    return CorrelationModel(
        standardised, weights, ledoit_wolf_shrinkage(sample, weights, sample_correlation(sample, weights)) if len(sample) else 1.0
    )


def standardise_returns(returns: Floats, weights: Floats) -> Floats:
    """(N, T) returns over the root of their weighted mean square; 0 for a symbol that never moved. Weights (T,) sum to 1."""
    power = (returns * returns) @ weights
    moving = power > 0
    return np.asarray(returns * np.where(moving, 1.0 / np.sqrt(np.where(moving, power, 1.0)), 0.0)[:, None])


def sample_correlation(standardised: Floats, weights: Floats) -> Floats:
    """(N, N) weighted correlation of standardised returns."""
    rooted = standardised * np.sqrt(weights)
    return np.asarray(rooted @ rooted.T)


def ledoit_wolf_shrinkage(standardised: Floats, weights: Floats, sample: Floats) -> float:
    """The weight of the identity with the smallest mean squared error (Ledoit and Wolf 2004, lemma 3.5), at least 0.0001.

    The sampling error is that of the effective number of bars, 1 / sum of squared weights (Kish 1965).
    """
    count = len(sample)
    squared = float(np.vdot(sample, sample))
    scale = float(np.trace(sample)) / count
    distance = squared - scale * scale * count
    lengths = np.einsum("nt,nt->t", standardised, standardised)
    error = (float(lengths * lengths @ weights) - squared) * float(weights @ weights)
    return min(max(error / distance, MIN_SHRINKAGE), 1.0) if distance > 0 else 1.0


def shrink_correlation(sample: Floats, share: float) -> Floats:
    """(N, N) the sample correlation with off-diagonal entries reduced by `share`; the diagonal is 1."""
    out = sample * (1.0 - share)
    np.fill_diagonal(out, 1.0)
    return out


def trim_weights(weights: Floats, seen: Bools) -> Floats:
    """(T,) weights that sum to 1 and begin at the first bar of the youngest symbol; `seen` (N, T) marks bars that exist.

    Before that bar, a symbol without history would look uncorrelated.
    """
    first = int(seen.argmax(axis=1).max())
    if not first:
        return weights
    out = weights.copy()
    out[:first] = 0.0
    return np.asarray(out / out.sum())


def find_clusters(sample: Floats, threshold: float) -> Ints:
    """(N,) the lowest index in each symbol's cluster: symbols joined by a chain of |correlation| above the threshold (single linkage)."""
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
