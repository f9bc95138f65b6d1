"""A small neural network: one hidden layer of tanh units, learned by a short descent from "no forecast", predicted by two products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.model import Model, TrainingSet
from engine.domain.record import Floats
from engine.evidence import linear

UNITS = 32
STEPS = 400
BATCH = 1_024
RATE = 4e-4  # of Adam (Kingma and Ba 2015)
DECAY = 0.02  # what a unit of rate takes off the weights (Loshchilov and Hutter 2019)
ROWS = 60_000  # rows learned from, evenly thinned
FEWEST = 200  # rows below which nothing is learned
DRIFT = 0.9  # of the mean is left out: a drift is the least reliable thing a sample shows


@dataclass(frozen=True, slots=True)
class Fitted:
    """The standardisation and two layers."""

    standard: linear.Standardiser
    hidden_weights: Floats  # (F, U)
    bias: Floats  # (U,)
    output_weights: Floats  # (U, H)


def fit(training: TrainingSet, seed: int) -> bytes:
    """One network for all horizons, on an even sample of the rows whose targets are all known."""
    standard = linear.fit_standardiser(training.x)
    rows = np.flatnonzero(np.isfinite(training.y).all(axis=1))
    rows = rows[:: max(1, len(rows) // ROWS)]
    draw = np.random.default_rng([seed, 19_860_101])
    columns = training.x.shape[1]
    layers = [draw.standard_normal((columns, UNITS)) / np.sqrt(columns), np.zeros(UNITS), np.zeros((UNITS, len(training.horizons)))]
    if len(rows) >= FEWEST:
        y = training.y[rows]
        _descend(layers, standard.transform(training.x[rows]), y - y.mean(axis=0) * DRIFT, draw)
    return linear.arrays_to_bytes(inward=layers[0], bias=layers[1], outward=layers[2], **standard.to_arrays())


def load(data: bytes) -> Fitted:
    """The model back from its bytes; raises ValueError for others."""
    parts = linear.arrays_from_bytes(data, *linear.STANDARDISER_ARRAYS, "inward", "bias", "outward")
    return Fitted(linear.standardiser_from_arrays(parts), parts["inward"], parts["bias"], parts["outward"])


def predict(fitted: Fitted, x: Floats) -> Floats:
    """(S, F) to (H, S)."""
    return np.ascontiguousarray((np.tanh(fitted.standard.transform(x) @ fitted.hidden_weights + fitted.bias) @ fitted.output_weights).T)


def _descend(layers: list[Floats], z: Floats, y: Floats, draw: np.random.Generator) -> None:
    """Adam on the squared error with decoupled decay, in place, over batches drawn at random; the rate falls to 0. The forecast starts at 0."""
    first, second = ([np.zeros_like(layer) for layer in layers] for _ in range(2))
    for step in range(1, STEPS + 1):
        rows = draw.integers(0, len(z), BATCH)
        rate = RATE * (1.0 - (step - 1) / STEPS)
        for index, gradient in enumerate(_gradients(layers, z[rows], y[rows])):
            first[index] += 0.1 * (gradient - first[index])
            second[index] += 0.001 * (gradient * gradient - second[index])
            step_size = first[index] / (1.0 - 0.9**step) / (np.sqrt(second[index] / (1.0 - 0.999**step)) + 1e-8)
            layers[index] -= rate * (step_size + DECAY * layers[index])


def _gradients(layers: list[Floats], z: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    inward, bias, outward = layers
    hidden = np.tanh(z @ inward + bias)
    error = (hidden @ outward - y) / len(z)
    back = (error @ outward.T) * (1.0 - hidden * hidden)
    return z.T @ back, back.sum(axis=0), hidden.T @ error


MODEL = Model("neural", "neural network", fit, load, predict)
