"""Funding follows the exchange while an engine runs: it is paid at the rate in force, recorded, and decided again bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic, time_ns

import numpy as np
import pytest

from engine.broker import EIGHT_HOURS
from engine.domain.tick import Tick
from engine.feeds.live import LiveFeed
from engine.feeds.recorded import RecordedFeed
from engine.live.exchange import open_exchange, read_markets
from engine.live.instruments import describe_live_market
from engine.live.recorder import open_recorder
from engine.parity import check_parity
from engine.service.bootstrap import _continue_feed
from engine.service.clock import WallClock
from engine.service.engine import Engine
from engine.service.resume import resume_engine
from engine.service.session_controls import recording_key
from engine.settings import Settings, count_order_delay_ms
from engine.store import database
from engine.store.read.history import TickHistory
from engine.store.write.writer import Writer
from tests.exchanges import FakeBinanceusdm
from tests.live.test_live_feed import LONGEST, SECOND, TIMES
from tests.makers import Inline

SYMBOLS = ("BTC/USDT:USDT", "ETH/USDT:USDT")
AWAY = 18.0  # s: more bars than are closed one by one, and fewer than the feed's history
UNITS = np.array([0.05, -1.0])


class Session:
    """An engine on perpetuals that records, and holds a long and a short position."""

    def __init__(self, home: Path, fake: FakeBinanceusdm) -> None:
        self.settings = settings = Settings(
            str(home), f"sqlite:///{home}/podium.db", feed="live", exchange="binanceusdm", exchange_options=json.dumps(fake.ccxt_options()),
            symbols=SYMBOLS, interval=SECOND, settle_ms=250.0, latency_ms=50.0, record=f"{home}/r", models=("ridge",), warmup_bars=20,
        )  # fmt: skip
        self.feed = self.open_feed()
        database.prepare(settings.database_url)
        self._writer, self.history = Writer(settings.database_url), TickHistory(settings.database_url)
        recorder = open_recorder(settings, self.feed.info)
        assert recorder is not None
        self.feed.set_recorder(recorder)
        self.engine: Engine
        self.engine, session = resume_engine(settings, self.feed, WallClock(), self._writer, self.history, training_pool=Inline())
        self._writer.remember(recording_key(session), str(recorder.folder.resolve()))
        self.engine.continue_feed = partial(_continue_feed, settings, self.engine, self._writer, session)
        self.ticks: list[Tick] = []

    def open_feed(self) -> LiveFeed:
        """Open the market, without a connection."""
        settings = self.settings
        markets = read_markets(settings)

        def connect() -> object:
            exchange = open_exchange(settings)
            markets.install(exchange)
            return exchange

        times = replace(TIMES, funding=0.1, funding_again=0.1)
        return LiveFeed(describe_live_market(settings, markets), connect, settings, history_bars=30, times=times)

    def step_until(self, is_done: Callable[[], bool]) -> None:
        """Decide until something is so."""
        deadline = monotonic() + LONGEST
        while not is_done():
            assert monotonic() < deadline, self.feed.problem
            tick = self.engine.step()
            assert tick is not None
            self.ticks.append(tick)

    def rates(self) -> list[float] | None:
        """The funding rates per 8 h of the newest bar."""
        funding = self.ticks[-1].snapshot.funding if self.ticks else None
        return None if funding is None else [round(float(rate), 9) for rate in funding]

    def hold(self) -> None:
        """Hold UNITS from now on, whatever is decided."""
        account = self.engine.account
        spent = float((UNITS * account.mark_price).sum())
        self.engine.account = replace(account, positions=UNITS.copy(), entry_price=account.mark_price.copy(), cash=account.cash - spent)
        self.engine.configure(paused=True)

    def close(self) -> None:
        self.feed.close()
        self._writer.close()
        self.history.close()


def test_funding_follows_the_exchange_is_paid_recorded_and_decided_again(tmp_path: Path) -> None:
    with FakeBinanceusdm(SYMBOLS, funding_hours=4, step_ms=50, trades_per_second=20.0, history_seconds=60) as fake:
        session = Session(tmp_path, fake)
        try:
            assert session.feed.info.rules.funding_rates == (0.0002, 0.0002), "1 bps every 4 h"
            session.step_until(lambda: session.rates() == [0.0002, 0.0002])
            session.hold()
            first = len(session.ticks)
            session.step_until(lambda: len(session.ticks) > first + 1)
            fake.set_funding(SYMBOLS[1], -0.0003)
            session.step_until(lambda: session.rates() == [0.0002, -0.0006])
            fake.maintenance()
            session.step_until(lambda: "; the last rate stays in force" in str(session.feed.problem))
            assert session.rates() == [0.0002, -0.0006]
            fake.maintenance(on=False)
            session.step_until(lambda: session.feed.problem is None)
        finally:
            session.close()
    accounts = [tick.inputs.account for tick in session.ticks[first:]]
    for before, after, tick in zip(accounts, accounts[1:], session.ticks[first + 1 :], strict=False):
        funding = tick.snapshot.funding
        assert funding is not None
        paid = (UNITS * after.mark_price * funding).sum() * (after.accrued_at - before.accrued_at) / EIGHT_HOURS
        assert after.funding - before.funding == pytest.approx(-paid, rel=1e-9, abs=1e-15)
    history = TickHistory(session.settings.database_url)
    parity = check_parity(history)
    history.close()
    assert (parity.identical, parity.difference) == (True, None)
    recorded = RecordedFeed(tmp_path / "r", interval=SECOND, latency_ms=count_order_delay_ms(session.settings))
    played = {bar.at: bar.funding for bar in recorded.slices(None)}
    for tick in session.ticks[first:]:
        np.testing.assert_array_equal(played[tick.snapshot.at], tick.snapshot.funding)


def test_rates_hold_on_over_bars_that_were_missed_and_in_a_feed_that_is_opened_again(tmp_path: Path) -> None:
    with FakeBinanceusdm(SYMBOLS, funding_hours=4, step_ms=50, trades_per_second=20.0, history_seconds=60) as fake:
        session = Session(tmp_path, fake)
        try:
            fake.set_funding(SYMBOLS[1], -0.0003)
            session.step_until(lambda: session.rates() == [0.0002, -0.0006])
            first = len(session.ticks)
            fake.set_clock_offset(AWAY)
            session.feed._streams.clock.add(now := time_ns(), now, now + int(AWAY * 1e9))
            session.step_until(lambda: len(session.ticks) >= first + 10)
            other = session.open_feed()
            known = [other.funding is not None]
            session.engine.reopen(other)
            known.append(other.funding is not None)
            assert known == [False, True], "before it has asked the exchange"
            session.feed, second = other, len(session.ticks)
            session.step_until(lambda: len(session.ticks) > second + 1)
        finally:
            session.close()
    paid = {tuple(np.round(np.full(2, np.nan) if tick.snapshot.funding is None else tick.snapshot.funding, 9)) for tick in session.ticks[first:]}
    assert paid == {(0.0002, -0.0006)}
