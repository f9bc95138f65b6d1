"""Samples the machine once per second: the newest readings in memory, all of them to the store every few seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import orjson

from engine.domain.optimization import Reading
from engine.domain.ports import Clock
from engine.probes.engine import EngineProbe
from engine.probes.gc_pauses import GcPauses
from engine.service.outbox import Outbox

WRITE_SECONDS = 5.0  # s between two writes: what a kill may lose
MAX_PENDING_SAMPLES = 600  # samples that wait for the store
FRESH_SECONDS = 10.0  # s after which a sample is no longer of now
DECISION_READINGS = (  # stored with each decision
    "host.cpu_percent", "process.cpu_percent", "host.memory_percent", "container.memory_percent", "host.cpu_pressure_percent",
    "host.memory_pressure_percent", "host.io_pressure_percent", "container.cpu_throttled_percent", "process.rss_bytes", "process.threads",
)  # fmt: skip


class MachineProbes(Protocol):
    """The probes of the machine."""

    @property
    def pauses(self) -> GcPauses: ...

    def read(self) -> tuple[Reading, ...]: ...


class ReadingStore(Protocol):
    """Stores readings."""

    def save_readings(self, readings: Sequence[Reading]) -> None: ...


class Monitor:
    """For one thread, except for `newest` and `machine`, which any thread may read."""

    def __init__(
        self, probes: MachineProbes, keeper: ReadingStore, clock: Clock, work: EngineProbe, waiting: Callable[[], int] | None = None
    ) -> None:
        """`waiting` counts the commands in the inbox; it is called at each write."""
        self._probes, self._keeper, self._clock, self._work, self._waiting = probes, keeper, clock, work, waiting
        self.write_seconds = WRITE_SECONDS  # s between two writes
        self._outbox: Outbox[tuple[Reading, ...]] = Outbox("samples of the machine", self._save, capacity=MAX_PENDING_SAMPLES)
        self._next: float | None = None  # s of the clock's tick, the time of the next write
        self._newest: dict[str, Reading] = {}
        self._sampled: float | None = None
        self._decision_readings: dict[str, float | None] = {}
        self._paused = 0.0  # s of pauses at the tick before
        self._pauses = probes.pauses
        self._pauses.open()

    def sample(self) -> None:
        """Take a sample and, every few seconds, write what waits. Raises StoreError; the next write includes what was refused."""
        sample = self._probes.read()
        now = self._clock.tick()
        if sample:
            newest = {f"{reading.source}.{reading.name}": reading for reading in sample}
            self._decision_readings = {name: newest[name].value if name in newest else None for name in DECISION_READINGS}
            self._newest, self._sampled = newest, now
            self._outbox.put(sample)
        if self._next is None or now >= self._next:
            self._next = now + self.write_seconds
            self.write()

    def write(self) -> None:
        """Write the samples that wait. Raises StoreError."""
        if len(self._outbox):
            self._outbox.flush()
            if self._waiting is not None:
                self._work.record_waiting(self._waiting())

    def _save(self, samples: Sequence[tuple[Reading, ...]]) -> None:
        begun = self._clock.tick()
        self._keeper.save_readings([reading for sample in samples for reading in sample])
        self._work.record_write((self._clock.tick() - begun) * 1e3)

    def close(self) -> None:
        """Stop listening to the garbage collector."""
        self._pauses.close()

    @property
    def newest(self) -> Mapping[str, Reading]:
        """The last sample, by "source.name", whether it is in the store yet or not."""
        return self._newest

    def machine_json(self) -> str:
        """The machine as it is now, as JSON, for the current tick: null where a reading is unknown or too old."""
        paused, before = self._pauses.total, self._paused
        self._paused = paused
        last, sampled = self._work.last_tick, self._sampled
        is_fresh = sampled is not None and self._clock.tick() - sampled <= FRESH_SECONDS
        values: dict[str, float | None] = dict(self._decision_readings) if is_fresh else dict.fromkeys(DECISION_READINGS)
        values["process.gc_pause_ms"] = (paused - before) * 1e3  # since the tick before
        values["engine.data_age_ms"] = None if last is None else max(0.0, self._clock.tick() - last) * 1e3
        return orjson.dumps(values).decode()
