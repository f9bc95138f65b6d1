"""The reading of a live soak's store, from a store whose content is known."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.soak.live import FAULTS, SECOND, Turn, find_failures, join_results, read_turns, summarize

BEGIN = 1_000 * SECOND


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """60 ticks of 1 s: a close lost after tick 9, a fallback in tick 12, no fresh data in ticks 30 to 59, the first five of them warm-up."""
    path = tmp_path / "podium.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE ticks (tick, at, wall, warm, degraded, no_data)")
        connection.execute("CREATE TABLE decisions (tick, symbol, fresh)")
        for tick in range(60):
            at = BEGIN + (tick + (tick > 9)) * SECOND
            connection.execute(
                "INSERT INTO ticks VALUES (?, ?, ?, ?, ?, ?)",
                (tick, at, at + SECOND // 2, tick < 5, '["features"]' if tick == 12 else "[]", tick in (40, 41)),
            )
            connection.executemany("INSERT INTO decisions VALUES (?, ?, ?)", [(tick, "A", 1), (tick, "B", tick < 30)])
    return path


def test_a_turn_is_counted_by_the_wall_clock(store: Path) -> None:
    first, second = read_turns(store, [Turn("reset", BEGIN, BEGIN + 25 * SECOND), Turn("silent", BEGIN + 25 * SECOND, BEGIN + 61 * SECOND)], SECOND)
    assert (first.ticks, first.clean, first.phases, first.lost) == (19, 18, ("features",), 1)
    assert (first.stale, first.decisions, first.recovered) == (0, 38, True)
    assert first.gap == 5.5  # the warm-up at its beginning
    assert (second.ticks, second.clean, second.no_data, second.stale, second.recovered) == (36, 34, 2, 30, False)


def test_each_target_that_is_missed_is_named(store: Path) -> None:
    turns = [Turn("reset", BEGIN + 6 * SECOND, BEGIN + 9 * SECOND)]
    assert find_failures(read_turns(store, turns, SECOND)) == []
    turns = [Turn("reset", BEGIN, BEGIN + 25 * SECOND), Turn("silent", BEGIN + 25 * SECOND, BEGIN + 90 * SECOND)]
    failures = find_failures(read_turns(store, turns, SECOND))
    assert [failure.partition(":")[0] for failure in failures] == ["ticks without a fallback are below 99.9%", "silent", "silent"]


def test_turns_of_one_fault_are_added(store: Path) -> None:
    turns = [Turn(name, BEGIN + place * 10 * SECOND, BEGIN + (place + 1) * 10 * SECOND) for place, name in enumerate(("a", "b", "a"))]
    joined = join_results(read_turns(store, turns, SECOND))
    assert [(result.name, result.ticks, result.clean) for result in joined] == [("a", 15, 15), ("b", 9, 8)]
    assert len(summarize(joined)) == 3


def test_every_fault_has_its_own_name() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
