"""All readings of one moment; a probe that fails is named and stops no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import psutil

from engine.domain.optimization import Reading
from engine.domain.ports import Clock
from engine.probes.container import ContainerProbe
from engine.probes.engine import EngineProbe
from engine.probes.folders import FolderProbe
from engine.probes.gc_pauses import GcPauses
from engine.probes.gpu import GpuProbe, load_nvml
from engine.probes.host import HostProbe
from engine.probes.pressure import PressureProbe
from engine.probes.process import ProcessProbe


class Probe(Protocol):
    """One source of readings."""

    @property
    def source(self) -> str: ...

    def read(self, at: int, tick: float) -> tuple[Reading, ...]:
        """The readings; `at` is ns UTC, `tick` seconds of a monotonic clock."""
        ...

    def note(self) -> str:
        """A description or, beginning with "none", why there is nothing to read."""
        ...


def default_probes(home: Path, work: EngineProbe, *, nvml: Any | None, pauses: GcPauses | None = None) -> tuple[Probe, ...]:
    """Every probe of Podium."""
    return (HostProbe(home), ContainerProbe(), PressureProbe(), ProcessProbe(pauses), GpuProbe(nvml), work, FolderProbe(home))


class Probes:
    """Reads every probe. Safe to call from several threads; takes under a millisecond per call without a graphics card."""

    def __init__(
        self, home: Path, clock: Clock, work: EngineProbe, *, only: tuple[Probe, ...] | None = None, wrap: Callable[[Probe], Probe] | None = None
    ) -> None:
        """`wrap` wraps each probe, as with a circuit breaker that reads a failing one less often."""
        self._clock = clock
        self.pauses = GcPauses(clock.tick)  # opened by whoever wants them reported
        self._sources = default_probes(home, work, nvml=load_nvml(), pauses=self.pauses) if only is None else only
        if wrap is not None:
            self._sources = tuple(wrap(source) for source in self._sources)
        self._failed: dict[str, str] = {}
        self._lock = Lock()

    def read(self) -> tuple[Reading, ...]:
        """The current readings."""
        with self._lock:
            at, tick = self._clock.now(), self._clock.tick()
            return tuple(reading for source in self._sources for reading in self._read_source(source, at, tick))

    def notes(self) -> dict[str, str]:
        """By source: its description, "none: ..." where there is nothing to read, "failed: ..." where the last reading failed."""
        return {source.source: self._failed.get(source.source, source.note()) for source in self._sources}

    def _read_source(self, source: Probe, at: int, tick: float) -> tuple[Reading, ...]:
        try:
            readings = source.read(at, tick)
        except (psutil.Error, OSError, ValueError, ArithmeticError, LookupError, AttributeError, TypeError, RuntimeError) as error:
            self._failed[source.source] = f"failed: {type(error).__name__}: {error}"
            return ()
        self._failed.pop(source.source, None)
        return readings
