"""Linear algebra that models share: standardising with trained bounds, ridge chosen by a purged hold-out, and parameters as bytes."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.domain.model import Training
from engine.domain.record import Floats, Ints, Record

PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # multiples of the number of rows
HELD_OUT = 0.25  # the last quarter chooses the penalty
SAMPLE = 20_000  # rows that quantiles are taken from
STANDARD = ("low", "high", "mean", "deviation")


@dataclass(frozen=True, slots=True)
class Standard(Record):
    """How columns are brought to mean 0 and deviation 1; values are clipped to the trained range, blanks become 0."""

    low: Floats  # (F,) 0.5 % quantile
    high: Floats  # (F,) 99.5 %
    mean: Floats  # (F,)
    deviation: Floats  # (F,)

    def apply(self, x: NDArray[Any]) -> Floats:
        """(N, F) standardised."""
        z = np.clip(x.astype(np.float64, copy=False), self.low, self.high)
        z -= self.mean
        z /= self.deviation
        z[np.isnan(z)] = 0.0
        return z

    def only(self, columns: Ints) -> Standard:
        """That of some of the columns."""
        return Standard(self.low[columns], self.high[columns], self.mean[columns], self.deviation[columns])

    def parts(self) -> dict[str, Floats]:
        """By name, as a model's bytes hold it."""
        return {name: getattr(self, name) for name in STANDARD}


def standard_of(parts: dict[str, Floats]) -> Standard:
    """The standardisation back from a model's parts."""
    return Standard(parts["low"], parts["high"], parts["mean"], parts["deviation"])


def bounds(x: NDArray[Any]) -> tuple[Floats, Floats]:
    """(F,) 0.5 % and 99.5 % quantiles of each column, from an even sample of at most 20,000 rows; -inf and inf where a column is blank."""
    sample = x[:: max(1, len(x) // SAMPLE)].astype(np.float64)
    sample[np.isinf(sample)] = np.nan
    blank = np.isnan(sample).all(axis=0)
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

    The penalties are those of `penalties`; the coefficients are then fitted on everything.
    """
    chosen, columns = penalties(z, training), []
    for index in range(len(training.horizons)):
        y = training.y[:, index]
        columns.append(_fit(z, y, np.isfinite(y), chosen[index]))
    return np.stack(columns, axis=1)


def penalties(z: Floats, training: Training) -> list[float]:
    """For each horizon the penalty, in multiples of the rows, with the least squared error on the last quarter.

    The rows whose targets reach into that quarter are purged: as many bars as the horizon.
    """
    split = int(np.quantile(training.tick, 1.0 - HELD_OUT)) if len(z) else 0
    chosen = []
    for index, horizon in enumerate(training.horizons):
        y = training.y[:, index]
        known = np.isfinite(y)
        chosen.append(_penalty(z, y, known & (training.tick <= split - horizon), known & (training.tick > split)))
    return chosen


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


def from_bytes(data: bytes, *names: str) -> dict[str, Floats]:
    """Arrays by name; raises ValueError, in one line, for anything that is not npz of plain arrays with these among them."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            parts = {name: np.ascontiguousarray(archive[name]) for name in archive.files}
    except (ValueError, OSError, EOFError, KeyError, AttributeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise ValueError(f"these {len(data)} bytes are no arrays: {' '.join(str(error).split())}") from error
    missing = [name for name in names if name not in parts]
    if missing:
        raise ValueError(f"these {len(data)} bytes lack {', '.join(missing)}")
    return parts
