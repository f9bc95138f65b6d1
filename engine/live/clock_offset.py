"""Measures an exchange's clock against this machine's."""

from __future__ import annotations

from collections import deque

from engine import units

REPORTED = 1_000_000_000  # ns: an offset beyond is a fault
SAMPLES = 8
SECOND = 10**9  # ns


class ClockOffset:
    """The exchange's clock less this machine's, from the newest samples.

    The sample with the shortest round trip counts; of an exchange that gives whole seconds, the largest offset: each is too small by less than a
    second.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int, int]] = deque(maxlen=SAMPLES)  # round trip, offset in its middle, exchange's time

    def add(self, sent: int, answered: int, exchange_time: int) -> None:
        """Take a sample: when the request was sent and answered by this machine's clock, and the exchange's time in between; ns UTC."""
        offset = exchange_time - (sent + answered) // 2
        if self._samples and abs(offset - self.offset) > REPORTED + answered - sent:
            self._samples.clear()  # a clock was set: older samples are wrong
        self._samples.append((answered - sent, offset, exchange_time))

    @property
    def is_known(self) -> bool:
        """Whether there is a sample."""
        return bool(self._samples)

    @property
    def offset(self) -> int:
        """The offset in ns; 0 without a sample."""
        if not self._samples:
            return 0
        if all(exchange_time % SECOND == 0 for _, _, exchange_time in self._samples):
            return max(offset for _, offset, _ in self._samples)
        return min(self._samples)[1]

    @property
    def problem(self) -> str | None:
        """A line about an offset above 1 s."""
        if abs(self.offset) <= REPORTED:
            return None
        side = "behind" if self.offset > 0 else "ahead of"
        return f"this machine's clock is {units.format_number(abs(self.offset) / 1e9, 1, 's')} {side} the exchange's: set it by NTP"
