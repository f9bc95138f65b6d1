"""Faults of a symbol while the others trade on, candles that come late, never or twice, and requests that the exchange limits."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import numpy as np
import pytest

from engine.domain.market import MarketSnapshot
from tests.exchanges import FakeBinance
from tests.live.test_live_feed import SECOND, SYMBOLS, Session, is_whole

LONGEST = 300.0  # s that the test waits for something
BTC, ETH = SYMBOLS


def play_until(session: Session, is_done: Callable[[], bool]) -> None:
    """Take live bars until something is so, at least one."""
    deadline = monotonic() + LONGEST
    session.play()
    while not is_done():
        assert monotonic() < deadline, session.feed.read_streams()
        session.play()


def is_well(session: Session) -> bool:
    """Whether every stream is up without a problem and the last bar is whole; a busy machine may have closed it too late to be fresh."""
    streams = session.feed.read_streams()
    return all(stream.state == "ok" and stream.problem is None for stream in streams) and bool(np.isfinite(session.live[-1].close).all())


def test_faults_of_a_symbol_are_reported_lay_no_hand_on_the_other_and_end() -> None:
    with FakeBinance(SYMBOLS, step_ms=100, trades_per_second=10.0, history_seconds=60) as fake:
        session = Session(fake)
        try:
            play_until(session, lambda: is_well(session))
            for begin, line in ((fake.cross_book, "the book is crossed"), (fake.empty_book, "the book is empty on a side")):
                begin(ETH)
                play_until(session, lambda line=line: line in str(session.stream(ETH, "book").problem))  # type: ignore[misc]
                assert session.stream(BTC, "book").problem is None
                fake.resume()
                play_until(session, lambda: is_well(session))
            fake.halt(ETH)
            play_until(session, lambda: session.stream(ETH, "trades").state == "stale" and bool(np.isnan(session.live[-1].close[1])))
            halted = session.play(3)
            assert not any(bar.fresh[1] or np.isfinite(bar.close[1]) for bar in halted), "its book may be loaded again, but it does not trade"
            assert all(np.isfinite(bar.close[0]) for bar in halted), "the other symbol trades on"
            fake.resume()
            fake.rate_limit(12)
            play_until(session, lambda: not fake.faults.rate_limited and is_well(session))
            session.play(4)
            session.require_truth(complete=False)
        finally:
            session.feed.close()


def lose_bar(session: Session) -> None:
    """Close the sockets until a bar is missing: one of a dial between two messages loses none."""

    def is_missing() -> bool:
        session.fake.drop_sockets()
        return bool(np.isnan(session.live[-1].close).any())

    play_until(session, is_missing)


def count_filled(session: Session) -> int:
    return sum(session.stream(symbol, "candles").filled_bars for symbol in SYMBOLS)


Bars = dict[tuple[int, int], list[float]]  # open, high, low, close, volume by close (ns UTC) and column


def read_truth(session: Session) -> Bars:
    """The exchange's candles as they are now."""
    candles = [(column, candle) for column, symbol in enumerate(SYMBOLS) for candle in session.fake.candles(symbol, "1s")]
    return {(candle.opened + SECOND, column): [candle.open, candle.high, candle.low, candle.close, candle.volume] for column, candle in candles}


def read_decided(bars: list[MarketSnapshot]) -> Bars:
    """The bars as they were first given; NaN where a symbol had none."""
    values = [(bar.at, np.stack([bar.open, bar.high, bar.low, bar.close, bar.volume])) for bar in bars]
    return {(at, column): prices[:, column].tolist() for at, prices in values for column in range(len(SYMBOLS))}


def require_history(session: Session) -> None:
    """Every bar of the history is the exchange's candle."""
    truth, history = read_truth(session), read_decided(session.history)
    assert len(history) > len(SYMBOLS) * 20
    assert history == {bar: pytest.approx(truth[bar]) for bar in history}


def require_counted_once(session: Session) -> None:
    """Each bar that was filled, or whose candle differs from what was decided on, was counted once, however often its candle came."""
    filled, revised = count_filled(session), session.stream(BTC, "candles").revised_candles
    session.play()  # brings what was filled before
    decided, truth = read_decided(session.live), read_truth(session)
    brought = {
        (int(at), column)
        for bar in session.live
        if (past := bar.backfilled) is not None
        for row, at in enumerate(past.at)
        for column in np.flatnonzero(np.isfinite(past.values[3, row])).tolist()
    }
    assert filled <= len(brought)
    assert count_filled(session) >= sum(bool(np.isnan(decided[bar][3])) for bar in brought if bar in decided)
    assert revised <= sum(column == 0 and bar != pytest.approx(truth[at, column]) for (at, column), bar in decided.items() if (at, column) in truth)


def test_candles_that_come_twice_or_late_are_taken_once_and_those_that_never_come_leave_a_gap() -> None:
    with FakeBinance(SYMBOLS, step_ms=50, trades_per_second=20.0, history_seconds=120) as fake:
        fake.duplicate_candles()
        session = Session(fake)
        try:
            session.recover()
            require_history(session)
            assert set(np.diff([bar.at for bar in session.history + session.live])) == {SECOND}
            revised = session.stream(BTC, "candles").revised_candles
            fake.revise_candle(BTC, session.live[-1].at - SECOND)
            play_until(session, lambda: session.stream(BTC, "candles").revised_candles > revised)
            session.play(3)  # its candle comes with each check
            require_counted_once(session)

            filled = count_filled(session)
            fake.late_candles(3.0)
            lose_bar(session)
            play_until(session, lambda: count_filled(session) > filled)
            fake.resume()
            fake.duplicate_candles()
            play_until(session, lambda: not session.feed._builder.missing)
            require_counted_once(session)

            fake.late_candles(1e6)
            lose_bar(session)
            lost, filled = session.live[-1].at, count_filled(session)
            play_until(session, lambda: is_whole(session.live[-1]))
            session.play(8)
            later = [bar.backfilled.at.tolist() for bar in session.live if bar.at >= lost and bar.backfilled is not None]
            assert not any(lost in closes for closes in later), "what the exchange does not have is not invented"
            assert count_filled(session) == filled
            play_until(session, lambda: is_well(session))
        finally:
            session.feed.close()


def test_a_symbol_without_trades_has_bars_of_its_mids_and_no_problem() -> None:
    with FakeBinance(SYMBOLS, step_ms=50, trades_per_second={BTC: 20.0}, history_seconds=60) as fake:
        session = Session(fake)
        try:
            play_until(session, lambda: is_whole(session.live[-1]))
            bar = session.play()[0]
            bid, ask = bar.books.bid_price[1, 0], bar.books.ask_price[1, 0]
            assert (bar.volume[1], bar.close[1]) == (0.0, (bid + ask) / 2)
            assert bar.volume[0] > 0.0
            assert session.stream(ETH, "trades").problem is None
        finally:
            session.feed.close()
