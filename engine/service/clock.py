"""The wall clock and the monotonic clock: the only module that reads the time."""

from __future__ import annotations

import os
import time
from pathlib import Path

from engine.domain.ports import Clock

STEP_SECONDS = 5.0  # s by which the two clocks diverge between two calls before the wall clock counts as set


class WallClock:
    """The machine's own clocks."""

    def now(self) -> int:
        """ns UTC."""
        return time.time_ns()

    def tick(self) -> float:
        """Seconds of a monotonic clock."""
        return time.perf_counter()


def measure_process_age() -> float:
    """Seconds since this process was started, by a clock that cannot be set; 0 where the system does not tell."""
    if hasattr(os, "sysconf") and hasattr(time, "CLOCK_BOOTTIME"):
        try:
            begun = int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
            return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - begun)
        except (OSError, ValueError, LookupError):
            pass
    return 0.0


def was_set(clock: Clock, at: int, tick: float) -> bool:
    """Whether the wall clock was set by more than a second since a moment read from both clocks: a window of readings across it is incomplete."""
    return abs((clock.now() - at) / 1e9 - (clock.tick() - tick)) > 1.0


class StepDetector:
    """Detects that the wall clock was set, or that the machine slept, by comparison with the monotonic clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = self._measure_offset()

    def measure_step(self) -> float:
        """Seconds by which the wall clock moved against the monotonic clock since the last call, below 0 for back; 0 for less than 5 s."""
        before, self._offset = self._offset, self._measure_offset()
        step = (self._offset - before) / 1e9
        return step if abs(step) >= STEP_SECONDS else 0.0

    def _measure_offset(self) -> int:
        return self._clock.now() - round(self._clock.tick() * 1e9)
