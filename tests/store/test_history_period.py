"""A period of a table of history: its rows are those whose time lies in it, page by page, forwards and backwards, and no index is left."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.store.read import keyset
from engine.store.read.history_address import format_query_string, parse_query_string
from engine.store.read.history_tables import ALERTS, DECISIONS, FILLS, HistoryTable
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


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    folder = tmp_path_factory.mktemp("period")
    url = made.filled(folder, ticks=TICKS, evolves=False)
    begins = int(START.timestamp()) * made.SECOND
    with closing(sqlite3.connect(folder / "podium.db")) as store, store:
        store.execute("UPDATE ticks SET at = ? + tick * ?, wall = ? + tick * ? + 5", (begins, STEP, begins, STEP))
        for table in ("decisions", "fills"):
            store.execute(f"UPDATE {table} SET at = ? + tick * ?", (begins, STEP))
        store.execute("UPDATE alerts SET at = ? + id * ?", (begins, STEP))
    return Reader(url)


def list_expected(reader: Reader, table: HistoryTable, period: Period) -> list[tuple[object, ...]]:
    """The keys of the rows in the period, by their times one at a time, newest first."""
    frame = reader.frame(f"SELECT {', '.join(table.key)}, at FROM {table.base}")
    newest = int(reader.frame("SELECT max(at) AS at, max(wall) AS wall FROM ticks")["at" if table.clock == "market" else "wall"].iloc[0])
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
