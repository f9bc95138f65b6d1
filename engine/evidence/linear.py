"""Linear algebra that models share: standardising with trained bounds, ridge chosen by a purged hold-out, and parameters as bytes."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.domain.model import TrainingSet
from engine.domain.record import Bools, Floats, Ints, Record

PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # multiples of the number of rows
HELD_OUT = 0.25  # the last quarter chooses the penalty
SAMPLE = 20_000  # rows that quantiles are taken from
SHARED = 0.9  # of a horizon's rows that all must know to share one sum
STANDARDISER_ARRAYS = ("low", "high", "mean", "deviation")
_MOST = 1 << 30  # bytes of a model's arrays: more than any has, and less than a memory
# What zipfile, zlib and numpy raise for bytes that are no arrays, or that claim to be larger than memory.
_NOT_ARRAYS = (
    ValueError, OSError, EOFError, LookupError, AttributeError, TypeError, ArithmeticError, RuntimeError, MemoryError, SyntaxError, struct.error,
    zlib.error, zipfile.BadZipFile,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standardiser(Record):
    """How columns are brought to mean 0 and deviation 1; values are clipped to the trained range, blanks become 0."""

    low: Floats  # (F,) 0.5 % quantile
    high: Floats  # (F,) 99.5 %
    mean: Floats  # (F,)
    deviation: Floats  # (F,)

    def transform(self, x: NDArray[Any]) -> Floats:
        """(N, F) standardised."""
        z = np.clip(x.astype(np.float64, copy=False), self.low, self.high)
        z -= self.mean
        z /= self.deviation
        z[np.isnan(z)] = 0.0
        return z

    def select_columns(self, columns: Ints) -> Standardiser:
        """That of some of the columns."""
        return Standardiser(self.low[columns], self.high[columns], self.mean[columns], self.deviation[columns])

    def to_arrays(self) -> dict[str, Floats]:
        """By name, as a model's bytes hold it."""
        return {name: getattr(self, name) for name in STANDARDISER_ARRAYS}


def standardiser_from_arrays(parts: dict[str, Floats]) -> Standardiser:
    """The standardisation back from a model's parts."""
    return Standardiser(parts["low"], parts["high"], parts["mean"], parts["deviation"])


