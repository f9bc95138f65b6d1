"""What an order's own size costs where there is no book: the square-root law of market impact, and the volume it is measured against."""

from __future__ import annotations

import numpy as np

from engine.domain.record import Floats

AVERAGE_BARS = 48  # bars


def average_volume(volume: Floats) -> Floats:
    """(S,) base units traded per bar, mean of the last 48 of (S, T); NaN where one of them is not known."""
    return np.asarray(volume[:, -AVERAGE_BARS:].sum(axis=1) / AVERAGE_BARS)


def square_root_impact(coefficient: float, sigma: Floats | float, share: Floats | float) -> Floats:
    """Impact in bps: `coefficient` bar volatilities for an order as large as the bar's volume, times the root of its share, however large.

    A volatility that is not known counts as 0: a symbol has one before anything is opened in it.
    """
    return np.asarray(coefficient * np.where(np.isfinite(sigma), sigma, 0.0) * 1e4 * np.sqrt(share))
