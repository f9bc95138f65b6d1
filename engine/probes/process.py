"""This process: processor time, memory, threads, open files and garbage collection."""

from __future__ import annotations

import gc

import psutil

from engine.domain.tuning import Reading
from engine.probes.rates import Rates


class Own:
    """Readings with the source "process"."""

    source = "process"

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._cpu, self._collections = Rates(), Rates()

    def note(self) -> str:
        return f"pid {self._process.pid}"

    def read(self, at: int, tick: float) -> tuple[Reading, ...]:
        with self._process.oneshot():
            times, memory, threads = self._process.cpu_times(), self._process.memory_info(), self._process.num_threads()
        collected = [generation["collections"] for generation in gc.get_stats()]
        found = [
            Reading(at, "process", "rss_bytes", float(memory.rss), "bytes"),
            Reading(at, "process", "threads", float(threads), "count"),
            Reading(at, "process", "open_files", float(self._process.num_fds()), "count"),
            Reading(at, "process", "gc_full_collections", float(collected[-1]), "count"),
        ]
        spent = self._cpu.per_second(tick, (times.user + times.system,))
        if spent is not None:  # 100 % is one processor
            found.append(Reading(at, "process", "cpu_percent", 100.0 * spent[0], "%"))
        often = self._collections.per_second(tick, (float(sum(collected)),))
        if often is not None:
            found.append(Reading(at, "process", "gc_collections_per_s", often[0], "1/s"))
        return tuple(found)
