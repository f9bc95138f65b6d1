"""A live feed on the fake Kraken, whose books have checksums and no sequence: from the history over faults to the first bar."""

from __future__ import annotations

from time import monotonic, sleep, time

import numpy as np
import pytest

from engine.live.book_checksums import compute_checksum
from engine.live.streams import StreamTimes
from tests.exchanges import FakeKraken
from tests.live.test_live_feed import LONGEST, Session

SYMBOLS = ("BTC/USD", "ETH/USD")
MINUTE = 60 * 10**9
BEFORE_CLOSE = 16.0  # s
TIMES = StreamTimes(settled=2.0, first_pause=0.05, longest_pause=0.3, halt_pause=0.3, watchdog=0.05)


def wait_for(condition: object) -> None:
    """Wait until a condition holds."""
    deadline = monotonic() + LONGEST
    while not condition():  # type: ignore[operator]
        assert monotonic() < deadline
        sleep(0.02)


def test_a_session_on_kraken_from_its_history_over_faults_to_its_first_bar() -> None:
    offset = -time() % 60.0 - BEFORE_CLOSE  # the exchange's minute ends soon
    with FakeKraken(SYMBOLS, step_ms=50, trades_per_second=20.0, history_seconds=3_600, clock_offset=offset) as fake:
        session = Session(fake, interval=MINUTE, symbols=SYMBOLS, settle_ms=3_000.0, times=TIMES)
        feed = session.feed
        try:
            wait_for(lambda: feed.wait(0.01) or feed.progress is None)
            assert feed.history_end is not None
            wait_for(lambda: all(stream.state == "ok" for stream in feed.read_streams() if stream.stream != "candles"))
            fake.corrupt_checksum("BTC/USD")
            wait_for(lambda: session.stream("BTC/USD", "book").gaps > 0 and session.stream("BTC/USD", "book").state == "ok")
            assert session.stream("ETH/USD", "book").gaps == 0
            fake.ghost_level("BTC/USD")  # a level whose removal is lost
            wait_for(lambda: session.stream("BTC/USD", "book").gaps > 1 and session.stream("BTC/USD", "book").state == "ok")
            fake.drop_sockets()
            wait_for(lambda: all(session.stream(symbol, "book").reconnects for symbol in SYMBOLS))
            fake.delist("ETH/USD")
            bar = session.play()[0]
            assert len(session.history) == 30
            assert bar.at == feed.history_end + MINUTE
            truth = next(candle for candle in fake.candles("BTC/USD", "1m") if candle.opened + MINUTE == bar.at)
            own = [bar.open[0], bar.high[0], bar.low[0], bar.close[0], bar.volume[0]]
            assert own == pytest.approx([truth.open, truth.high, truth.low, truth.close, truth.volume])
            assert bar.fresh.tolist() == [True, False]
            assert np.isnan(bar.close[1])
            shown = {book.bids[0][0] for book in fake.books("BTC/USD")}
            assert bar.books.bid_price[0, 0] in shown
        finally:
            feed.close()


def test_the_checksum_is_that_of_the_documented_book() -> None:
    """The example of Kraken's guide to the checksum of WebSocket v2."""
    asks = [
        (45285.2, 0.00100000), (45286.4, 1.54571953), (45286.6, 1.54571109), (45289.6, 1.54560911), (45290.2, 0.15890660),
        (45291.8, 1.54553491), (45294.7, 0.04454749), (45296.1, 0.35380000), (45297.5, 0.09945542), (45299.5, 0.18772827),
    ]  # fmt: skip
    bids = [
        (45283.5, 0.10000000), (45283.4, 1.54582015), (45282.1, 0.10000000), (45281.0, 0.10000000), (45280.3, 1.54592586),
        (45279.0, 0.07990000), (45277.6, 0.03310103), (45277.5, 0.30000000), (45277.3, 1.54602737), (45276.6, 0.15445238),
    ]  # fmt: skip
    assert compute_checksum(asks, bids, 1, 8) == 3310070434
