"""The engine's own work: the time its ticks take, its decisions, its fallbacks, the age of its data."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from engine.domain.optimization import Reading

MAX_TICKS = 500  # the last ticks in memory
THROUGHPUT_SECONDS = 60.0  # s over which throughput is measured
MIN_THROUGHPUT_SECONDS = 1.0  # s below which there is no throughput


@dataclass(frozen=True, slots=True)
class TickTiming:
    """The timing of one tick."""

    tick: float  # s of the monotonic clock
    ms: float
    decisions: int
    degraded: int  # phases that fell back
    save_ms: float | None
    phases: tuple[tuple[str, float], ...] = ()  # name and ms


class EngineProbe:
    """Readings with the source "engine". One thread records the ticks, another reads."""

    source = "engine"

    def __init__(self, store: Path | None = None, ticks: int = MAX_TICKS) -> None:
        self._ticks: deque[TickTiming] = deque(maxlen=ticks)
        self._errors: deque[float] = deque(maxlen=ticks)
        self._store = store
        self._waiting: int | None = None
        self._write_ms: float | None = None
        self._lock = Lock()

    def record_tick(
        self, tick_ms: float, decisions: int, degraded: int, tick: float, *, save_ms: float | None = None, phases: tuple[tuple[str, float], ...] = ()
    ) -> None:
        """Record a tick: ms from inputs to outcome, decisions, degraded phases, its end in s of the monotonic clock; ms by phase."""
        with self._lock:
            self._ticks.append(TickTiming(tick, tick_ms, decisions, degraded, save_ms, phases))

    def record_waiting(self, commands: int) -> None:
        """Record the number of commands that wait."""
        self._waiting = commands

    def record_write(self, ms: float) -> None:
        """Record the time of a write of readings to the store."""
        self._write_ms = ms

    @property
    def last_tick(self) -> float | None:
        """The end of the newest tick, s of the monotonic clock."""
        ticks = self._ticks
        return ticks[-1].tick if ticks else None

    def record_error(self, tick: float) -> None:
        """Record that a tick could not be decided or saved."""
        with self._lock:
            self._errors.append(tick)

    def note(self) -> str:
        return f"over the last {len(self._ticks)} ticks" if self._ticks else "waiting for the first tick"

    def read(self, at: int, tick: float) -> tuple[Reading, ...]:
        with self._lock:
            ticks, errors = tuple(self._ticks), tuple(self._errors)
        recent = sum(1 for failed in errors if tick - failed < THROUGHPUT_SECONDS)
        return (Reading(at, "engine", "errors_last_minute", float(recent), "count"), *_of_ticks(at, tick, ticks), *self._size(at), *self._backlog(at))

    def _backlog(self, at: int) -> list[Reading]:
        values = (("commands_waiting", self._waiting, "count"), ("store_write_ms", self._write_ms, "ms"))
        return [Reading(at, "engine", name, float(value), unit) for name, value, unit in values if value is not None]

    def _size(self, at: int) -> list[Reading]:
        """The size of the store with its write-ahead log, where it is a file."""
        if self._store is None or not self._store.exists():
            return []
        size = sum(part.stat().st_size for part in _parts(self._store) if part.exists())
        return [Reading(at, "engine", "store_bytes", float(size), "bytes")]


def _parts(store: Path) -> tuple[Path, ...]:
    return (store, store.with_name(store.name + "-wal"))


def _of_ticks(at: int, now: float, ticks: tuple[TickTiming, ...]) -> list[Reading]:
    if not ticks:
        return []
    degraded = sum(1 for timing in ticks if timing.degraded)
    readings = [
        Reading(at, "engine", "data_age_ms", max(0.0, now - ticks[-1].tick) * 1e3, "ms"),
        Reading(at, "engine", "fallbacks", float(sum(timing.degraded for timing in ticks)), "count"),
        Reading(at, "engine", "degraded_percent", 100.0 * degraded / len(ticks), "%"),
        *_newest(at, now, ticks[-1]),
        *_quantiles(at, "tick", [timing.ms for timing in ticks]),
        *_quantiles(at, "save", [timing.save_ms for timing in ticks if timing.save_ms is not None]),
    ]
    since = max(now - THROUGHPUT_SECONDS, ticks[0].tick)
    if now - since >= MIN_THROUGHPUT_SECONDS and len(ticks) > 1:
        decisions = sum(timing.decisions for timing in ticks if timing.tick > since)
        readings.append(Reading(at, "engine", "decisions_per_s", decisions / (now - since), "1/s"))
    return readings


def _newest(at: int, now: float, newest: TickTiming) -> list[Reading]:
    """The time that the newest tick and its phases took, while it is recent."""
    if newest.tick < now - THROUGHPUT_SECONDS:
        return []
    return [Reading(at, "engine", "tick_ms", newest.ms, "ms"), *(Reading(at, "engine", f"phase_{name}_ms", ms, "ms") for name, ms in newest.phases)]


def _quantiles(at: int, what: str, ms: list[float]) -> list[Reading]:
    """p50 and p99, each one of the measured values (the nearest rank)."""
    if not ms:
        return []
    ordered = sorted(ms)
    return [Reading(at, "engine", f"{what}_p{share}_ms", ordered[-(-share * len(ordered) // 100) - 1], "ms") for share in (50, 99)]
