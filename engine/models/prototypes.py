"""K-means prototypes (Hastie, Tibshirani and Friedman 2009, 13.2): typical market situations, each with the shrunk mean target of its rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from engine.domain.model import Hyperparameter, Model, TrainingSet
from engine.domain.record import Floats
from engine.evidence import linear
from engine.models._hyperparameters import read_parameters

CLUSTERS = 48
MAX_ROWS = 8_000  # of clustering, evenly thinned
BLOCK_ROWS = 1_024  # that are compared with the centres at a time
COMPONENTS = 8  # principal components in which the clusters lie
PRIOR = 200.0  # rows of a target of 0 behind each cluster
HYPERPARAMETERS = (
    Hyperparameter("clusters", CLUSTERS, 4, 256, integer=True, log=True, structural=True),
    Hyperparameter("components", COMPONENTS, 1, 32, integer=True, log=True),
    Hyperparameter("prior", PRIOR, 10.0, 10_000.0, log=True),
)


@dataclass(frozen=True, slots=True)
class Fitted:
    """Centres of the clusters and their outcomes."""

    standard: linear.Standardiser
    axes: Floats  # (F, D)
    centres: Floats  # (K, D)
    width: float  # squared distance over which a cluster's membership falls by e
    outcomes: Floats  # (K, H) shrunk mean targets


def fit(training: TrainingSet, seed: int, **parameters: float) -> bytes:
    """Find clusters on an even sample, then the mean target of all rows by cluster."""
    from sklearn.cluster import KMeans  # noqa: PLC0415 takes a second to load, and only a worker needs it

    values = read_parameters(HYPERPARAMETERS, parameters)
    standard = linear.fit_standardiser(training.x)
    z = standard.transform(training.x)
    axes = np.linalg.eigh(z.T @ z)[1][:, ::-1][:, : int(values["components"])]
    points = np.ascontiguousarray(z @ axes)
    sample = points[:: max(1, len(points) // MAX_ROWS)]
    clustering = KMeans(min(int(values["clusters"]), len(sample)), n_init=1, max_iter=30, random_state=seed, algorithm="lloyd")
    with threadpool_limits(1):  # of the libraries that scikit-learn has brought in: its sums differ in bits with the number of threads
        clustering.fit(sample)
    centres = np.asarray(clustering.cluster_centers_, dtype=float)
    width = max(float(_distances(sample, centres).min(axis=1).mean()), 1e-3)  # 0 where there are no more rows than clusters
    outcomes = _outcomes(_membership(points, centres, width), training, values["prior"])
    return linear.arrays_to_bytes(axes=axes, centres=centres, width=np.array([width]), outcomes=outcomes, **standard.to_arrays())


def load(data: bytes) -> Fitted:
    """Load the model from its bytes. Raises ValueError for other bytes."""
    parts = linear.arrays_from_bytes(data, *linear.STANDARDISER_ARRAYS, "axes", "centres", "width", "outcomes")
    return Fitted(linear.standardiser_from_arrays(parts), parts["axes"], parts["centres"], float(parts["width"][0]), parts["outcomes"])


def predict(fitted: Fitted, x: Floats) -> Floats:
    """(..., H, S) forecasts in horizon volatilities, from (..., S, F) features."""
    membership = _membership(fitted.standard.transform(x) @ fitted.axes, fitted.centres, fitted.width)
    return np.ascontiguousarray((membership @ fitted.outcomes).swapaxes(-1, -2))


def _outcomes(membership: Floats, training: TrainingSet, prior: float) -> Floats:
    columns = []
    for index in range(len(training.horizons)):
        y = np.ascontiguousarray(training.y[:, index])
        known = np.isfinite(y)
        weights = linear.select_rows(membership, known)
        columns.append((weights.T @ linear.select_rows(y, known)) / (weights.sum(axis=0) + prior))
    return np.stack(columns, axis=1)


def _membership(points: Floats, centres: Floats, width: float) -> Floats:
    """(..., N, K) Gaussian membership of each point in each cluster, summing to 1 over clusters."""
    membership = np.empty((*points.shape[:-1], len(centres)))
    for first in range(0, len(points), BLOCK_ROWS):
        distances = _distances(points[first : first + BLOCK_ROWS], centres)
        weights = np.exp(-(distances - distances.min(axis=-1)[..., None]) / width)
        np.divide(weights, weights.sum(axis=-1)[..., None], out=membership[first : first + BLOCK_ROWS])
    return membership


def _distances(points: Floats, centres: Floats) -> Floats:
    return np.asarray((points * points).sum(axis=-1)[..., None] - 2.0 * points @ centres.T + (centres * centres).sum(axis=1))


MODEL = Model("kmeans_prototypes", "k-means prototypes", fit, load, predict, parameters=HYPERPARAMETERS, takes_blocks=True)
