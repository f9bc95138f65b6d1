"""Limits how often each visitor may ask for what is written to the store."""

from __future__ import annotations

import math

from engine.domain.ports import Clock

BURST, PER_SECOND = 60.0, 1.0  # commands at once, and those that come to each second
MOST = 1_000  # visitors that are remembered


class RequestLimit:
    """A bucket of requests for each visitor; who is not remembered has a full one."""

    def __init__(self, clock: Clock, burst: float = BURST, per_second: float = PER_SECOND) -> None:
        self._clock, self._burst, self._per_second = clock, burst, per_second
        self._buckets: dict[str, tuple[float, float]] = {}  # by visitor: requests left, and when (s)

    def take(self, visitor: str) -> int:
        """Take a request of a visitor; return 0, or the seconds until there is one again."""
        now = self._clock.tick()
        left, since = self._buckets.pop(visitor, (self._burst, now))
        left = min(self._burst, left + max(0.0, now - since) * self._per_second)
        wait = 0 if left >= 1.0 else math.ceil((1.0 - left) / self._per_second)
        self._buckets[visitor] = (left if wait else left - 1.0, now)  # the newest last
        while len(self._buckets) > MOST:
            del self._buckets[next(iter(self._buckets))]
        return wait
