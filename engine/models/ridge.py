"""Ridge regression on all features (Hoerl and Kennard 1970), the simplest model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.model import Model, Training
from engine.domain.record import Floats
from engine.evidence import linear


@dataclass(frozen=True, slots=True)
class Fitted:
    """Coefficients on standardised columns."""

    standard: linear.Standard
    slopes: Floats  # (F + 1, H), the last row is the intercept


def fit(training: Training, seed: int) -> bytes:
    """Fit a ridge regression of every horizon's target on all columns; `seed` has no effect."""
    del seed
    standard = linear.standard(training.x)
    slopes = linear.ridge(standard.apply(training.x), training)
    return linear.to_bytes(slopes=slopes, **standard.parts())


def load(data: bytes) -> Fitted:
    """Load the model from its bytes. Raises ValueError for other bytes."""
    parts = linear.from_bytes(data, *linear.STANDARD, "slopes")
    return Fitted(linear.standard_of(parts), parts["slopes"])


def predict(fitted: Fitted, x: Floats) -> Floats:
    """(H, S) forecasts in horizon volatilities, from (S, F) features."""
    return np.ascontiguousarray((fitted.standard.apply(x) @ fitted.slopes[:-1] + fitted.slopes[-1]).T)


MODEL = Model("ridge", "ridge regression", fit, load, predict)
