"""Bars built from messages equal those of a recording of the same messages; faults leave gaps, and nothing is invented."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.live import BookUpdate, Candle, StreamEvent, StreamFault, Trade
from engine.domain.market import MarketSnapshot
from engine.feeds.recorded import RecordedFeed
from engine.live import event_buffer
from engine.live.bar_builder import CANDLE, MIDS, MISSING, TRADES, LiveBarBuilder
from tests.feeds.recordings import MINUTE, SECOND, START, TRADE, write

BARS = 6
LATENCY = 250 * 10**6
BOOK_HEADER = "ts," + ",".join(f"{side}_{kind}_{level}" for level in range(2) for side in ("bid", "ask") for kind in ("px", "sz"))


def trade(at: int, price: float = 100.0, size: float = 1.0, sign: float = 1.0, symbol: int = 0) -> Trade:
    return Trade(symbol, at, at, price, size, sign, str(at))


def book(at: int, mid: float = 100.0, size: float = 2.0, symbol: int = 0, spread: float = 0.5) -> BookUpdate:
    low, high = mid - spread / 2, mid + spread / 2
    return BookUpdate(symbol, at, at, np.array([[low, low - 0.5], [size, 3.0], [high, high + 0.5], [size + 1.0, 3.0]]))


def up(at: int, stream: str, symbol: int = -1) -> StreamFault:
    return StreamFault(symbol, stream, "reconnected", at, "")


def builder(symbols: int = 1, *, started: int | None = START - 10 * MINUTE) -> LiveBarBuilder:
    made = LiveBarBuilder(symbols, MINUTE, 2, LATENCY)
    for stream in ("trades", "book"):
        if started is not None:
            made.add(up(started, stream))
    return made


def close(built: LiveBarBuilder, number: int, late: int = SECOND // 2) -> MarketSnapshot:
    at = START + number * MINUTE
    return built.close_bar(at, at + late, 0).snapshot


def record(folder: Path, events: list[StreamEvent]) -> None:
    sides = {1.0: "buy", -1.0: "sell"}
    trades = [(event.at, event.price, event.size, sides[event.sign]) for event in events if isinstance(event, Trade)]
    books = [
        (event.at, *(value for level in range(2) for value in event.levels[:, level].tolist())) for event in events if isinstance(event, BookUpdate)
    ]
    write(folder, "AAA", "trades", TRADE, trades)
    write(folder, "AAA", "books", BOOK_HEADER, books)


@st.composite
def messages(draw: st.DrawFn) -> list[StreamEvent]:
    """Trades and books in order of time, with quiet minutes; a trade and a book at the ends, so that the recording has both."""
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    active = [number for number in range(BARS) if draw(st.booleans())]
    times = sorted({START + number * MINUTE + int(random.integers(0, 60_000)) * 10**6 for number in active for _ in range(draw(st.integers(1, 12)))})
    events: list[StreamEvent] = [trade(START + 1), book(START + 2)]
    for at in times:
        mid = 100.0 + round(float(random.normal()), 2)
        if random.random() < 0.5:
            events.append(trade(at + 10, mid, round(float(random.uniform(0.1, 5.0)), 3), float(random.choice([-1.0, 1.0]))))
        else:
            events.append(book(at + 10, mid, round(float(random.uniform(0.5, 5.0)), 2), spread=0.5 if random.random() < 0.9 else -0.5))
    end = START + BARS * MINUTE
    return [*events, trade(end + 1), book(end + 2)]


def play(events: list[StreamEvent], *, early: bool = False) -> list[MarketSnapshot]:
    """Close each bar once every message of it is there; `early` adds half a second of the next bar before."""
    built, snapshots, position = builder(), [], 0
    for number in range(1, BARS + 1):
        at = START + number * MINUTE
        until = at + (SECOND // 2 if early else 1)
        while position < len(events) and events[position].received < until:
            built.add(events[position])
            position += 1
        snapshots.append(close(built, number))
    return snapshots


@settings(max_examples=40, deadline=None)
@given(messages())
def test_bars_and_flow_equal_those_of_a_recording_of_the_same_messages(events: list[StreamEvent]) -> None:
    with TemporaryDirectory() as folder:
        record(Path(folder), events)
        recorded = {snapshot.at: snapshot for snapshot in RecordedFeed(folder, interval=MINUTE, latency_ms=250.0).slices(None)}
    for built in play(events):
        want = recorded[built.at]
        for name in ("open", "high", "low", "close", "volume", "fresh", "ofi"):
            assert np.array_equal(getattr(built, name), getattr(want, name), equal_nan=name != "fresh"), name
        for name in ("books", "fill_books"):
            for side in ("bid_price", "bid_size", "ask_price", "ask_size"):
                assert np.array_equal(getattr(getattr(built, name), side), getattr(getattr(want, name), side), equal_nan=True), (name, side)
        assert np.array_equal(built.flow[:, :3], want.flow[:, :3], equal_nan=True)
        np.testing.assert_allclose(built.flow[:, 3:], want.flow[:, 3:], rtol=1e-7)  # a recording subtracts sums from its beginning
        assert built.trades_after_arrival is not None
        assert want.trades_after_arrival is not None
        assert np.array_equal(built.trades_after_arrival, want.trades_after_arrival, equal_nan=True)


@settings(max_examples=40, deadline=None)
@given(messages())
def test_messages_of_the_next_bar_change_no_bit_of_this_bar(events: list[StreamEvent]) -> None:
    assert [snapshot.digest() for snapshot in play(events)] == [snapshot.digest() for snapshot in play(events, early=True)]


def test_the_first_bar_is_incomplete_and_taken_from_the_candle_without_flow() -> None:
    built = builder(started=None)
    built.add(trade(START + 20 * SECOND))
    built.add(book(START + 21 * SECOND))
    built.add(Candle(0, START, START + MINUTE, (99.0, 101.0, 98.0, 100.0, 7.0)))
    closed = built.close_bar(START + MINUTE, START + MINUTE + 1, 0)
    assert closed.sources.tolist() == [CANDLE]
    assert (closed.snapshot.open[0], closed.snapshot.volume[0], bool(closed.snapshot.fresh[0])) == (99.0, 7.0, True)
    assert np.isnan(closed.snapshot.flow).all()
    assert np.isnan(closed.snapshot.ofi).all()
    built.add(Candle(0, START, START + 65 * SECOND, (99.0, 101.0, 98.0, 100.5, 7.5)))
    built.add(trade(START + 80 * SECOND, 105.0))
    second = built.close_bar(START + 2 * MINUTE, START + 2 * MINUTE + 1, 0)
    assert second.sources.tolist() == [TRADES]
    assert second.snapshot.backfilled is not None
    assert second.snapshot.backfilled.values[:, 0, 0].tolist() == [99.0, 101.0, 98.0, 100.5, 7.5]


def test_an_interrupted_bar_without_a_candle_is_missing_and_filled_later() -> None:
    built = builder()
    built.add(trade(START + SECOND))
    built.add(book(START + SECOND))
    built.add(StreamFault(0, "trades", "disconnected", START + 30 * SECOND, ""))
    built.add(StreamFault(0, "book", "disconnected", START + 30 * SECOND, ""))
    first = close(built, 1)
    assert np.isnan(first.close[0])
    assert not first.fresh[0]
    assert np.isnan(first.books.bid_price).all()
    assert first.backfilled is None
    assert np.isnan(close(built, 2).close[0])
    built.add(Candle(0, START, START + 3 * MINUTE, (99.0, 101.0, 98.0, 100.0, 7.0)))
    built.add(Candle(0, START, START + 3 * MINUTE, (99.0, 101.0, 98.0, 100.0, 7.0)))
    third = close(built, 3)
    assert third.backfilled is not None
    assert (third.backfilled.at - START).tolist() == [MINUTE]
    assert third.backfilled.values[:, 0, 0].tolist() == [99.0, 101.0, 98.0, 100.0, 7.0]
    assert built.missing == {START + 2 * MINUTE: (0,), START + 3 * MINUTE: (0,)}
    assert built.counts.filled_bars.tolist() == [1]
    assert close(built, 4).backfilled is None


def test_a_book_after_an_outage_is_no_event_of_the_flow() -> None:
    built = builder()
    for event in (book(START + SECOND, size=2.0), trade(START + 2 * SECOND), StreamFault(0, "book", "gap", START + 3 * SECOND, "")):
        built.add(event)
    first = close(built, 1)
    assert first.close[0] == 100.0
    assert not first.fresh[0]
    assert np.isnan(first.ofi).all()
    assert first.flow[0, 1] == 1.0
    built.add(book(START + 70 * SECOND, size=9.0))
    built.add(trade(START + 71 * SECOND))
    second = close(built, 2)
    assert second.fresh[0]
    assert second.books.bid_size[0, 0] == 9.0
    assert np.isnan(second.ofi).all()
    built.add(book(START + 130 * SECOND, size=10.0))
    built.add(trade(START + 131 * SECOND))
    assert close(built, 3).ofi[0, 0] == 0.0  # both sides grew by 1


def test_a_silence_that_is_noticed_late_has_the_bar_replaced_by_the_candle() -> None:
    built = builder()
    for event in (trade(START + SECOND), book(START + SECOND)):
        built.add(event)
    assert close(built, 1).close[0] == 100.0
    built.add(StreamFault(0, "trades", "silent", START + 75 * SECOND, ""))
    assert built.missing == {START + MINUTE: (0,)}
    built.add(Candle(0, START, START + 76 * SECOND, (100.0, 104.0, 100.0, 103.0, 9.0)))
    second = close(built, 2)
    assert second.backfilled is not None
    assert second.backfilled.values[3, 0, 0] == 103.0


def test_late_trades_and_candles_that_differ_are_counted() -> None:
    built = builder()
    for event in (trade(START + SECOND), book(START + SECOND)):
        built.add(event)
    close(built, 1)
    built.add(trade(START + 2 * SECOND, 120.0))
    for volume in (1.0, 2.0, 2.0):
        built.add(Candle(0, START, START + 62 * SECOND, (100.0, 100.0, 100.0, 100.0, volume)))
    assert built.counts.late_trades.tolist() == [1]
    assert built.counts.revised_candles.tolist() == [1]
    second = close(built, 2)
    assert np.isnan(second.high[0])
    assert second.backfilled is not None
    assert second.backfilled.values[4, 0, 0] == 2.0, "the exchange's candle has the trade that was late"


def test_a_candle_that_is_here_before_the_close_corrects_a_bar_whose_trade_is_late() -> None:
    built = builder()
    for event in (trade(START + SECOND), book(START + SECOND), Candle(0, START, START + 60 * SECOND, (100.0, 120.0, 100.0, 120.0, 2.0))):
        built.add(event)
    assert close(built, 1).volume[0] == 1.0
    assert built.counts.revised_candles.tolist() == [1]
    built.add(trade(START + 50 * SECOND, 120.0))
    assert built.counts.late_trades.tolist() == [1]
    second = close(built, 2)
    assert second.backfilled is not None
    assert second.backfilled.values[:, 0, 0].tolist() == [100.0, 120.0, 100.0, 120.0, 2.0]


def test_a_candle_with_trades_that_is_here_before_the_close_fills_a_bar_of_mids() -> None:
    built = builder()
    for event in (book(START + SECOND), Candle(0, START, START + 60 * SECOND, (100.0, 104.0, 100.0, 103.0, 9.0))):
        built.add(event)
    first = close(built, 1)
    assert (first.volume[0], first.backfilled) == (0.0, None)
    second = close(built, 2)
    assert second.backfilled is not None
    assert second.backfilled.values[4, 0, 0] == 9.0
    assert built.counts.filled_bars.tolist() == [1]


def test_a_bar_that_is_closed_late_is_not_fresh() -> None:
    built = builder()
    for number in (0, 1):
        built.add(trade(START + number * MINUTE + SECOND))
        built.add(book(START + number * MINUTE + SECOND))
    assert close(built, 1).fresh[0]
    assert not close(built, 2, late=MINUTE).fresh[0]


def test_a_wrong_clock_does_not_make_a_bar_look_complete() -> None:
    hour = 60 * MINUTE
    for offset, source in ((hour, MISSING), (-hour, MISSING), (hour + 2 * MINUTE, TRADES)):
        built = builder(started=None)
        built.add(StreamFault(-1, "trades", "clock", START - hour, f"{offset} ns"))
        begun = START + MINUTE // 2 - (hour if offset > 0 else -hour)  # half a minute into the bar where the clock is off by an hour
        built.add(up(begun if source == MISSING else START - hour - 3 * MINUTE, "trades"))
        built.add(trade(START + 40 * SECOND))
        assert built.close_bar(START + MINUTE, START + MINUTE - offset, offset).sources.tolist() == [source]


def test_symbols_are_apart_and_a_quiet_symbol_has_a_bar_of_mids() -> None:
    built = builder(2)
    for event in (trade(START + 1), book(START + 1), book(START + 1, 50.0, symbol=1)):
        built.add(event)
    closed = built.close_bar(START + MINUTE, START + MINUTE + 1, 0)
    assert closed.sources.tolist() == [TRADES, MIDS]
    assert closed.snapshot.close.tolist() == [100.0, 50.0]
    assert closed.snapshot.volume.tolist() == [1.0, 0.0]
    assert closed.timing.ages[:, 0].tolist() == [MINUTE / 1e6, MINUTE / 1e6]
    assert np.isnan(closed.timing.ages[0, 1])


def test_memory_is_bounded_and_a_bar_with_too_many_messages_is_not_built_of_a_part() -> None:
    buffer = event_buffer.EventBuffer(1)
    for place in range(event_buffer.MAX_ROWS + 10):
        buffer.add_trade(trade(START + place))
    assert len(buffer.select_trades(START, START + MINUTE).at) == 10
    assert not buffer.trades.covers(START, START + MINUTE)
    assert buffer.trades.covers(START + MINUTE, START + 2 * MINUTE)


def test_a_bar_of_mids_whose_trades_the_exchange_has_is_filled() -> None:
    built = builder()
    built.add(book(START + SECOND))
    assert close(built, 1).volume[0] == 0.0
    built.add(Candle(0, START, START + 61 * SECOND, (100.0, 104.0, 100.0, 103.0, 9.0)))
    second = close(built, 2)
    assert second.backfilled is not None
    assert second.backfilled.values[:, 0, 0].tolist() == [100.0, 104.0, 100.0, 103.0, 9.0]
    assert (built.counts.filled_bars.tolist(), built.counts.revised_candles.tolist()) == ([1], [0])


def test_every_bar_of_a_silence_that_is_noticed_late_is_filled_and_a_quiet_candle_fills_none() -> None:
    built = LiveBarBuilder(1, SECOND, 2, LATENCY)
    for event in (up(START - MINUTE, "trades"), up(START - MINUTE, "book"), trade(START + SECOND // 2)):
        built.add(event)
    for number in range(1, 21):
        built.add(book(START + (number - 1) * SECOND + 1))
        built.close_bar(START + number * SECOND, START + number * SECOND + 1, 0)
    built.add(StreamFault(0, "trades", "silent", START + 20 * SECOND, ""))
    assert list(built.missing) == [START + number * SECOND for number in range(1, 21)]


def test_bars_that_an_earlier_builder_lacked_are_filled_though_none_is_closed_yet() -> None:
    built = builder(2)
    lacked, values = [START - 2 * MINUTE, START - MINUTE], (99.0, 101.0, 98.0, 100.0, 7.0)
    built.add(StreamFault(1, "candles", "missing", START, " ".join(map(str, lacked))))
    assert built.missing == dict.fromkeys(lacked, (1,))
    built.add(Candle(1, START - 3 * MINUTE, START, values))
    first = close(built, 1)
    assert first.backfilled is not None
    assert first.backfilled.at.tolist() == lacked[:1]
    assert first.backfilled.values[:, 0, 1].tolist() == list(values)
    assert np.isnan(first.backfilled.values[:, 0, 0]).all()
    assert next(iter(built.missing)) == lacked[1]
    assert built.is_complete(1, START + MINUTE), "a request for bars is no outage"
