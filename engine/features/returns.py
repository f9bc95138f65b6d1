"""Returns over several spans, in volatilities of their span, and exponentially weighted ones."""

from __future__ import annotations

import numpy as np

from engine.domain.market import View
from engine.domain.model import Family
from engine.domain.record import Floats
from engine.window import averages, means

SPANS = (3, 6, 12, 24, 48, 144)  # bars
HALFLIVES = (4.0, 8.0, 20.0)  # bars


def build(view: View) -> Floats:
    """Sum of log returns over n bars / (sigma sqrt(n)); exponential means / sigma, scaled to unit variance of white noise."""
    length = view.returns.shape[1]
    scaled = view.returns / view.sigma[:, None]
    sums = (scaled @ means(length, SPANS)) * np.sqrt(SPANS)
    smooth = scaled @ averages(length, HALFLIVES) * _white(length)
    return np.concatenate((scaled[:, -1:], scaled[:, -2:-1], sums, smooth), axis=1)


def _white(length: int) -> Floats:
    kernel = averages(length, HALFLIVES)
    return np.asarray(1.0 / np.sqrt((kernel * kernel).sum(axis=0)))


FAMILY = Family(
    "returns",
    ("last", "before_last", *(f"sum_{span}" for span in SPANS), *(f"mean_{int(halflife)}" for halflife in HALFLIVES)),
    build,
)
