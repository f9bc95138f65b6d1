"""Read-only access to the store for pages, export and the HTTP interface."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, RowMapping, TextClause, text
from sqlalchemy.exc import DBAPIError

from engine.store import database, views
from engine.store.errors import StoreError, describe_error
from engine.store.read.past import PastTick, bind_past

BUSY_MS = 300  # a page reports "locked" rather than wait longer
SqlValue = int | float | str | None

_KINDS = (
    ("locked", "locked"),
    ("busy", "locked"),
    ("no such", "missing"),
    ("unable to open", "missing"),
    ("not a database", "corrupt"),
    ("malformed", "corrupt"),
)
_ORDER = {
    "v_skill": "scope, model, horizon, regime", "v_models": "trained_at", "v_components": "component", "v_actions": "action", "v_readings": "at",
    "v_alerts": "id", "v_commands": "id", "v_trials": "id", "v_fills": "tick", "v_equity": "tick", "v_spans": "tick, start_ms",
    "v_gates": "tick, symbol, rung", "v_votes": "tick, symbol, horizon, model", "v_regimes": "tick, symbol, regime",
    "v_incidents": "id", "v_triggers": "id", "v_evolutions": "id", "v_liquidity_forecast": "measure", "v_declined": "gate",
    "v_streams": "symbol, stream", "v_audit": "id", "v_bots": "number", "v_intents": "id",
}  # fmt: skip
_TIMELESS = frozenset(
    {"v_liquidity_forecast", "v_declined", "v_skill", "v_actions", "v_components", "v_models", "v_votes", "v_spans", "v_streams", "v_bots"}
)
_ALL_SYMBOLS = frozenset({"v_decisions", "v_gates", "v_votes", "v_fills", "v_positions", "v_regimes"})
_EVERY_TICK = frozenset({"v_decisions", "v_gates", "v_votes", "v_spans", "v_regimes", "v_equity"})
_OF_TICKS = frozenset({*_ALL_SYMBOLS, "v_equity", "v_spans"})


class StoreUnreadable(StoreError):
    """The store cannot be read now; the message gives the reason in one line. `kind` is missing, locked, corrupt or other."""

    def __init__(self, reason: str, kind: str = "other") -> None:
        super().__init__(reason)
        self.kind = kind


class _Held(threading.local):
    """The snapshot that a thread reads from."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.stack: ExitStack | None = None
        self.connection: Connection | None = None  # opened by the first query
        self.answers: dict[Callable[..., Any], Any] = {}


class Reader:
    """Reads a store and never writes to it; with a past tick, as it was stored by then."""

    def __init__(self, url: str, *, busy_ms: int = BUSY_MS, past: PastTick | None = None) -> None:
        self.url = url
        self.past = past
        self.path = database.path_from_url(url)
        self._engine: Engine = database.connect(url, read_only=True, busy_ms=busy_ms)
        self._held = _Held()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read the store as it was at the first query in the block. Blocks of one thread may be nested: the outer one counts."""
        if self._held.stack is not None:
            yield
            return
        with ExitStack() as stack:
            self._held.stack = stack
            try:
                yield
            finally:
                self._held.clear()

    def refresh(self) -> None:
        """Continue from the store as it is now, also within a snapshot: for a caller that has just written to it."""
        if self._held.stack is not None:
            self._held.stack.close()
            self._held.connection, self._held.answers = None, {}

    def once(self, query: Callable[[Reader], Any]) -> Any:
        """The result of a query, cached for the duration of a snapshot."""
        if self._held.stack is None:
            return query(self)
        if query not in self._held.answers:
            self._held.answers[query] = query(self)
        return self._held.answers[query]

    @property
    def in_snapshot(self) -> bool:
        """Whether this thread is inside a snapshot."""
        return self._held.stack is not None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for several queries; raises StoreUnreadable."""
        if not self.path.exists():
            raise StoreUnreadable(f"there is no store at {self.path} yet: the engine makes it when it starts", "missing")
        try:
            if self._held.stack is None:
                with self._engine.connect() as connection:
                    yield self._bound(connection)
                return
            if self._held.connection is None:
                self._held.connection = self._bound(self._held.stack.enter_context(self._engine.connect()))
            yield self._held.connection
        except DBAPIError as error:
            raise _unreadable(error, str(self.path)) from None

    def _bound(self, connection: Connection) -> Connection:
        if self.past is not None:
            bind_past(connection, self.past)
        return connection

    def frame(self, sql: str, params: Mapping[str, SqlValue] | None = None) -> pd.DataFrame:
        """The rows of a query; raises StoreUnreadable."""
        with self.reading() as connection:
            return fetch_frame(connection, sql, params)

    def view(self, name: str, *, since: int | None = None, symbol: str | None = None, limit: int | None = None) -> pd.DataFrame:
        """A view's rows, oldest first: those at or after `since` (ns UTC), of one symbol, and of these the newest `limit`.

        Raises ValueError, in one line, for an unknown view and for a view without symbols or times.
        """
        name = _named(name)
        conditions: list[str] = []
        params: dict[str, SqlValue] = {}
        if symbol is not None:
            if name not in _ALL_SYMBOLS | {"v_incidents"}:
                raise ValueError(f"{name} has no symbols: leave out --symbol")
            conditions.append("symbol = :symbol")
            params["symbol"] = symbol
        if since is not None:
            conditions += self._since(name, since)
            params["since"] = since
        order = _ORDER.get(name, "tick, symbol")
        if limit is None:
            return self._exact_frame(f"SELECT * FROM {name}{_where(conditions)} ORDER BY {order}", params)
        sql = f"SELECT * FROM {name}{{}} ORDER BY {_backwards(order)} LIMIT :limit"
        frame = pd.DataFrame()
        if name in _EVERY_TICK:  # each of the last `limit` ticks has a row: no earlier one is needed
            floor = "tick >= (SELECT min(tick) FROM (SELECT tick FROM ticks ORDER BY tick DESC LIMIT :limit))"
            frame = self._exact_frame(sql.format(_where([*conditions, floor])), params | {"limit": limit})
        if len(frame) < limit:  # a symbol that has left the feed, or a view without ticks
            frame = self._exact_frame(sql.format(_where(conditions)), params | {"limit": limit})
        return frame.iloc[::-1].reset_index(drop=True)

    def _exact_frame(self, sql: str, params: Mapping[str, SqlValue]) -> pd.DataFrame:
        with self.reading() as connection:
            return fetch_exact_frame(connection, sql, params)

    def _since(self, name: str, since: int) -> list[str]:
        if name in _OF_TICKS:
            first = self.frame("SELECT min(tick) AS tick FROM ticks WHERE at >= :since", {"since": since})["tick"].iloc[0]
            by_tick = f"tick >= {int(first)}" if pd.notna(first) else "1 = 0"
            return [by_tick] if name in _TIMELESS else [by_tick, "at >= :since"]
        column = {"v_models": "trained_at", "v_components": "since", "v_incidents": "since"}.get(name, "at")
        if name in _TIMELESS and column == "at":
            raise ValueError(f"{name} has no time: leave out --since")
        return [f"{column} >= :since"]


