"""The newest rows of the views for the HTTP API, found by their ticks at a cost that does not grow with the history."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from engine.store.read.metrics import NEWEST_READINGS
from engine.store.read.reader import Reader, SqlValue, fetch_all, fetch_first, fetch_scalar

MAX_TICKS_SEARCHED = 200_000  # ticks searched at most

_OF_TIME = {  # view: columns, table, the column of `since`, order
    "trials": ("*", "v_trials", "at", "id DESC"),
    "triggers": ("*", "v_triggers", "at", "id DESC"),
    "alerts": ("*", "v_alerts", "at", "id DESC"),
    "components": ("*", "v_components", None, "component"),
    "actions": ("*", "v_actions", None, "action"),
    "rules": ('name, data, changed_at, "by", reason', "rules", None, "name"),
    "bots": ("*", "v_bots", None, "number DESC"),
    "intents": ("*", "v_intents", "at", "id DESC"),
    "readings": ("at, source, name, value, unit", "readings_raw", "at", "at DESC, source, name"),
}
_OF_TICKS = {"decisions": ("v_decisions", "tick DESC, symbol"), "gates": ("v_gates", "tick DESC, symbol, rung")}
API_VIEWS = (*_OF_TICKS, *_OF_TIME)


class NoSuchSymbol(ValueError):
    """The symbol is unknown to the store; the message lists the known ones in one line."""


@dataclass(frozen=True, slots=True)
class ViewRows:
    """Rows of a view, newest first, with their column names."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class _Session:
    """The last tick that may have a symbol, and the rows per tick."""

    last: int  # tick
    symbols: int
    gates: int


def list_parameters(view: str) -> tuple[str, ...]:
    """The query parameters of a view."""
    if view in _OF_TICKS:
        return ("symbol", "since", "limit")
    return ("limit",) if _OF_TIME[view][2] is None else ("since", "limit")


def read_newest_rows(reader: Reader, view: str, *, symbol: str | None, since: int | None, limit: int) -> ViewRows:
    """The newest `limit` rows of a view; raises StoreUnreadable, NoSuchSymbol."""
    with reader.reading() as connection:
        if view in _OF_TICKS:
            return _of_ticks(connection, view, symbol, since, limit)
        return _of_time(connection, view, since, limit)


def read_decisions_at(reader: Reader, at: int) -> ViewRows:
    """The decisions of the newest tick on the bar that closed at `at` (ns UTC), by symbol; none where there is no such tick."""
    with reader.reading() as connection:
        sql = "SELECT * FROM v_decisions WHERE tick = (SELECT max(tick) FROM ticks WHERE at = :at) ORDER BY symbol"
        return _fetch(connection, sql, at=at)


def _of_time(connection: Connection, view: str, since: int | None, limit: int) -> ViewRows:
    columns, table, column, order = _OF_TIME[view]
    where = "" if since is None else f"WHERE {column} >= :since"
    if view == "readings" and since is None:
        return _fetch(connection, NEWEST_READINGS, since=0, limit=limit)
    return _fetch(connection, f"SELECT {columns} FROM {table} {where} ORDER BY {order} LIMIT :limit", since=since, limit=limit)


def _of_ticks(connection: Connection, view: str, symbol: str | None, since: int | None, limit: int) -> ViewRows:
    """Find as many of the newest ticks as hold that many rows, then read only their rows."""
    table, order = _OF_TICKS[view]
    session = _session(connection, symbol)
    rows_each = (1 if symbol is not None else session.symbols) * (session.gates if view == "gates" else 1)
    ticks = -(-limit // max(1, rows_each))
    newest = fetch_scalar(connection, "SELECT max(tick) FROM ticks WHERE tick <= :last", last=session.last)
    upto = -1 if newest is None else int(newest)
    ends = fetch_first(
        connection,
        "SELECT min(tick) AS first, max(tick) AS last FROM "
        "(SELECT tick FROM ticks WHERE tick <= :upto AND tick > :floor AND at >= :since ORDER BY tick DESC LIMIT :ticks)",
        upto=upto, floor=upto - MAX_TICKS_SEARCHED, since=since or 0, ticks=ticks,
    )  # fmt: skip
    first, last = (0, -1) if ends is None or ends["first"] is None else (int(ends["first"]), int(ends["last"]))
    by_symbol = " AND symbol = :symbol" if symbol is not None else ""
    sql = f"SELECT * FROM {table} WHERE tick >= :first AND tick <= :newest AND at >= :since{by_symbol} ORDER BY {order} LIMIT :limit"
    return _fetch(connection, sql, first=first, newest=last, since=since or 0, symbol=symbol, limit=limit)


def _session(connection: Connection, symbol: str | None) -> _Session:
    """The newest session with the symbol, or the newest of all. A session's ticks end where the next one's begin."""
    sessions = fetch_all(
        connection,
        "SELECT s.symbols, s.gates, (SELECT min(r.first_tick) FROM runs r WHERE r.session > s.id) AS next_tick "
        "FROM sessions s ORDER BY s.id DESC LIMIT 100",
    )
    newest: list[str] = []
    for row in sessions:
        symbols = json.loads(row["symbols"])
        newest = newest or symbols
        if symbol is None or symbol in symbols:
            last = 2**62 if row["next_tick"] is None else int(row["next_tick"]) - 1
            return _Session(last, len(symbols), len(json.loads(row["gates"] or "[]")))
    if newest:
        few = ", ".join(newest[:12])
        raise NoSuchSymbol(f"there are {few}{f' and {len(newest) - 12} more' if len(newest) > 12 else ''}")
    return _Session(-1, 1, 1)


def _fetch(connection: Connection, sql: str, **params: SqlValue) -> ViewRows:
    result = connection.execute(text(sql), params)
    return ViewRows(tuple(result.keys()), tuple(tuple(row) for row in result))
