"""The wall clock and the monotonic clock: the only place that asks what time it is."""

from __future__ import annotations

import time


class WallClock:
    """The machine's own clocks."""

    def now(self) -> int:
        """ns UTC."""
        return time.time_ns()

    def tick(self) -> float:
        """Seconds of a monotonic clock."""
        return time.perf_counter()
