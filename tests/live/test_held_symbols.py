"""The whole engine on a symbol that is halted or delisted while it is held: no new risk, nothing invented, and recovery by itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pytest

from engine.domain.market import MarketSnapshot
from engine.feeds.live import LiveFeed
from engine.live.exchange import open_exchange, read_markets
from engine.live.instruments import describe_live_market
from engine.service.bootstrap import build_service
from engine.service.clock import WallClock
from engine.service.lease import Lease
from engine.settings import Settings
from engine.store.connection import Store
from engine.store.read.history import TickHistory
from tests.exchanges import FakeBinance
from tests.live.test_live_feed import LONGEST, SECOND, SYMBOLS, TIMES

BTC, ETH = 0, 1
PATIENT = replace(TIMES, silence=6.0, trades_silence=6.0)  # a busy machine may not read the other symbol's messages for a while


class Trader:
    """An engine service on a fake exchange, whose jobs are run by the test."""

    def __init__(self, home: Path, fake: FakeBinance) -> None:
        self.fake, self._clock, self._url = fake, WallClock(), f"sqlite:///{home}/podium.db"
        settings = Settings(
            str(home), self._url, feed="live", exchange="binance", exchange_options=json.dumps(fake.ccxt_options()), symbols=SYMBOLS, interval=SECOND,
            settle_ms=250.0, latency_ms=50.0, models=("ridge",), warmup_bars=20, threads=0,
            tick_interval_seconds=1.0,
        )  # fmt: skip
        markets = read_markets(settings)

        def connect() -> object:
            exchange = open_exchange(settings)
            markets.install(exchange)
            return exchange

        feed = LiveFeed(describe_live_market(settings, markets), connect, settings, history_bars=30, times=PATIENT)
        self._lease = Lease(self._url)
        assert self._lease.acquire(self._clock.now(), 0.0)
        self._service = build_service(settings, feed, self._clock, self._lease.holder_id)
        self.engine, self._store = self._service._engine, Store(self._url, None)

    def step(self) -> None:
        """Decide the next bar, and report the streams."""
        self._service.run_ticks()
        self._service.report_streams()

    def step_until(self, is_done: Callable[[], bool]) -> None:
        """Decide live bars until something is so."""
        deadline = monotonic() + LONGEST
        self.step()
        while not is_done():
            assert monotonic() < deadline, self.component()
            self.step()

    def rows(self, sql: str) -> list[Any]:
        with self._store.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def is_fresh(self) -> list[bool]:
        """By symbol, whether the newest decision was on a bar in time."""
        newest = "SELECT max(tick) FROM decisions"
        fresh = dict(self.rows(f"SELECT symbol, fresh FROM decisions WHERE tick = ({newest})"))
        return [bool(fresh[symbol]) for symbol in SYMBOLS]

    def is_away(self, column: int) -> bool:
        """Whether the trades and the book of a symbol are known to have ended: a new connection is believed for a while."""
        source = self.engine.live
        assert source is not None
        return all(stream.state != "ok" for stream in source.read_streams()[3 * column : 3 * column + 2])

    def component(self) -> tuple[str, str]:
        """The state of the feed on Components, and its line."""
        (row,) = self.rows("SELECT state, coalesce(last_error, '') FROM components WHERE component = 'feed'")
        return str(row[0]), str(row[1])

    def hold(self, btc: float, eth: float) -> None:
        """Put positions (base units) into the account at their last prices."""
        account, units = self.engine.account, np.array([btc, eth])
        spent = float((units * account.mark_price).sum())
        self.engine.account = replace(account, positions=units, entry_price=account.mark_price.copy(), cash=account.cash - spent)

    def read_outages(self) -> list[str]:
        """The faults of the feed in the log of failures that are over."""
        self._service.failures.flush()
        return [str(fault) for (fault,) in self.rows("SELECT fault FROM recoveries WHERE component = 'feed' AND recovered_at IS NOT NULL")]

    def read_bars(self, first: int) -> list[MarketSnapshot]:
        """What the ticks from `first` on were decided on."""
        history = TickHistory(self._url)
        try:
            session = history.latest_session()
            assert session is not None
            return list(history.snapshots(session.id, first, self.engine.tick - 1))
        finally:
            history.close()

    def require_truth(self, column: int, first: int) -> None:
        """Each bar of a symbol from tick `first` on that has trades is the exchange's, as decided on or as corrected later."""
        bars: dict[int, tuple[float, float]] = {}
        for snapshot in self.read_bars(first):
            bars[snapshot.at] = float(snapshot.close[column]), float(snapshot.volume[column])
            if (filled := snapshot.backfilled) is not None:
                bars |= {int(at): (float(filled.values[3, row, column]), float(filled.values[4, row, column])) for row, at in enumerate(filled.at)}
        truth = {candle.opened + SECOND: candle.close for candle in self.fake.candles(SYMBOLS[column], "1s")}
        closes = {at: close for at, (close, volume) in bars.items() if np.isfinite(close) and volume > 0.0}
        assert closes
        assert closes == {at: pytest.approx(truth[at]) for at in closes}

    def close(self) -> None:
        self._service.close()
        self._lease.release()
        self._lease.close()
        self._store.close()


