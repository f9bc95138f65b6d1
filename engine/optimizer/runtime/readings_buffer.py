"""The readings of the last minutes, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

import numpy as np

from engine.domain.optimization import Reading
from engine.domain.record import Floats, Ints

CAPACITY = 1_500  # more than a trial's windows and their pause, at one a second


class ReadingsBuffer:
    """The newest samples of every reading, each moment once, in rings that take their room at once. Safe from any thread."""

    def __init__(self) -> None:
        self._at = np.zeros(CAPACITY, dtype=np.int64)  # ns UTC
        self._values: dict[str, Floats] = {}  # by "source.name": (SAMPLES,), NaN where it was not told
        self._newest: dict[str, Reading] = {}
        self._heard = 0
        self._lock = Lock()

    def append(self, newest: Mapping[str, Reading]) -> None:
        """The readings of a moment, by "source.name"."""
        at = next((reading.at for reading in newest.values()), None)
        with self._lock:
            if at is None or (self._heard and self._at[(self._heard - 1) % CAPACITY] == at):
                return
            place = self._heard % CAPACITY
            self._at[place] = at
            for metric in newest.keys() - self._values.keys():
                self._values[metric] = np.full(CAPACITY, np.nan)
            for metric, values in self._values.items():
                values[place] = newest[metric].value if metric in newest else np.nan
            self._newest.update(newest)
            self._heard += 1

    def latest(self, metric: str, since: int) -> Reading | None:
        """The newest reading of a metric from after `since` (ns UTC)."""
        with self._lock:
            found = self._newest.get(metric)
        return found if found is not None and found.at > since else None

    def series(self, metric: str, since: int, until: int) -> tuple[Ints, Floats]:
        """(N,) ns UTC ascending and (N,) values from `since` on, before `until`."""
        with self._lock:
            at, values = self._at.copy(), self._values.get(metric, np.full(CAPACITY, np.nan)).copy()
        there = np.flatnonzero((at >= since) & (at < until) & ~np.isnan(values))
        there = there[np.argsort(at[there], kind="stable")]
        return at[there], values[there]
