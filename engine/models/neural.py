"""A small neural network: one hidden layer of tanh units, trained with much weight decay for a few passes, predicted by two products."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from engine.domain.model import Model, Training
from engine.domain.record import Floats
from engine.evidence import linear

UNITS = 24
STEPS = 450  # of the descent, a batch each
BATCH = 512
DECAY = 5.0  # L2 penalty of a batch's loss
ROWS = 40_000  # rows learned from, the latest evenly thinned
FEWEST = 200  # rows below which nothing is learned


@dataclass(frozen=True, slots=True)
class Fitted:
    """The standardisation and two layers."""

    standard: linear.Standard
    inward: Floats  # (F, U)
    bias: Floats  # (U,)
    outward: Floats  # (U, H)


def fit(training: Training, seed: int) -> bytes:
    """One network for all horizons, on an even sample of the rows whose targets are all known."""
    standard = linear.standard(training.x)
    rows = np.flatnonzero(np.isfinite(training.y).all(axis=1))
    rows = rows[:: max(1, len(rows) // ROWS)]
    layers = _learn(standard.apply(training.x[rows]), training.y[rows], seed) if len(rows) >= FEWEST else _silent(training)
    return linear.to_bytes(inward=layers[0], bias=layers[1], outward=layers[2], **standard.parts())


def load(data: bytes) -> Fitted:
    """The model back from its bytes; raises ValueError for others."""
    parts = linear.from_bytes(data, *linear.STANDARD, "inward", "bias", "outward")
    return Fitted(linear.standard_of(parts), parts["inward"], parts["bias"], parts["outward"])


def predict(fitted: Fitted, x: Floats) -> Floats:
    """(S, F) to (H, S)."""
    return np.ascontiguousarray((np.tanh(fitted.standard.apply(x) @ fitted.inward + fitted.bias) @ fitted.outward).T)


def _learn(z: Floats, y: Floats, seed: int) -> tuple[Floats, Floats, Floats]:
    """The output's own bias is left out, since the hidden layer's mean goes with it: a drift is the least reliable thing a sample shows."""
    batch = min(BATCH, len(z))
    passes = -(-STEPS * batch // len(z))
    network = MLPRegressor(
        hidden_layer_sizes=(UNITS,), activation="tanh", alpha=DECAY, batch_size=batch, max_iter=passes, tol=0.0, n_iter_no_change=passes + 1,
        learning_rate_init=2e-3, random_state=seed,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is stopped early on purpose
        network.fit(z.astype(np.float32), (y - y.mean(axis=0)).astype(np.float32))
    inward, outward = (part.astype(np.float64) for part in network.coefs_)
    return inward, network.intercepts_[0].astype(np.float64), outward


def _silent(training: Training) -> tuple[Floats, Floats, Floats]:
    return np.zeros((training.x.shape[1], UNITS)), np.zeros(UNITS), np.zeros((UNITS, len(training.horizons)))


MODEL = Model("neural", "neural network", fit, load, predict)