def fetch_frame(connection: Connection, sql: str, params: Mapping[str, SqlValue] | None = None) -> pd.DataFrame:
    """The rows of a query as a frame. Integers are floats where some are missing."""
    result = connection.execute(_statement(sql), dict(params or {}))
    columns = list(result.keys())
    return pd.DataFrame.from_records([tuple(row) for row in result], columns=columns)


def fetch_rows(connection: Connection, sql: str, params: Mapping[str, SqlValue] | None = None) -> list[tuple[Any, ...]]:
    """The rows of a query as tuples."""
    return [tuple(row) for row in connection.execute(_statement(sql), dict(params or {}))]


def fetch_exact_frame(connection: Connection, sql: str, params: Mapping[str, SqlValue] | None = None) -> pd.DataFrame:
    """The rows of a query, in which integers stay integers where some are missing: as floats, times would lose their last digits."""
    result = connection.execute(_statement(sql), dict(params or {}))
    rows, columns = [tuple(row) for row in result], list(result.keys())
    frame = pd.DataFrame.from_records(rows, columns=columns)
    for place, column in enumerate(columns):
        values = [row[place] for row in rows]
        if None in values and any(value is not None for value in values) and all(value is None or type(value) is int for value in values):
            frame[column] = pd.array(values, dtype="Int64")
    return frame


def fetch_all(connection: Connection, sql: str, **params: SqlValue) -> Sequence[RowMapping]:
    """The rows of a query, each by column name."""
    return connection.execute(_statement(sql), params).mappings().all()


def fetch_first(connection: Connection, sql: str, **params: SqlValue) -> RowMapping | None:
    """The first row of a query by column name; None without a row."""
    return connection.execute(_statement(sql), params).mappings().first()


def fetch_scalar(connection: Connection, sql: str, **params: SqlValue) -> Any:
    """The first column of the first row; None without a row."""
    return connection.execute(_statement(sql), params).scalar()


@lru_cache(maxsize=512)
def _statement(sql: str) -> TextClause:
    """Return the statement of a text, which SQLAlchemy searches for parameters once."""
    return text(sql)


def _named(name: str) -> str:
    full = name if name.startswith("v_") else f"v_{name}"
    if full not in views.list_views():
        raise ValueError(f"there is no view {name!r}: give one of {', '.join(views.list_views())}")
    return full


def _where(conditions: list[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _backwards(order: str) -> str:
    return ", ".join(f"{column.strip()} DESC" for column in order.split(","))


def _unreadable(error: DBAPIError, place: str) -> StoreUnreadable:
    message = str(error.orig).lower()
    kind = next((kind for sign, kind in _KINDS if sign in message), "other")
    reason = (
        describe_error(place, error.orig) if isinstance(error.orig, sqlite3.Error) else f"the store {place} failed: {' '.join(message.split())[:200]}"
    )
    return StoreUnreadable(reason, kind)
