"""What a live market holds in memory is bounded: the size of the state after many messages is that after twice as many."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

from engine.domain.live import BookUpdate, StreamFault, Trade
from engine.domain.ports import FeedInfo
from engine.live.bar_builder import LiveBarBuilder
from engine.live.recorder import ParquetRecorder
from engine.live.stream_messages import REMEMBERED_IDS, TradeFilter
from engine.live.stream_statistics import StreamStatistics

MINUTE, SECOND = 60 * 10**9, 10**9
BARS = 40  # until every buffer is full: closed bars are compared for 10, ids of trades remembered for 35
PER_BAR = 120  # trades of a symbol


class LiveState:
    """Everything that one stream of trades and one of books leave behind, but for ccxt's own caches."""

    def __init__(self, folder: Path) -> None:
        info = FeedInfo("live", "live: test", ("A/B",), MINUTE, 2, True, False, 10.0, 2.0, (0.01,))
        self.builder, self.trades, self.statistics = LiveBarBuilder(1, MINUTE, 2, 0), TradeFilter(), StreamStatistics("A/B", "trades")
        self.recorder = ParquetRecorder(folder, info, has_messages=True, flush_seconds=None)
        self.bar = 0
        for stream in ("trades", "book"):
            self.builder.add(StreamFault(-1, stream, "reconnected", MINUTE, ""))

    def play(self, bars: int) -> None:
        """Take so many bars of messages; in every tenth bar the streams are interrupted, and in every seventh a trade is late."""
        for _ in range(bars):
            self.bar += 1
            for place in range(PER_BAR):
                at = self.bar * MINUTE + place * MINUTE // PER_BAR
                self._take(Trade(0, at - MINUTE * (self.bar % 7 == 0 and place == 1), at, 100.0 + place % 7, 1.0, 1.0, str(at)))
                self._take(BookUpdate(0, at, at, np.array([[99.0, 98.0], [1.0, 2.0], [101.0, 102.0], [1.0, 2.0]])))
            if self.bar % 10 == 0:
                for stream in ("trades", "book"):
                    self._take(StreamFault(0, stream, "disconnected", at, ""))
            self.recorder.add_bar(self.builder.close_bar((self.bar + 1) * MINUTE, (self.bar + 1) * MINUTE + 1, 0))
            self.recorder.flush()

    def measure(self) -> dict[str, int]:
        """The bytes of each part, but for bars that wait for a candle of an exchange that gives none."""
        parts = {"bars": (self.builder._buffers, self.builder._closed, self.builder._candles, self.builder._filled, self.builder._partial)}
        parts |= {"ids": vars(self.trades), "statistics": vars(self.statistics), "rows": self.recorder._pending}  # type: ignore[dict-item]
        return {name: len(pickle.dumps(part)) for name, part in parts.items()}

    def _take(self, event: Trade | BookUpdate | StreamFault) -> None:
        if isinstance(event, Trade):
            assert self.trades.is_new(event.id)
        self.statistics.add_message(event.received, event.received, 0)
        self.recorder.add_event(event)
        self.builder.add(event)


def test_twice_as_many_messages_need_no_more_memory(tmp_path: Path) -> None:
    assert BARS * PER_BAR > REMEMBERED_IDS
    state = LiveState(tmp_path / "recording")
    state.play(BARS)
    before = state.measure()
    state.play(BARS)
    after = state.measure()
    grown = {name: (before[name], size) for name, size in after.items() if size > 1.02 * before[name] + 64}
    assert not grown
    assert len(state.builder.missing) == 2 * BARS // 10, "they wait for candles, and are the only part that grows: up to MAX_MISSING"
