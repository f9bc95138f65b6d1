"""Ridge regression on all features (Hoerl and Kennard 1970), the simplest model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.model import Hyperparameter, Model, TrainingSet
from engine.domain.record import Floats
from engine.evidence import linear
from engine.models._hyperparameters import read_parameters

HYPERPARAMETERS = (Hyperparameter("penalty_scale", 1.0, 0.05, 50.0, log=True),)  # multiple of the penalty chosen on the last quarter


@dataclass(frozen=True, slots=True)
class Fitted:
    """Coefficients on standardised columns."""

    standard: linear.Standardiser
    coefficients: Floats  # (F + 1, H), the last row is the intercept


def fit(training: TrainingSet, seed: int, **parameters: float) -> bytes:
    """Fit a ridge regression of every horizon's target on all columns; `seed` has no effect."""
    del seed
    values = read_parameters(HYPERPARAMETERS, parameters)
    standard = linear.fit_standardiser(training.x)
    slopes = linear.fit_ridge(standard.transform(training.x), training, values["penalty_scale"])
    return linear.arrays_to_bytes(slopes=slopes, **standard.to_arrays())


def load(data: bytes) -> Fitted:
    """Load the model from its bytes. Raises ValueError for other bytes."""
    parts = linear.arrays_from_bytes(data, *linear.STANDARDISER_ARRAYS, "slopes")
    return Fitted(linear.standardiser_from_arrays(parts), parts["slopes"])


def predict(fitted: Fitted, x: Floats) -> Floats:
    """(..., H, S) forecasts in horizon volatilities, from (..., S, F) features."""
    return np.ascontiguousarray((fitted.standard.transform(x) @ fitted.coefficients[:-1] + fitted.coefficients[-1]).swapaxes(-1, -2))


def contribute(data: bytes, x: Floats) -> Floats:
    """(H, S, F + 1) contributions of (S, F) features: coefficient times standardised column, whose mean in training is 0, and the intercept."""
    fitted = load(data)
    return linear.linear_contributions(fitted.coefficients[:-1].T, fitted.standard.transform(x), fitted.coefficients[-1])


MODEL = Model(
    "ridge",
    "ridge regression",
    fit,
    load,
    predict,
    parameters=HYPERPARAMETERS,
    contribute=contribute,
    baseline=linear.MEAN_BASELINE,
    takes_blocks=True,
)
