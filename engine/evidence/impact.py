"""The square-root law of market impact, and the volume that an order is measured against."""

from __future__ import annotations

import numpy as np

from engine.domain.record import Floats

AVERAGE_BARS = 48  # bars


def average_volume(volume: Floats) -> Floats:
    """(S,) base units traded per bar, the mean of the last 48 of (S, T); NaN where one of them is unknown."""
    return np.asarray(volume[:, -AVERAGE_BARS:].sum(axis=1) / AVERAGE_BARS)


def square_root_impact(coefficient: float, sigma: Floats | float, share: Floats | float) -> Floats:
    """Impact in bps: `coefficient` bar volatilities times the root of the order's share of the bar's volume (Almgren et al. 2005; Toth et al. 2011).

    `sigma` is the log-return volatility of a bar. An unknown volatility counts as 0: a symbol has one before anything is opened in it.
    """
    return np.asarray(coefficient * np.where(np.isfinite(sigma), sigma, 0.0) * 1e4 * np.sqrt(share))
