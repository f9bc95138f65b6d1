"""The model that learns at every tick: least squares with forgetting on a few columns, going on from where its training ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.domain.model import Model, OnlineLearner, TrainingSet
from engine.domain.record import Floats, Ints
from engine.domain.state import OnlineMemory
from engine.evidence import linear

COLUMNS = 16
HALFLIFE = 3_000.0  # ticks, after which what came counts half
SOFTER = 0.3  # of the penalty that suits a fit on all rows once and for all; this one is corrected by what comes
FADE = 0.5 ** (1.0 / HALFLIFE)


@dataclass(frozen=True, slots=True)
class Fitted:
    """The columns, and the sums over the rows of the training, faded to its end."""

    columns: Ints  # (K,) among all
    standard: linear.Standardiser  # of those
    gram: Floats  # (K, K)
    moment: Floats  # (K, H)
    penalty: Floats  # (H, K, K) on the diagonal, in rows
    slopes: Floats  # (H, K) of the training alone


def fit(training: TrainingSet, seed: int) -> bytes:
    """Chooses columns one after the other by what each adds, then takes the sums that go on from tick to tick."""
    del seed
    standard = linear.fit_standardiser(training.x)
    z = standard.transform(training.x)
    columns = _choose(z, training.y)
    z = np.ascontiguousarray(z[:, columns])
    between = _between(training)
    share = between * FADE ** (training.until - training.tick).astype(np.float64)
    y = np.where(np.isfinite(training.y), training.y, 0.0)
    faded = z * (share * np.isfinite(training.y[:, 0]))[:, None]
    penalty = np.array(linear.choose_penalties(z, training)) * SOFTER * share.sum()
    moment = (z * share[:, None]).T @ y
    return linear.arrays_to_bytes(
        columns=columns.astype(np.int64), gram=faded.T @ z, moment=moment, penalty=penalty, **standard.select_columns(columns).to_arrays()
    )


def load(data: bytes) -> Fitted:
    """The model back from its bytes; raises ValueError for others."""
    parts = linear.arrays_from_bytes(data, *linear.STANDARDISER_ARRAYS, "columns", "gram", "moment", "penalty")
    gram, moment = parts["gram"], parts["moment"]
    penalty = np.maximum(parts["penalty"], 1.0)[:, None, None] * np.eye(len(gram))
    columns = parts["columns"].astype(np.int64)
    return Fitted(columns, linear.standardiser_from_arrays(parts), gram, moment, penalty, _solve(gram, moment, penalty))


def predict(fitted: Fitted, x: Floats) -> Floats:
    """(S, F) to (H, S) by the training alone, before anything was learned since."""
    return np.ascontiguousarray(fitted.slopes @ select_columns(fitted, x).T)


def select_columns(fitted: Fitted, x: Floats) -> NDArray[np.float32]:
    """(S, K) the columns it learns on."""
    return fitted.standard.transform(x[:, fitted.columns]).astype(np.float32)


def predict_online(fitted: Fitted, columns: NDArray[np.float32], since: OnlineMemory | None, elapsed: int) -> Floats:
    """(H, S) by the sums of the training, faded by the ticks since, and those of the ticks since."""
    slopes = fitted.slopes
    if since is not None:
        share = FADE**elapsed
        slopes = _solve(fitted.gram * share + since.gram, fitted.moment * share + since.moment, fitted.penalty)
    return np.ascontiguousarray(slopes @ columns.T)


def _between(training: TrainingSet) -> float:
    """Ticks that a row stands for: more than one where rows were thinned, as the ticks to come will not be."""
    ticks = np.unique(training.tick)
    return float(np.median(np.diff(ticks))) if len(ticks) > 1 else 1.0


def _solve(gram: Floats, moment: Floats, penalty: Floats) -> Floats:
    """(H, K) slopes, shrunk by each horizon's own penalty."""
    return np.asarray(np.linalg.solve(gram + penalty, moment.T[:, :, None])[:, :, 0])


def _choose(z: Floats, y: Floats) -> Ints:
    """Columns by orthogonal matching pursuit over all horizons: each time the one that explains most of what those before leave unexplained."""
    known = np.isfinite(y).all(axis=1)
    gram, moment = z[known].T @ z[known], z[known].T @ y[known]
    power = np.maximum(np.diagonal(gram), 1e-9)
    stiff = gram + np.diag(power * 1e-3 + 1e-9)
    chosen: list[int] = []
    left = moment
    for _ in range(min(COLUMNS, z.shape[1])):
        gain = (left * left).sum(axis=1) / power
        gain[chosen] = -1.0
        chosen.append(int(np.argmax(gain)))
        left = moment - gram[:, chosen] @ np.linalg.solve(stiff[np.ix_(chosen, chosen)], moment[chosen])
    return np.array(sorted(chosen))


MODEL = Model("online", "recursive least squares", fit, load, predict, OnlineLearner(select_columns, predict_online, FADE))
