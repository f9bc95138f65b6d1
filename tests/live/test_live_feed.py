"""A live feed against a fake exchange on loopback, with each fault: nothing invented, nothing lost that the exchange has, automatic recovery."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic

import numpy as np
import pytest

from engine.domain.live import Candle, StreamStatus
from engine.domain.market import MarketSnapshot
from engine.domain.ports import LiveSource
from engine.feeds._bar_grid import LONGEST_SILENCE
from engine.feeds.live import LiveFeed, build_history
from engine.live.exchange import open_exchange, read_markets
from engine.live.instruments import describe_live_market
from engine.live.streams import StreamTimes
from engine.settings import Settings, count_order_delay_ms
from tests.exchanges import FakeBinance
from tests.exchanges.server import FakeExchange

SYMBOLS = ("BTC/USDT", "ETH/USDT")
SECOND = 10**9
TIMES = StreamTimes(silence=1.2, trades_silence=1.2, settled=0.3, first_pause=0.05, longest_pause=0.3, halt_pause=0.3, watchdog=0.05)
LONGEST = 300.0  # s that a test waits for something, never when all is well


class Session:
    """A feed on a fake exchange, and the bars that it gave."""

    def __init__(
        self, fake: FakeExchange, after: int | None = None, *, interval: int = SECOND, symbols: tuple[str, ...] = SYMBOLS, settle_ms: float = 250.0,
        times: StreamTimes = TIMES,
    ) -> None:  # fmt: skip
        self.fake = fake
        self.settings = settings = Settings(
            home="unused", database_url="sqlite:///unused", feed="live", exchange=type(fake).__name__.removeprefix("Fake").lower(),
            exchange_options=json.dumps(fake.ccxt_options()), symbols=symbols, interval=interval, settle_ms=settle_ms, latency_ms=50.0,
        )  # fmt: skip
        markets = read_markets(settings)

        def connect() -> object:
            exchange = open_exchange(settings)
            markets.install(exchange)
            return exchange

        self.market = describe_live_market(settings, markets)
        self.feed = LiveFeed(self.market, connect, settings, history_bars=30, times=times)
        self.history: list[MarketSnapshot] = []
        self.live: list[MarketSnapshot] = []
        self._slices = self.feed.slices(after)

    def play(self, bars: int = 1) -> list[MarketSnapshot]:
        """Take so many live bars, after the history."""
        begun = len(self.live)
        while len(self.live) < begun + bars:
            snapshot = next(self._slices)
            assert self.feed.history_end is not None
            (self.history if snapshot.at <= self.feed.history_end else self.live).append(snapshot)
        return self.live[begun:]

    def play_until(self, done: Callable[[MarketSnapshot], bool]) -> MarketSnapshot:
        """Take live bars until one is as wanted."""
        deadline = monotonic() + LONGEST
        while not done(snapshot := self.play()[0]):
            assert monotonic() < deadline, self.feed.read_streams()
        return snapshot

    def recover(self) -> None:
        """Take live bars until two in a row are fresh with a book and flow."""
        self.play_until(is_whole)
        self.play_until(is_whole)

    def stream(self, symbol: str, kind: str) -> StreamStatus:
        return next(status for status in self.feed.read_streams() if (status.symbol, status.stream) == (symbol, kind))

    def require_truth(self, *, complete: bool = True) -> None:
        """Every bar so far is the exchange's or missing, at once or after a late trade was made good; each bar of `complete` is there."""
        newest, deadline = self.live[-1].at, monotonic() + LONGEST
        while self.find_false_bars(newest) and monotonic() < deadline:
            self.play()
        assert self.find_false_bars(newest) == {}
        if complete:
            assert {(snapshot.at, column) for snapshot in self.live[:-3] for column in range(len(SYMBOLS))} <= set(self.read_bars())

    def read_bars(self) -> dict[tuple[int, int], list[float]]:
        """The bars of the window, by close and column: open, high, low, close and volume, as they were corrected last."""
        known: dict[tuple[int, int], list[float]] = {}
        for snapshot in self.live:
            values = np.stack([snapshot.open, snapshot.high, snapshot.low, snapshot.close, snapshot.volume])
            if snapshot.backfilled is not None:
                known |= {
                    (int(at), column): snapshot.backfilled.values[:, row, column].tolist()
                    for row, at in enumerate(snapshot.backfilled.at)
                    for column in range(len(SYMBOLS))
                    if np.isfinite(snapshot.backfilled.values[3, row, column])
                }
            known |= {(snapshot.at, column): values[:, column].tolist() for column in range(len(SYMBOLS)) if np.isfinite(values[3, column])}
        return known

    def find_false_bars(self, newest: int) -> dict[tuple[int, int], tuple[list[float], list[float] | None]]:
        """The bars that close by `newest` and are not the exchange's, beside its own."""
        truth = {
            (candle.opened + SECOND, column): [candle.open, candle.high, candle.low, candle.close, candle.volume]
            for column, symbol in enumerate(SYMBOLS)
            for candle in self.fake.candles(symbol, "1s")
        }
        unnoticed = {(at + bars * SECOND, column) for at, column in truth for bars in (1, 2)}  # a halt is known after `silence`
        return {
            key: (bar, truth.get(key))
            for key, bar in self.read_bars().items()
            if key[0] <= newest
            and (bar[4] > 0.0 or key not in truth.keys() | unnoticed)  # a bar of mids has no trade to compare
            and bar != pytest.approx(truth.get(key))
        }


