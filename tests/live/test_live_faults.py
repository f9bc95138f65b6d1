"""Faults of a symbol while the others trade on: a crossed or empty book, a halt, and requests that the exchange limits."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import numpy as np

from tests.exchanges import FakeBinance
from tests.live.test_live_feed import SYMBOLS, Session

LONGEST = 120.0  # s that the test waits for something
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
