"""The readings of the last minutes, in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from threading import Lock

import numpy as np

from engine.domain.record import Floats, Ints
from engine.domain.tuning import Reading

SAMPLES = 1_500  # more than a trial's windows and their pause, at one a second


class Recent:
    """The newest samples of every reading, each moment once. Safe from any thread."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, Mapping[str, Reading]]] = deque(maxlen=SAMPLES)  # ns UTC, by "source.name"
        self._lock = Lock()
        self.wanted: frozenset[str] | None = None  # metrics that are kept; None for all

    def hear(self, newest: Mapping[str, Reading]) -> None:
        """The readings of a moment, by "source.name"."""
        at = next((reading.at for reading in newest.values()), None)
        wanted = self.wanted
        kept = newest if wanted is None else {metric: newest[metric] for metric in wanted if metric in newest}
        with self._lock:
            if at is not None and not (self._samples and self._samples[-1][0] == at):
                self._samples.append((at, kept))

    def last(self, metric: str, since: int) -> Reading | None:
        """The newest reading of a metric from after `since` (ns UTC)."""
        with self._lock:
            for at, sample in reversed(self._samples):
                if at <= since:
                    return None
                if metric in sample:
                    return sample[metric]
        return None

    def series(self, metric: str, since: int, until: int) -> tuple[Ints, Floats]:
        """(N,) ns UTC and (N,) values from `since` on, before `until`."""
        with self._lock:
            samples = tuple(self._samples)
        told = sorted((at, sample[metric].value) for at, sample in samples if since <= at < until and metric in sample)
        return np.array([at for at, _ in told], dtype=np.int64), np.array([value for _, value in told], dtype=np.float64)
