"""A kernel model: ridge regression on random Fourier features of the Gaussian kernel (Rahimi and Recht 2007)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.model import Model, TrainingSet
from engine.domain.record import Floats
from engine.evidence import linear

FREQUENCIES = 96
LENGTH_SCALE = 1.5  # in root-of-columns units


@dataclass(frozen=True, slots=True)
class Fitted:
    """Frequencies and phases of the random features, and the coefficients on them."""

    standard: linear.Standardiser
    frequencies: Floats  # (F, K)
    phases: Floats  # (K,)
    coefficients: Floats  # (K + 1, H)


def fit(training: TrainingSet, seed: int) -> bytes:
    """Draws the features with the seed, then fits as ridge does."""
    standard = linear.fit_standardiser(training.x)
    columns = training.x.shape[1]
    draw = np.random.default_rng([seed, 20_070_101])
    frequencies = draw.standard_normal((columns, FREQUENCIES)) / (LENGTH_SCALE * np.sqrt(columns))
    phases = draw.uniform(0.0, 2.0 * np.pi, FREQUENCIES)
    slopes = linear.fit_ridge(_waves(standard.transform(training.x), frequencies, phases), training)
    return linear.arrays_to_bytes(frequencies=frequencies, phases=phases, slopes=slopes, **standard.to_arrays())


def load(data: bytes) -> Fitted:
    """The model back from its bytes; raises ValueError for others."""
    parts = linear.arrays_from_bytes(data, *linear.STANDARDISER_ARRAYS, "frequencies", "phases", "slopes")
    return Fitted(linear.standardiser_from_arrays(parts), parts["frequencies"], parts["phases"], parts["slopes"])


def predict(fitted: Fitted, x: Floats) -> Floats:
    """(S, F) to (H, S)."""
    waves = _waves(fitted.standard.transform(x), fitted.frequencies, fitted.phases)
    return np.ascontiguousarray((waves @ fitted.coefficients[:-1] + fitted.coefficients[-1]).T)


def _waves(z: Floats, frequencies: Floats, phases: Floats) -> Floats:
    return np.cos(z @ frequencies + phases)


MODEL = Model("random_fourier_features", "kernel", fit, load, predict)
