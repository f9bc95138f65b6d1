"""Walk-forward folds with purging and an embargo (Lopez de Prado 2018, 7.4)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.domain.model import TrainingSet
from engine.domain.record import Bools, Floats

INNER_FOLDS = 5  # validation blocks before the outer one, on which recipes are compared
MIN_BARS = 400
MIN_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class BlockShares:
    """The lengths of validation blocks as shares of the bars."""

    outer: float  # the last bars, on which the gain of the chosen recipe is estimated
    inner: float  # of each inner block


LONG_BLOCKS = BlockShares(0.10, 0.08)
SHORT_BLOCKS = BlockShares(0.05, 0.04)  # for a search that has to see what changed of late


@dataclass(frozen=True, slots=True)
class Fold:
    """A validation block, and the last bar that may be known to the training before it. Ticks."""

    until: int  # of the training
    start: int  # first tick of the block
    stop: int  # last tick at which a target of the block may be known


def split_walk_forward(training: TrainingSet, shares: BlockShares = LONG_BLOCKS) -> tuple[tuple[Fold, ...], Fold]:
    """The inner folds, newest first, and the outer fold, which ends at `until`.

    Between the end of a training and its block lies an embargo of the longest horizon, and targets of inner blocks end before the embargo of the
    outer fold. Raises ValueError, in one line, where there are too few rows.
    """
    rows = len(training.tick)
    bars = training.until - int(training.tick[0]) + 1 if rows else 0
    if rows < MIN_ROWS or bars < MIN_BARS:
        raise ValueError(f"there are too few rows to search on: {rows:,} in {bars:,} bars; {MIN_ROWS:,} in {MIN_BARS:,} are needed")
    embargo = max(training.horizons)
    outer_bars, fold_bars = int(bars * shares.outer), int(bars * shares.inner)
    if fold_bars <= 2 * embargo:
        raise ValueError(f"there are too few bars to search on: {bars:,}; blocks of {fold_bars} are too short for a horizon of {embargo}")
    outer = Fold(training.until - outer_bars - embargo, training.until - outer_bars + 1, training.until)
    inner = []
    stop = outer.until
    for _ in range(INNER_FOLDS):
        start = stop - fold_bars + 1
        inner.append(Fold(start - 1 - embargo, start, stop))
        stop = start - 1
    return tuple(inner), outer


def cut_training(training: TrainingSet, until: int) -> TrainingSet:
    """The rows up to tick `until`. A target that needs a later bar is NaN (purged), as in a training at that tick."""
    rows = training.tick <= until
    return replace(_keep_rows(training, rows), y=_purge_targets(training, rows, until), until=until)


def cut_validation(training: TrainingSet, fold: Fold) -> TrainingSet:
    """The rows of the fold's block; a target that needs a bar after the block is NaN."""
    rows = (training.tick >= fold.start) & (training.tick <= fold.stop)
    return replace(_keep_rows(training, rows), y=_purge_targets(training, rows, fold.stop), until=fold.stop)


def thin_rows(training: TrainingSet, stride: int) -> TrainingSet:
    """Every `stride`-th of the distinct ticks, counted from the newest, with all of its rows."""
    if stride <= 1:
        return training
    ticks = np.unique(training.tick)[::-1][::stride]
    return _keep_rows(training, np.isin(training.tick, ticks))


def find_stride(rows: int, most: int) -> int:
    """The stride with which at most about `most` rows are left."""
    return max(1, -(-rows // most))


def _keep_rows(training: TrainingSet, rows: Bools) -> TrainingSet:
    return replace(training, x=training.x[rows], y=training.y[rows], tick=training.tick[rows])


def _purge_targets(training: TrainingSet, rows: Bools, until: int) -> Floats:
    due = training.tick[rows][:, None] + np.array(training.horizons)
    return np.where(due <= until, training.y[rows], np.nan)