def training_bounds(x: NDArray[Any]) -> tuple[Floats, Floats]:
    """(F,) 0.5 % and 99.5 % quantiles of each column, from an even sample of at most 20,000 rows; -inf and inf where a column is blank."""
    sample = x[:: max(1, len(x) // SAMPLE)].astype(np.float64)
    if not len(sample):
        raise ValueError("there is no row to learn from")
    sample[np.isinf(sample)] = np.nan
    blank = np.isnan(sample).all(axis=0)
    safe = np.where(blank, 0.0, sample)
    low, high = np.nanquantile(safe, (0.005, 0.995), axis=0)
    return np.where(blank, -np.inf, low), np.where(blank, np.inf, high)


def fit_standardiser(x: NDArray[Any]) -> Standardiser:
    """The standardisation of (N, F) rows, from the sample that their bounds are taken from."""
    low, high = training_bounds(x)
    low, high = np.where(np.isfinite(low), low, 0.0), np.where(np.isfinite(high), high, 0.0)
    clipped = np.clip(x[:: max(1, len(x) // SAMPLE)].astype(np.float64), low, high)
    there = np.isfinite(clipped)
    count = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, clipped, 0.0).sum(axis=0) / count
    deviation = np.sqrt(np.where(there, (clipped - mean) ** 2, 0.0).sum(axis=0) / count)
    return Standardiser(low, high, mean, np.where(deviation > 1e-9, deviation, 1.0))


def fit_ridge(z: Floats, training: TrainingSet) -> Floats:
    """(K + 1, H) coefficients and intercept on the (N, K) columns `z`, fitted on everything with the penalty that `penalties` finds.

    The intercept is shrunk to a tenth of the mean: a drift is the least reliable thing a sample shows.
    """
    columns = np.zeros((z.shape[1] + 1, len(training.horizons)))
    for share in _shares(training):
        early, late, rest = _parts(z, training, share)
        whole = early.plus(late).plus(rest)
        centre = whole.centre()
        moment = whole.moment - whole.total[:, None] * centre
        for place, index in enumerate(share.columns):
            penalty = _penalty(early, late, place) * max(whole.rows, 1)
            columns[:-1, index] = np.linalg.solve(whole.gram + penalty * np.eye(len(moment)), moment[:, place])
            columns[-1, index] = centre[place]
    return columns


def choose_penalties(z: Floats, training: TrainingSet) -> list[float]:
    """For each horizon the penalty, in multiples of the rows, with the least squared error on the last quarter.

    The rows whose targets reach into that quarter are purged: as many bars as the horizon.
    """
    found = {}
    for share in _shares(training):
        early, late, _ = _parts(z, training, share)
        found.update({index: _penalty(early, late, place) for place, index in enumerate(share.columns)})
    return [found[index] for index in range(len(training.horizons))]


@dataclass(frozen=True, slots=True)
class _Share:
    """Horizons that share their rows: products of rows are most of the work, and serve all of them."""

    columns: tuple[int, ...]  # of the targets
    known: Bools  # (N,)


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums over some rows, K columns and the targets of a share."""

    gram: Floats  # (K, K)
    moment: Floats  # (K, H)
    total: Floats  # (K,)
    targets: Floats  # (H,)
    rows: int

    def plus(self, other: _Sums) -> _Sums:
        parts = (self.gram + other.gram, self.moment + other.moment, self.total + other.total, self.targets + other.targets)
        return _Sums(*parts, self.rows + other.rows)

    def centre(self) -> Floats:
        """(H,) a tenth of the mean target."""
        return self.targets / max(self.rows, 1) * 0.1


def _shares(training: TrainingSet) -> list[_Share]:
    """All horizons together where nearly the same rows know them, else each by itself."""
    known = np.isfinite(training.y)
    all_known = np.asarray(known.all(axis=1))
    if all_known.sum() >= SHARED * known.sum(axis=0).max(initial=0):
        return [_Share(tuple(range(known.shape[1])), all_known)]
    return [_Share((index,), known[:, index]) for index in range(known.shape[1])]


def _parts(z: Floats, training: TrainingSet, share: _Share) -> tuple[_Sums, _Sums, _Sums]:
    """Sums over the early rows, over the last quarter, and over those between, whose targets reach into it."""
    longest = max(training.horizons[index] for index in share.columns)
    split = int(np.quantile(training.tick, 1.0 - HELD_OUT)) if len(z) else 0
    early, late = training.tick <= split - longest, training.tick > split
    y = training.y[:, list(share.columns)]
    early_sums, late_sums, rest = (_sum(z, y, share.known & part) for part in (early, late, ~early & ~late))
    return early_sums, late_sums, rest


def _sum(z: Floats, y: Floats, rows: Bools) -> _Sums:
    some, came = z[rows], y[rows]
    return _Sums(some.T @ some, some.T @ came, some.sum(axis=0), came.sum(axis=0), len(some))


def _penalty(early: _Sums, late: _Sums, place: int) -> float:
    """The penalty, fitted on the early rows, whose squared error on the late ones is least."""
    if min(early.rows, late.rows) < len(early.gram):
        return PENALTIES[-1]
    centre = float(early.centre()[place])
    values, vectors = np.linalg.eigh(early.gram)
    turned = vectors.T @ (early.moment[:, place] - early.total * centre)
    gram, moment = vectors.T @ late.gram @ vectors, vectors.T @ (late.moment[:, place] - late.total * centre)
    slopes = [turned / (values + penalty * early.rows) for penalty in PENALTIES]
    return PENALTIES[int(np.argmin([one @ gram @ one - 2.0 * one @ moment for one in slopes]))]


def arrays_to_bytes(**arrays: Floats) -> bytes:
    """Arrays by name as npz; the same arrays give the same bytes."""
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    return out.getvalue()


def arrays_from_bytes(data: bytes, *names: str) -> dict[str, Floats]:
    """Arrays by name; raises ValueError, in one line, for anything that is not npz of plain arrays with these among them."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            if sum(part.file_size for part in archive.zip.infolist()) > _MOST:
                raise ValueError("unpacked they would not fit into memory")
            parts = {name: np.ascontiguousarray(archive[name]) for name in archive.files}
    except _NOT_ARRAYS as error:
        raise ValueError(f"these {len(data)} bytes are no arrays: {' '.join(str(error).split())}") from error
    missing = [name for name in names if name not in parts]
    if missing:
        raise ValueError(f"these {len(data)} bytes lack {', '.join(missing)}")
    return parts
