"""The log of events: one row for each thing that happened, in the transaction that stored it, and contents that do not change afterwards."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from engine.store import retention
from engine.store.connection import Store
from engine.store.database import path_from_url
from engine.store.errors import StoreError
from engine.store.read.events import EventRange, find_event_range, read_events
from engine.store.read.reader import Reader
from engine.store.write import alerts, optimizer
from engine.store.write.writer import Writer
from tests.store import made


@pytest.fixture
def url(tmp_path: Path) -> str:
    return made.empty(tmp_path)


def kinds(url: str) -> list[tuple[str, str]]:
    return [(event.kind, event.state) for event in read_events(Reader(url), 0, 1_000)]


def test_every_live_tick_is_an_event_and_no_bar_of_the_warm_up(url: str) -> None:
    market = made.Market()
    with closing(Writer(url)) as writer:
        made.begin(writer, market)
        for tick in market.ticks(6):
            writer.save(replace(tick, is_warmup=tick.inputs.tick < 4))
    events = read_events(Reader(url), 0, 10)
    assert [(event.kind, event.data and event.data["tick"]) for event in events] == [("decisions", 4), ("decisions", 5)]
    decisions = events[0].data and events[0].data["decisions"]
    assert isinstance(decisions, list)
    assert [decision["symbol"] for decision in decisions] == sorted(made.SYMBOLS)
    assert {len(decision["gates"]) for decision in decisions} == {18}


def test_a_tick_that_is_not_stored_is_no_event(url: str) -> None:
    market = made.Market()
    with closing(Writer(url)) as writer:
        made.begin(writer, market)
        ticks = list(market.ticks(3))
        writer.save(replace(ticks[0], is_warmup=False))
        writer.save(replace(ticks[0], is_warmup=False))  # again, as after an error that hid its success
        with pytest.raises(StoreError):
            writer.save(replace(ticks[2], is_warmup=False))
    assert kinds(url) == [("decisions", "decided")]


def test_an_alert_is_an_event_when_it_opens_is_acknowledged_and_is_resolved(url: str) -> None:
    now = made.WALL
    with closing(Writer(url)) as writer:
        writer.raise_alert("data stale", "warning", "no bar for 40 s", now)
        writer.raise_alert("data stale", "warning", "no bar for 50 s", now + 1)
        for by in ("ada", "ben"):
            with writer.write() as connection:
                alerts.acknowledge_alert(connection, 1, by, now + 2)
        writer.resolve_alert("data stale", now + 3)
        writer.resolve_alert("data stale", now + 4)
        writer.raise_alert("data stale", "critical", "again", now + 5)
    assert kinds(url) == [("alerts", "opened"), ("alerts", "acknowledged"), ("alerts", "resolved"), ("alerts", "opened")]
    first, acked, over, again = (event.data or {} for event in read_events(Reader(url), 0, 10))
    assert [row["state"] for row in (first, acked, over)] == ["open", "open", "resolved"]
    assert [row["acked_by"] for row in (first, acked, over)] == [None, "ada", "ada"]
    assert (first["id"], again["id"], again["severity"]) == (1, 2, "critical")


def test_a_trial_is_an_event_when_it_is_judged_or_interrupted(url: str) -> None:
    running = replace(made.trial(), detail=optimizer.TRIAL_RUNNING)
    with closing(Writer(url)) as writer:
        number = writer.save_trial(running)
        writer.save_trial(running)
        assert kinds(url) == []
        with writer.write() as connection:
            optimizer.finish_trial(connection, number, made.trial(verdict="helped"))
        with writer.write() as connection:
            optimizer.close_interrupted_trials(connection)
        writer.save_trial(made.trial())
    events = read_events(Reader(url), 0, 10)
    assert [(event.kind, event.state, event.data and event.data["id"]) for event in events] == [("trials", "judged", n) for n in (1, 2, 3)]
    assert events[0].data
    assert events[0].data["verdict"] == "helped"


def test_numbers_are_never_used_again(url: str) -> None:
    with closing(Writer(url)) as writer:
        for number in range(5):
            writer.raise_alert(f"rule {number}", "warning", "x", made.WALL)
    store = Store(url, None)
    with store.write() as connection:
        connection.exec_driver_sql("DELETE FROM events")
    assert find_event_range(Reader(url)) == EventRange(0, 5)
    with closing(Writer(url)) as writer:
        writer.raise_alert("another", "warning", "x", made.WALL)
    assert find_event_range(Reader(url)) == EventRange(6, 6)
    store.close()


def test_old_events_are_deleted_and_what_they_were_about_stays(url: str) -> None:
    with closing(Writer(url)) as writer:
        writer.raise_alert("old", "warning", "x", made.WALL - 40 * retention.DAY)
        writer.raise_alert("new", "warning", "x", made.WALL)
        retention.prune_optimizer_rows(writer.store, made.WALL)
    assert find_event_range(Reader(url)) == EventRange(2, 2)
    with closing(sqlite3.connect(path_from_url(url))) as store:
        assert store.execute("SELECT count(*) FROM alerts").fetchone() == (2,)


def test_an_event_whose_contents_are_deleted_has_none(url: str) -> None:
    with closing(Writer(url)) as writer:
        writer.raise_alert("gone", "warning", "x", made.WALL)
        with writer.write() as connection:
            connection.exec_driver_sql("DELETE FROM alerts")
    (event,) = read_events(Reader(url), 0, 10)
    assert event.data is None
