"""Linear algebra that models share: standardising with trained bounds, ridge chosen by a purged hold-out, and parameters as bytes."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.domain.model import Training
from engine.domain.record import Floats, Record

PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # multiples of the number of rows
HELD_OUT = 0.25  # the last quarter chooses the penalty
SAMPLE = 20_000  # rows that quantiles are taken from


@dataclass(frozen=True, slots=True)
class Standard(Record):
    """How columns are brought to mean 0 and deviation 1; values are clipped to the trained range, blanks become 0."""

    low: Floats  # (F,) 0.5 % quantile
    high: Floats  # (F,) 99.5 %
    mean: Floats  # (F,)
    deviation: Floats  # (F,)

    def apply(self, x: NDArray[Any]) -> Floats:
        """(N, F) standardised."""
        return np.nan_to_num((np.clip(x.astype(np.float64, copy=False), self.low, self.high) - self.mean) / self.deviation, nan=0.0)


def bounds(x: NDArray[Any]) -> tuple[Floats, Floats]:
    """(F,) 0.5 % and 99.5 % quantiles of each column, from an even sample of at most 20,000 rows; -inf and inf where a column is blank."""
    sample = x[:: max(1, len(x) // SAMPLE)].astype(np.float64)
    blank = ~np.isfinite(sample).any(axis=0)
    safe = np.where(blank, 0.0, sample)
    low, high = np.nanquantile(safe, (0.005, 0.995), axis=0)
    return np.where(blank, -np.inf, low), np.where(blank, np.inf, high)


def standard(x: NDArray[Any]) -> Standard:
    """The standardisation of (N, F) rows."""
    low, high = bounds(x)
    low, high = np.where(np.isfinite(low), low, 0.0), np.where(np.isfinite(high), high, 0.0)
    clipped = np.clip(x.astype(np.float64), low, high)
    there = np.isfinite(clipped)
    count = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, clipped, 0.0).sum(axis=0) / count
    deviation = np.sqrt(np.where(there, (clipped - mean) ** 2, 0.0).sum(axis=0) / count)
    return Standard(low, high, mean, np.where(deviation > 1e-9, deviation, 1.0))


def ridge(z: Floats, training: Training) -> Floats:
    """(K + 1, H) coefficients and intercept on the (N, K) columns `z`.

    The penalty is the one with the least squared error on the last quarter, from which the rows whose targets reach into it are purged (as many
    bars as the horizon); the coefficients are then fitted on everything.
    """
    split = int(np.quantile(training.tick, 1.0 - HELD_OUT)) if len(z) else 0
    columns = []
    for index, horizon in enumerate(training.horizons):
        y = training.y[:, index]
        known = np.isfinite(y)
        early, late = known & (training.tick <= split - horizon), known & (training.tick > split)
        columns.append(_fit(z, y, known, _penalty(z, y, early, late)))
    return np.stack(columns, axis=1)


def _penalty(z: Floats, y: Floats, early: np.ndarray, late: np.ndarray) -> float:
    if early.sum() < z.shape[1] or late.sum() < z.shape[1]:
        return PENALTIES[-1]
    gram, moment, centre = _moments(z[early], y[early])
    rows, test, truth = int(early.sum()), z[late], y[late] - centre
    values, vectors = np.linalg.eigh(gram)
    turned, shown = vectors.T @ moment, test @ vectors
    errors = [float(((truth - shown @ (turned / (values + penalty * rows))) ** 2).sum()) for penalty in PENALTIES]
    return PENALTIES[int(np.argmin(errors))]


def _fit(z: Floats, y: Floats, known: np.ndarray, penalty: float) -> Floats:
    if not known.any():
        return np.zeros(z.shape[1] + 1)
    gram, moment, centre = _moments(z[known], y[known])
    slopes = np.linalg.solve(gram + penalty * int(known.sum()) * np.eye(len(gram)), moment)
    return np.concatenate((slopes, [centre]))


def _moments(z: Floats, y: Floats) -> tuple[Floats, Floats, float]:
    """The intercept is shrunk to a tenth of the mean: a drift is the least reliable thing a sample shows."""
    centre = float(y.mean()) * 0.1
    return z.T @ z, z.T @ (y - centre), centre


def to_bytes(**arrays: Floats) -> bytes:
    """Arrays by name as npz; the same arrays give the same bytes."""
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    return out.getvalue()


def from_bytes(data: bytes) -> dict[str, Floats]:
    """Arrays by name; raises ValueError for anything that is not npz of plain arrays."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return {name: np.ascontiguousarray(archive[name]) for name in archive.files}
