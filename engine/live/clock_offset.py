"""Measures an exchange's clock against this machine's."""

from __future__ import annotations

from collections import deque

REPORTED = 1_000_000_000  # ns: an offset beyond is a fault
SAMPLES = 8


class ClockOffset:
    """The exchange's clock less this machine's, from the newest samples; the one with the shortest round trip counts."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int]] = deque(maxlen=SAMPLES)  # round trip, offset

    def add(self, sent: int, answered: int, exchange_time: int) -> None:
        """Take a sample: when the request was sent and answered by this machine's clock, and the exchange's time in between; ns UTC."""
        offset = exchange_time - (sent + answered) // 2
        if self._samples and abs(offset - self.offset) > REPORTED + answered - sent:
            self._samples.clear()  # a clock was set: older samples are wrong
        self._samples.append((answered - sent, offset))

    @property
    def is_known(self) -> bool:
        """Whether there is a sample."""
        return bool(self._samples)

    @property
    def offset(self) -> int:
        """The offset in ns; 0 without a sample."""
        return min(self._samples)[1] if self._samples else 0

    @property
    def problem(self) -> str | None:
        """A line about an offset above 1 s."""
        if abs(self.offset) <= REPORTED:
            return None
        side = "behind" if self.offset > 0 else "ahead of"
        return f"this machine's clock is {abs(self.offset) / 1e9:.1f} s {side} the exchange's: set it by NTP"
