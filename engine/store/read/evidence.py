"""The rows from which one tick can be decided again elsewhere: all that its evidence bundle holds of the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from sqlalchemy import Connection

from engine.store import database
from engine.store.errors import translate_errors
from engine.store.read.history import StoredTick
from engine.store.read.reader import SqlValue, fetch_all
from engine.window import WINDOW_BARS

Rows = dict[str, list[dict[str, Any]]]  # by table, each with its columns
WITHHELD: Mapping[str, dict[str, Any]] = {  # columns that a replay does not read: settings may name addresses
    "sessions": {"settings": "{}"},
    "runs": {"settings": "{}"},
    "market_snapshots": {"training_row": b""},
}
_QUERIES = {
    "sessions": "SELECT * FROM sessions WHERE id = :session",
    "runs": "SELECT * FROM runs WHERE session = :session AND first_tick <= :tick ORDER BY id",
    "ticks": "SELECT * FROM ticks WHERE session = :session AND tick > :start AND tick <= :tick ORDER BY tick",
    "market_snapshots": "SELECT * FROM market_snapshots WHERE session = :session AND tick >= :first AND tick <= :tick ORDER BY tick",
    "checkpoints": "SELECT * FROM checkpoints WHERE session = :session AND tick = :start",
    "decisions": "SELECT * FROM decisions WHERE tick = :tick ORDER BY symbol",
    "trading_configs": "SELECT k.* FROM json_each(:configs) w JOIN trading_configs k ON k.digest = w.value ORDER BY k.digest",
    "artifacts": "SELECT a.* FROM json_each(:models) w JOIN artifacts a ON a.digest = w.value WHERE a.serves_from <= :tick ORDER BY a.id",
}


def read_evidence_rows(url: str, stored: StoredTick, start: int) -> Rows:
    """The rows of a tick's evidence, read from one snapshot of the store; `start` is the tick of the checkpoint to roll forward from, -1 for none.

    Raises StoreError.
    """
    engine = database.connect(url, read_only=True)
    try:
        with translate_errors(str(database.path_from_url(url))), engine.begin() as connection:
            bounds: dict[str, SqlValue] = {"session": stored.session, "tick": stored.tick, "start": start, "first": start + 1 - WINDOW_BARS}
            ticks = _read(connection, "ticks", bounds)
            named = {"configs": _list({row["config_digest"] for row in ticks}), "models": _list(_models(ticks))}
            rest = {table: _read(connection, table, bounds | named) for table in _QUERIES if table != "ticks"}
            return {"ticks": ticks} | rest
    finally:
        engine.dispose()


def _read(connection: Connection, table: str, values: Mapping[str, SqlValue]) -> list[dict[str, Any]]:
    rows = fetch_all(connection, _QUERIES[table], **{name: value for name, value in values.items() if f":{name}" in _QUERIES[table]})
    copied = [dict(row) | WITHHELD.get(table, {}) for row in rows]
    for session in copied if table == "sessions" else ():  # the folder of a recording is nobody else's business, and a replay does not read it
        session["identity"] = orjson.dumps(orjson.loads(session["identity"]) | {"path": ""}).decode()
    return copied


def _models(ticks: Iterable[Mapping[str, Any]]) -> set[str]:
    """The digests of the versions that served or predicted at these ticks."""
    lists = [orjson.loads(text) for row in ticks for text in (row["serving"], row["shadows"]) if text]
    return {digest for digests in lists for digest in digests if digest is not None}


def _list(values: Iterable[str]) -> str:
    return orjson.dumps(sorted(values)).decode()
