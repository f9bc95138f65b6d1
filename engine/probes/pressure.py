"""Pressure stall information: the share of time in which tasks waited for a processor, memory or the disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.domain.optimization import Reading

ROOT = Path("/proc/pressure")
KINDS = ("cpu", "memory", "io")


class PressureProbe:
    """Readings with the source "host": "some avg10" of each kind, in percent of the last 10 s. A kernel without it gives no readings."""

    source = "pressure"

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._count = 0

    def note(self) -> str:
        return f"{self._count} of {len(KINDS)} kinds" if self._count else "none: the kernel has no pressure stall information (PSI)"

    def read(self, at: int, tick: float) -> tuple[Reading, ...]:  # noqa: ARG002 the kernel averages
        readings = read_pressure(at, "host", {kind: self._root / kind for kind in KINDS})
        self._count = len(readings)
        return readings


def read_pressure(at: int, source: str, files: Mapping[str, Path]) -> tuple[Reading, ...]:
    """The readings of pressure files by kind; a file that cannot be read is left out."""
    values = ((kind, _read_average(path)) for kind, path in files.items())
    return tuple(Reading(at, source, f"{kind}_pressure_percent", value, "%") for kind, value in values if value is not None)


def _read_average(path: Path) -> float | None:
    """avg10 of the line "some avg10=0.00 avg60=..."; None where there is none."""
    try:
        line = next(line for line in path.read_text().splitlines() if line.startswith("some "))
        return float(line.split("avg10=")[1].split()[0])
    except (OSError, ValueError, IndexError, StopIteration):
        return None