def is_whole(snapshot: MarketSnapshot) -> bool:
    return bool(snapshot.fresh.all() and np.isfinite(snapshot.books.bid_price[:, 0]).all() and np.isfinite(snapshot.ofi[:, 0]).all())


@contextmanager
def playing(offset: float = 0.0, after: int | None = None) -> Iterator[Session]:
    with FakeBinance(SYMBOLS, step_ms=50, trades_per_second=20.0, history_seconds=120, clock_offset=offset) as fake:
        session = Session(fake, after)
        try:
            yield session
        finally:
            session.feed.close()


def test_history_and_bars_are_those_of_the_exchange_without_a_gap_between() -> None:
    with playing() as session:
        source: LiveSource = session.feed
        assert source.progress is not None
        assert source.wait(LONGEST)
        assert session.feed.history_end is not None
        session.play(4)
        assert len(session.history) == 30
        assert all(np.array_equal(snapshot.fresh, snapshot.volume > 0.0) for snapshot in session.history)
        assert np.isnan(session.history[0].books.bid_price).all()
        times = [snapshot.at for snapshot in session.history + session.live]
        assert set(np.diff(times)) == {SECOND}
        session.recover()
        session.require_truth()
        timing = session.feed.read_timing(session.live[-1].at)
        assert timing is not None
        assert timing.read_at + timing.clock_offset >= session.live[-1].at + SECOND // 4
        assert session.feed.read_timing(session.history[-1].at) is None
        assert [status.state for status in session.feed.read_streams()] == ["ok"] * 6
        session.feed.close()
        assert list(session._slices) == []
        assert session.fake.sockets == 0


def test_bars_that_closed_while_the_history_was_loaded_are_loaded_too_and_the_next_is_fresh() -> None:
    with playing() as session:
        session.fake.slow_down(25, 0.6 * LONGEST_SILENCE)  # one request per symbol: more bars close meanwhile than are closed one by one
        session.fake.late_candles(0.3)  # the newest of each load is not there yet
        session.recover()
        assert all(np.isfinite(snapshot.close).all() for snapshot in session.history), "no bar is lost between two loads"
        assert len(session.history) > 30 + LONGEST_SILENCE
        assert set(np.diff([snapshot.at for snapshot in session.history + session.live])) == {SECOND}
        assert all(np.array_equal(snapshot.fresh, snapshot.volume > 0.0) for snapshot in session.history), "warm-up, not a gap that was missed"
        assert session.feed.problem is None


def test_a_session_that_continues_gets_the_missed_bars_but_decides_on_none() -> None:
    with playing() as session:
        session.feed.wait(LONGEST)
        assert session.feed.history_end is not None
        after = session.feed.history_end - 5 * SECOND
        session._slices = session.feed.slices(after)
        session.play(2)
        assert [snapshot.at - after for snapshot in session.history] == [number * SECOND for number in range(1, 6)]
        assert all(np.isfinite(snapshot.close).all() and not snapshot.fresh.any() for snapshot in session.history)
        assert session.live[-1].fresh.all()


def test_a_session_that_has_decided_the_history_waits_for_the_next_close() -> None:
    with playing() as session:
        assert session.feed.wait(LONGEST)
        assert session.feed.history_end is not None
        assert session.feed.wait(LONGEST, session.feed.history_end)
        assert session.feed._is_due(), "there is a bar to take without a pause"
        assert next(session.feed.slices(session.feed.history_end)).at == session.feed.history_end + SECOND


@pytest.mark.parametrize("fault", ["drop_sockets", "abort_tcp", "half_open"])
def test_lost_connections_are_redialled_and_their_bars_are_the_exchanges(fault: str) -> None:
    with playing() as session:
        session.recover()
        getattr(session.fake, fault)()
        session.play(2)
        session.recover()
        assert session.stream("BTC/USDT", "trades").reconnects >= 1
        assert session.stream("BTC/USDT", "book").reconnects >= 1
        session.play(3)
        session.require_truth()


