"""All readings of one moment; a probe that fails is named and stops no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import psutil

from engine.domain.ports import Clock
from engine.domain.tuning import Reading
from engine.probes.container import Container
from engine.probes.folders import Folders
from engine.probes.gpu import Gpu, installed
from engine.probes.host import Host
from engine.probes.pauses import Pauses
from engine.probes.pressure import Pressure
from engine.probes.process import Own
from engine.probes.work import Work


class Source(Protocol):
    """One source of readings."""

    @property
    def source(self) -> str: ...

    def read(self, at: int, tick: float) -> tuple[Reading, ...]:
        """The readings; `at` is ns UTC, `tick` seconds of a monotonic clock."""
        ...

    def note(self) -> str:
        """A description or, beginning with "none", why there is nothing to read."""
        ...


def sources(home: Path, work: Work, *, nvml: Any | None, pauses: Pauses | None = None) -> tuple[Source, ...]:
    """Every probe of Podium."""
    return (Host(home), Container(), Pressure(), Own(pauses), Gpu(nvml), work, Folders(home))


class Probes:
    """Reads every probe. Safe to call from several threads; takes under a millisecond per call without a graphics card."""

    def __init__(
        self, home: Path, clock: Clock, work: Work, *, only: tuple[Source, ...] | None = None, wrap: Callable[[Source], Source] | None = None
    ) -> None:
        """`wrap` wraps each probe, as with a circuit breaker that reads a failing one less often."""
        self._clock = clock
        self.pauses = Pauses(clock.tick)  # opened by whoever wants them reported
        self._sources = sources(home, work, nvml=installed(), pauses=self.pauses) if only is None else only
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

    def _read_source(self, source: Source, at: int, tick: float) -> tuple[Reading, ...]:
        try:
            readings = source.read(at, tick)
        except (psutil.Error, OSError, ValueError, ArithmeticError, LookupError, AttributeError, TypeError, RuntimeError) as error:
            self._failed[source.source] = f"failed: {type(error).__name__}: {error}"
            return ()
        self._failed.pop(source.source, None)
        return readings
