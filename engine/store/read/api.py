"""Rows of the views for the HTTP interface: the newest few, found through the ticks they belong to, however long the history."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from engine.store.read.metrics import NEWEST_READINGS
from engine.store.read.reader import Reader, SqlValue, fetch_all, fetch_first

MAX_TICKS_SEARCHED = 200_000  # ticks looked back over at most

_OF_TIME = {  # view: its columns, where they are, the column that `since` compares with, and the order, newest first
    "trials": ("*", "v_trials", "at", "id DESC"),
    "triggers": ("*", "v_triggers", "at", "id DESC"),
    "alerts": ("*", "v_alerts", "at", "id DESC"),
    "components": ("*", "v_components", None, "component"),
    "actions": ("*", "v_actions", None, "action"),
    "rules": ('name, data, changed_at, "by", reason', "rules", None, "name"),
    "readings": ("at, source, name, value, unit", "readings_raw", "at", "at DESC, source, name"),
}
_OF_TICKS = {"decisions": ("v_decisions", "tick DESC, symbol"), "gates": ("v_gates", "tick DESC, symbol, rung")}
API_VIEWS = (*_OF_TICKS, *_OF_TIME)


class NoSuchSymbol(ValueError):
    """The store has never seen that symbol: one line with those there are."""


@dataclass(frozen=True, slots=True)
class ViewRows:
    """Rows of a view, newest first, and the names of their columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class _Sessions:
    """Which ticks may have a symbol, and how many rows a tick has."""

    last: int  # tick
    symbols: int
    gates: int


def list_parameters(view: str) -> tuple[str, ...]:
    """The parameters a view takes."""
    if view in _OF_TICKS:
        return ("symbol", "since", "limit")
    return ("limit",) if _OF_TIME[view][2] is None else ("since", "limit")


def read_newest_rows(reader: Reader, view: str, *, symbol: str | None, since: int | None, limit: int) -> ViewRows:
    """The newest `limit` rows of a view; raises StoreUnreadable, NoSuchSymbol."""
    with reader.reading() as connection:
        if view in _OF_TICKS:
            return _of_ticks(connection, view, symbol, since, limit)
        return _of_time(connection, view, since, limit)


def _of_time(connection: Connection, view: str, since: int | None, limit: int) -> ViewRows:
    columns, table, column, order = _OF_TIME[view]
    where = "" if since is None else f"WHERE {column} >= :since"
    if view == "readings" and since is None:
        return _told(connection, NEWEST_READINGS, since=0, limit=limit)
    return _told(connection, f"SELECT {columns} FROM {table} {where} ORDER BY {order} LIMIT :limit", since=since, limit=limit)


def _of_ticks(connection: Connection, view: str, symbol: str | None, since: int | None, limit: int) -> ViewRows:
    """As many of the newest ticks as have that many rows, and then their rows: none of the others is touched."""
    table, order = _OF_TICKS[view]
    known = _sessions(connection, symbol)
    rows_each = (1 if symbol is not None else known.symbols) * (known.gates if view == "gates" else 1)
    ticks = -(-limit // max(1, rows_each))
    there = fetch_first(connection, "SELECT max(tick) FROM ticks WHERE tick <= :last", last=known.last)
    upto = -1 if there is None or there[0] is None else int(there[0])
    span = fetch_first(
        connection,
        "SELECT min(tick), max(tick) FROM "
        "(SELECT tick FROM ticks WHERE tick <= :upto AND tick > :floor AND at >= :since ORDER BY tick DESC LIMIT :ticks)",
        upto=upto, floor=upto - MAX_TICKS_SEARCHED, since=since or 0, ticks=ticks,
    )  # fmt: skip
    first, last = span if span is not None and span[0] is not None else (0, -1)
    also = " AND symbol = :symbol" if symbol is not None else ""
    sql = f"SELECT * FROM {table} WHERE tick >= :first AND tick <= :newest AND at >= :since{also} ORDER BY {order} LIMIT :limit"
    return _told(connection, sql, first=int(first), newest=int(last), since=since or 0, symbol=symbol, limit=limit)


def _sessions(connection: Connection, symbol: str | None) -> _Sessions:
    """The newest session that follows the symbol, or the newest of all; a session's ticks end where the next one's begin."""
    told = fetch_all(
        connection,
        "SELECT s.symbols, s.gates, (SELECT min(r.first_tick) FROM runs r WHERE r.session > s.id) FROM sessions s ORDER BY s.id DESC LIMIT 100",
    )
    newest: list[str] = []
    for symbols, gates, end in told:
        names = json.loads(symbols)
        newest = newest or names
        if symbol is None or symbol in names:
            return _Sessions(2**62 if end is None else int(end) - 1, len(names), len(json.loads(gates or "[]")))
    if newest:
        few = ", ".join(newest[:12])
        raise NoSuchSymbol(f"there are {few}{f' and {len(newest) - 12} more' if len(newest) > 12 else ''}")
    return _Sessions(-1, 1, 1)


def _told(connection: Connection, sql: str, **params: SqlValue) -> ViewRows:
    found = connection.execute(text(sql), params)
    return ViewRows(tuple(found.keys()), tuple(tuple(row) for row in found))
