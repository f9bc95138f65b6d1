"""Turns counters that only grow into rates between two samples."""

from __future__ import annotations

MIN_SECONDS = 0.2  # s between two samples; sooner, the last rates are given again, so that two readers do not disturb each other


class RateCounter:
    """Remembers the last sample of a set of counters. The first sample gives no rate, nor does a counter that was reset."""

    def __init__(self) -> None:
        self._at: float | None = None
        self._counts: tuple[float, ...] = ()
        self._rates: tuple[float, ...] | None = None

    def per_second(self, now: float, counts: tuple[float, ...]) -> tuple[float, ...] | None:
        """Growth per second of each counter since the sample before; `now` in seconds of a monotonic clock."""
        if self._at is not None and 0 <= now - self._at < MIN_SECONDS:
            return self._rates
        before, self._counts = self._counts, counts
        seconds, self._at = now - (now if self._at is None else self._at), now
        growths = tuple(count - earlier for count, earlier in zip(counts, before, strict=False))
        is_valid = seconds > 0 and len(before) == len(counts) and min(growths, default=-1.0) >= 0
        self._rates = tuple(growth / seconds for growth in growths) if is_valid else None
        return self._rates
