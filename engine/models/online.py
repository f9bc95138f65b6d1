"""The model that learns at every tick: recursive least squares with forgetting on a few columns, continuing from its training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.domain.model import Hyperparameter, Model, OnlineLearner, TrainingSet
from engine.domain.record import Floats, Ints
from engine.domain.state import OnlineMemory
from engine.evidence import linear
from engine.models._hyperparameters import read_parameters

COLUMNS = 16  # selected of all
HALFLIFE = 3_000.0  # ticks, after which a row counts half
PENALTY_SCALE = 0.3  # of the penalty of a fit on all rows at once; smaller, because later rows correct this fit
DECAY = 0.5 ** (1.0 / HALFLIFE)
HYPERPARAMETERS = (
    Hyperparameter("columns", COLUMNS, 2, 48, integer=True, log=True, structural=True),
    Hyperparameter("halflife", HALFLIFE, 200.0, 50_000.0, log=True),
    Hyperparameter("penalty_scale", PENALTY_SCALE, 0.01, 10.0, log=True),
)


@dataclass(frozen=True, slots=True)
class Fitted:
    """The selected columns, and the sums over the training rows, discounted to its end."""

    columns: Ints  # (K,) among all
    standard: linear.Standardiser  # of those
    gram: Floats  # (K, K)
    moment: Floats  # (K, H)
    penalty: Floats  # (H, K, K) on the diagonal, in rows
    slopes: Floats  # (H, K) of the training alone
    decay: float = DECAY  # factor by which a tick discounts the sums


def fit(training: TrainingSet, seed: int, **parameters: float) -> bytes:
    """Select columns one by one, then compute the sums that later ticks continue."""
    del seed
    values = read_parameters(HYPERPARAMETERS, parameters)
    decay = 0.5 ** (1.0 / values["halflife"])
    standard = linear.fit_standardiser(training.x)
    z = standard.transform(training.x)
    columns = _select_columns(z, training.y, int(values["columns"]))
    z = np.ascontiguousarray(z[:, columns])
    ticks_per_row = _ticks_per_row(training)
    weight = ticks_per_row * decay ** (training.until - training.tick).astype(np.float64)
    y = np.where(np.isfinite(training.y), training.y, 0.0)
    discounted = z * (weight * np.isfinite(training.y[:, 0]))[:, None]
    penalty = np.array(linear.choose_penalties(z, training)) * values["penalty_scale"] * weight.sum()
    moment = (z * weight[:, None]).T @ y
    other_decay = {} if decay == DECAY else {"decay": np.array([decay])}  # versions from before it could differ lack it
    return linear.arrays_to_bytes(
        columns=columns.astype(np.int64),
        gram=discounted.T @ z,
        moment=moment,
        penalty=penalty,
        **standard.select_columns(columns).to_arrays(),
        **other_decay,
    )


def load(data: bytes) -> Fitted:
    """Load the model from its bytes. Raises ValueError for other bytes."""
    parts = linear.arrays_from_bytes(data, *linear.STANDARDISER_ARRAYS, "columns", "gram", "moment", "penalty")
    gram, moment = parts["gram"], parts["moment"]
    penalty = np.maximum(parts["penalty"], 1.0)[:, None, None] * np.eye(len(gram))
    columns = parts["columns"].astype(np.int64)
    decay = float(parts["decay"][0]) if "decay" in parts else DECAY
    return Fitted(columns, linear.standardiser_from_arrays(parts), gram, moment, penalty, _solve(gram, moment, penalty), decay)


def predict(fitted: Fitted, x: Floats) -> Floats:
    """(H, S) forecasts from (S, F) features by the training alone, without later learning."""
    return np.ascontiguousarray(fitted.slopes @ select_columns(fitted, x).T)


def select_columns(fitted: Fitted, x: Floats) -> NDArray[np.float32]:
    """(S, K) the standardised columns that the model learns on, of (S, F) features."""
    return fitted.standard.transform(x[:, fitted.columns]).astype(np.float32)


def predict_online(fitted: Fitted, columns: NDArray[np.float32], since: OnlineMemory | None, elapsed: int) -> Floats:
    """(H, S) forecasts from (S, K) columns by the training's sums, discounted by `elapsed` ticks, and the sums of the ticks since."""
    slopes = fitted.slopes if since is None else _solve_with(fitted, since, elapsed)
    return np.ascontiguousarray(slopes @ columns.T)


def contribute_online(fitted: Fitted, x: Floats, since: OnlineMemory | None, elapsed: int) -> Floats:
    """(H, S, F + 1) contributions of (S, F) features to `predict_online`: slope times standardised column; the base is 0."""
    columns = select_columns(fitted, x)
    slopes = fitted.slopes if since is None else _solve_with(fitted, since, elapsed)
    parts = np.zeros((len(slopes), len(x), x.shape[1] + 1))
    parts[:, :, fitted.columns] = linear.linear_contributions(slopes, columns.astype(np.float64), np.zeros(len(slopes)))[:, :, :-1]
    return parts


def _solve_with(fitted: Fitted, since: OnlineMemory, elapsed: int) -> Floats:
    """(H, K) slopes by the training's sums, discounted by `elapsed` ticks, and the sums of the ticks since."""
    remaining = fitted.decay**elapsed
    return _solve(fitted.gram * remaining + since.gram, fitted.moment * remaining + since.moment, fitted.penalty)


def _ticks_per_row(training: TrainingSet) -> float:
    """Ticks represented by a row: more than one where rows were thinned, which later ticks are not."""
    ticks = np.unique(training.tick)
    return float(np.median(np.diff(ticks))) if len(ticks) > 1 else 1.0


def _solve(gram: Floats, moment: Floats, penalty: Floats) -> Floats:
    """(H, K) slopes, shrunk by each horizon's own penalty (H, K, K)."""
    return np.asarray(np.linalg.solve(gram + penalty, moment.T[:, :, None])[:, :, 0])


def _select_columns(z: Floats, y: Floats, count: int) -> Ints:
    """Columns by orthogonal matching pursuit over all horizons (Pati, Rezaiifar and Krishnaprasad 1993)."""
    known = np.asarray(np.isfinite(y).all(axis=1))
    z, y = linear.select_rows(z, known), linear.select_rows(np.ascontiguousarray(y), known)
    gram, moment = z.T @ z, z.T @ y
    power = np.maximum(np.diagonal(gram), 1e-9)
    damped = gram + np.diag(power * 1e-3 + 1e-9)
    selected: list[int] = []
    residual = moment
    for _ in range(min(count, z.shape[1])):
        gain = (residual * residual).sum(axis=1) / power
        gain[selected] = -1.0
        selected.append(int(np.argmax(gain)))
        residual = moment - gram[:, selected] @ np.linalg.solve(damped[np.ix_(selected, selected)], moment[selected])
    return np.array(sorted(selected))


def _read_decay(fitted: Fitted) -> float:
    return fitted.decay


MODEL = Model(
    "online", "recursive least squares", fit, load, predict, OnlineLearner(select_columns, predict_online, _read_decay, contribute_online),
    HYPERPARAMETERS, baseline=linear.MEAN_BASELINE,
)  # fmt: skip
