"""Watches what is posted of each symbol: a stream that was silent for too long is stale until it is posted again."""

from __future__ import annotations

from collections.abc import Sequence

from engine import units
from engine.domain.live import StreamStatus
from engine.domain.ports import Clock
from engine.live.stream_statistics import SECOND, StreamStatistics
from engine.live.streams import DEFAULT_TIMES

STREAM_OF = {"bars": "candles", "trades": "trades", "books": "book"}  # of what is posted


class PushStreams:
    """The streams of a push feed. For one thread at a time."""

    def __init__(self, symbols: Sequence[str], kinds: frozenset[str], interval: int, settle: int, clock: Clock) -> None:
        """Begin without a message; `interval` and `settle` are in ns."""
        self._clock, self._begun = clock, clock.now()
        bar, floor = interval / SECOND, DEFAULT_TIMES.silence
        self._floor = {"book": floor, "trades": max(floor, min(bar, DEFAULT_TIMES.trades_silence)), "candles": bar + max(floor, settle / SECOND)}
        streams = [STREAM_OF[kind] for kind in ("trades", "books", "bars") if kind in kinds]
        self._statistics = {(column, stream): StreamStatistics(symbol, stream) for column, symbol in enumerate(symbols) for stream in streams}
        self._since = dict.fromkeys(self._statistics, self._begun)  # ns UTC of the last message, or of the start

    def note(self, column: int, stream: str, now: int, at: int, messages: int) -> None:
        """Note messages that were posted together at `now` (ns UTC), the newest of `at` (ns UTC)."""
        statistics = self._statistics[column, stream]
        statistics.messages += messages - 1
        statistics.add_message(now, at, 0)
        if statistics.state == "stale":
            statistics.reconnects += 1
        statistics.set_state("ok", None, now)
        self._since[column, stream] = now

    def begin(self) -> None:
        """Measure silence from now on, as where the history has ended."""
        self._since = dict.fromkeys(self._statistics, self._clock.now())

    def find_silent(self) -> list[tuple[int, str]]:
        """Mark the streams as stale that have become silent, and return their columns and names."""
        now, silent = self._clock.now(), []
        for (column, stream), statistics in self._statistics.items():
            length = (now - self._since[column, stream]) / SECOND
            if length <= self._limit(stream, statistics):
                continue
            if statistics.state != "stale":
                silent.append((column, stream))
            statistics.set_state("stale", f"nothing posted for {units.format_age(length)}: see to the program that posts it", now)
        return silent

    def describe(self) -> tuple[StreamStatus, ...]:
        """Every stream, in the order of the symbols."""
        now = self._clock.now()
        return tuple(statistics.describe(now) for statistics in self._statistics.values())

    def _limit(self, stream: str, statistics: StreamStatistics) -> float:
        """Seconds without a post after which a stream is silent. Bars come at known times; other streams have habits."""
        usual = 0.0 if stream == "candles" else (statistics.longest_gap or 0) / SECOND * DEFAULT_TIMES.usual_gaps
        return max(self._floor[stream], usual)
