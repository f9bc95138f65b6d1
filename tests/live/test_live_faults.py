"""Faults of a symbol while the others trade on, candles that come late, never or twice, and requests that the exchange limits."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import numpy as np

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


def count_filled(session: Session) -> int:
    return sum(session.stream(symbol, "candles").filled_bars for symbol in SYMBOLS)


def test_candles_that_come_twice_or_late_are_taken_once_and_those_that_never_come_leave_a_gap() -> None:
    with FakeBinance(SYMBOLS, step_ms=50, trades_per_second=20.0, history_seconds=120) as fake:
        fake.duplicate_candles()
        session = Session(fake)
        try:
            session.recover()
            assert set(np.diff([bar.at for bar in session.history + session.live])) == {SECOND}
            fake.resume()
            revised = session.stream(BTC, "candles").revised_candles
            fake.revise_candle(BTC, session.live[-1].at - SECOND)
            play_until(session, lambda: session.stream(BTC, "candles").revised_candles > revised)

            filled = count_filled(session)
            fake.late_candles(3.0)
            fake.drop_sockets()
            play_until(session, lambda: bool(np.isnan(session.live[-1].close).any()))
            play_until(session, lambda: count_filled(session) > filled)
            fake.resume()
            play_until(session, lambda: not session.feed._builder.missing)

            fake.late_candles(1e6)
            fake.drop_sockets()
            play_until(session, lambda: bool(np.isnan(session.live[-1].close).any()))
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
