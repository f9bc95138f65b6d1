"""Read-only frames over the store, for pages, export and the HTTP interface; a store that cannot be read says why in one line."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from engine.store import database, views
from engine.store.errors import StoreError, describe_error

BUSY_MS = 300  # a page would rather say "locked" than wait
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
    "v_incidents": "id", "v_triggers": "id", "v_outlook": "measure", "v_regret": "gate",
}  # fmt: skip
_TIMELESS = frozenset({"v_outlook", "v_regret", "v_skill", "v_actions", "v_components", "v_models", "v_votes", "v_spans"})
_ALL_SYMBOLS = frozenset({"v_decisions", "v_gates", "v_votes", "v_fills", "v_positions", "v_regimes"})
_EVERY_TICK = frozenset({"v_decisions", "v_gates", "v_votes", "v_spans", "v_regimes", "v_equity"})
_OF_TICKS = frozenset({*_ALL_SYMBOLS, "v_equity", "v_spans"})


class StoreUnreadable(StoreError):
    """The store cannot be read now: one line that says why. `kind` is missing, locked, corrupt or other."""

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
    """Reads a store and never writes to it."""

    def __init__(self, url: str, *, busy_ms: int = BUSY_MS) -> None:
        self.url = url
        self.path = database.path_from_url(url)
        self._engine: Engine = database.connect(url, read_only=True, busy_ms=busy_ms)
        self._held = _Held()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Whatever this thread reads inside is of the store as it was at the first query there; one inside another is the outer one."""
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
        """Goes on from the store as it is now, within the snapshot too: for one who has just written to it."""
        if self._held.stack is not None:
            self._held.stack.close()
            self._held.connection, self._held.answers = None, {}

    def once(self, query: Callable[[Reader], Any]) -> Any:
        """The answer to a query, which a snapshot asks once."""
        if self._held.stack is None:
            return query(self)
        if query not in self._held.answers:
            self._held.answers[query] = query(self)
        return self._held.answers[query]

    @property
    def in_snapshot(self) -> bool:
        """Whether this thread reads from a snapshot."""
        return self._held.stack is not None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for several queries; raises StoreUnreadable."""
        if not self.path.exists():
            raise StoreUnreadable(f"there is no store at {self.path} yet: the engine makes it when it starts", "missing")
        try:
            if self._held.stack is None:
                with self._engine.connect() as connection:
                    yield connection
                return
            if self._held.connection is None:
                self._held.connection = self._held.stack.enter_context(self._engine.connect())
            yield self._held.connection
        except DBAPIError as error:
            raise _unreadable(error, str(self.path)) from None

    def frame(self, sql: str, params: Mapping[str, SqlValue] | None = None) -> pd.DataFrame:
        """The rows of a query; raises StoreUnreadable."""
        with self.reading() as connection:
            return fetch_frame(connection, sql, params)

    def view(self, name: str, *, since: int | None = None, symbol: str | None = None, limit: int | None = None) -> pd.DataFrame:
        """A view of the contract, oldest first: rows at or after `since` (ns UTC), of one symbol, the newest `limit` of them.

        Raises ValueError with one line for a name that is no view, or that has no such column.
        """
        name = _named(name)
        conditions: list[str] = []
        params: dict[str, SqlValue] = {}
        if symbol is not None:
            if name not in _ALL_SYMBOLS | {"v_incidents"}:
                raise ValueError(f"{name} has no symbols: leave --symbol away")
            conditions.append("symbol = :symbol")
            params["symbol"] = symbol
        if since is not None:
            conditions += self._since(name, since)
            params["since"] = since
        order = _ORDER.get(name, "tick, symbol")
        if limit is None:
            return self.frame(f"SELECT * FROM {name}{_where(conditions)} ORDER BY {order}", params)
        sql = f"SELECT * FROM {name}{{}} ORDER BY {_backwards(order)} LIMIT :limit"
        frame = pd.DataFrame()
        if name in _EVERY_TICK:  # each of the last `limit` ticks has a row, so none before them need be made
            floor = "tick >= (SELECT min(tick) FROM (SELECT tick FROM ticks ORDER BY tick DESC LIMIT :limit))"
            frame = self.frame(sql.format(_where([*conditions, floor])), params | {"limit": limit})
        if len(frame) < limit:  # a symbol that is no longer followed, or a view without ticks
            frame = self.frame(sql.format(_where(conditions)), params | {"limit": limit})
        return frame.iloc[::-1].reset_index(drop=True)

    def _since(self, name: str, since: int) -> list[str]:
        if name in _OF_TICKS:
            first = self.frame("SELECT min(tick) AS tick FROM ticks WHERE at >= :since", {"since": since})["tick"].iloc[0]
            by_tick = f"tick >= {int(first)}" if pd.notna(first) else "1 = 0"
            return [by_tick] if name in _TIMELESS else [by_tick, "at >= :since"]
        column = {"v_models": "trained_at", "v_components": "since", "v_incidents": "since"}.get(name, "at")
        if name in _TIMELESS and column == "at":
            raise ValueError(f"{name} has no time: leave --since away")
        return [f"{column} >= :since"]


def fetch_frame(connection: Connection, sql: str, params: Mapping[str, SqlValue] | None = None) -> pd.DataFrame:
    """The rows of a query as a frame: integers stay integers, also where some are missing."""
    told = connection.execute(text(sql), dict(params or {}))
    columns = list(told.keys())
    return pd.DataFrame.from_records([tuple(row) for row in told], columns=columns)


def fetch_all(connection: Connection, sql: str, **params: SqlValue) -> list[tuple[Any, ...]]:
    """The rows of a query as tuples."""
    return [tuple(row) for row in connection.execute(text(sql), params)]


def fetch_first(connection: Connection, sql: str, **params: SqlValue) -> tuple[Any, ...] | None:
    """The first row of a query, None where there is none."""
    found = connection.execute(text(sql), params).first()
    return None if found is None else tuple(found)


def _named(name: str) -> str:
    full = name if name.startswith("v_") else f"v_{name}"
    if full not in views.list_views():
        raise ValueError(f"there is no view {name!r}: there are {', '.join(views.list_views())}")
    return full


def _where(conditions: list[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _backwards(order: str) -> str:
    return ", ".join(f"{column.strip()} DESC" for column in order.split(","))


def _unreadable(error: DBAPIError, place: str) -> StoreUnreadable:
    said = str(error.orig).lower()
    kind = next((kind for sign, kind in _KINDS if sign in said), "other")
    reason = (
        describe_error(place, error.orig) if isinstance(error.orig, sqlite3.Error) else f"the store {place} failed: {' '.join(said.split())[:200]}"
    )
    return StoreUnreadable(reason, kind)
