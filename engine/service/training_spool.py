"""Training rows on their way to the workers, in a file: a pipe to each fit costs a second of processor time per training of 170,000 rows."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from engine.domain.model import TrainingSet
from engine.files import temporary_files
from engine.files.temporary_files import TemporaryItem


@dataclass(frozen=True, slots=True)
class SpooledTraining:
    """A training whose arrays lie in a file."""

    path: str
    columns: tuple[str, ...]
    horizons: tuple[int, ...]
    until: int


def spool_training(training: TrainingSet, home: str) -> tuple[SpooledTraining, TemporaryItem]:
    """Write the rows to a temporary file of PODIUM_HOME. Raises OSError or FolderTaken where it cannot be written, and leaves nothing."""
    rows = temporary_files.create_file(home, "rows")
    try:
        with rows.path.open("wb") as file:
            for part in (training.x, training.y, training.tick):
                np.save(file, part, allow_pickle=False)
    except OSError:
        rows.delete()
        raise
    return SpooledTraining(str(rows.path), training.columns, training.horizons, training.until), rows


def delete_when_done(rows: TemporaryItem, futures: Sequence[Future[Any]]) -> None:
    """Delete the file as soon as all futures are done, however they end."""
    for future in futures:
        future.add_done_callback(partial(_delete_when_done, rows, futures))


def _delete_when_done(rows: TemporaryItem, futures: Sequence[Future[Any]], _: Future[Any]) -> None:
    if all(future.done() for future in futures):
        rows.delete()


def read_spooled_training(spooled: SpooledTraining) -> TrainingSet:
    """The rows, bit for bit."""
    with Path(spooled.path).open("rb") as file:
        x, y, tick = (np.load(file, allow_pickle=False) for _ in range(3))
    return TrainingSet(spooled.columns, spooled.horizons, x, y, tick, spooled.until)
