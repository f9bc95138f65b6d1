"""A small neural network: one hidden layer of tanh units, trained by a short descent from "no forecast"."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.domain.model import Hyperparameter, Model, TrainingSet
from engine.domain.record import Floats
from engine.evidence import linear
from engine.models._hyperparameters import read_parameters

Singles = NDArray[np.float32]
UNITS = 32
STEPS = 400
BATCH = 1_024
LEARNING_RATE = 4e-4  # of Adam (Kingma and Ba 2015)
DECAY = 0.02  # decoupled weight decay per unit of learning rate (Loshchilov and Hutter 2019)
MAX_ROWS = 60_000  # of training, evenly thinned
MIN_ROWS = 200  # below which nothing is learned
DRIFT = 0.9  # share of the mean target left out: drift is the least reliable feature of a sample
HYPERPARAMETERS = (
    Hyperparameter("units", UNITS, 4, 128, integer=True, log=True, structural=True),
    Hyperparameter("steps", STEPS, 50, 2_000, integer=True, log=True),
    Hyperparameter("learning_rate", LEARNING_RATE, 2e-5, 1e-2, log=True),
    Hyperparameter("decay", DECAY, 1e-4, 10.0, log=True),
)


@dataclass(frozen=True, slots=True)
class Fitted:
    """The standardisation and two layers."""

    standard: linear.Standardiser
    hidden_weights: Floats  # (F, U)
    bias: Floats  # (U,)
    output_weights: Floats  # (U, H)


def fit(training: TrainingSet, seed: int, **parameters: float) -> bytes:
    """Fit one network for all horizons on an even sample of the rows whose targets are all known."""
    values = read_parameters(HYPERPARAMETERS, parameters)
    units = int(values["units"])
    standard = linear.fit_standardiser(training.x)
    rows = np.flatnonzero(np.isfinite(training.y).all(axis=1))
    rows = rows[:: max(1, len(rows) // MAX_ROWS)]
    random = np.random.default_rng([seed, 19_860_101])
    columns = training.x.shape[1]
    layers = [random.standard_normal((columns, units)) / np.sqrt(columns), np.zeros(units), np.zeros((units, len(training.horizons)))]
    if len(rows) >= MIN_ROWS:
        y = training.y[rows]
        layers = _descend(layers, standard.transform_single(training.x[rows]), y - y.mean(axis=0) * DRIFT, random, values)
    return linear.arrays_to_bytes(inward=layers[0], bias=layers[1], outward=layers[2], **standard.to_arrays())


def load(data: bytes) -> Fitted:
    """Load the model from its bytes. Raises ValueError for other bytes."""
    parts = linear.arrays_from_bytes(data, *linear.STANDARDISER_ARRAYS, "inward", "bias", "outward")
    return Fitted(linear.standardiser_from_arrays(parts), parts["inward"], parts["bias"], parts["outward"])


def predict(fitted: Fitted, x: Floats) -> Floats:
    """(..., H, S) forecasts in horizon volatilities, from (..., S, F) features."""
    return np.ascontiguousarray(
        (np.tanh(fitted.standard.transform(x) @ fitted.hidden_weights + fitted.bias) @ fitted.output_weights).swapaxes(-1, -2)
    )


def _descend(start: list[Floats], z: Singles, targets: Floats, random: np.random.Generator, values: dict[str, float]) -> list[Floats]:
    """The layers after Adam on the squared error with decoupled decay over random batches; the rate falls to 0, the forecast starts at 0.

    In single precision: a descent of this length needs no more, and takes half the time.
    """
    layers, y = [layer.astype(np.float32) for layer in start], targets.astype(np.float32)
    mean_gradients, mean_squares = ([np.zeros_like(layer) for layer in layers] for _ in range(2))
    steps = int(values["steps"])
    for step in range(1, steps + 1):
        rows = random.integers(0, len(z), BATCH)
        rate = values["learning_rate"] * (1.0 - (step - 1) / steps)
        for index, gradient in enumerate(_gradients(layers, z[rows], y[rows])):
            mean_gradients[index] += 0.1 * (gradient - mean_gradients[index])
            mean_squares[index] += 0.001 * (gradient * gradient - mean_squares[index])
            step_size = mean_gradients[index] / (1.0 - 0.9**step) / (np.sqrt(mean_squares[index] / (1.0 - 0.999**step)) + 1e-8)
            layers[index] -= rate * (step_size + values["decay"] * layers[index])
    return [layer.astype(np.float64) for layer in layers]


def _gradients(layers: list[Singles], z: Singles, y: Singles) -> tuple[Singles, Singles, Singles]:
    inward, bias, outward = layers
    hidden = np.tanh(z @ inward + bias)
    error = (hidden @ outward - y) / len(z)
    hidden_error = (error @ outward.T) * (1.0 - hidden * hidden)
    return z.T @ hidden_error, hidden_error.sum(axis=0), hidden.T @ error


MODEL = Model("neural", "neural network", fit, load, predict, parameters=HYPERPARAMETERS, takes_blocks=True)
