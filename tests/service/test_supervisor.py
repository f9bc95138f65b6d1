"""The supervisor: an engine under its lease, driven by jobs and commands, resumed after a stop; another one waits."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from engine.domain.market import Account, MarketSnapshot
from engine.domain.state import State
from engine.domain.tick import TrainingRow
from engine.domain.trading_config import TradingConfig
from engine.replay import replay_tick
from engine.service.clock import WallClock
from engine.service.health_inputs import read_health_inputs
from engine.service.supervisor import Supervisor
from engine.settings import Settings
from engine.store import codec
from engine.store.database import connect
from engine.store.errors import LeaseLost
from engine.store.inbox import Inbox
from engine.store.read.history import TickHistory

LONG = 300.0  # s, never waited for when all is well


def settings(home: Path, **changes: Any) -> Settings:
    plain = Settings(
        home=str(home),
        database_url=f"sqlite:///{home}/podium.db",
        symbols=("SIM1", "SIM2"),
        tick_interval_seconds=0.0,
        warmup_bars=0,
        models=("ridge",),
    )
    return replace(plain, **changes)


@pytest.fixture
def symbols(tmp_path: Path) -> tuple[str, ...]:
    from engine.service.feeds import open_configured_feed

    return open_configured_feed(settings(tmp_path, symbols=())).info.symbols[:2]


@pytest.fixture
def models() -> tuple[str, ...]:
    from engine.service.training import select_models

    return (select_models()[0].name,)


@pytest.fixture
def plain(tmp_path: Path, symbols: tuple[str, ...], models: tuple[str, ...]) -> Settings:
    return settings(tmp_path, symbols=symbols, models=models)


def until(condition: Callable[[], bool], seconds: float = LONG) -> None:
    pause, clock = Event(), WallClock()
    begun = clock.tick()
    while not condition():
        assert clock.tick() - begun < seconds, "it never came true"
        pause.wait(0.05)


def rows(configured: Settings, sql: str) -> list[tuple[Any, ...]]:
    store = connect(configured.database_url, read_only=True)
    try:
        with store.begin() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]
    finally:
        store.dispose()


def ran(configured: Settings, ticks: int) -> Supervisor:
    host = Supervisor(configured, ticks=ticks)
    host.open()
    host.start()
    assert host.ended.wait(LONG)
    assert host.stop(LONG)
    return host


def test_it_ends_after_the_ticks_asked_for_and_lets_the_store_go(plain: Settings) -> None:
    assert ran(plain, 5).ticks_decided == 5
    assert rows(plain, "SELECT tick FROM ticks ORDER BY tick") == [(0,), (1,), (2,), (3,), (4,)]
    assert rows(plain, "SELECT * FROM lease") == []
    assert {state for (state,) in rows(plain, "SELECT state FROM components")} == {"down"}
    assert rows(plain, "SELECT * FROM alerts") == []


def test_a_second_start_goes_on_as_if_nothing_had_happened(tmp_path: Path, plain: Settings) -> None:
    ran(plain, 7)
    ran(plain, 5)
    whole = replace(plain, home=str(tmp_path / "whole"), database_url=f"sqlite:///{tmp_path}/whole/podium.db")
    ran(whole, 12)
    query = "SELECT tick, at, digest FROM ticks ORDER BY tick"
    assert rows(plain, query) == rows(whole, query)
    assert replay_tick(TickHistory(plain.database_url), 11).identical


def test_another_market_begins_a_new_session_and_tick_numbers_go_on(plain: Settings) -> None:
    ran(plain, 3)
    ran(replace(plain, seed=8), 2)
    assert rows(plain, "SELECT tick, session FROM ticks ORDER BY tick") == [(0, 1), (1, 1), (2, 1), (3, 2), (4, 2)]
    assert replay_tick(TickHistory(plain.database_url), 4).identical


def test_a_store_that_another_version_wrote_goes_on_in_a_new_session(plain: Settings) -> None:
    """Its states are laid out otherwise and cannot be read: that must not keep the engine from starting."""
    ran(plain, 3)
    store = sqlite3.connect(Path(plain.home, "podium.db"))
    ((identity,),) = store.execute("SELECT identity FROM sessions").fetchall()
    values = json.loads(identity)
    assert values["layout"] == codec.digest_layout(State, Account, TradingConfig, MarketSnapshot, TrainingRow)
    store.execute("UPDATE sessions SET identity = ?", (json.dumps(values | {"layout": "older"}, sort_keys=True),))
    store.execute("UPDATE checkpoints SET data = ?", (codec.pack(TradingConfig()),))
    store.commit()
    store.close()
    assert ran(plain, 2).ticks_decided == 2
    assert rows(plain, "SELECT tick, session FROM ticks ORDER BY tick") == [(0, 1), (1, 1), (2, 1), (3, 2), (4, 2)]


def test_a_damaged_checkpoint_is_passed_over_and_told_among_the_recoveries(plain: Settings) -> None:
    ran(plain, 3)
    with closing(sqlite3.connect(Path(plain.home, "podium.db"))) as store, store:
        store.execute("UPDATE checkpoints SET data = zeroblob(9)")
    assert ran(plain, 2).ticks_decided == 2
    assert rows(plain, "SELECT tick, session FROM ticks ORDER BY tick") == [(0, 1), (1, 1), (2, 1), (3, 1), (4, 1)]
    ((fault, how),) = rows(plain, "SELECT fault, how FROM recoveries WHERE component = 'store'")
    assert (fault, how) == (
        "the checkpoint of tick 0 is damaged: rolled forward from the start of the session", "no decision was lost and the checkpoint was rebuilt"
    )  # fmt: skip


@contextmanager
def live(configured: Settings) -> Iterator[Settings]:
    """A host with these settings, from its first tick on; it stops in time."""
    host = Supervisor(configured)
    host.start()
    until(lambda: Path(configured.home, "podium.db").exists() and bool(rows(configured, "SELECT name FROM sqlite_master WHERE name = 'ticks'")))
    until(lambda: bool(rows(configured, "SELECT tick FROM ticks LIMIT 1")))
    yield configured
    assert host.stop(LONG)


@pytest.fixture
def running(plain: Settings) -> Iterator[Settings]:
    with live(replace(plain, tick_interval_seconds=0.05)) as configured:
        yield configured


def submit_and_wait(configured: Settings, name: str, /, **args: str) -> dict[str, Any]:
    inbox = Inbox(configured.database_url)
    number = inbox.submit(name, args, "ann", "a test", WallClock().now())
    until(lambda: (record := inbox.get(number)) is not None and record.is_finished)
    record = inbox.get(number)
    inbox.close()
    assert record is not None
    result: dict[str, Any] = json.loads(record.result or "{}")
    return {"status": record.status, **result}


def test_a_running_engine_obeys_reads_the_machine_and_is_healthy(running: Settings) -> None:
    assert submit_and_wait(running, "pause")["status"] == "done"
    refused = submit_and_wait(running, "set", signal="9")
    assert refused["status"] == "failed"
    assert "0 to 0.5" in refused["error"]
    assert submit_and_wait(running, "optimize", action="nope")["status"] == "failed"
    until(lambda: bool(rows(running, "SELECT 1 FROM readings_raw LIMIT 1")))
    until(lambda: bool(rows(running, "SELECT 1 FROM ticks WHERE events LIKE '%pause%'")))
    assert read_health_inputs(running.database_url, WallClock().now()).heartbeat_at is not None
    parts = {"engine", "feed", "store", "trainer", "optimizer", "probes", "alerts"}
    assert parts == {name for (name,) in rows(running, "SELECT component FROM components")}


def test_a_second_engine_waits_while_the_first_holds_the_store(running: Settings) -> None:
    with pytest.raises(LeaseLost, match="holds the store"):
        Supervisor(running).open()
    other = Supervisor(running)
    other.start()
    until(lambda: other.error is not None)
    assert other.error is not None
    assert "holds the store" in other.error
    assert other.stop(LONG)
    assert len(rows(running, "SELECT DISTINCT session FROM ticks")) == 1


def test_a_heartbeat_that_failed_once_is_forgotten_when_it_goes_well(plain: Settings) -> None:
    host = Supervisor(plain)
    host.on_failure("engine", "heartbeat", "the store is locked")
    host.on_success("engine", "take up")
    troubles = [host.error]
    host.on_success("engine", "heartbeat")
    troubles.append(host.error)
    assert troubles == ["engine, heartbeat: the store is locked", None]
    host._wait(LeaseLost("another engine holds the store"))
    host.on_success("engine", "heartbeat")
    assert host.error == "another engine holds the store"
    assert host.stop(LONG)


def test_a_signal_switched_by_hand_holds_after_a_restart(tmp_path: Path, plain: Settings) -> None:
    configured = replace(plain, tick_interval_seconds=0.05)
    host = Supervisor(configured)
    host.start()
    until(lambda: Path(configured.home, "podium.db").exists() and bool(rows(configured, "SELECT name FROM sqlite_master WHERE name = 'ticks'")))
    until(lambda: bool(rows(configured, "SELECT tick FROM ticks LIMIT 1")))
    result = submit_and_wait(configured, "set", signal="0.5")
    assert host.stop(LONG)
    (last,) = rows(configured, "SELECT max(tick) FROM ticks")[0]
    ran(plain, 3)
    (at,) = rows(plain, f"SELECT max(at) FROM ticks WHERE tick <= {last}")[0]
    from engine.service.feeds import open_configured_feed

    feed = open_configured_feed(plain)
    feed.switch_signal(0.5, result["at"])
    expected = next(feed.slices(at))
    assert TickHistory(plain.database_url).tick(last + 1).snapshot.digest() == expected.digest()


def test_a_host_whose_feed_cannot_open_backs_off_and_says_later_what_it_took(plain: Settings) -> None:
    clock = Moved()
    broken = replace(plain, feed="recorded", feed_path=str(Path(plain.home) / "nothing"))
    host = Supervisor(broken, clock=clock)
    tries = 0
    for second in range(600):
        clock.seconds = float(second)
        host._try_start()
        tries += host.error is not None
        host.error = None
    assert 18 < tries < 40  # of the 200 that every three seconds would be: after 30 s at the latest
    assert rows(broken, "SELECT * FROM lease") == []
    host._settings = plain
    clock.seconds += 300.0
    host._try_start()
    assert host._service is not None
    host._service.failures.flush()
    ((component, how, took),) = rows(plain, "SELECT component, how, (recovered_at - at) / 1e9 FROM recoveries")
    assert (component, how) == ("engine", "start tried again")
    assert took == pytest.approx(clock.seconds)
    assert host.stop(LONG)


class Moved:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds, self.begun = 0.0, WallClock().now()

    def now(self) -> int:
        return self.begun + round(self.seconds * 1e9)

    def tick(self) -> float:
        return self.seconds
