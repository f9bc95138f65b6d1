"""Estimators of the bid-ask spread from the ranges and closes of bars, for symbols without a book.

Both estimate the proportional spread, and both were scored against books in docs/decisions/0018-trading-rules.md:

- Corwin and Schultz (2012, J. Finance 67): the range of two bars together contains twice the variance and one spread, each bar's range one of both.
- Abdi and Ranaldo (2017, Rev. Financial Studies 30): S^2 = 4 E[(c_t - eta_t)(c_t - eta_t+1)] with c the log close and eta the log mid-range.

The second is in use, and only where it is significant: on bars of seconds to minutes both are mostly noise of volatility, and below the configured
spread they carry no information. The configured spread therefore holds until the estimate is proven to be larger, by an interval that is valid at
every tick at once.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from engine.domain.record import Bools, Floats
from engine.evidence.skill import confidence_radius

ALPHA = 0.05  # one-sided error of the bound by which an estimate must exceed the setting
MIN_PAIRS = 30  # pairs of bars
_K = 3.0 - 2.0 * math.sqrt(2.0)


class SquaredSpread(NamedTuple):
    """The squared spread as the mean over pairs of bars; NaN with fewer than 30 of them."""

    mean: Floats  # (S,) bps^2, below 0 where noise exceeds the spread
    radius: Floats  # (S,) bps^2, half-width of its 95 % interval, valid at every tick at once; not finite without any variation
    pairs: Floats  # (S,) pairs of bars


def abdi_ranaldo(log_high: Floats, log_low: Floats, log_close: Floats, seen: Bools | None = None) -> SquaredSpread:
    """Abdi and Ranaldo's squared spread over windows (..., S, T), oldest first.

    `seen` (..., S, T) marks the bars that exist, None for all; a missing bar must have the previous close in all three, so that its pairs are 0.
    """
    middle = (log_high + log_low) / 2.0
    product = (log_close[..., :-1] - middle[..., :-1]) * (log_close[..., :-1] - middle[..., 1:]) * 4e8
    if seen is None:
        return _mean(product, np.full(product.shape[:-1], float(product.shape[-1])))
    pairs = np.asarray((seen[..., 1:] & seen[..., :-1]).sum(axis=-1), dtype=float)
    return _mean(product, pairs)


def corwin_schultz(high: Floats, low: Floats) -> Floats:
    """(S, T - 1) Corwin and Schultz's spread of each pair of bars, as a share of the price; below 0 where noise exceeds it."""
    log_range = np.log(high / low) ** 2
    beta = log_range[:, :-1] + log_range[:, 1:]
    gamma = np.log(np.maximum(high[:, :-1], high[:, 1:]) / np.minimum(low[:, :-1], low[:, 1:])) ** 2
    alpha = (np.sqrt(2.0 * beta) - np.sqrt(beta)) / _K - np.sqrt(gamma / _K)
    return np.asarray(2.0 * np.expm1(alpha) / (1.0 + np.exp(alpha)))


def shrink_spread(squared: SquaredSpread, setting: float) -> Floats:
    """(S,) bps: the configured spread or, where the estimate is proven to be larger, the estimate shrunk towards it by its uncertainty.

    The excess of the squared estimate over the squared setting is weighted by 1 - (radius / excess)^2, and by 0 within its radius: there is no step
    at the bound, so that a moving window does not make costs jump.
    """
    excess = squared.mean - setting * setting
    proven = excess > squared.radius  # False where either is unknown
    if not proven.any():
        return np.full(len(excess), setting)
    safe, radius = np.where(proven, excess, 1.0), np.where(proven, squared.radius, 0.0)
    return np.asarray(np.where(proven, np.sqrt(setting * setting + (1.0 - (radius / safe) ** 2) * safe), setting))


def spread_interval(squared: SquaredSpread) -> Floats:
    """(..., 4, S) the spread in bps, low and high of its 95 % interval, and the number of pairs of bars; NaN with too few, 0 for values below 0."""
    shape = squared.mean.shape
    figures = np.empty((*shape[:-1], 4, shape[-1]))
    figures[..., 0, :], figures[..., 3, :] = squared.mean, squared.pairs
    np.subtract(squared.mean, squared.radius, out=figures[..., 1, :])
    np.add(squared.mean, squared.radius, out=figures[..., 2, :])
    np.sqrt(np.maximum(figures[..., :3, :], 0.0), out=figures[..., :3, :])
    return figures


def _mean(product: Floats, pairs: Floats) -> SquaredSpread:
    count = np.where(pairs >= MIN_PAIRS, pairs, np.nan)
    mean = product.sum(axis=-1) / count
    variance = np.maximum(np.einsum("...t,...t->...", product, product) - count * mean * mean, 0.0)
    return SquaredSpread(mean, confidence_radius(variance, count, ALPHA) / count, pairs)
