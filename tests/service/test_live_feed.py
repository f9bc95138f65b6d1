"""The engine on a live market: it waits for bars without the lock, tells history from live, and marks ticks without data."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pytest

from engine.domain.live import StreamStatus
from engine.domain.market import BackfilledBars, MarketSnapshot
from engine.replay import replay_tick
from engine.service.bootstrap import build_service
from engine.service.engine import Engine
from engine.service.health_inputs import read_health_inputs
from engine.service.lease import Lease
from engine.service.live_feed import SAME_OUTAGE_SECONDS, describe_problems
from engine.settings import Settings
from engine.store.connection import Store
from engine.store.read.history import TickHistory
from engine.store.read.reader import Reader
from engine.store.read.streams import read_streams, read_tick_delays
from tests.makers import SetClock, simulated
from tests.service.live_markets import ScriptedMarket, stream, without_data
from tests.service.running import run_service_until

HISTORY = 8


class Scene:
    """A service on a live market of two symbols; its jobs are never started."""

    def __init__(self, home: Path) -> None:
        self.url, self.clock = f"sqlite:///{home}/podium.db", SetClock()
        simulation = simulated(24, symbols=2)
        self.bars = tuple(simulation.slices(None))
        info = replace(simulation.info, name="live", label="live: test", simulated=False)
        self.market = ScriptedMarket(info, self.bars[:HISTORY])
        self.settings = Settings(str(home), self.url, feed="live", models=("ridge",), threads=0)
        self.start()

    def start(self) -> None:
        self.lease = Lease(self.url)
        assert self.lease.acquire(self.clock.now(), 0.0)
        self.service = build_service(self.settings, self.market, self.clock, self.lease.holder_id)
        self.store = Store(self.url, None)

    @property
    def engine(self) -> Engine:
        return self.service._engine

    def run_until(self, ticks: int) -> None:
        run_service_until(self.service, ticks)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.store.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def close(self) -> None:
        self.service.close()
        self.lease.release()
        self.lease.close()
        self.store.close()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.close()


def test_the_wait_for_a_bar_holds_no_lock_and_ends_with_the_engine(scene: Scene) -> None:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(scene.service.run_ticks)
        while scene.market.waits < 3:
            sleep(0.001)
        with scene.service._lock.command():
            seen = scene.market.waits
            while scene.market.waits < seen + 2:
                sleep(0.001)
        assert not running.done()
        scene.service._stop.set()
        running.result(300.0)
    assert scene.service.ticks_decided == 0
    assert not scene.service.ended.is_set(), "the market has not ended"


def test_history_is_warm_up_and_what_follows_is_live(scene: Scene) -> None:
    scene.market.load()
    scene.run_until(HISTORY)
    assert scene.rows("SELECT count(*), sum(warm), sum(no_data), count(read_at) FROM ticks") == [(HISTORY, HISTORY, 0, 0)]
    assert scene.engine.progress == (HISTORY, HISTORY)
    scene.market.release(scene.bars[HISTORY], without_data(scene.bars[HISTORY + 1]), scene.bars[HISTORY + 2])
    scene.run_until(HISTORY + 3)
    assert scene.rows(f"SELECT warm, no_data FROM ticks WHERE tick >= {HISTORY} ORDER BY tick") == [(0, 0), (0, 1), (0, 0)]
    assert scene.engine.waits_for_training is False
    assert {action for (action,) in scene.rows(f"SELECT action FROM decisions WHERE tick = {HISTORY + 1}")} == {"hold"}


def test_history_that_a_restart_missed_is_marked_as_without_data(scene: Scene) -> None:
    scene.market.history = [*scene.bars[: HISTORY - 2], *(without_data(bar) for bar in scene.bars[HISTORY - 2 : HISTORY])]
    scene.market.load()
    scene.run_until(HISTORY)
    assert scene.rows(f"SELECT warm, no_data FROM ticks WHERE tick >= {HISTORY - 3} ORDER BY tick") == [(1, 0), (1, 1), (1, 1)]


def test_before_its_end_is_known_every_bar_is_history(scene: Scene) -> None:
    assert scene.engine.progress == (0, 1)
    assert scene.engine._waits_for_models
    scene.market.load()
    scene.run_until(HISTORY)
    assert not scene.engine._waits_for_models, "the next bar is live, and a live tick waits for no training"


def test_alerts_and_health_measure_silence_by_the_bars(scene: Scene) -> None:
    seconds = scene.market.info.interval / 1e9
    assert scene.engine.tick_interval_seconds == seconds
    assert scene.service._parts.tracker.progress().tick_interval_seconds == seconds
    assert read_health_inputs(scene.url, scene.clock.now()).tick_interval_seconds == seconds


def test_the_component_names_what_the_start_waits_for_then_the_oldest_problem(scene: Scene) -> None:
    def feed() -> tuple[Any, ...]:
        (row,) = scene.rows("SELECT state, last_error FROM components WHERE component = 'feed'")
        return row

    scene.service.report_streams()
    assert feed() == ("starting", "loading history")
    scene.market.load()
    scene.market.release()
    scene.service.report_streams()
    assert feed() == ("ok", None)
    scene.market.streams = (stream("A", "book", "checksum\nfailed", 30), stream("B", "trades", "silent for 40 s", 20), stream("B", "book"))
    scene.service.report_streams()
    assert feed() == ("degraded", "B trades: silent for 40 s; and 1 more")
    assert scene.rows("SELECT message FROM alerts WHERE state = 'open'") == [("feed: B trades: silent for 40 s; and 1 more",)]
    scene.market.streams, scene.market.problem = scene.market.streams[2:], "bars close faster than they load"
    scene.service.report_streams()
    assert feed() == ("degraded", "bars close faster than they load")
    scene.service.failures.flush()
    assert scene.rows("SELECT component, fault, how FROM recoveries WHERE recovered_at IS NOT NULL") == [
        ("feed", "B trades: silent for 40 s; and 1 more", "the streams are well again")
    ]
    scene.market.problem = None
    scene.service.report_streams()
    assert feed()[0] == "ok"
    assert scene.rows("SELECT symbol, stream, state, messages, latency_p99_ms, problem FROM v_streams") == [("B", "book", "ok", 10, 80.0, None)]


def test_an_outage_that_never_ends_hides_no_later_one(scene: Scene) -> None:
    def report(*streams: StreamStatus) -> list[tuple[Any, ...]]:
        scene.market.streams = streams
        scene.service.report_streams()
        scene.service.failures.flush()
        return scene.rows("SELECT fault, (recovered_at - at) / 1000000000 FROM recoveries WHERE component = 'feed' ORDER BY id")

    def since() -> int:
        return scene.clock.now()

    scene.market.load()
    scene.market.release()
    delisted = stream("A", "candles", "delisted", since())
    assert report(delisted, stream("B", "trades"), stream("B", "book")) == []
    scene.clock.seconds += SAME_OUTAGE_SECONDS + 1.0
    silent = stream("B", "trades", "silent", since())
    assert report(delisted, silent, stream("B", "book")) == []
    scene.clock.seconds += 20.0
    assert report(delisted, silent, stream("B", "book", "closed", since())) == []
    scene.clock.seconds += 10.0
    assert report(delisted, stream("B", "trades"), stream("B", "book", "closed", since())) == [], "it lasts until each stream is well"
    scene.clock.seconds += 15.0
    over = [("B trades: silent", 45)]
    assert report(delisted, stream("B", "trades"), stream("B", "book")) == over
    scene.clock.seconds += 100.0
    assert report(delisted, stream("B", "trades"), stream("B", "book", "crossed", since())) == over
    scene.clock.seconds += 5.0
    over.append(("B book: crossed", 5))
    assert report(delisted, stream("B", "trades"), stream("B", "book")) == over
    over.append(("A candles: delisted", round(scene.clock.seconds)))
    assert report(stream("B", "trades"), stream("B", "book")) == over


def test_a_problem_is_one_line() -> None:
    assert describe_problems([stream("A", "book")]) is None
    assert describe_problems([stream("A", "book", "lost\n 3 messages", 1)]) == "A book: lost 3 messages"


def test_a_market_that_fails_while_it_is_waited_for_is_reported(scene: Scene) -> None:
    scene.market.failure = ValueError("the exchange refused the address")
    scene.service.run_ticks()
    assert scene.rows("SELECT state, last_error FROM components WHERE component = 'feed'") == [("degraded", "the exchange refused the address")]


def test_the_connection_ends_with_the_engine_and_with_its_replacement(scene: Scene) -> None:
    other = ScriptedMarket(scene.market.info, scene.bars[:HISTORY])
    scene.engine.reopen(other)
    assert (scene.market.is_closed, other.is_closed) == (True, False)
    assert scene.engine.live is other
    scene.close()
    assert other.is_closed
    scene.start()


def test_a_market_opened_again_is_recorded_before_anything_waits_for_it(scene: Scene) -> None:
    before, other, states = scene.market, ScriptedMarket(scene.market.info, scene.bars[:HISTORY]), list[tuple[object, ...]]()
    scene.engine.continue_feed = lambda feed: states.append((feed is other, before.is_closed, scene.engine.live is before))
    scene.engine.reopen(other)
    assert (states, scene.engine.live is other) == ([(True, True, True)], True)


def test_a_market_whose_recorder_fails_is_connected_all_the_same(scene: Scene) -> None:
    def fail(feed: object) -> None:
        raise ValueError(f"no room to record {feed is not None}")

    other, scene.engine.continue_feed = ScriptedMarket(scene.market.info, scene.bars[:HISTORY]), fail
    with pytest.raises(ValueError, match="no room"):
        scene.engine.reopen(other)
    assert scene.engine.live is other, "the former is closed, and would be taken for a market that has ended"


def test_the_times_of_a_tick_are_stored(scene: Scene, tmp_path: Path) -> None:
    scene.market.load()
    scene.market.release(scene.bars[HISTORY])
    scene.run_until(HISTORY + 1)
    reader = Reader(scene.url)
    (delay,) = read_tick_delays(reader)
    assert (delay.tick, delay.at, delay.trade_age, delay.book_age) == (HISTORY, scene.bars[HISTORY].at, 100.0, None)
    ((wall,),) = scene.rows(f"SELECT wall FROM ticks WHERE tick = {HISTORY}")
    assert delay.decision_delay == (wall - 20_000_000 - delay.at) / 1e6
    assert read_streams(reader).empty


def backfilled(bar: MarketSnapshot, *missed: MarketSnapshot) -> MarketSnapshot:
    values = np.stack([np.stack([past.open, past.high, past.low, past.close, past.volume]) for past in missed], axis=1)
    return replace(bar, backfilled=BackfilledBars(np.array([past.at for past in missed]), values))


def test_a_tick_after_a_back_fill_is_replayed_and_resumed_bit_for_bit(scene: Scene) -> None:
    missed = scene.bars[HISTORY + 1 : HISTORY + 3]
    scene.market.load()
    scene.market.release(scene.bars[HISTORY], *map(without_data, missed), backfilled(scene.bars[HISTORY + 3], *missed), scene.bars[HISTORY + 4])
    scene.run_until(HISTORY + 5)
    history = TickHistory(scene.url)
    for tick in range(HISTORY, HISTORY + 5):
        assert replay_tick(history, tick).identical, tick
    account, config = scene.engine.account, scene.engine.config
    before = scene.engine.window.build_inputs(0, account, config, ())
    np.testing.assert_array_equal(before.bars.close[:, -5:], np.stack([bar.close for bar in scene.bars[HISTORY : HISTORY + 5]], axis=1))
    decided = scene.rows("SELECT digest FROM ticks ORDER BY tick DESC LIMIT 1")
    scene.service.close()
    scene.lease.release()
    scene.start()
    assert scene.rows("SELECT digest FROM ticks ORDER BY tick DESC LIMIT 1") == decided
    assert scene.engine.tick == HISTORY + 5
    assert scene.engine.window.build_inputs(0, account, config, ()).digest() == before.digest()
