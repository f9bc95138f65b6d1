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
        self._samples: deque[Mapping[str, Reading]] = deque(maxlen=SAMPLES)
        self._last: int | None = None
        self._lock = Lock()

    def hear(self, newest: Mapping[str, Reading]) -> None:
        """The readings of a moment, by "source.name"."""
        at = next((reading.at for reading in newest.values()), None)
        with self._lock:
            if at is not None and at != self._last:
                self._samples.append(newest)
                self._last = at

    def last(self, metric: str, since: int) -> Reading | None:
        """The newest reading of a metric from after `since` (ns UTC)."""
        with self._lock:
            samples = tuple(self._samples)
        for sample in reversed(samples):
            reading = sample.get(metric)
            if reading is not None:
                return reading if reading.at > since else None
        return None

    def series(self, metric: str, since: int, until: int) -> tuple[Ints, Floats]:
        """(N,) ns UTC and (N,) values from `since` on, before `until`."""
        with self._lock:
            samples = tuple(self._samples)
        found = [sample[metric] for sample in samples if metric in sample]
        told = sorted((one.at, one.value) for one in found if since <= one.at < until)
        return np.array([at for at, _ in told], dtype=np.int64), np.array([value for _, value in told], dtype=np.float64)
