"""Limits how often each visitor may ask: seldom for what is written to the store, often for what is read."""

from __future__ import annotations

import math
from typing import NamedTuple

from engine.domain.ports import Clock

MOST = 1_000  # visitors that are remembered


class Rate(NamedTuple):
    """How many requests at once, and how many come to each second."""

    burst: float
    per_second: float


WRITES, READS = Rate(60.0, 1.0), Rate(600.0, 20.0)


class RequestLimit:
    """A bucket of requests for each visitor; who is not remembered has a full one."""

    def __init__(self, clock: Clock, rate: Rate = WRITES) -> None:
        self._clock, self._rate = clock, rate
        self._buckets: dict[str, tuple[float, float]] = {}  # by visitor: requests left, and when (s)

    def take(self, visitor: str) -> int:
        """Take a request of a visitor; return 0, or the seconds until there is one again."""
        now, (burst, per_second) = self._clock.tick(), self._rate
        left, since = self._buckets.pop(visitor, (burst, now))
        left = min(burst, left + max(0.0, now - since) * per_second)
        wait = 0 if left >= 1.0 else math.ceil((1.0 - left) / per_second)
        self._buckets[visitor] = (left if wait else left - 1.0, now)  # the newest last
        while len(self._buckets) > MOST:
            del self._buckets[next(iter(self._buckets))]
        return wait
