"""A local model: typical market situations found by k-means, each with the mean outcome of its rows, shrunk towards none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans

from engine.domain.model import Model, TrainingSet
from engine.domain.record import Floats
from engine.evidence import linear

SITUATIONS = 48
ROWS = 8_000  # rows the situations are found in
DIMENSIONS = 8  # principal components that situations are told apart by
PRIOR = 200.0  # rows of "nothing follows" each situation starts from


@dataclass(frozen=True, slots=True)
class Fitted:
    """Where the situations lie and what followed them."""

    standard: linear.Standardiser
    axes: Floats  # (F, D)
    centres: Floats  # (K, D)
    width: float  # squared distance over which a situation's voice fades
    outcomes: Floats  # (K, H)


def fit(training: TrainingSet, seed: int) -> bytes:
    """Finds situations on an even sample, then takes the mean target of all rows by situation."""
    standard = linear.fit_standardiser(training.x)
    z = standard.transform(training.x)
    axes = np.linalg.eigh(z.T @ z)[1][:, ::-1][:, :DIMENSIONS]
    places = np.ascontiguousarray(z @ axes)
    sample = places[:: max(1, len(places) // ROWS)]
    found = KMeans(min(SITUATIONS, len(sample)), n_init=1, max_iter=30, random_state=seed, algorithm="lloyd").fit(sample)
    centres = np.asarray(found.cluster_centers_, dtype=float)
    width = max(float(_distances(sample, centres).min(axis=1).mean()), 1e-3)  # 0 where there are no more rows than situations
    return linear.arrays_to_bytes(
        axes=axes, centres=centres, width=np.array([width]), outcomes=_outcomes(places, centres, width, training), **standard.to_arrays()
    )


def load(data: bytes) -> Fitted:
    """The model back from its bytes; raises ValueError for others."""
    parts = linear.arrays_from_bytes(data, *linear.STANDARDISER_ARRAYS, "axes", "centres", "width", "outcomes")
    return Fitted(linear.standardiser_from_arrays(parts), parts["axes"], parts["centres"], float(parts["width"][0]), parts["outcomes"])


def predict(fitted: Fitted, x: Floats) -> Floats:
    """(S, F) to (H, S)."""
    voices = _voices(fitted.standard.transform(x) @ fitted.axes, fitted.centres, fitted.width)
    return np.ascontiguousarray((voices @ fitted.outcomes).T)


def _outcomes(places: Floats, centres: Floats, width: float, training: TrainingSet) -> Floats:
    voices = _voices(places, centres, width)
    columns = []
    for index in range(len(training.horizons)):
        y = training.y[:, index]
        known = np.isfinite(y)
        heard = voices[known]
        columns.append((heard.T @ y[known]) / (heard.sum(axis=0) + PRIOR))
    return np.stack(columns, axis=1)


def _voices(places: Floats, centres: Floats, width: float) -> Floats:
    """(N, K) how much each situation has to say, summing to 1 over situations."""
    distances = _distances(places, centres)
    weights = np.exp(-(distances - distances.min(axis=1)[:, None]) / width)
    return np.asarray(weights / weights.sum(axis=1)[:, None])


def _distances(places: Floats, centres: Floats) -> Floats:
    return np.asarray((places * places).sum(axis=1)[:, None] - 2.0 * places @ centres.T + (centres * centres).sum(axis=1))


MODEL = Model("kmeans_prototypes", "local means", fit, load, predict)
