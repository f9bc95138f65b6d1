"""Watches the machine once a second: the newest readings in memory, all of them to the store a few seconds at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Protocol

import orjson

from engine.domain.optimization import Reading
from engine.domain.ports import Clock
from engine.probes.engine import EngineProbe
from engine.probes.gc_pauses import GcPauses

WRITE_SECONDS = 5.0  # s between two writes: what a kill may lose
MAX_PENDING_SAMPLES = 600  # samples that wait for a store that cannot be written
FRESH_SECONDS = 10.0  # s after which a sample is no longer of now
DECISION_READINGS = (  # of the machine at a decision
    "host.cpu_percent", "process.cpu_percent", "host.memory_percent", "container.memory_percent", "host.cpu_pressure_percent",
    "host.memory_pressure_percent", "host.io_pressure_percent", "container.cpu_throttled_percent", "process.rss_bytes", "process.threads",
)  # fmt: skip


class MachineProbes(Protocol):
    """What is watched."""

    @property
    def pauses(self) -> GcPauses: ...

    def read(self) -> tuple[Reading, ...]: ...


class ReadingStore(Protocol):
    """Who keeps readings."""

    def save_readings(self, told: Sequence[Reading]) -> None: ...


class Monitor:
    """Not for two threads at once, but for `newest` and `machine`, which any thread may ask."""

    def __init__(
        self, probes: MachineProbes, keeper: ReadingStore, clock: Clock, work: EngineProbe, waiting: Callable[[], int] | None = None
    ) -> None:
        """`waiting` counts the commands nobody has taken yet; it is asked at each write."""
        self._probes, self._keeper, self._clock, self._work, self._waiting = probes, keeper, clock, work, waiting
        self.write_seconds = WRITE_SECONDS  # s between two writes
        self._unwritten: deque[tuple[Reading, ...]] = deque(maxlen=MAX_PENDING_SAMPLES)
        self._next: float | None = None  # s of the clock's tick, when is written next
        self._newest: dict[str, Reading] = {}
        self._sampled: float | None = None
        self._told: dict[str, float | None] = {}
        self._paused = 0.0  # s of pauses at the tick before
        self._writing = Lock()
        self._pauses = probes.pauses
        self._pauses.open()

    def sample(self) -> None:
        """One sample; every few seconds what was not written yet is written. Raises StoreFailed where it cannot be: it is tried again."""
        found = self._probes.read()
        now = self._clock.tick()
        if found:
            newest = {f"{reading.source}.{reading.name}": reading for reading in found}
            self._told = {name: newest[name].value if name in newest else None for name in DECISION_READINGS}
            self._newest, self._sampled = newest, now
            self._unwritten.append(found)
        if self._next is None or now >= self._next:
            self._next = now + self.write_seconds
            self.write()

    def write(self) -> None:
        """Hands what was not written yet to the store."""
        with self._writing:
            samples = list(self._unwritten)
            if not samples:
                return
            begun = self._clock.tick()
            self._keeper.save_readings([reading for sample in samples for reading in sample])
            self._work.record_write((self._clock.tick() - begun) * 1e3)
            for _ in samples:
                self._unwritten.popleft()
        if self._waiting is not None:
            self._work.record_waiting(self._waiting())

    def close(self) -> None:
        """Listens to the collector no more."""
        self._pauses.close()

    @property
    def newest(self) -> Mapping[str, Reading]:
        """The last sample, by "source.name"; also what is not in the store yet."""
        return self._newest

    def machine_json(self) -> str:
        """The machine as it is now, as JSON, for the tick that is being made: null where a reading is not known, or not of now."""
        paused, before = self._pauses.total, self._paused
        self._paused = paused
        last, sampled = self._work.last_tick, self._sampled
        is_fresh = sampled is not None and self._clock.tick() - sampled <= FRESH_SECONDS
        told: dict[str, float | None] = dict(self._told) if is_fresh else dict.fromkeys(DECISION_READINGS)
        told["process.gc_pause_ms"] = (paused - before) * 1e3  # since the tick before
        told["engine.data_age_ms"] = None if last is None else max(0.0, self._clock.tick() - last) * 1e3
        return orjson.dumps(told).decode()
