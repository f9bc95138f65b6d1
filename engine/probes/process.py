"""This process: processor time, memory, threads, open files, disk traffic and garbage collection."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import psutil

from engine.domain.optimization import Reading
from engine.probes.gc_pauses import GcPauses
from engine.probes.rates import RateCounter


class ProcessProbe:
    """Readings with the source "process"; pauses of the collector where they are recorded."""

    source = "process"

    def __init__(self, pauses: GcPauses | None = None) -> None:
        self._process = psutil.Process()
        self._pauses = pauses
        self._cpu, self._collections, self._traffic, self._paused = RateCounter(), RateCounter(), RateCounter(), RateCounter()

    def note(self) -> str:
        return f"pid {self._process.pid}"

    def read(self, at: int, tick: float) -> tuple[Reading, ...]:
        with self._process.oneshot():
            times, memory, threads = self._process.cpu_times(), self._process.memory_info(), self._process.num_threads()
        collected = [generation["collections"] for generation in gc.get_stats()]
        readings = [
            Reading(at, "process", "rss_bytes", float(memory.rss), "bytes"),
            Reading(at, "process", "threads", float(threads), "count"),
            Reading(at, "process", "gc_full_collections", float(collected[-1]), "count"),
        ]
        if hasattr(self._process, "num_fds"):  # Windows counts handles, which are something else
            readings.append(Reading(at, "process", "open_files", float(self._process.num_fds()), "count"))
        spent = self._cpu.per_second(tick, (times.user + times.system,))
        if spent is not None:  # 100 % is one processor
            readings.append(Reading(at, "process", "cpu_percent", 100.0 * spent[0], "%"))
        rate = self._collections.per_second(tick, (float(sum(collected)),))
        if rate is not None:
            readings.append(Reading(at, "process", "gc_collections_per_s", rate[0], "1/s"))
        return (*readings, *self._disk_readings(at, tick), *self._pause_readings(at, tick))

    def _disk_readings(self, at: int, tick: float) -> Iterator[Reading]:
        """Bytes read from and written to disks; nothing where the system does not count them."""
        try:
            counters = self._process.io_counters()
        except (psutil.Error, OSError, AttributeError):
            return
        rates = self._traffic.per_second(tick, (float(counters.read_bytes), float(counters.write_bytes)))
        for name, rate in zip(("read_bytes_per_s", "write_bytes_per_s"), rates or (), strict=False):
            yield Reading(at, "process", name, rate, "bytes/s")

    def _pause_readings(self, at: int, tick: float) -> Iterator[Reading]:
        if self._pauses is None or not self._pauses.is_open:
            return
        rate = self._paused.per_second(tick, (self._pauses.total,))
        if rate is not None:
            yield Reading(at, "process", "gc_pause_ms_per_s", rate[0] * 1e3, "ms")
        yield Reading(at, "process", "gc_pause_longest_ms", self._pauses.longest_recent(tick) * 1e3, "ms")
