"""The readings of the last minutes, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

import numpy as np

from engine.domain.record import Floats, Ints
from engine.domain.tuning import Reading

SAMPLES = 1_500  # more than a trial's windows and their pause, at one a second


class Recent:
    """The newest samples of every reading, each moment once, in rings that take their room at once. Safe from any thread."""

    def __init__(self) -> None:
        self._at = np.zeros(SAMPLES, dtype=np.int64)  # ns UTC
        self._values: dict[str, Floats] = {}  # by "source.name": (SAMPLES,), NaN where it was not told
        self._newest: dict[str, Reading] = {}
        self._heard = 0
        self._lock = Lock()

    def hear(self, newest: Mapping[str, Reading]) -> None:
        """The readings of a moment, by "source.name"."""
        at = next((reading.at for reading in newest.values()), None)
        with self._lock:
            if at is None or (self._heard and self._at[(self._heard - 1) % SAMPLES] == at):
                return
            place = self._heard % SAMPLES
            self._at[place] = at
            for metric in newest.keys() - self._values.keys():
                self._values[metric] = np.full(SAMPLES, np.nan)
            for metric, values in self._values.items():
                values[place] = newest[metric].value if metric in newest else np.nan
            self._newest.update(newest)
            self._heard += 1

    def last(self, metric: str, since: int) -> Reading | None:
        """The newest reading of a metric from after `since` (ns UTC)."""
        with self._lock:
            found = self._newest.get(metric)
        return found if found is not None and found.at > since else None

    def series(self, metric: str, since: int, until: int) -> tuple[Ints, Floats]:
        """(N,) ns UTC ascending and (N,) values from `since` on, before `until`."""
        with self._lock:
            at, values = self._at.copy(), self._values.get(metric, np.full(SAMPLES, np.nan)).copy()
        there = np.flatnonzero((at >= since) & (at < until) & ~np.isnan(values))
        there = there[np.argsort(at[there], kind="stable")]
        return at[there], values[there]
