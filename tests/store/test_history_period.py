"""A period of a table of history: its rows are those whose time lies in it, page by page, forwards and backwards, and no index is left."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.store.connection import driver_connection
from engine.store.read import key_search, keyset
from engine.store.read.history_address import format_query_string, parse_query_string
from engine.store.read.history_tables import ALERTS, DECISIONS, FILLS, TRIALS, HistoryTable
from engine.store.read.keyset import HistoryQuery
from engine.store.read.period import Period, describe_period, parse_period
from engine.store.read.reader import Reader
from tests.store import made

START = datetime(2026, 11, 1, tzinfo=UTC)
STEP = 7 * 3600 * made.SECOND  # between two ticks
TICKS = 60
DATES = st.integers(-2, 20).map(lambda days: (START + timedelta(days=days)).date())
PERIODS = st.one_of(
    st.sampled_from([1, 2, 7, 30]).map(Period),
    st.lists(DATES, min_size=2, max_size=2).map(lambda days: Period(None, *(day.isoformat() for day in sorted(days)))),
    DATES.map(lambda day: Period(None, day.isoformat(), None)),
    DATES.map(lambda day: Period(None, None, day.isoformat())),
)


SECOND_SESSION = 25  # its first tick


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """A store of one session by a clock that was never set."""
    return Reader(make_store(tmp_path_factory.mktemp("period"), "tick", "id"))


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """A store whose second session begins at the time of the first, on a machine whose clock was set back by four days and a half."""
    folder = tmp_path_factory.mktemp("uneven")
    again = f"CASE WHEN tick < {SECOND_SESSION} THEN tick ELSE tick - {SECOND_SESSION} END"
    url = make_store(folder, again, "CASE WHEN id < 20 THEN id ELSE id - 15 END")
    with closing(sqlite3.connect(folder / "podium.db")) as store, store:
        columns = ", ".join(name for _, name, *_ in store.execute("PRAGMA table_info(sessions)") if name != "id")
        store.execute(f"INSERT INTO sessions ({columns}) SELECT {columns} FROM sessions")
        for table in ("ticks", "decisions"):
            store.execute(f"UPDATE {table} SET session = (SELECT max(id) FROM sessions) WHERE tick >= ?", (SECOND_SESSION,))
    return Reader(url)


def make_store(folder: Path, market_steps: str, clock_steps: str) -> str:
    """A store whose rows are so many steps after the start (SQL of a row's tick, and of an alert's id)."""
    url = made.filled(folder, ticks=TICKS, evolves=False)
    begins = int(START.timestamp()) * made.SECOND
    with closing(sqlite3.connect(folder / "podium.db")) as store, store:
        store.execute(f"UPDATE ticks SET at = ? + ({market_steps}) * ?, wall = ? + ({clock_steps.replace('id', 'tick')}) * ? + 5", (begins, STEP) * 2)
        for table in ("decisions", "fills"):
            store.execute(f"UPDATE {table} SET at = ? + ({market_steps}) * ?", (begins, STEP))
        columns = ", ".join(name for _, name, *_ in store.execute("PRAGMA table_info(alerts)") if name != "id")
        for _ in range(40):
            store.execute(f"INSERT INTO alerts ({columns}) SELECT {columns} FROM alerts WHERE state <> 'open' LIMIT 1")
        store.execute(f"UPDATE alerts SET at = ? + ({clock_steps}) * ?", (begins, STEP))
    return url


def list_expected(reader: Reader, table: HistoryTable, period: Period, as_of: int = TICKS) -> list[tuple[object, ...]]:
    """The keys of the rows in the period, by their times one at a time, newest first; of a table of ticks up to one."""
    known = f" WHERE tick <= {as_of}"
    frame = reader.frame(f"SELECT {', '.join(table.key)}, at FROM {table.base}{known if table.clock == 'market' else ''}")
    latest = reader.frame(f"SELECT at, wall FROM ticks{known} ORDER BY tick DESC LIMIT 1")
    newest = int(latest["at" if table.clock == "market" else "wall"].iloc[0])
    fitting = []
    for *key, at in frame.itertuples(index=False):
        day = datetime.fromtimestamp(at / made.SECOND, UTC).date()
        if period.days is not None:
            fits = at >= newest - period.days * 24 * 3600 * made.SECOND
        else:
            fits = (not period.first or day >= date.fromisoformat(period.first)) and (not period.last or day <= date.fromisoformat(period.last))
        fitting += [tuple(key)] if fits else []
    return sorted(fitting, key=lambda key: (-key[0], *key[1:]))


@settings(max_examples=25, deadline=None)
@given(
    period=PERIODS, table=st.sampled_from([DECISIONS, FILLS, ALERTS]), limit=st.sampled_from([3, 17, 1_000]), searched=st.sampled_from([9, 50_000])
)
def test_pages_of_a_period_hold_its_rows_and_no_others(reader: Reader, period: Period, table: HistoryTable, limit: int, searched: int) -> None:
    expected = list_expected(reader, table, period)
    names = [name.partition(".")[2] for name in table.key]
    query = HistoryQuery(period=period, searched=searched)
    for search in ("", "b"):
        rows: list[tuple[object, ...]] = []
        for frame in keyset.iterate_history(reader, table, replace(query, search=search), chunk=limit, most=10_000):
            rows += list(frame[names].itertuples(index=False, name=None))
        assert rows == expected if not search else set(rows) <= set(expected)
    page = keyset.read_history_page(reader, table, query, limit=limit)
    if page.following is not None:
        assert keyset.find_page_before(reader, table, replace(query, place=page.following), limit=limit) is None
        newer = keyset.count_newer_rows(reader, table, replace(query, place=page.following))
        assert newer == limit


@example(period=Period(7), table=DECISIONS, limit=17, searched=50_000)
@example(period=Period(None, "2026-11-02", "2026-11-03"), table=FILLS, limit=17, searched=50_000)
@example(period=Period(None, "2026-11-04", "2026-11-05"), table=ALERTS, limit=3, searched=50_000)
@settings(max_examples=12, deadline=None)
@given(
    period=PERIODS, table=st.sampled_from([DECISIONS, FILLS, ALERTS]), limit=st.sampled_from([3, 17, 1_000]), searched=st.sampled_from([9, 50_000])
)
def test_rows_of_another_session_or_clock_between_those_of_a_period_are_left_out(
    uneven: Reader, period: Period, table: HistoryTable, limit: int, searched: int
) -> None:
    expected = list_expected(uneven, table, period)
    names = [name.partition(".")[2] for name in table.key]
    query = HistoryQuery(period=period, searched=searched)
    frames = list(keyset.iterate_history(uneven, table, query, chunk=limit, most=10_000))
    assert [row for frame in frames for row in frame[names].itertuples(index=False, name=None)] == expected
    page = keyset.read_history_page(uneven, table, query, limit=limit)
    if page.following is not None and searched == 50_000:
        assert keyset.find_page_before(uneven, table, replace(query, place=page.following), limit=limit) is None
        assert keyset.count_newer_rows(uneven, table, replace(query, place=page.following)) == limit


@pytest.mark.parametrize("as_of", [11, 24, 40, TICKS - 1])
@pytest.mark.parametrize("table", [DECISIONS, FILLS])
def test_the_last_days_of_a_past_tick_end_with_it(reader: Reader, uneven: Reader, table: HistoryTable, as_of: int) -> None:
    names, query = [name.partition(".")[2] for name in table.key], HistoryQuery(period=Period(2), as_of=as_of)
    for store in (reader, uneven):
        frame = keyset.read_history_page(store, table, query, limit=1_000).frame
        assert len(frame)
        assert list(frame[names].itertuples(index=False, name=None)) == list_expected(store, table, Period(2), as_of)


@pytest.mark.parametrize("table", [DECISIONS, FILLS, ALERTS, TRIALS])
def test_a_period_is_found_by_ranges_of_indexes(uneven: Reader, table: HistoryTable) -> None:
    plans: list[str] = []
    with uneven.snapshot(), uneven.reading() as connection:
        driver = driver_connection(connection)
        statements: list[str] = []
        driver.set_trace_callback(statements.append)
        keyset.read_history_page(uneven, table, HistoryQuery(period=Period(None, "2026-11-02", "2026-11-05")), limit=20)
        driver.set_trace_callback(None)
        for statement in statements:
            if statement.startswith("SELECT"):
                plans += [str(row[3]) for row in driver.execute(f"EXPLAIN QUERY PLAN {statement}")]
    assert not [plan for plan in plans if plan in {f"SCAN {table.base.split()[-1]}", "SCAN ticks"}], plans
    assert table.clock == "market" or any("_at (at>? AND at<?)" in plan for plan in plans), plans


def test_the_older_of_many_sessions_are_searched_as_a_whole(uneven: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_search, "MAX_SESSIONS", 1)
    for text in ("2026-11-02/2026-11-03", "2026-11-13/", "/2026-11-05", "30d"):
        period = parse_period(text)
        assert period is not None
        frame = keyset.read_history_page(uneven, DECISIONS, HistoryQuery(period=period), limit=1_000).frame
        assert list(frame[["tick", "symbol"]].itertuples(index=False, name=None)) == list_expected(uneven, DECISIONS, period)


@given(period=PERIODS)
def test_an_address_holds_the_period(period: Period) -> None:
    text = format_query_string(FILLS, HistoryQuery(period=period), FILLS.default)
    assert parse_query_string(FILLS, text)[0].period == period
    assert parse_period(period.to_text()) == period


@pytest.mark.parametrize(
    "text", ["", "d", "0d", "-3d", "9999999d", "\u0663d", "/", "soon", "2026-13-01/", "1969-12-31/", "/2200-01-01", "7d'; DROP TABLE fills", "9" * 99]
)
def test_a_text_that_is_no_period_counts_as_none(text: str) -> None:
    assert parse_period(text) is None


def test_a_period_is_described_in_words() -> None:
    texts = ("1d", "7d", "2026-11-20/2026-11-27", "2026-11-20/2026-11-20", "2026-11-20/", "/2026-11-27", "2026-11-27/2026-11-20")
    assert [describe_period(period) for text in texts if (period := parse_period(text))] == [
        "in the last day", "in the last 7 days", "from 2026-11-20 to 2026-11-27", "on 2026-11-20", "from 2026-11-20", "to 2026-11-27",
        "from 2026-11-20 to 2026-11-27",
    ]  # fmt: skip


def test_an_empty_store_has_no_row_in_any_period(tmp_path: Path) -> None:
    reader = Reader(made.empty(tmp_path))
    assert keyset.read_history_page(reader, FILLS, HistoryQuery(period=Period(7)), limit=5).until is None
