"""Tables of history of any length: search, order, choice of columns, jumps and pages, all of it in the page's address.

The first page is live. Any other stands still and counts what is newer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from engine import units
from engine.store.read import history_address
from engine.store.read.history_tables import HistoryTable
from engine.store.read.keyset import LARGEST, MOST_NEWER, HistoryPage, HistoryQuery
from engine.store.read.period import describe_period
from engine.store.read.reader import StoreUnreadable
from pages.ui import history_cache, history_export, history_period, live, params, widgets
from pages.ui.forest_plot import iterate_rows
from pages.ui.tables import Cell, Column, TableRow, render_table

ROWS = 100  # of a page
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
EMPTY_JUMP = "history_jump_problem"


@dataclass(frozen=True, slots=True)
class ShownColumn:
    """A stored column as it is shown: its head, and the cell of a row."""

    name: str
    head: Column
    cell: Callable[[Any], Cell | str]


@dataclass(frozen=True, slots=True)
class HistoryView:
    """A table of history as a page shows it."""

    table: HistoryTable
    columns: tuple[ShownColumn, ...]
    row_id: Callable[[Any], str]
    noun: str  # of a row, such as "decision"
    empty: str  # shown while nothing is stored
    label: str
    link: Callable[[Any], str | None] = lambda _row: None
    is_marked: Callable[[Any], bool] = lambda _row: False
    enrich: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame  # adds fields that the store does not hold
    rows: int = ROWS

    def choose_columns(self, names: Sequence[str]) -> tuple[ShownColumn, ...]:
        """The shown columns of these names, in the order of the view; the usual ones where none is known."""
        return tuple(column for column in self.columns if column.name in names) or self.choose_columns(self.table.default)


def read_state(view: HistoryView, ignored: Sequence[str] = ()) -> tuple[HistoryQuery, tuple[str, ...]]:
    """Return the query and the names of the columns in the address, without the ignored filters."""
    address = {name: value for name, value in st.query_params.to_dict().items() if name not in ignored}
    query, columns = history_address.parse_address(view.table, address)
    return query, tuple(column.name for column in view.choose_columns(columns))


def show_toolbar(view: HistoryView, ignored: Sequence[str] = ()) -> None:
    """Draw the search, the jump, the order, the choice of columns and the downloads, outside any live part."""
    if "goto" in st.query_params:  # from the command palette
        _go_to_moment(view, read_state(view, ignored)[0], st.query_params.pop("goto"))
    query, columns = read_state(view, ignored)
    with st.container(horizontal=True, vertical_alignment="bottom", key="history_tools"):
        params.show_text("Search", name="q", width=210, placeholder="words")
        history_period.show_period(query.period, is_market_time=view.table.clock == "market")
        st.text_input(
            "Go to tick or time", key="history_jump", width=190, placeholder="10482 or 2026-11-30 14:02", on_change=_jump, args=(view, query),
            help="A tick, or a time in UTC: the table then begins at the newest row of that moment",
        )  # fmt: skip
        with st.popover("Columns and order", icon=":material/view_column:"):
            _show_order(view, query)
            labels = {column.name: column.head.label for column in view.columns}
            params.select_many("Columns", labels, columns, name="columns", usual=view.table.default)
        history_export.show_downloads(view.table, query, columns)
    problem = st.session_state.pop(EMPTY_JUMP, None)
    if problem:
        widgets.show_empty(problem)


def show_rows(view: HistoryView, ignored: Sequence[str] = (), *, height: int | None = None, reserved: int | None = None) -> None:
    """Draw the page of rows that the address names, and the way to the pages beside it; for a live part."""
    query, columns = read_state(view, ignored)
    page = history_cache.fetch_history_page(view.table.name, query, limit=view.rows)
    _show_steps(view, query, page)
    shown = view.choose_columns(columns)
    address = _address(view, _pinned(view, query, page), columns)
    heads = [_head(view, column, query, columns) for column in shown]
    html = render_table(heads, list_rows(view, shown, page.frame), label=view.label, empty=_explain_empty(view, query, page))
    live.show_live_table(html, key=f"history_{view.table.name}", height=height, reserved=reserved, label=view.label, place=address)


def list_rows(view: HistoryView, shown: Sequence[ShownColumn], frame: pd.DataFrame) -> list[TableRow]:
    """Return a row of the table per row of the frame, with the shown columns."""
    return [
        TableRow(view.row_id(row), tuple(column.cell(row) for column in shown), view.link(row), view.is_marked(row))
        for row in iterate_rows(view.enrich(frame))
    ]


def describe_page(view: HistoryView, query: HistoryQuery, page: HistoryPage, newer: int) -> str:
    """Describe which rows a page shows, how many are newer, and how far a search went."""
    count = units.format_count(len(page.frame), view.noun)
    by_column = query.sort and query.sort not in view.table.ordered
    order = f" {describe_period(query.period)}" if query.period is not None else ""
    order += f" by {_label(view, query.sort)}" if by_column else ""
    if page.frame.empty and page.searched_to is None:
        return "Nothing to show"
    if query.place is None and query.until is None:
        which = "All" if page.following is None and page.searched_to is None else "The first" if query.sort else "The newest"
        parts = [f"{which} {count}{order}"]
    else:
        more = f"more than {MOST_NEWER:,}" if newer > MOST_NEWER else f"{newer:,}"
        parts = [f"{count}{order}; this page does not update, {more} newer"]
    if page.searched_to is not None:
        parts.append(f"searched {'up' if query.is_ascending and query.sort in view.table.ordered else 'back'} to {_name_key(view, page.searched_to)}")
    return "; ".join(parts)


def _name_key(view: HistoryView, key: int) -> str:
    return f"tick {key:,}" if view.table.key[0].endswith("tick") else f"{view.noun} {key:,}"


def _show_steps(view: HistoryView, query: HistoryQuery, page: HistoryPage) -> None:
    """Draw the buttons to the first page, the one before and the one after, and say where this one is."""
    is_still = query.place is not None or query.until is not None
    by_time = not query.sort or query.sort in view.table.ordered
    first, before, after = ("Newest", "Newer", "Older") if by_time and not query.is_ascending else ("First", "Previous", "Next")
    with st.container(horizontal=True, vertical_alignment="center", key="history_steps"):
        st.button(first, key="history_first", disabled=not is_still, on_click=_go_to, args=(None, None))
        st.button(before, key="history_before", icon=":material/chevron_left:", disabled=not is_still, on_click=_go_back, args=(view, query))
        st.button(
            after, key="history_after", icon=":material/chevron_right:", icon_position="right", disabled=page.following is None,
            on_click=_go_to, args=(page.following, _pinned(view, query, page).until),
        )  # fmt: skip
        newer = history_cache.fetch_newer_count(view.table.name, query) if is_still else 0
        widgets.show_note(describe_page(view, query, page, newer))


def _go_to(place: tuple[Any, ...] | None, until: int | None) -> None:
    """Set the place in the address; without one, the first page is live."""
    for name, value in (("from", None if place is None else history_address.format_place(place)), ("until", until)):
        if value is None:
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = str(value)


def _go_back(view: HistoryView, query: HistoryQuery) -> None:
    try:
        place = history_cache.find_page_before(view.table.name, query, limit=view.rows)
    except StoreUnreadable:  # the page says so
        return
    _go_to(place, None if place is None else query.until)


def _jump(view: HistoryView, query: HistoryQuery) -> None:
    """Go to the tick or the time that was typed; a line says why that is not possible."""
    typed = str(st.session_state.get("history_jump") or "").strip()
    st.session_state["history_jump"] = ""
    _go_to_moment(view, query, typed)


def _go_to_moment(view: HistoryView, query: HistoryQuery, typed: str) -> None:
    moment = parse_moment(typed)
    if moment is None:
        st.session_state[EMPTY_JUMP] = f"{typed[:40]} is neither a tick nor a time such as 2026-11-30 14:02" if typed else None
        return
    tick, at = moment
    try:
        key = history_cache.find_key(view.table.name, tick=tick, at=at)
    except StoreUnreadable:
        return
    if key is None:
        st.session_state[EMPTY_JUMP] = f"nothing is stored for {typed[:40]} or before"
    elif query.sort and query.sort not in view.table.ordered:
        _go_to(None, key)
    else:
        _go_to((key, *("" for _ in view.table.key[1:])), None)


def parse_moment(typed: str) -> tuple[int | None, int | None] | None:
    """Return a tick, or a time in ns UTC; None for a text that is neither."""
    digits = typed.replace(",", "").replace(" ", "")
    if digits.isascii() and digits.isdigit() and len(digits) <= 18:
        return int(digits), None
    try:
        moment = datetime.fromisoformat(typed.removesuffix("UTC").strip())
        at = int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) * units.SECOND
    except (ValueError, OverflowError):
        return None
    return (None, at) if abs(at) < LARGEST else None


def _pinned(view: HistoryView, query: HistoryQuery, page: HistoryPage) -> HistoryQuery:
    """The query of this very page, whose rows stay where they are."""
    by_key = page.first is None or len(page.first) == len(view.table.key)
    return replace(query, place=page.first, until=query.until if by_key else page.until)


def _address(view: HistoryView, query: HistoryQuery, columns: Sequence[str]) -> str:
    """The address of a query on this page, with what else its address holds."""
    own = {*history_address.NAMES, *(name for name, _ in view.table.filters)}
    others = {name: value for name, value in st.query_params.to_dict().items() if name not in own}
    return f"?{urlencode(others | history_address.format_address(view.table, query, columns))}"


def _explain_empty(view: HistoryView, query: HistoryQuery, page: HistoryPage) -> str:
    if page.until is None:
        return view.empty if query.period is None else f"no {view.noun} {describe_period(query.period)}"
    where = "" if page.searched_to is None else f" back to {_name_key(view, page.searched_to)}; Older goes on"
    return f"no {view.noun} matches{where}" if query.filters or query.search else f"no {view.noun} here"


def _label(view: HistoryView, name: str) -> str:
    return next((column.head.label for column in view.columns if column.name == name), name)


def _head(view: HistoryView, column: ShownColumn, query: HistoryQuery, columns: Sequence[str]) -> Column:
    """Return the head of a column, which sorts by it where that is possible: highest first, then lowest first, then newest first."""
    stored = view.table.find_column(column.name)
    if stored is None or not stored.sql:
        return column.head
    is_sorted, by_key = query.sort == column.name, column.name in view.table.ordered
    next_ascending = is_sorted or by_key
    ends_here = is_sorted and query.is_ascending
    following = replace(query, place=None, until=None, sort="" if ends_here else column.name, is_ascending=next_ascending)
    order = ("ascending" if query.is_ascending else "descending") if is_sorted else "none"
    return replace(column.head, link=_address(view, following, columns), order=order)


def _show_order(view: HistoryView, query: HistoryQuery) -> None:
    """Draw the choice of the order, which the heads of the columns offer too; a phone shows no heads."""
    names = [column.name for column in view.columns if (stored := view.table.find_column(column.name)) is not None and stored.sql]
    orders = {"": "Newest first"}
    for name in names:
        orders |= {f"-{name}": f"{_label(view, name)}, highest first", name: f"{_label(view, name)}, lowest first"}
    params.select_value("Order", orders, name="sort", chosen=f"{'' if query.is_ascending else '-'}{query.sort}" if query.sort else "")
