"""The readings of the last minutes, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

import numpy as np

from engine.domain.optimization import Reading
from engine.domain.record import Floats, Ints

CAPACITY = 1_500  # moments: more than an experiment's windows and their pause, at one per second


class ReadingsBuffer:
    """The newest samples of every reading, each moment once, in ring buffers allocated in full. Safe from any thread."""

    def __init__(self) -> None:
        self._at = np.zeros(CAPACITY, dtype=np.int64)  # ns UTC
        self._values: dict[str, Floats] = {}  # by "source.name": (CAPACITY,), NaN where there was no sample
        self._newest: dict[str, Reading] = {}
        self._count = 0  # moments appended
        self._lock = Lock()

    def append(self, newest: Mapping[str, Reading]) -> None:
        """Append the readings of a moment, by "source.name"; nothing where the moment is the last one again."""
        at = next((reading.at for reading in newest.values()), None)
        with self._lock:
            if at is None or (self._count and self._at[(self._count - 1) % CAPACITY] == at):
                return
            place = self._count % CAPACITY
            self._at[place] = at
            for metric in newest.keys() - self._values.keys():
                self._values[metric] = np.full(CAPACITY, np.nan)
            for metric, values in self._values.items():
                values[place] = newest[metric].value if metric in newest else np.nan
            self._newest.update(newest)
            self._count += 1

    def latest(self, metric: str, since: int) -> Reading | None:
        """The newest reading of a metric after `since` (ns UTC)."""
        with self._lock:
            reading = self._newest.get(metric)
        return reading if reading is not None and reading.at > since else None

    def series(self, metric: str, since: int, until: int) -> tuple[Ints, Floats]:
        """(N,) ns UTC ascending and (N,) values from `since` on, before `until`."""
        with self._lock:
            at, values = self._at.copy(), self._values.get(metric, np.full(CAPACITY, np.nan)).copy()
        places = np.flatnonzero((at >= since) & (at < until) & ~np.isnan(values))
        places = places[np.argsort(at[places], kind="stable")]
        return at[places], values[places]
