"""The readings of the last minutes, in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from threading import Lock

import numpy as np

from engine.domain.record import Floats, Ints
from engine.domain.tuning import Reading

SAMPLES = 400


class Recent:
    """The newest samples of every reading, each moment once. Safe from any thread."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, Mapping[str, Reading]]] = deque(maxlen=SAMPLES)  # ns UTC, by "source.name"
        self._lock = Lock()

    def hear(self, newest: Mapping[str, Reading]) -> None:
        """The readings of a moment, by "source.name"."""
        at = next((reading.at for reading in newest.values()), None)
        with self._lock:
            if at is not None and not (self._samples and self._samples[-1][0] == at):
                self._samples.append((at, newest))

    def last(self, metric: str, since: int) -> Reading | None:
        """The newest reading of a metric from after `since` (ns UTC)."""
        for at, sample in reversed(self._kept()):
            if at <= since:
                return None
            reading = sample.get(metric)
            if reading is not None:
                return reading
        return None

    def series(self, metric: str, since: int, until: int) -> tuple[Ints, Floats]:
        """(N,) ns UTC and (N,) values from `since` on, before `until`."""
        told = sorted((at, sample[metric].value) for at, sample in self._kept() if since <= at < until and metric in sample)
        return np.array([at for at, _ in told], dtype=np.int64), np.array([value for _, value in told], dtype=np.float64)

    def _kept(self) -> tuple[tuple[int, Mapping[str, Reading]], ...]:
        with self._lock:
            return tuple(self._samples)
