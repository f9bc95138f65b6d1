"""Returns over several spans in volatilities of the span, exponentially weighted returns, and their autocorrelation."""

from __future__ import annotations

from functools import cache

import numpy as np

from engine.domain.market import MarketView
from engine.domain.model import FeatureFamily
from engine.domain.record import Floats
from engine.window import ewma_weights, mean_weights

SPANS = (1, 3, 6, 12, 24, 48, 144)  # bars
HALFLIVES = (4.0, 8.0, 20.0)  # bars
RECENT = 96  # bars
TINY = 1e-20


def build(view: MarketView) -> Floats:
    """(..., S, 12): sums of log returns of n bars / (sigma sqrt(n)); exponential means / sigma, of unit variance for white noise; autocorrelation."""
    scale = 1.0 / view.sigma
    values = np.empty((*scale.shape, len(COLUMNS)))
    np.multiply(view.returns @ _kernel(view.returns.shape[-1]), scale[..., None], out=values[..., :-1])
    recent = view.returns[..., -RECENT:]
    values[..., -1] = np.vecdot(recent[..., 1:], recent[..., :-1]) / (np.vecdot(recent, recent) + TINY)
    return values


@cache
def _kernel(length: int) -> Floats:
    """(T, k): one column per feature, the lagged return in the second."""
    smooth = ewma_weights(length, HALFLIVES)
    lagged = np.zeros((length, 1))
    lagged[-2] = 1.0
    sums = mean_weights(length, SPANS) * np.sqrt(SPANS)
    return np.concatenate((sums[:, :1], lagged, sums[:, 1:], smooth / np.sqrt((smooth * smooth).sum(axis=0))), axis=1)


COLUMNS = (
    "return_1",
    "lagged_return_1",
    *(f"return_{span}" for span in SPANS[1:]),
    *(f"ewma_return_{int(halflife)}" for halflife in HALFLIVES),
    "autocorrelation_96",
)
FAMILY = FeatureFamily("returns", COLUMNS, build, takes_blocks=True)
