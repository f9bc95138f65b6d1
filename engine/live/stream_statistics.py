"""Counts the messages of one stream of one symbol: rate, latency, gaps, and its state."""

from __future__ import annotations

from collections import deque

import numpy as np

from engine.domain.live import StreamStatus

SECOND = 10**9  # ns
RATE_SECONDS = 60
LATENCIES = 512  # messages that the latency is taken from
GAPS = 64  # gaps between messages that the usual gap is taken from
FEWEST_GAPS = 8
NS_PER_MS = 1e6


class StreamStatistics:
    """The statistics of a stream since the start of the process; bounded."""

    def __init__(self, symbol: str, stream: str) -> None:
        self.symbol, self.stream = symbol, stream
        self.state, self.problem, self.problem_since = "starting", None, None  # type: tuple[str, str | None, int | None]
        self.last_at: int | None = None
        self.messages = self.reconnects = self.gaps = 0
        self._first_second = 0
        self._seconds: deque[list[int]] = deque(maxlen=RATE_SECONDS + 1)  # second, messages
        self._latencies: deque[float] = deque(maxlen=LATENCIES)
        self._intervals: deque[int] = deque(maxlen=GAPS)

    def add_message(self, received: int, at: int | None, clock_offset: int) -> None:
        """Take a message received at `received` (ns UTC); `at` is the exchange's time, None where it gave none."""
        if self.last_at is not None and self.state == "ok" and received >= self.last_at:
            self._intervals.append(received - self.last_at)
        second = received // SECOND
        self._first_second = self._first_second or second
        self.messages += 1
        self.last_at = received
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds[-1][1] += 1
        else:
            self._seconds.append([second, 1])
        if at is not None:
            self._latencies.append((received + clock_offset - at) / NS_PER_MS)

    def set_state(self, state: str, problem: str | None, at: int) -> None:
        """Enter a state of STREAM_STATES; `problem` is one line, None where nothing is wrong."""
        if problem is None:
            self.problem_since = None
        elif self.problem is None:
            self.problem_since = at
        self.state, self.problem = state, problem

    @property
    def longest_gap(self) -> int | None:
        """Ns of the longest of the last gaps between messages, without outages; None before there are a few."""
        return max(self._intervals) if len(self._intervals) >= FEWEST_GAPS else None

    def describe(self, now: int, *, late_trades: int = 0, revised_candles: int = 0, filled_bars: int = 0) -> StreamStatus:
        """Describe the stream at `now` (ns UTC) with the counts of its bars."""
        p50, p99 = (float(value) for value in np.percentile(self._latencies, (50.0, 99.0))) if self._latencies else (None, None)
        return StreamStatus(
            self.symbol, self.stream, self.state, self.last_at, self.messages, self._rate(now), self.reconnects, self.gaps,
            late_trades, revised_candles, filled_bars, p50, p99, self.problem, self.problem_since,
        )  # fmt: skip

    def _rate(self, now: int) -> float | None:
        if not self.messages:
            return None
        this = now // SECOND
        covered = min(RATE_SECONDS, this - self._first_second)
        return sum(count for second, count in self._seconds if this - covered <= second < this) / covered if covered > 0 else None
