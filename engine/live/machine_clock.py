"""The clocks of this machine for a live feed, which is opened without the service's."""

from __future__ import annotations

import time


class MachineClock:
    """Implements domain.ports.Clock."""

    def now(self) -> int:
        """ns UTC."""
        return time.time_ns()  # noqa: TID251 - messages are dated where they arrive

    def tick(self) -> float:
        """Seconds of a monotonic clock."""
        return time.monotonic()
