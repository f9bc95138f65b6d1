"""Paging by key: every row once and in order whatever is written meanwhile, no scan, and a text is a text."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from engine.domain.decision import ACTIONS
from engine.domain.intents import HOLD_REASONS, INTENTS
from engine.store.database import path_from_url
from engine.store.read import keyset
from engine.store.read.history_address import format_query_string, parse_address, parse_place, parse_query_string
from engine.store.read.history_tables import DECISIONS, FILLS, HISTORY_TABLES, TRIALS, HistoryTable
from engine.store.read.keyset import HistoryQuery, Place
from engine.store.read.reader import Reader
from tests.store.made import SYMBOLS
from tests.store.million import fill_store

HOSTILE = ("%", "_", "'; DROP TABLE decisions; --", '" OR 1=1', "<script>alert(1)</script>", "\0", "\ud800", "💥" * 300, ":low", "?1", "a\nb", "\\")
SORTS = ("", "tick", "edge_bps", "target", "reason", "symbol", "binding_gate")
FILTERS = st.fixed_dictionaries(
    {}, optional={"symbol": st.sampled_from([*SYMBOLS, "nosuch"]), "action": st.sampled_from(ACTIONS), "intent": st.sampled_from(INTENTS)}
)
QUERIES = st.builds(
    lambda filters, search, sort, upwards, searched: HistoryQuery(tuple(filters.items()), search, sort, upwards, searched=searched),
    FILTERS, st.sampled_from(["", "b", "hold below", "BTC cost", "zzz"]), st.sampled_from(SORTS), st.booleans(), st.sampled_from([9, 40, 50_000]),
)  # fmt: skip
PLANNED = {
    "first": HistoryQuery(), "older": HistoryQuery(place=(20, "")), "oldest": HistoryQuery(is_ascending=True), "as of": HistoryQuery(as_of=9),
    **{name: HistoryQuery(((name, value),)) for name, value in
       (("symbol", "BTC"), ("action", "buy"), ("intent", "cut"), ("gate", "cooldown"), ("degraded", "yes"))},
    "two filters": HistoryQuery((("symbol", "BTC"), ("gate", "none"))), "search": HistoryQuery(search="zzz"),
    "sorted by an index": HistoryQuery(sort="binding_gate"),
    "sorted by an index, older": HistoryQuery(sort="binding_gate", place=("cooldown", 20, "")),
    "sorted by an index, unknown": HistoryQuery(sort="binding_gate", place=(None, 20, "")),
    "sorted": HistoryQuery(sort="edge_bps"), "sorted, older": HistoryQuery(sort="edge_bps", place=(1.0, 20, "")),
}  # fmt: skip
VALUES = st.one_of(st.none(), st.integers(-(2**61), 2**61), st.floats(allow_nan=False, allow_infinity=False, width=32), st.text(max_size=9))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return fill_store(tmp_path_factory.mktemp("history"), decisions=160, symbols=4)


@contextmanager
def store_of(url: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path_from_url(url))) as store, store:
        yield store


def keys_of(table: HistoryTable, frame: pd.DataFrame) -> list[Place]:
    return list(zip(*(frame[name.partition(".")[2]].tolist() for name in table.key), strict=True))


def matches(row: Any, query: HistoryQuery) -> bool:
    words = f"{row.symbol}|{row.action}|{row.intent}: {HOLD_REASONS.get(row.binding_gate, '')}|{row.regime}|{row.binding_gate or ''}".lower()
    is_chosen = all(getattr(row, name) == value for name, value in query.filters)
    return is_chosen and all(word in words for word in query.search.lower().split())


def expect_keys(url: str, query: HistoryQuery) -> list[Place]:
    """The keys that all pages of decisions should hold, in pandas' order: those of the newest ticks alone where another column sorts them."""
    everything = keyset.read_history_page(Reader(url), DECISIONS, HistoryQuery(), limit=10_000).frame
    rows = everything[[matches(row, query) for row in everything.itertuples(index=False)]]
    if query.sort in {"", "tick"}:
        return keys_of(DECISIONS, rows.sort_values(["tick", "symbol"], ascending=[query.is_ascending, True]))
    if query.sort != "binding_gate" or query.filters or query.search:  # else an index has its order
        rows = rows[rows["tick"] > everything["tick"].max() - max(1, query.searched // len(SYMBOLS))]
    columns = list(dict.fromkeys(["intent" if query.sort == "reason" else query.sort, "tick", "symbol"]))
    return keys_of(DECISIONS, rows.sort_values(columns, ascending=[query.is_ascending, False, True][: len(columns)]))


def page_through(url: str, table: HistoryTable, query: HistoryQuery, limit: int, meanwhile: Callable[[], None] = lambda: None) -> list[Place]:
    """The keys of all pages, while something happens between two of them."""
    reader, keys = Reader(url), []
    for _ in range(2_000):
        page = keyset.read_history_page(reader, table, query, limit=limit)
        keys += keys_of(table, page.frame)
        if page.following is None:
            return keys
        query = replace(query, place=page.following, until=page.until)
        meanwhile()
    raise AssertionError("the pages do not end")


def add_tick(url: str) -> None:
    """Add a tick like the newest after it."""
    with store_of(url) as store:
        for table in ("ticks", "decisions"):
            names = [name for _, name, *_ in store.execute(f"PRAGMA table_info({table})")]
            values = ", ".join("tick + 1" if name == "tick" else f'"{name}"' for name in names)
            store.execute(f"INSERT INTO {table} SELECT {values} FROM {table} WHERE tick = (SELECT max(tick) FROM {table})")


@given(QUERIES, st.integers(6, 60))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_pages_hold_each_row_once_and_in_order_while_rows_arrive(url: str, tmp_path: Path, query: HistoryQuery, limit: int) -> None:
    own = f"sqlite:///{shutil.copy(path_from_url(url), tmp_path / 'podium.db')}"
    wanted = expect_keys(own, query)
    assert page_through(own, DECISIONS, query, limit, lambda: add_tick(own)) == wanted


@given(QUERIES, st.integers(6, 60))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_the_way_back_ends_at_the_first_page_and_leaves_nothing_out(url: str, query: HistoryQuery, limit: int) -> None:
    reader, seen = Reader(url), set[Place]()
    keys = page_through(url, DECISIONS, query, limit)
    page = keyset.read_history_page(reader, DECISIONS, query, limit=limit)
    while page.following is not None:
        query = replace(query, place=page.following, until=page.until)
        page = keyset.read_history_page(reader, DECISIONS, query, limit=limit)
    for _ in range(2_000):
        seen |= set(keys_of(DECISIONS, keyset.read_history_page(reader, DECISIONS, query, limit=limit).frame))
        if query.place is None:
            break
        query = replace(query, place=keyset.find_page_before(reader, DECISIONS, query, limit=limit))
    assert query.place is None
    assert seen == set(keys)


@pytest.mark.parametrize("table", HISTORY_TABLES.values(), ids=lambda table: table.name)
def test_every_column_of_every_table_can_be_sorted_and_every_table_searched(url: str, table: HistoryTable) -> None:
    everything = set(page_through(url, table, HistoryQuery(), 500))
    assert everything
    for column in table.columns:
        for upwards in (False, True) if column.sql else ():
            keys = page_through(url, table, HistoryQuery(sort=column.name, is_ascending=upwards), 30)
            assert len(keys) == len(everything)
            assert set(keys) == everything
    assert page_through(url, table, HistoryQuery(search="zzz"), 500) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_a_text(url: str, text: str) -> None:
    reader = Reader(url)
    for query in (HistoryQuery(search=text), HistoryQuery((("symbol", text), ("gate", text))), HistoryQuery(sort=text, place=(text, text))):
        for table in HISTORY_TABLES.values():
            keyset.read_history_page(reader, table, replace(query, place=parse_place(f"[{text}]")), limit=5)
    address = {"q": text, "sort": text, "columns": text, "from": text, "until": text, "symbol": text, "as_of": text}
    query, columns = parse_address(DECISIONS, address)
    assert (query.sort, query.place, query.until, query.as_of, columns) == ("", None, None, None, DECISIONS.default)
    assert len(keyset.read_history_page(reader, DECISIONS, HistoryQuery(), limit=5).frame) == 5  # nothing was dropped


def test_what_is_searched_contains_the_words_as_they_are_written(url: str) -> None:
    with store_of(url) as store:
        store.execute("UPDATE commands SET reason = ? WHERE id = 3", ("100%_sure \\ 'quoted'",))
    for words, wanted in (("100%_sure", 1), ("'quoted' 100%", 1), ("100_sure", 0), ("%", 1), ("\\", 1), ("SURE", 1), ("'quoted' zzz", 0)):
        assert len(page_through(url, HISTORY_TABLES["commands"], HistoryQuery(search=words), 500)) == wanted, words


@given(st.lists(VALUES, min_size=1, max_size=3), st.text(max_size=30))
@settings(max_examples=100, deadline=None)
def test_an_address_brings_back_what_it_was_made_of(place: list[Any], search: str) -> None:
    cleaned = tuple(keyset.clean_text(value) if isinstance(value, str) else value for value in place)
    query = HistoryQuery((("symbol", "BTC"),), keyset.clean_text(search), "edge_bps", True, cleaned, 7, 9)
    text = format_query_string(DECISIONS, query, ("tick", "symbol"))
    assert parse_query_string(DECISIONS, text) == (query, ("tick", "symbol"))


@pytest.mark.parametrize("text", ["", "[", "{}", "[[1]]", "[true]", "[1,2,3,4]", "[1e999]", "9" * 400, "[" * 5000, f"[{10**40}]", "null"])
def test_a_place_that_is_none_counts_as_not_given(text: str) -> None:
    assert parse_place(text) is None


def test_an_unknown_part_of_an_address_is_named() -> None:
    with pytest.raises(ValueError, match="'nosuch' is no part of an address of decisions"):
        parse_query_string(DECISIONS, "?nosuch=1")


def test_a_search_that_was_cut_short_says_how_far_it_went_and_goes_on(url: str) -> None:
    page = keyset.read_history_page(Reader(url), DECISIONS, HistoryQuery(search="zzz", searched=40), limit=5)
    assert (len(page.frame), page.searched_to, page.following, page.until) == (0, 30, (29, ""), 39)
    page = keyset.read_history_page(Reader(url), DECISIONS, HistoryQuery(sort="edge_bps", searched=40), limit=100)
    assert (len(page.frame), page.searched_to, page.following) == (40, 30, None)


def test_rows_newer_than_a_page_are_counted(url: str) -> None:
    reader = Reader(url)
    assert keyset.count_newer_rows(reader, DECISIONS, HistoryQuery(place=(29, ""))) == 40
    assert keyset.count_newer_rows(reader, DECISIONS, HistoryQuery((("symbol", SYMBOLS[0]),), place=(29, ""))) == 10
    assert keyset.count_newer_rows(reader, DECISIONS, HistoryQuery(sort="edge_bps", place=(0.0, 3, ""), until=37)) == 8
    assert keyset.count_newer_rows(reader, DECISIONS, HistoryQuery()) == 0


def test_a_page_as_of_a_tick_knows_nothing_of_later_ticks(url: str) -> None:
    reader = Reader(url)
    assert keyset.read_history_page(reader, DECISIONS, HistoryQuery(as_of=12), limit=200).frame["tick"].max() == 12
    assert keyset.read_history_page(reader, DECISIONS, HistoryQuery(sort="edge_bps", as_of=12), limit=200).frame["tick"].max() == 12
    assert keyset.read_history_page(reader, FILLS, HistoryQuery(as_of=12), limit=200).frame["tick"].max() <= 12
    (wall,) = reader.frame("SELECT wall FROM ticks WHERE tick = 12")["wall"]
    assert (keyset.read_history_page(reader, TRIALS, HistoryQuery(as_of=12), limit=200).frame["at"] <= wall).all()
    at = int(reader.frame("SELECT at FROM ticks WHERE tick = 33")["at"][0])
    assert [keyset.find_key_at_time(reader, DECISIONS, moment) for moment in (at - 1, at, at + 1, 0)] == [32, 33, 33, None]


@pytest.mark.parametrize("query", PLANNED.values(), ids=PLANNED)
def test_no_page_of_decisions_scans_a_table(url: str, query: HistoryQuery) -> None:
    reader, statements = Reader(url), list[tuple[str, Any]]()

    def listen(_connection: Any, _cursor: Any, sql: str, values: Any, *_: Any) -> None:
        statements.append((sql, values))

    with reader.reading() as connection:
        event.listen(connection.engine, "before_cursor_execute", listen)
    keyset.read_history_page(reader, DECISIONS, query, limit=100)
    keyset.find_page_before(reader, DECISIONS, query, limit=100)
    keyset.count_newer_rows(reader, DECISIONS, query)
    with store_of(url) as store:
        steps = [row[3] for sql, values in statements for row in store.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert len(statements) >= 4
    allowed = ("VIRTUAL TABLE", "CONSTANT ROW", "(subquery")  # the keys of a page, and the rows that were counted
    assert [step for step in steps if step.startswith("SCAN") and not any(words in step for words in allowed)] == []
