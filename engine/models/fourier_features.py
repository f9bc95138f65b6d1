"""Ridge regression on random Fourier features of the Gaussian kernel (Rahimi and Recht 2007)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.model import Hyperparameter, Model, TrainingSet
from engine.domain.record import Floats
from engine.evidence import linear
from engine.models._hyperparameters import read_parameters

FEATURES = 96
LENGTH_SCALE = 1.5  # of the kernel, over the root of the number of columns
HYPERPARAMETERS = (
    Hyperparameter("features", FEATURES, 16, 512, integer=True, log=True, structural=True),
    Hyperparameter("length_scale", LENGTH_SCALE, 0.3, 10.0, log=True),
)


@dataclass(frozen=True, slots=True)
class Fitted:
    """Frequencies and phases of the random features, and the coefficients on them."""

    standard: linear.Standardiser
    frequencies: Floats  # (F, K)
    phases: Floats  # (K,)
    coefficients: Floats  # (K + 1, H)


def fit(training: TrainingSet, seed: int, **parameters: float) -> bytes:
    """Draw the features with the seed, then fit a ridge regression on them."""
    values = read_parameters(HYPERPARAMETERS, parameters)
    features = int(values["features"])
    standard = linear.fit_standardiser(training.x)
    columns = training.x.shape[1]
    random = np.random.default_rng([seed, 20_070_101])
    frequencies = random.standard_normal((columns, features)) / (values["length_scale"] * np.sqrt(columns))
    phases = random.uniform(0.0, 2.0 * np.pi, features)
    slopes = linear.fit_ridge(_cosines(standard.transform(training.x), frequencies, phases), training)
    return linear.arrays_to_bytes(frequencies=frequencies, phases=phases, slopes=slopes, **standard.to_arrays())


def load(data: bytes) -> Fitted:
    """Load the model from its bytes. Raises ValueError for other bytes."""
    parts = linear.arrays_from_bytes(data, *linear.STANDARDISER_ARRAYS, "frequencies", "phases", "slopes")
    return Fitted(linear.standardiser_from_arrays(parts), parts["frequencies"], parts["phases"], parts["slopes"])


def predict(fitted: Fitted, x: Floats) -> Floats:
    """(H, S) forecasts in horizon volatilities, from (S, F) features."""
    cosines = _cosines(fitted.standard.transform(x), fitted.frequencies, fitted.phases)
    return np.ascontiguousarray((cosines @ fitted.coefficients[:-1] + fitted.coefficients[-1]).T)


def _cosines(z: Floats, frequencies: Floats, phases: Floats) -> Floats:
    return np.cos(z @ frequencies + phases)


MODEL = Model("random_fourier_features", "random Fourier features", fit, load, predict, parameters=HYPERPARAMETERS)
