"""The address of a page of history: its filters, search, order, columns and place as the parameters of a page's address, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlencode

from engine.store.read.history_tables import HistoryTable
from engine.store.read.keyset import LARGEST, HistoryQuery, Place, clean_text
from engine.store.read.period import parse_period

ALL = "all"  # a filter that lets every row pass
NAMES = ("q", "sort", "columns", "from", "until", "as_of", "period")  # of every table; its filters have theirs
MAX_SEARCH = 200  # letters


def parse_address(table: HistoryTable, address: Mapping[str, str]) -> tuple[HistoryQuery, tuple[str, ...]]:
    """The query and the columns that an address names. What it does not know or cannot read counts as not given."""
    filters = tuple((name, address[name]) for name, _ in table.filters if address.get(name, ALL) != ALL)
    name = address.get("sort", "").removeprefix("-")
    column = table.find_column(name)
    is_known = column is not None and bool(column.sql)
    columns = tuple(name for name in dict.fromkeys(address.get("columns", "").split(",")) if table.find_column(name) is not None)
    query = HistoryQuery(
        filters,
        clean_text(address.get("q", ""))[:MAX_SEARCH],
        name if is_known else "",
        is_known and not address["sort"].startswith("-"),
        parse_place(address.get("from", "")),
        _parse_whole(address.get("until", "")),
        _parse_whole(address.get("as_of", "")),
        period=parse_period(address.get("period", "")),
    )
    return query, columns or table.default


def parse_query_string(table: HistoryTable, text: str) -> tuple[HistoryQuery, tuple[str, ...]]:
    """The query and the columns that an address names after its question mark; raises ValueError, in one line, for an unknown name."""
    parts = dict(parse_qsl(text.rpartition("?")[2]))
    known = (*NAMES, *(name for name, _ in table.filters))
    unknown = next((name for name in parts if name not in known), None)
    if unknown is not None:
        raise ValueError(f"{unknown[:40]!r} is no part of an address of {table.name}: there are {', '.join(known)}")
    return parse_address(table, parts)


def format_address(table: HistoryTable, query: HistoryQuery, columns: Sequence[str]) -> dict[str, str]:
    """The parameters of an address; what is as usual is left out."""
    parts = dict(query.filters)
    parts |= {"q": query.search} if query.search else {}
    parts |= {"period": query.period.to_text()} if query.period is not None else {}
    parts |= {"sort": query.sort if query.is_ascending else f"-{query.sort}"} if query.sort else {}
    parts |= {"columns": ",".join(columns)} if tuple(columns) != table.default else {}
    parts |= {"from": format_place(query.place)} if query.place is not None else {}
    parts |= {"until": str(query.until)} if query.until is not None else {}
    return parts | ({"as_of": str(query.as_of)} if query.as_of is not None else {})


def format_query_string(table: HistoryTable, query: HistoryQuery, columns: Sequence[str]) -> str:
    """The parameters of an address as text; `parse_query_string` inverts it."""
    return urlencode(format_address(table, query, columns))


def format_place(place: Place) -> str:
    """A place as JSON; `parse_place` inverts it."""
    return json.dumps(list(place), separators=(",", ":"), ensure_ascii=False)


def parse_place(text: str) -> Place | None:
    """The place that a text names; None for a text that names none."""
    try:
        values = json.loads(text[:1_000], parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, list) or not 0 < len(values) <= 3:
        return None
    return tuple(values) if all(_is_value(value) for value in values) else None


def _is_value(value: object) -> bool:
    if value is None or isinstance(value, str):
        return value is None or clean_text(value) == value
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < LARGEST
    return isinstance(value, float) and math.isfinite(value)


def _parse_whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
