"""Rows on their way to the workers, in a file: through a pipe to each model's fit they cost a second of processor time a training of 170,000 rows."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from engine.domain.model import Training


@dataclass(frozen=True, slots=True)
class Parcel:
    """A training whose arrays lie in a file."""

    path: str
    columns: tuple[str, ...]
    horizons: tuple[int, ...]
    until: int

    def drop(self) -> None:
        """Deletes the file."""
        Path(self.path).unlink(missing_ok=True)

    def drop_after(self, futures: Sequence[Future[Any]]) -> None:
        """Deletes the file as soon as all of them are done, however they end."""
        for one in futures:
            one.add_done_callback(partial(self._drop_when_done, futures))

    def _drop_when_done(self, futures: Sequence[Future[Any]], _: Future[Any]) -> None:
        if all(one.done() for one in futures):
            self.drop()


def wrap(training: Training) -> Parcel:
    """Writes the rows; raises OSError where there is no room for them, and leaves nothing."""
    number, path = tempfile.mkstemp(prefix="podium-rows-")
    parcel = Parcel(path, training.columns, training.horizons, training.until)
    try:
        with os.fdopen(number, "wb") as file:
            for part in (training.x, training.y, training.tick):
                np.save(file, part, allow_pickle=False)
    except OSError:
        parcel.drop()
        raise
    return parcel


def unwrap(parcel: Parcel) -> Training:
    """The rows, bit for bit."""
    with Path(parcel.path).open("rb") as file:
        x, y, tick = (np.load(file, allow_pickle=False) for _ in range(3))
    return Training(parcel.columns, parcel.horizons, x, y, tick, parcel.until)