def test_a_silent_book_is_not_in_force_and_the_other_symbol_goes_on() -> None:
    with playing() as session:
        session.recover()
        session.fake.silence("ETH/USDT", "book")
        stale = session.play_until(lambda snapshot: not snapshot.fresh[1])
        assert np.isnan(stale.books.bid_price[1]).all()
        assert np.isfinite(stale.close[1])
        assert (session.stream("ETH/USDT", "book").state, session.stream("BTC/USDT", "book").state) == ("stale", "ok")
        assert stale.fresh[0]
        session.fake.resume()
        session.recover()
        assert session.stream("BTC/USDT", "book").reconnects == 0
        session.require_truth()


def test_a_lost_sequence_number_is_resynced_and_counted() -> None:
    with playing() as session:
        session.recover()
        session.fake.skip_sequence("BTC/USDT")
        session.play_until(lambda _: session.stream("BTC/USDT", "book").gaps > 0)
        session.recover()
        assert session.stream("BTC/USDT", "book").state == "ok"
        session.require_truth()


def test_an_outage_leaves_bars_without_data_that_are_filled_afterwards() -> None:
    with playing() as session:
        session.recover()
        session.fake.refuse_connections()
        session.fake.abort_tcp()
        session.play_until(lambda snapshot: bool(np.isnan(snapshot.close).all()))
        assert all(np.isnan(snapshot.close).all() and not snapshot.fresh.any() for snapshot in session.play(3))
        session.fake.refuse_connections(on=False)
        filled = session.play_until(lambda snapshot: snapshot.backfilled is not None)
        assert not any((snapshot.fresh & np.isnan(snapshot.close)).any() for snapshot in session.live)
        assert filled.backfilled is not None
        session.recover()
        session.play(3)
        session.require_truth()
        assert session.stream("BTC/USDT", "candles").filled_bars >= 4


def test_a_wrong_clock_is_measured_and_bars_close_by_the_exchanges() -> None:
    with playing(offset=-7.0) as session:
        session.recover()
        timing = session.feed.read_timing(session.live[-1].at)
        assert timing is not None
        assert timing.clock_offset == pytest.approx(-7 * SECOND, abs=SECOND // 2)
        assert session.feed.clock_problem is not None
        assert "s ahead of" in session.feed.clock_problem
        session.require_truth()


def test_late_and_repeated_trades_change_no_bar() -> None:
    with playing() as session:
        session.recover()
        session.play(3)  # the ids of trades are a count by now
        session.fake.duplicate_trades(3)
        session.fake.late_trade("BTC/USDT", 2.5)
        session.play_until(lambda _: session.stream("BTC/USDT", "trades").gaps > 0)
        session.play(4)
        session.recover()
        session.require_truth()


def test_maintenance_and_a_delisted_symbol_take_no_new_risk_and_recover() -> None:
    with playing() as session:
        session.recover()
        session.fake.maintenance()
        session.play_until(lambda snapshot: not snapshot.fresh.any())
        session.fake.maintenance(on=False)
        session.recover()
        session.fake.delist("ETH/USDT")
        session.fake.drop_sockets()
        session.play_until(lambda snapshot: not snapshot.fresh[1])
        session.play_until(lambda snapshot: bool(snapshot.fresh[0]))


def test_history_without_candles_is_empty_and_a_gap_stays_a_gap() -> None:
    assert build_history([(), ()], SECOND, 5, 60 * SECOND) == []
    first, third = (Candle(0, number * SECOND, 0, (1.0, 2.0, 0.5, 1.5, 3.0)) for number in (10, 12))
    history = build_history([(first, third)], SECOND, 5, 14 * SECOND)
    assert [snapshot.at // SECOND for snapshot in history] == [11, 12, 13, 14]
    assert [bool(snapshot.fresh[0]) for snapshot in history] == [True, False, True, False], "the newest candle is missing, too"


def test_streams_that_end_by_a_fault_are_reported_instead_of_waited_for() -> None:
    def refuse() -> None:
        raise ValueError("no such proxy")

    with playing() as session:
        feed = LiveFeed(session.market, refuse, session.settings)
        with pytest.raises(RuntimeError, match="no such proxy"):
            feed.wait(LONGEST)
        feed.close()


def test_an_order_meets_the_book_after_the_decision_not_after_the_close() -> None:
    live = replace(Settings("", ""), feed="live", settle_ms=500.0, latency_ms=250.0)
    assert count_order_delay_ms(live) == 750.0
    assert count_order_delay_ms(replace(live, feed="recorded")) == 250.0
