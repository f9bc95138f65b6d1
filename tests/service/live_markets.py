"""A live market in memory: it gives its history at once, then the bars that a test releases."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from threading import Condition

import numpy as np

from engine.domain.live import BarTiming, StreamStatus
from engine.domain.market import MarketSnapshot
from engine.domain.ports import FeedInfo


@dataclass
class ScriptedMarket:
    """A LiveSource whose bars are written down before."""

    info: FeedInfo
    history: Sequence[MarketSnapshot]
    progress: str | None = "loading history"
    history_end: int | None = None
    streams: tuple[StreamStatus, ...] = ()
    is_closed: bool = False
    problem: str | None = None
    waits: int = 0
    failure: Exception | None = None
    _due: deque[MarketSnapshot] = field(default_factory=deque)
    _changed: Condition = field(default_factory=Condition)

    def load(self) -> None:
        """Let the history be there."""
        with self._changed:
            self._due.extend(self.history)
            self.history_end = self.history[-1].at
            self._changed.notify_all()

    def release(self, *bars: MarketSnapshot) -> None:
        """Let the market be connected, and these bars close."""
        with self._changed:
            self.progress = None
            self._due.extend(bars)
            self._changed.notify_all()

    def wait(self, seconds: float, after: int | None = None) -> bool:
        with self._changed:
            self.waits += 1
            if self.failure is not None:
                raise self.failure
            return self._changed.wait_for(lambda: any(after is None or bar.at > after for bar in self._due), timeout=min(seconds, 0.01))

    def slices(self, after: int | None) -> Iterator[MarketSnapshot]:
        while True:
            with self._changed:
                assert self._due, "a bar is taken only where there is one"
                bar = self._due.popleft()
            if after is None or bar.at > after:
                yield bar

    def read_timing(self, at: int) -> BarTiming | None:
        if self.history_end is None or at <= self.history_end:
            return None
        symbols = len(self.info.symbols)
        return BarTiming(at, at + 500_000_000, -20_000_000, np.stack((np.arange(symbols) * 100.0, np.full(symbols, np.nan))))

    def read_streams(self) -> tuple[StreamStatus, ...]:
        return self.streams

    def close(self) -> None:
        self.is_closed = True

    def switch_signal(self, signal: float, at: int) -> None:
        raise ValueError("a live market has no signal")


def stream(symbol: str, name: str, problem: str | None = None, since: int | None = None) -> StreamStatus:
    """A stream that is well, or has a problem."""
    return StreamStatus(symbol, name, "ok" if problem is None else "stale", 5, 10, 1.5, 0, 0, 0, 0, 0, 20.0, 80.0, problem, since)


def without_data(bar: MarketSnapshot) -> MarketSnapshot:
    """The bar of an outage: nothing was received."""
    blank = np.full_like(bar.close, np.nan)
    return replace(
        bar, open=blank, high=blank, low=blank, close=blank, volume=blank, fresh=np.zeros(len(blank), dtype=bool),
        flow=np.full_like(bar.flow, np.nan), ofi=np.full_like(bar.ofi, np.nan),
    )  # fmt: skip
