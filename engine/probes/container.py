"""The container's limits and use (cgroup v2), and which limit is binding."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import psutil

from engine.domain.optimization import Reading
from engine.probes import pressure
from engine.probes.rates import RateCounter

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


class ContainerProbe:
    """Readings with the source "container" where a cgroup v2 limits or counts this process.

    `memory_limit_bytes` and `cpu_limit` are always there, and their source, "container" or "host", says whose limit is binding: the container's
    where it is the lower one. A limit may be set on the group itself or on any group above it.
    """

    source = "container"

    def __init__(self, root: Path = ROOT, own: Path = OWN) -> None:
        self._groups = _groups(root, own)
        self._machine = (float(psutil.virtual_memory().total), float(psutil.cpu_count() or 1))  # bytes, processors
        self._cpu = RateCounter()
        self._limited: tuple[str, ...] = ()

    def note(self) -> str:
        if not self._groups:
            return "none: no cgroup v2 group holds this process"
        return "limits " + " and ".join(self._limited) if self._limited else "none: the group sets no limit"

    def read(self, at: int, tick: float) -> tuple[Reading, ...]:
        memory_limit, cpu_limit = _lowest(_number(group / "memory.max") for group in self._groups), _lowest(_quota(group) for group in self._groups)
        memory, cpu = _binding(memory_limit, self._machine[0]), _binding(cpu_limit, self._machine[1])
        self._limited = tuple(name for name, (source, _) in (("memory", memory), ("cpu", cpu)) if source == "container")
        return (
            Reading(at, memory[0], "memory_limit_bytes", memory[1], "bytes"),
            Reading(at, cpu[0], "cpu_limit", cpu[1], "count"),
            *self._usage(at, tick, memory[1], cpu[1]),
            *(
                pressure.read_pressure(at, "container", {kind: self._groups[0] / f"{kind}.pressure" for kind in pressure.KINDS})
                if self._groups
                else ()
            ),
        )

    def _usage(self, at: int, tick: float, memory_limit: float, cpu_limit: float) -> list[Reading]:
        if not self._groups:
            return []
        readings: list[Reading] = []
        used = _number(self._groups[0] / "memory.current")
        if used is not None:  # less what the kernel reclaims on demand, as orchestrators count it
            used = max(0.0, used - _counts(self._groups[0] / "memory.stat").get("inactive_file", 0.0))
            readings.append(Reading(at, "container", "memory_used_bytes", used, "bytes"))
            readings.append(Reading(at, "container", "memory_percent", 100.0 * used / memory_limit, "%"))
        counters = _counts(self._groups[0] / "cpu.stat")
        if "usage_usec" in counters:
            rates = self._cpu.per_second(tick, (counters["usage_usec"], counters.get("throttled_usec", 0.0)))
            names, percents = ("cpu_percent", "cpu_throttled_percent"), (cpu_limit * 1e4, 1e4)  # us per second in one percent
            readings += [
                Reading(at, "container", name, rate / percent, "%") for name, rate, percent in zip(names, rates or (), percents, strict=False)
            ]
        return readings


def _groups(root: Path, own: Path) -> tuple[Path, ...]:
    """This process's group and those above it that count memory or processor time, nearest first; () without cgroup v2."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return ()
    inside = next((line[3:].strip("/") for line in lines if line.startswith("0::")), None)
    if inside is None or ".." in Path(inside).parts:
        return ()
    nearest = root / inside
    chain = (nearest, *(above for above in nearest.parents if above.is_relative_to(root)))
    return tuple(group for group in chain if (group / "memory.current").exists() or (group / "cpu.max").exists())


def _binding(limit: float | None, machine: float) -> tuple[str, float]:
    return ("container", limit) if limit is not None and limit < machine else ("host", machine)


def _lowest(limits: Iterable[float | None]) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _number(path: Path) -> float | None:
    """The file's number; None where it is absent or says "max"."""
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return None


def _quota(group: Path) -> float | None:
    """Processors that the group may use; None for no limit."""
    try:
        quota, period = (float(word) for word in (group / "cpu.max").read_text().split())
    except (OSError, ValueError):
        return None
    return quota / period if period > 0 else None


def _counts(path: Path) -> dict[str, float]:
    try:
        return {name: float(count) for name, count in (line.split() for line in path.read_text().splitlines())}
    except (OSError, ValueError):
        return {}
