"""The reading of a live soak's store, from a store whose content is known."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.soak.live import FAULTS
from tests.soak.turns import SECOND, Turn, find_failures, join_results, read_turns, summarize

BEGIN = 1_000 * SECOND


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """60 ticks of 1 s: a close lost after tick 9, a fallback in tick 12, no fresh data in ticks 30 to 59, the first five of them warm-up."""
    path = tmp_path / "podium.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE ticks (tick, at, wall, warm, degraded, no_data, read_at, clock_offset)")
        connection.execute("CREATE TABLE decisions (tick, symbol, fresh)")
        for tick in range(60):
            at = BEGIN + (tick + (tick > 9)) * SECOND
            connection.execute(
                "INSERT INTO ticks VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (tick, at, at + SECOND // 2, tick < 5, '["features"]' if tick == 12 else "[]", tick in (40, 41), at + SECOND // 4, SECOND // 4),
            )
            connection.executemany("INSERT INTO decisions VALUES (?, ?, ?)", [(tick, "A", 1), (tick, "B", tick < 30)])
    return path


def turn(name: str, begin: int, end: int, resumed: int | None = None) -> Turn:
    """A turn by seconds since BEGIN; its fault ends at its begin unless given."""
    return Turn(name, BEGIN + begin * SECOND, BEGIN + end * SECOND, BEGIN + (begin if resumed is None else resumed) * SECOND)


def test_a_turn_is_counted_by_the_wall_clock(store: Path) -> None:
    first, second = read_turns(store, [turn("reset", 0, 25), turn("silent", 25, 61)], SECOND)
    assert (first.ticks, first.clean, first.phases, first.lost) == (19, 18, ("features",), 1)
    assert (first.stale, first.decisions, first.recovery) == (0, 38, 5.5)
    assert first.gap == 5.5  # the warm-up at its beginning
    assert (second.ticks, second.clean, second.no_data, second.stale, second.recovery) == (36, 34, 2, 30, None)


def test_each_target_that_is_missed_is_named(store: Path) -> None:
    assert find_failures(read_turns(store, [turn("reset", 6, 9)], SECOND)) == []
    failures = find_failures(read_turns(store, [turn("reset", 0, 25), turn("silent", 25, 70)], SECOND))
    assert [failure.partition(":")[0] for failure in failures] == ["ticks without a fallback are below 99.9%", "silent"]
    assert "too busy" in find_failures(read_turns(store, [turn("gone", 25, 90)], SECOND))[-1]


def test_a_tick_that_is_a_bar_late_says_nothing_about_the_recovery(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE decisions SET fresh = 0 WHERE tick IN (15, 18, 22)")
        connection.execute("UPDATE ticks SET read_at = at + ?, no_data = 1 WHERE tick IN (18, 22)", (SECOND,))
    (result,) = read_turns(store, [turn("halted", 10, 25, 13)], SECOND)
    assert (result.late, result.no_data, result.stale) == (2, 0, 2)
    assert result.recovery == 4.5, "from the tick after the stale one on, whose close is at 17 s"
    (result,) = read_turns(store, [turn("halted", 10, 17, 13)], SECOND)
    assert result.recovery is None


def test_turns_of_one_fault_are_added(store: Path) -> None:
    joined = join_results(read_turns(store, [turn(name, place * 10, place * 10 + 10) for place, name in enumerate(("a", "b", "a"))], SECOND))
    assert [(result.name, result.ticks, result.clean) for result in joined] == [("a", 15, 15), ("b", 9, 8)]
    assert joined[0].recovery == 5.5
    assert len(summarize(joined)) == 3


def test_every_fault_has_its_own_name() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