@contextmanager
def trading(home: Path) -> Iterator[Trader]:
    with FakeBinance(SYMBOLS, step_ms=50, trades_per_second=20.0, history_seconds=120) as fake:
        trader = Trader(home, fake)
        try:
            trader.step_until(lambda: trader.component()[0] == "ok" and trader.is_fresh() == [True, True])
            yield trader
        finally:
            trader.close()


def keep_while_it_is_away(trader: Trader) -> int:
    """Hold both symbols, which the engine wants to close because no model is trained: it closes the one that trades, and keeps the other.

    Returns the first tick on which both were held.
    """
    trader.step_until(lambda: trader.is_fresh() == [True, False] and trader.is_away(ETH))
    price, first = float(trader.engine.account.mark_price[ETH]), trader.engine.tick
    trader.hold(0.05, 1.0)
    trader.step_until(lambda: bool(trader.engine.account.positions[BTC] == 0.0))
    for _ in range(3):
        trader.step()
    account, last = trader.engine.account, trader.engine.tick - 1
    assert account.positions[ETH] == 1.0, "what cannot be traded is kept"
    assert account.mark_price[ETH] == price, "at its last price"
    assert trader.rows(
        f"SELECT DISTINCT action, delta, fresh FROM decisions WHERE symbol = '{SYMBOLS[ETH]}' AND tick BETWEEN {first} AND {last}"
    ) == [("hold", 0.0, 0)]
    assert trader.rows(f"SELECT DISTINCT symbol FROM fills WHERE tick BETWEEN {first} AND {last}") == [(SYMBOLS[BTC],)]
    assert all(np.isnan(bar.close[ETH]) for bar in trader.read_bars(first)), "no bar is invented"
    return first


def recover(trader: Trader, first: int) -> None:
    """End the fault: the position is closed by itself at a price of the exchange, the feed is well again, and no bar from `first` on is invented."""
    trader.fake.resume()
    trader.step_until(lambda: bool(trader.engine.account.positions[ETH] == 0.0))
    (price,) = trader.rows(f"SELECT price FROM fills WHERE symbol = '{SYMBOLS[ETH]}'")[-1]
    bids = [level for book in trader.fake.books(SYMBOLS[ETH]) for level, _ in book.bids]
    assert min(bids) <= price <= max(bids)
    trader.step_until(lambda: trader.component()[0] == "ok")
    assert trader.rows("SELECT count(*) FROM alerts WHERE rule = 'feed failing' AND state = 'open'") == [(0,)]
    assert any(fault.startswith("ETH/USDT ") for fault in trader.read_outages())
    trader.require_truth(BTC, first)


def test_a_symbol_that_is_halted_while_held_is_kept_and_traded_again_after_the_halt(tmp_path: Path) -> None:
    with trading(tmp_path) as trader:
        trader.fake.halt(SYMBOLS[ETH])
        first = keep_while_it_is_away(trader)
        state, line = trader.component()
        assert state == "degraded"
        assert re.match(r"ETH/USDT (trades|book): no message for \d+ s(; and \d more)?$", line), line
        recover(trader, first)


def test_a_symbol_that_is_delisted_while_held_is_kept_and_named_with_the_exchanges_reason(tmp_path: Path) -> None:
    with trading(tmp_path) as trader:
        trader.fake.delist(SYMBOLS[ETH])
        trader.step_until(lambda: "BadSymbol" in trader.component()[1])
        line = trader.component()[1]
        assert line.startswith("ETH/USDT candles: the candles of ETH/USDT on binance: BadSymbol ("), line
        assert "Invalid symbol." in line
        trader.fake.drop_sockets()  # it is unknown to new connections, too
        first = keep_while_it_is_away(trader)
        assert trader.component()[1].startswith("ETH/USDT "), "the other symbol is well"
        recover(trader, first)
