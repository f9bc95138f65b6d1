"""Training rows on their way to the workers, in a file: a pipe to each fit costs a second of processor time per training of 170,000 rows."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from engine.domain.model import Training
from engine.files import temporary
from engine.files.temporary import Temporary


@dataclass(frozen=True, slots=True)
class Parcel:
    """A training whose arrays lie in a file."""

    path: str
    columns: tuple[str, ...]
    horizons: tuple[int, ...]
    until: int


def wrap(training: Training, home: str) -> tuple[Parcel, Temporary]:
    """Write the rows to a temporary file of PODIUM_HOME. Raises OSError or FolderTaken where it cannot be written, and leaves nothing."""
    rows = temporary.create_file(home, "rows")
    try:
        with rows.path.open("wb") as file:
            for part in (training.x, training.y, training.tick):
                np.save(file, part, allow_pickle=False)
    except OSError:
        rows.delete()
        raise
    return Parcel(str(rows.path), training.columns, training.horizons, training.until), rows


def delete_after(rows: Temporary, futures: Sequence[Future[Any]]) -> None:
    """Delete the file as soon as all futures are done, however they end."""
    for future in futures:
        future.add_done_callback(partial(_delete_when_done, rows, futures))


def _delete_when_done(rows: Temporary, futures: Sequence[Future[Any]], _: Future[Any]) -> None:
    if all(future.done() for future in futures):
        rows.delete()


def unwrap(parcel: Parcel) -> Training:
    """The rows, bit for bit."""
    with Path(parcel.path).open("rb") as file:
        x, y, tick = (np.load(file, allow_pickle=False) for _ in range(3))
    return Training(parcel.columns, parcel.horizons, x, y, tick, parcel.until)
