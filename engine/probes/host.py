"""The machine: processor, memory, disk and network, through psutil."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil

from engine.domain.optimization import Reading
from engine.probes.rates import RateCounter

TIME_SHARES = ("user", "system", "iowait", "steal")  # shares of processor time reported separately, where the system has them
NOT_BUSY = ("idle", "iowait", "guest", "guest_nice")  # guest time is part of user time

TRAFFIC = (
    ("disk_read_bytes_per_s", "bytes/s"),
    ("disk_write_bytes_per_s", "bytes/s"),
    ("network_in_bytes_per_s", "bytes/s"),
    ("network_out_bytes_per_s", "bytes/s"),
    ("network_errors_per_s", "1/s"),  # packets in error or dropped
)


class HostProbe:
    """Readings with the source "host". Disk space is that of the file system that holds `home`."""

    source = "host"

    def __init__(self, home: Path) -> None:
        self._home = home
        self._cpu, self._disk, self._network = RateCounter(), RateCounter(), RateCounter()

    def note(self) -> str:
        return f"{psutil.cpu_count()} processors"

    def read(self, at: int, tick: float) -> tuple[Reading, ...]:
        return (*self._processor(at, tick), *self._memory(at), *self._space(at), *self._traffic(at, tick))

    def _processor(self, at: int, tick: float) -> list[Reading]:
        load = psutil.getloadavg()
        readings = [
            Reading(at, "host", "load_1m", float(load[0]), "count"),
            Reading(at, "host", "load_5m", float(load[1]), "count"),
            Reading(at, "host", "processors", float(psutil.cpu_count() or 1), "count"),
        ]
        times = psutil.cpu_times()._asdict()
        busy = sum(spent for kind, spent in times.items() if kind not in NOT_BUSY)
        kinds = tuple(kind for kind in TIME_SHARES if kind in times)
        rates = self._cpu.per_second(tick, (busy + times["idle"] + times.get("iowait", 0.0), busy, *(times[kind] for kind in kinds)))
        if rates is None or rates[0] <= 0:
            return readings
        shares = [min(100.0, 100.0 * rate / rates[0]) for rate in rates[1:]]
        names = ("cpu_percent", *(f"cpu_{kind}_percent" for kind in kinds))
        return readings + [Reading(at, "host", name, share, "%") for name, share in zip(names, shares, strict=True)]

    @staticmethod
    def _memory(at: int) -> list[Reading]:
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        return [
            Reading(at, "host", "memory_total_bytes", float(memory.total), "bytes"),
            Reading(at, "host", "memory_used_bytes", float(memory.used), "bytes"),
            Reading(at, "host", "memory_available_bytes", float(memory.available), "bytes"),
            Reading(at, "host", "memory_percent", float(memory.percent), "%"),
            Reading(at, "host", "swap_total_bytes", float(swap.total), "bytes"),
            Reading(at, "host", "swap_used_bytes", float(swap.used), "bytes"),
        ]

    def _space(self, at: int) -> list[Reading]:
        space = psutil.disk_usage(str(self._home))
        return [
            Reading(at, "host", "disk_total_bytes", float(space.total), "bytes"),
            Reading(at, "host", "disk_used_bytes", float(space.used), "bytes"),
            Reading(at, "host", "disk_free_bytes", float(space.free), "bytes"),
            Reading(at, "host", "disk_percent", float(space.percent), "%"),
        ]

    def _traffic(self, at: int, tick: float) -> list[Reading]:
        disk: Any = psutil.disk_io_counters()  # None where the system has no counters
        network: Any = psutil.net_io_counters()
        moved = self._disk.per_second(tick, (float(disk.read_bytes), float(disk.write_bytes))) if disk else None
        errors = float(network.errin + network.errout + network.dropin + network.dropout) if network else 0.0
        sent = self._network.per_second(tick, (float(network.bytes_recv), float(network.bytes_sent), errors)) if network else None
        traffic = ((TRAFFIC[:2], moved), (TRAFFIC[2:], sent))
        return [Reading(at, "host", name, rate, unit) for names, rates in traffic for (name, unit), rate in zip(names, rates or (), strict=False)]
