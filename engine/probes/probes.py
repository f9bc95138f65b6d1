"""All readings of one moment; a source that fails is named and stops no other."""

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
    """A part of the machine that can be read."""

    @property
    def source(self) -> str: ...

    def read(self, at: int, tick: float) -> tuple[Reading, ...]:
        """Its readings; `at` is ns UTC, `tick` seconds of a monotonic clock."""
        ...

    def note(self) -> str:
        """What it is or, beginning with "none", why there is nothing to read."""
        ...


def sources(home: Path, work: Work, *, nvml: Any | None, pauses: Pauses | None = None) -> tuple[Source, ...]:
    """Every source Podium knows."""
    return (Host(home), Container(), Pressure(), Own(pauses), Gpu(nvml), work, Folders(home))


class Probes:
    """Reads every source. Safe to call from several threads; costs under a millisecond a call without a graphics card."""

    def __init__(
        self, home: Path, clock: Clock, work: Work, *, only: tuple[Source, ...] | None = None, wrap: Callable[[Source], Source] | None = None
    ) -> None:
        """`wrap` puts something between each source and whoever reads it, as what asks a failing one less often."""
        self._clock = clock
        self.pauses = Pauses(clock.tick)  # opened by who wants them told
        self._sources = sources(home, work, nvml=installed(), pauses=self.pauses) if only is None else only
        if wrap is not None:
            self._sources = tuple(wrap(source) for source in self._sources)
        self._failed: dict[str, str] = {}
        self._lock = Lock()

    def read(self) -> tuple[Reading, ...]:
        """The readings of now."""
        with self._lock:
            at, tick = self._clock.now(), self._clock.tick()
            return tuple(reading for source in self._sources for reading in self._one(source, at, tick))

    def notes(self) -> dict[str, str]:
        """By source: what it is, "none: ..." where there is nothing to read, "failed: ..." where reading it failed just now."""
        return {source.source: self._failed.get(source.source, source.note()) for source in self._sources}

    def _one(self, source: Source, at: int, tick: float) -> tuple[Reading, ...]:
        try:
            found = source.read(at, tick)
        except (psutil.Error, OSError, ValueError, ArithmeticError, LookupError, AttributeError, TypeError, RuntimeError) as error:
            self._failed[source.source] = f"failed: {type(error).__name__}: {error}"
            return ()
        self._failed.pop(source.source, None)
        return found
