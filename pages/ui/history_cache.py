"""The pages' way to read tables of history: the newest page until the store changes, a page that stands still for longer."""

from __future__ import annotations

import streamlit as st

from engine.store.read import keyset
from engine.store.read.history_tables import HISTORY_TABLES
from engine.store.read.keyset import HistoryPage, HistoryQuery, Place
from engine.store.read.reader import Reader
from pages.ui import cache

SEARCH_SECONDS = 10  # s between two searches through many rows on a first page
MUTABLE = frozenset({"trials", "commands", "alerts", "versions"})  # tables whose rows change after they were stored


def fetch_history_page(table: str, query: HistoryQuery, *, limit: int) -> HistoryPage:
    """Return the rows of a table from the query's place on."""
    page: HistoryPage = _page(cache.read_key(), _choose_version(table, query), table, query, limit, cache.get_reader())
    return page


def fetch_newer_count(table: str, query: HistoryQuery) -> int:
    """Return how many matching rows are newer than a page that stands still, up to a limit and one more."""
    count: int = _newer(cache.read_key(), cache.store_version(), table, query, cache.get_reader())
    return count


def find_page_before(table: str, query: HistoryQuery, *, limit: int) -> Place | None:
    return keyset.find_page_before(cache.get_reader(), HISTORY_TABLES[table], query, limit=limit)


def find_key(table: str, *, tick: int | None = None, at: int | None = None) -> int | None:
    """Return the newest key stored by this tick, or by this time in ns UTC; None where there is none."""
    reader, described = cache.get_reader(), HISTORY_TABLES[table]
    return keyset.find_key_at_tick(reader, described, tick) if tick is not None else keyset.find_key_at_time(reader, described, at or 0)


def _choose_version(table: str, query: HistoryQuery) -> str:
    """Return a string that changes when a page is to be read again: a search through many rows is not repeated at every tick."""
    if query.place is not None and table not in MUTABLE:
        return "still"
    searches = query.search or len(query.filters) > 1 or query.sort not in {"", *HISTORY_TABLES[table].ordered}
    return f"every {SEARCH_SECONDS} s: {cache.current_time() // (SEARCH_SECONDS * cache.SECOND)}" if searches else cache.store_version()


@st.cache_data(max_entries=48, ttl=60, show_spinner=False)
def _page(address: str, version: str, table: str, query: HistoryQuery, limit: int, _reader: Reader) -> HistoryPage:  # noqa: ARG001 of the key
    return keyset.read_history_page(_reader, HISTORY_TABLES[table], query, limit=limit)


@st.cache_data(max_entries=48, ttl=60, show_spinner=False)
def _newer(address: str, version: str, table: str, query: HistoryQuery, _reader: Reader) -> int:  # noqa: ARG001 of the key
    return keyset.count_newer_rows(_reader, HISTORY_TABLES[table], query)
