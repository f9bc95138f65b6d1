"""Linear algebra shared by models: standardisation with trained bounds, ridge regression with a purged hold-out, and arrays as bytes."""

from __future__ import annotations

import hashlib
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
HELD_OUT = 0.25  # share of the ticks, the last ones, on which the penalty is chosen
SAMPLE = 20_000  # rows from which quantiles are estimated
BLOCK_ROWS = 1_024  # rows that are standardised at a time
SUM_ROWS = 4_096  # rows in single precision that are summed at a time
MEASURED = 2  # samples whose figures are remembered: all models of a training standardise the same rows
MIN_SHARED = 0.9  # share of a horizon's rows known to all horizons, above which they share sums
MEAN_BASELINE = "the forecast at the training mean of every feature"  # which is 0 once standardised
STANDARDISER_ARRAYS = ("low", "high", "mean", "deviation")
_MAX_BYTES = 1 << 30  # of a model's arrays: more than any model has, and less than memory
# Raised by zipfile, zlib and numpy for bytes that are no arrays, or that claim to exceed memory.
_NOT_ARRAYS = (
    ValueError, OSError, EOFError, LookupError, AttributeError, TypeError, ArithmeticError, RuntimeError, MemoryError, SyntaxError, struct.error,
    zlib.error, zipfile.BadZipFile,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standardiser(Record):
    """Standardises columns to mean 0 and deviation 1; values are clipped to the trained range, blanks become 0."""

    low: Floats  # (F,) 0.5 % quantile
    high: Floats  # (F,) 99.5 %
    mean: Floats  # (F,)
    deviation: Floats  # (F,)

    def transform(self, x: NDArray[Any]) -> Floats:
        """(N, F) standardised columns."""
        z = np.empty(x.shape)
        self._transform_into(x, z)
        return z

    def transform_single(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """The same in single precision, for sums that do not need more: half the memory."""
        z = np.empty(x.shape, dtype=np.float32)
        self._transform_into(x, z)
        return z

    def _transform_into(self, x: NDArray[Any], out: NDArray[Any]) -> None:
        """Few rows at a time, so that each step finds them in the processor's cache."""
        for first in range(0, len(x), BLOCK_ROWS):
            block = np.clip(x[first : first + BLOCK_ROWS].astype(np.float64, copy=False), self.low, self.high)
            block -= self.mean
            block /= self.deviation
            block[np.isnan(block)] = 0.0
            out[first : first + BLOCK_ROWS] = block

    def select_columns(self, columns: Ints) -> Standardiser:
        """The standardiser of some of the columns (K,)."""
        return Standardiser(self.low[columns], self.high[columns], self.mean[columns], self.deviation[columns])

    def to_arrays(self) -> dict[str, Floats]:
        """Its arrays by name, as in a model's bytes."""
        return {name: getattr(self, name) for name in STANDARDISER_ARRAYS}


def standardiser_from_arrays(parts: dict[str, Floats]) -> Standardiser:
    """The standardiser from a model's arrays."""
    return Standardiser(parts["low"], parts["high"], parts["mean"], parts["deviation"])


def training_bounds(x: NDArray[Any]) -> tuple[Floats, Floats]:
    """(F,) 0.5 % and 99.5 % quantiles of each column, from an even sample of at most 20,000 rows; -inf and inf for blank columns. Raises ValueError
    for no rows.
    """
    return _measure(x)[:2]


def fit_standardiser(x: NDArray[Any]) -> Standardiser:
    """The standardiser of (N, F) rows, from the same sample as their bounds. Raises ValueError for no rows."""
    return _measure(x)[2]


_Measured = tuple[Floats, Floats, Standardiser]
_measured: dict[tuple[object, ...], _Measured] = {}  # by the values of the sample, so that it does not matter who asks


def _measure(x: NDArray[Any]) -> _Measured:
    """The bounds and the standardiser of (N, F) rows. Raises ValueError for no rows."""
    sample = np.ascontiguousarray(x[:: max(1, len(x) // SAMPLE)])
    if not len(sample):
        raise ValueError("there is no row to learn from")
    key = (sample.dtype.str, sample.shape, hashlib.blake2b(sample.data, digest_size=16).digest())
    known = _measured.get(key)
    if known is None:
        known = _measure_sample(sample.astype(np.float64))
        for old in list(_measured)[: 1 - MEASURED]:
            _measured.pop(old, None)
        _measured[key] = known
    return known


def _measure_sample(sample: Floats) -> _Measured:
    finite = np.where(np.isinf(sample), np.nan, sample)
    blank = np.isnan(finite).all(axis=0)
    low, high = _quantiles(np.where(blank, 0.0, finite), (0.005, 0.995))
    bounds = np.where(blank, -np.inf, low), np.where(blank, np.inf, high)
    clipped = np.clip(sample, low, high)
    known = np.isfinite(clipped)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, clipped, 0.0).sum(axis=0) / count
    deviation = np.sqrt(np.where(known, (clipped - mean) ** 2, 0.0).sum(axis=0) / count)
    for part in bounds:
        part.setflags(write=False)
    return (*bounds, Standardiser(low, high, mean, np.where(deviation > 1e-9, deviation, 1.0)))


def _quantiles(sample: Floats, levels: tuple[float, ...]) -> Floats:
    """(Q, F) quantiles of each column without its blanks: all full columns in one call, for which numpy's own loop over columns is slow."""
    out = np.empty((len(levels), sample.shape[1]))
    full = ~np.isnan(sample).any(axis=0)
    out[:, full] = np.quantile(sample[:, full], levels, axis=0)
    out[:, ~full] = np.nanquantile(sample[:, ~full], levels, axis=0)
    return out


def fit_ridge(z: NDArray[Any], training: TrainingSet, penalty_scale: float = 1.0) -> Floats:
    """(K + 1, H) ridge coefficients and intercept on the (N, K) columns `z`, fitted on all rows with multiples of the `choose_penalties`.

    The intercept is shrunk to a tenth of the mean target, since drift is the least reliable feature of a sample.
    """
    columns = np.zeros((z.shape[1] + 1, len(training.horizons)))
    for group in _group_horizons(training):
        early, late, rest = _split_sums(z, training, group)
        total = early.plus(late).plus(rest)
        centre = total.centre()
        moment = total.moment - total.total[:, None] * centre
        for place, index in enumerate(group.columns):
            penalty = _penalty(early, late, place) * penalty_scale * max(total.rows, 1)
            columns[:-1, index] = np.linalg.solve(total.gram + penalty * np.eye(len(moment)), moment[:, place])
            columns[-1, index] = centre[place]
    return columns


def linear_contributions(slopes: Floats, z: Floats, base: Floats) -> Floats:
    """(H, N, K + 1) Shapley values of a linear model with slopes (H, K), columns z (N, K) whose mean is 0 and intercepts (H,), the base last.

    For a linear model they are slope times distance from the mean (Lundberg and Lee 2017, corollary 1).
    """
    own = slopes[:, None, :] * z
    return np.concatenate((own, np.broadcast_to(base[:, None, None], (*own.shape[:2], 1))), axis=2)


def choose_penalties(z: NDArray[Any], training: TrainingSet) -> list[float]:
    """For each horizon the penalty, in multiples of the rows, with the smallest squared error on the last quarter.

    Rows whose targets reach into that quarter are purged: as many bars as the horizon (Lopez de Prado 2018, 7.4).
    """
    penalty_of = {}
    for group in _group_horizons(training):
        early, late, _ = _split_sums(z, training, group)
        penalty_of.update({index: _penalty(early, late, place) for place, index in enumerate(group.columns)})
    return [penalty_of[index] for index in range(len(training.horizons))]


def arrays_to_bytes(**arrays: NDArray[Any]) -> bytes:
    """Arrays by name as npz; the same arrays give the same bytes."""
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    return out.getvalue()


def arrays_from_bytes(data: bytes, *names: str) -> dict[str, Floats]:
    """Arrays by name. Raises ValueError, in one line, for anything but npz of plain arrays that contains `names`."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            if sum(part.file_size for part in archive.zip.infolist()) > _MAX_BYTES:
                raise ValueError("unpacked they would not fit into memory")
            parts = {name: np.ascontiguousarray(archive[name]) for name in archive.files}
    except _NOT_ARRAYS as error:
        raise ValueError(f"these {len(data)} bytes are no arrays: {' '.join(str(error).split())}") from error
    missing = [name for name in names if name not in parts]
    if missing:
        raise ValueError(f"these {len(data)} bytes lack {', '.join(missing)}")
    return parts


@dataclass(frozen=True, slots=True)
class _SharedRows:
    """Horizons that share their rows: products of rows are most of the work, and are the same for all of them."""

    columns: tuple[int, ...]  # of the targets
    known: Bools  # (N,)


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums over some rows, K columns and the targets of shared horizons."""

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


def _group_horizons(training: TrainingSet) -> list[_SharedRows]:
    """All horizons together where nearly the same rows are known, else each separately."""
    known = np.isfinite(training.y)
    all_known = np.asarray(known.all(axis=1))
    if all_known.sum() >= MIN_SHARED * known.sum(axis=0).max(initial=0):
        return [_SharedRows(tuple(range(known.shape[1])), all_known)]
    return [_SharedRows((index,), known[:, index]) for index in range(known.shape[1])]


def _split_sums(z: NDArray[Any], training: TrainingSet, group: _SharedRows) -> tuple[_Sums, _Sums, _Sums]:
    """Sums over the early rows, over the last quarter, and over the purged rows between, whose targets reach into it."""
    longest = max(training.horizons[index] for index in group.columns)
    split = int(np.quantile(training.tick, 1.0 - HELD_OUT)) if len(z) else 0
    early, late = training.tick <= split - longest, training.tick > split
    y = np.ascontiguousarray(training.y[:, list(group.columns)])
    early_sums, late_sums, rest = (_sum(z, y, group.known & part) for part in (early, late, ~early & ~late))
    return early_sums, late_sums, rest


def select_rows(values: NDArray[Any], rows: Bools) -> NDArray[Any]:
    """The rows of (N, ...) values where `rows` (N,) is true; a view, which copies nothing, where they follow one another."""
    places = np.flatnonzero(rows)
    if len(places) and places[-1] - places[0] + 1 == len(places):
        return values[places[0] : places[-1] + 1]
    return values[rows]


def _sum(z: NDArray[Any], y: Floats, rows: Bools) -> _Sums:
    """The sums over these rows, in double precision; columns in single precision are converted few rows at a time."""
    rows_z, rows_y = select_rows(z, rows), select_rows(y, rows)
    if rows_z.dtype == np.float64:
        return _sum_rows(rows_z, rows_y)
    total = _sum_rows(rows_z[:SUM_ROWS].astype(np.float64), rows_y[:SUM_ROWS])
    for first in range(SUM_ROWS, len(rows_z), SUM_ROWS):
        total = total.plus(_sum_rows(rows_z[first : first + SUM_ROWS].astype(np.float64), rows_y[first : first + SUM_ROWS]))
    return total


def _sum_rows(z: Floats, y: Floats) -> _Sums:
    return _Sums(z.T @ z, z.T @ y, z.sum(axis=0), y.sum(axis=0), len(z))


def _penalty(early: _Sums, late: _Sums, place: int) -> float:
    """The penalty, fitted on the early rows, with the smallest squared error on the late ones."""
    if min(early.rows, late.rows) < len(early.gram):
        return PENALTIES[-1]
    centre = float(early.centre()[place])
    values, vectors = np.linalg.eigh(early.gram)
    rotated = vectors.T @ (early.moment[:, place] - early.total * centre)
    gram, moment = vectors.T @ late.gram @ vectors, vectors.T @ (late.moment[:, place] - late.total * centre)
    slopes = [rotated / (values + penalty * early.rows) for penalty in PENALTIES]
    return PENALTIES[int(np.argmin([slope @ gram @ slope - 2.0 * slope @ moment for slope in slopes]))]
