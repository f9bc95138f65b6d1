"""Faults of the data in the store: a row when one begins, its end in the same row, never two."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from engine.domain.incidents import Incident
from engine.domain.tick import Tick
from engine.store.write.writer import Writer
from tests.store import made

SINCE = 1_700_000_000 * 10**9
HALT = Incident("halt", "*", SINCE, None, "all 4 symbols have bars without volume: 2 bars in a row when told, never more than 0 before")


def rows(url: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    incidents = connection.execute("SELECT kind, symbol, since, until, detail FROM v_incidents ORDER BY id").fetchall()
    connection.close()
    return incidents


def telling(tick: Tick, *news: Incident) -> Tick:
    mood = tick.outcome.market_state
    return replace(tick, outcome=replace(tick.outcome, market_state=replace(mood, incident_state=replace(mood.incident_state, changes=news))))


def test_an_incident_is_one_row_from_its_beginning_to_its_end(url: str, writer: Writer) -> None:
    market = made.Market()
    made.begin(writer, market)
    first, second, third = market.ticks(3)
    gap = replace(HALT, kind="gap", symbol="ONE")
    writer.save(telling(first, HALT, gap))
    assert rows(url) == [("halt", "*", SINCE, None, HALT.detail), ("gap", "ONE", SINCE, None, HALT.detail)]
    writer.save(second)
    writer.save(telling(third, replace(HALT, until=SINCE + 60)))
    assert rows(url) == [("halt", "*", SINCE, SINCE + 60, HALT.detail), ("gap", "ONE", SINCE, None, HALT.detail)]


def test_the_same_incident_told_again_is_no_second_row(url: str, writer: Writer) -> None:
    market = made.Market()
    made.begin(writer, market)
    for tick in market.ticks(4):
        writer.save(telling(tick, HALT))
    assert len(rows(url)) == 1


def test_one_kind_may_come_again_later(url: str, writer: Writer) -> None:
    market = made.Market()
    made.begin(writer, market)
    first, second = market.ticks(2)
    writer.save(telling(first, replace(HALT, until=SINCE + 60)))
    writer.save(telling(second, replace(HALT, since=SINCE + 600)))
    assert [row[2:4] for row in rows(url)] == [(SINCE, SINCE + 60), (SINCE + 600, None)]


def test_what_lasts_when_a_new_session_begins_ends_with_the_last_tick_of_its_own(url: str, writer: Writer) -> None:
    market = made.Market()
    made.begin(writer, market)
    for tick in market.ticks(2):
        writer.save(telling(tick, HALT))
    made.begin(writer, market)
    assert rows(url)[0][3] is None  # the same session goes on
    writer.begin_session("another market", made.info(), ("one",), (1,), "{}", {}, 0)
    assert rows(url) == [("halt", "*", SINCE, tick.inputs.at, HALT.detail + "; it lasted when its session ended")]


def test_a_tick_without_news_writes_none(url: str, writer: Writer) -> None:
    market = made.Market()
    made.begin(writer, market)
    for tick in market.ticks(3):
        writer.save(tick)
    assert rows(url) == []
