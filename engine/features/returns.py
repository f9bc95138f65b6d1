"""Returns over several spans, in volatilities of their span, exponentially weighted ones, and how they hang together."""

from __future__ import annotations

from functools import cache

import numpy as np

from engine.domain.market import MarketView
from engine.domain.model import FeatureFamily
from engine.domain.record import Floats
from engine.window import ewma_weights, mean_weights

SPANS = (1, 3, 6, 12, 24, 48, 144)  # bars
HALFLIVES = (4.0, 8.0, 20.0)  # bars
LATE = 96  # bars
TINY = 1e-20


def build(view: MarketView) -> Floats:
    """Sums of log returns over n bars / (sigma sqrt(n)); exponential means / sigma, scaled to unit variance of white noise; autocorrelation."""
    scale = 1.0 / view.sigma
    values = np.empty((len(scale), len(COLUMNS)))
    np.multiply(view.returns @ _kernel(view.returns.shape[1]), scale[:, None], out=values[:, :-1])
    late = view.returns[:, -LATE:]
    values[:, -1] = np.vecdot(late[:, 1:], late[:, :-1]) / (np.vecdot(late, late) + TINY)
    return values


@cache
def _kernel(length: int) -> Floats:
    """(T, k): a column a feature, the return before the last in the second."""
    smooth = ewma_weights(length, HALFLIVES)
    before = np.zeros((length, 1))
    before[-2] = 1.0
    sums = mean_weights(length, SPANS) * np.sqrt(SPANS)
    return np.concatenate((sums[:, :1], before, sums[:, 1:], smooth / np.sqrt((smooth * smooth).sum(axis=0))), axis=1)


COLUMNS = (
    "last",
    "lagged_return_1",
    *(f"sum_{span}" for span in SPANS[1:]),
    *(f"mean_{int(halflife)}" for halflife in HALFLIVES),
    "autocorrelation_96",
)
FAMILY = FeatureFamily("returns", COLUMNS, build)
