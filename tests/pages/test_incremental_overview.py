"""What Overview builds from what it built before is what it would build from nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from engine.store.read import decisions, portfolio, recent
from engine.store.read.reader import Reader
from engine.store.read.status import find_session_range, read_session
from pages.overview import charts, content, gate_history
from pages.overview.gate_history import StripMemory
from pages.ui import cache, shared
from tests.store import made

TICKS, SHOWN = 130, 24
STEPS = st.lists(st.integers(1, 9), min_size=1, max_size=5)  # ticks that come between two builds
CHANGES = st.sampled_from(("none", "pruned", "session", "other store"))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 130 ticks whose first 30 are warm-up and whose walls lie an hour apart, so that ticks leave the last 24 h."""
    folder = tmp_path_factory.mktemp("whole")
    made.filled(folder, ticks=TICKS, evolves=False)
    path = folder / "podium.db"
    with closing(sqlite3.connect(path)) as store, store:
        store.execute("UPDATE ticks SET warm = tick < 30, wall = (SELECT min(wall) FROM ticks) + tick * 3600000000000")
    return path


@contextmanager
def growing(stored: Path, folder: Path) -> Iterator[tuple[sqlite3.Connection, Reader]]:
    """A store that has the first ticks only, beside the whole one as `whole`."""
    path = folder / "podium.db"
    for name in ("podium.db", "podium.db-wal", "podium.db-shm"):
        (folder / name).unlink(missing_ok=True)
    with closing(sqlite3.connect(stored)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.execute("ATTACH ? AS whole", (str(stored),))
        for table in ("ticks", "decisions"):
            store.execute(f"DELETE FROM {table} WHERE tick > 70")
        yield store, Reader(f"sqlite:///{path}")


def add_ticks(store: sqlite3.Connection, count: int) -> None:
    last = store.execute("SELECT max(tick) FROM ticks").fetchone()[0]
    session = store.execute("SELECT max(id) FROM sessions").fetchone()[0]
    for table in ("ticks", "decisions"):
        store.execute(f"INSERT INTO {table} SELECT * FROM whole.{table} WHERE tick > ? AND tick <= ?", (last, last + count))
        store.execute(f"UPDATE {table} SET session = ? WHERE tick > ?", (session, last))


def change_store(store: sqlite3.Connection, change: str) -> None:
    if change == "pruned":
        first = store.execute("SELECT min(tick) + 55 FROM ticks").fetchone()[0]
        for table in ("ticks", "decisions"):
            store.execute(f"DELETE FROM {table} WHERE tick < ?", (first,))
    elif change == "session":
        columns = ", ".join(name for _, name, *_ in store.execute("PRAGMA table_info(sessions)") if name != "id")
        store.execute(f"INSERT INTO sessions ({columns}) SELECT {columns} FROM sessions ORDER BY id DESC LIMIT 1")
    elif change == "other store":
        store.execute("UPDATE ticks SET wall = wall + 1, equity = equity * 1.5")
        store.execute("UPDATE decisions SET binding_gate = NULL, action = 'hold'")


def compare_builds(reader: Reader, memory: StripMemory, tally: decisions.GateTally | None) -> decisions.GateTally | None:
    """Assert that each reading from memory is that of a reader without one; return the tally for the next."""
    fresh = Reader(reader.url)
    with fresh.reading() as connection:
        session = read_session(connection)
        assert session is not None
        now = int(connection.exec_driver_sql("SELECT max(wall) FROM ticks").scalar_one()) + 1
    for read in (portfolio.read_equity, recent.read_trends, lambda one: recent.read_equal_exposure(one)[0]):
        assert_frame_equal(read(reader), read(fresh))
    strip = charts.plot_gate_strip(decisions.read_gate_strip(fresh, SHOWN), session)
    assert charts.compose_gate_strip(gate_history.update_columns(memory, reader, session, SHOWN), session).to_json() == strip.to_json()
    tally = decisions.tally_gates(reader, now, tally)
    assert (decisions.NO_COUNTS if tally is None else tally.to_counts()) == decisions.count_binding_gates(fresh, now)
    return tally


@example(steps=[2, 40, 3], change="none", after=9)  # a step longer than the 24 ticks of the window
@example(steps=[2, 3, 1], change="pruned", after=1)
@example(steps=[2, 3, 1], change="session", after=1)
@example(steps=[2, 3, 1], change="other store", after=1)
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, change=CHANGES, after=st.integers(0, 4))
def test_a_build_continued_over_many_ticks_is_one_from_nothing(stored: Path, tmp_path: Path, steps: list[int], change: str, after: int) -> None:
    memory, tally = StripMemory(), None
    with growing(stored, tmp_path) as (store, reader):
        for place, count in enumerate(steps):
            if place == after:
                change_store(store, change)
            add_ticks(store, count)
            tally = compare_builds(reader, memory, tally)


def test_a_tally_that_can_be_continued_reads_only_what_has_come_and_left(stored: Path, tmp_path: Path) -> None:
    with growing(stored, tmp_path) as (store, reader):
        add_ticks(store, 30)
        earlier = decisions.tally_gates(reader, made.WALL + 100 * 3600 * made.SECOND)
        assert earlier is not None
        assert earlier.spans
        add_ticks(store, 2)
        store.execute("UPDATE decisions SET binding_gate = NULL, action = 'hold' WHERE tick = ?", (earlier.last - 1,))  # not read again
        later = decisions.tally_gates(reader, made.WALL + 102 * 3600 * made.SECOND, earlier)
        assert later is not None
        assert later.to_counts() != decisions.count_binding_gates(reader, made.WALL + 102 * 3600 * made.SECOND)
        assert later.to_counts().total == decisions.count_binding_gates(reader, made.WALL + 102 * 3600 * made.SECOND).total


def test_a_page_built_after_others_has_the_payloads_of_a_first_build(stored: Path, tmp_path: Path) -> None:
    def build() -> dict[str, Any]:
        with cache.reading_outside(reader.url):
            return {name: payload.digest for name, payload in content.build_page().live.parts.items() if name in {"strip", "equity", "gates"}}

    with growing(stored, tmp_path) as (store, reader):
        for count in (0, 1, 3, 12):
            add_ticks(store, count)
            shared._parts.clear()  # the parts, not what they remember
            continued = build()
            forget_everything()
            assert build() == continued


def forget_everything() -> None:
    """Build and read everything again."""
    shared._parts.clear()
    cache.open_reader.cache_clear()
    gate_history.forget()


@pytest.mark.parametrize("begins", [0, 1, 64, 129])
def test_the_first_tick_of_the_newest_session_is_found(stored: Path, tmp_path: Path, begins: int) -> None:
    with growing(stored, tmp_path) as (store, reader):
        add_ticks(store, TICKS)
        store.execute("UPDATE ticks SET session = session - 1 WHERE tick < ?", (begins,))
        with reader.reading() as connection:
            assert find_session_range(connection) == (begins, TICKS - 1)
