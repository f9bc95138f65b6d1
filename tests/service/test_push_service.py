"""The engine on a posted market: history as warm-up, silence as a fault of the feed with its alert, and a restart that goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from engine.feeds._push_terms import describe_push_market
from engine.feeds.push import PushFeed
from engine.live.machine_clock import MachineClock
from engine.service.bootstrap import build_service
from engine.service.lease import Lease
from engine.settings import Settings
from engine.store.connection import Store
from tests.feeds.posting import Row, bar
from tests.makers import MINUTE, START, SetClock
from tests.service.running import run_service_until

SYMBOLS = ("A", "B")
HISTORY = 130


class FeedClock:
    """The wall clock of the service, which is set, and real seconds, so that waits end."""

    def __init__(self, wall: SetClock) -> None:
        self._wall = wall

    def now(self) -> int:
        return self._wall.now()

    def tick(self) -> float:
        return MachineClock().tick()


class Posted:
    """A service on a market that is posted; its jobs are never started."""

    def __init__(self, home: Path) -> None:
        self.url, self.clock = f"sqlite:///{home}/podium.db", SetClock()
        self.settings = Settings(str(home), self.url, feed="push", symbols=SYMBOLS, interval=MINUTE, models=("ridge",), threads=0, settle_ms=10_000.0)
        self.start()

    def start(self) -> None:
        self.lease = Lease(self.url)
        assert self.lease.acquire(self.clock.now(), 0.0)
        self.feed = PushFeed(*describe_push_market(self.settings), self.settings, FeedClock(self.clock))
        self.service = build_service(self.settings, self.feed, self.clock, self.lease.holder_id)
        self.feed.wait(0.0, self.service._engine.last_bar_at)
        self.store = Store(self.url, None)

    def stop(self) -> None:
        self.store.close()
        self.service.close()
        self.lease.release()
        self.lease.close()

    def post(self, *rows: Row) -> int:
        return self.feed.take(self.feed.parse_post({"bars": pa.Table.from_pylist(list(rows))})).repeated

    def run_until(self, ticks: int) -> None:
        run_service_until(self.service, ticks)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with self.store.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]


@pytest.fixture
def posted(tmp_path: Path) -> Iterator[Posted]:
    scene = Posted(tmp_path / "home")
    yield scene
    scene.stop()


def bars(opened: int) -> list[Row]:
    return [bar(symbol, opened, 100.0 + opened // MINUTE % 5) for symbol in SYMBOLS]


def test_history_is_the_warm_up_and_silence_is_a_fault_of_the_feed(posted: Posted) -> None:
    now = START // MINUTE * MINUTE + MINUTE
    posted.clock.seconds = (now + 10**9 - START) / 1e9
    posted.post(*(row for number in range(HISTORY, 1, -1) for row in bars(now - number * MINUTE)))
    posted.run_until(HISTORY - 1)
    assert posted.ask("SELECT count(*), sum(warm), sum(no_data) FROM ticks") == [(HISTORY - 1, HISTORY - 1, 0)]
    posted.post(*bars(now - MINUTE))
    posted.run_until(HISTORY)
    assert posted.ask("SELECT warm, no_data FROM ticks ORDER BY tick DESC LIMIT 1") == [(0, 0)]
    posted.service.report_streams()
    posted.service.components.write_all()
    assert posted.ask("SELECT state FROM components WHERE component = 'feed'") == [("ok",)]

    posted.clock.seconds += 2.0 * MINUTE / 1e9
    posted.service.report_streams()
    posted.run_until(HISTORY + 1)
    ((state, error),) = posted.ask("SELECT state, last_error FROM components WHERE component = 'feed'")
    assert state == "degraded"
    assert error.startswith("A candles: nothing posted for")
    posted.service._alerting.evaluate()
    assert posted.ask("SELECT rule, state FROM alerts") == [("feed failing", "open")]
    assert posted.ask("SELECT warm, no_data FROM ticks ORDER BY tick DESC LIMIT 1") == [(0, 1)]
    gates = posted.ask("SELECT DISTINCT binding_gate FROM v_decisions WHERE tick = (SELECT max(tick) FROM ticks)")
    assert gates == [("fresh data",)]

    opened = posted.clock.now() // MINUTE * MINUTE - MINUTE
    posted.post(*bars(opened))
    posted.service.report_streams()
    assert posted.ask("SELECT state FROM components WHERE component = 'feed'") == [("ok",)]


def test_a_restart_goes_on_and_knows_what_was_decided_on(posted: Posted) -> None:
    now = START // MINUTE * MINUTE + MINUTE
    posted.clock.seconds = (now + 10**9 - START) / 1e9
    posted.post(*(row for number in range(30, 0, -1) for row in bars(now - number * MINUTE)))
    posted.run_until(30)
    posted.stop()
    posted.start()
    assert posted.post(*bars(now - 2 * MINUTE), *bars(now - MINUTE)) == 4
    posted.clock.seconds += 3.0 * MINUTE / 1e9
    posted.post(*bars(now), *bars(now + MINUTE), *bars(now + 2 * MINUTE))
    posted.run_until(3)
    assert posted.ask("SELECT DISTINCT session FROM ticks") == [(1,)]
    assert posted.ask("SELECT tick, warm, no_data FROM ticks ORDER BY tick DESC LIMIT 3") == [(32, 0, 0), (31, 1, 1), (30, 1, 1)]
