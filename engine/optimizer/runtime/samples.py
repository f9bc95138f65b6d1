"""The samples of an experiment's metric: from the engine's buffer, or read from the probes."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from engine.domain.optimization import Reading
from engine.domain.record import Floats, Ints
from engine.optimizer.runtime.ports import ExperimentParts
from engine.optimizer.runtime.readings_buffer import ReadingsBuffer
from engine.optimizer.windows import SECOND
from engine.store.errors import StoreError


class Samples(Protocol):
    """The samples of a metric around an experiment."""

    unit: str

    def take(self) -> None:
        """Called at every step of the experiment."""
        ...

    def series(self, since: int, until: int) -> tuple[Ints, Floats]:
        """(N,) ns UTC ascending and (N,) values from `since` on, before `until`."""
        ...


class BufferedSamples:
    """Samples that the readings buffer of the engine takes in anyway."""

    def __init__(self, recent: ReadingsBuffer, metric: str, since: int) -> None:
        self._recent, self._metric = recent, metric
        newest = recent.latest(metric, since)
        self.unit = "" if newest is None else newest.unit

    def take(self) -> None:
        """Nothing to do: the engine fills the buffer."""

    def series(self, since: int, until: int) -> tuple[Ints, Floats]:
        return self._recent.series(self._metric, since, until)


class ProbedSamples:
    """Samples read from the probes at every step; those from before come from the buffer, or from the store where there is none."""

    def __init__(self, parts: ExperimentParts, metric: str) -> None:
        self._parts, self._metric = parts, metric
        self._earlier = self._read_earlier()
        self._readings: list[Reading] = []
        self.unit = ""
        self.take()
        if self._readings:
            self.unit = self._readings[0].unit

    def take(self) -> None:
        reading = next((reading for reading in self._parts.probes.read() if f"{reading.source}.{reading.name}" == self._metric), None)
        if reading is not None:
            self._readings.append(reading)

    def series(self, since: int, until: int) -> tuple[Ints, Floats]:
        """Every moment once."""
        at = np.append(self._earlier[0], np.array([reading.at for reading in self._readings], dtype=np.int64))
        at, place = np.unique(at, return_index=True)
        values = np.append(self._earlier[1], [reading.value for reading in self._readings])[place]
        inside = (at >= since) & (at < until)
        return at[inside], values[inside]

    def _read_earlier(self) -> tuple[Ints, Floats]:
        now, span = self._parts.clock.now(), round(self._parts.plan.before * SECOND)
        if self._parts.buffer is not None:  # the store lags a few seconds behind
            return self._parts.buffer.series(self._metric, now - span, now + 1)
        source, _, name = self._metric.partition(".")
        try:
            return self._parts.history.readings(source, name, now - span)
        except StoreError:  # the sample of now stands alone
            return np.empty(0, dtype=np.int64), np.empty(0)
