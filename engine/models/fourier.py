"""Ridge regression on random Fourier features of the Gaussian kernel (Rahimi and Recht 2007)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.model import Model, Training
from engine.domain.record import Floats
from engine.evidence import linear

FEATURES = 96
LENGTH_SCALE = 1.5  # of the kernel, over the root of the number of columns


@dataclass(frozen=True, slots=True)
class Fitted:
    """Frequencies and phases of the random features, and the coefficients on them."""

    standard: linear.Standard
    frequencies: Floats  # (F, K)
    phases: Floats  # (K,)
    slopes: Floats  # (K + 1, H)


def fit(training: Training, seed: int) -> bytes:
    """Draw the features with the seed, then fit a ridge regression on them."""
    standard = linear.standard(training.x)
    columns = training.x.shape[1]
    random = np.random.default_rng([seed, 20_070_101])
    frequencies = random.standard_normal((columns, FEATURES)) / (LENGTH_SCALE * np.sqrt(columns))
    phases = random.uniform(0.0, 2.0 * np.pi, FEATURES)
    slopes = linear.ridge(_cosines(standard.apply(training.x), frequencies, phases), training)
    return linear.to_bytes(frequencies=frequencies, phases=phases, slopes=slopes, **standard.parts())


def load(data: bytes) -> Fitted:
    """Load the model from its bytes. Raises ValueError for other bytes."""
    parts = linear.from_bytes(data, *linear.STANDARD, "frequencies", "phases", "slopes")
    return Fitted(linear.standard_of(parts), parts["frequencies"], parts["phases"], parts["slopes"])


def predict(fitted: Fitted, x: Floats) -> Floats:
    """(H, S) forecasts in horizon volatilities, from (S, F) features."""
    cosines = _cosines(fitted.standard.apply(x), fitted.frequencies, fitted.phases)
    return np.ascontiguousarray((cosines @ fitted.slopes[:-1] + fitted.slopes[-1]).T)


def _cosines(z: Floats, frequencies: Floats, phases: Floats) -> Floats:
    return np.cos(z @ frequencies + phases)


MODEL = Model("fourier", "random Fourier features", fit, load, predict)
