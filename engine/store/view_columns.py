"""The columns of the views with their types, read from the views themselves, so that a new one is described without a line of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from sqlalchemy import Table, create_engine

from engine.store import schema, views

WHOLE, REAL, TEXT, SCALAR = "whole number", "number", "text", "scalar"
_DECLARED = {"INTEGER": WHOLE, "BIGINT": WHOLE, "FLOAT": REAL, "TEXT": TEXT}
_COMPUTED = {  # what no table declares; a column that is missing here is a scalar of any kind
    "intent": TEXT, "outcome_bps": REAL, "rung": WHOLE, "gate": TEXT, "value": REAL, "threshold": REAL, "passed": WHOLE, "horizon": WHOLE,
    "model": TEXT, "mean": REAL, "trust": REAL, "weight": REAL, "phase": TEXT, "start_ms": REAL, "ms": REAL, "fallback": WHOLE, "error": TEXT,
    "regime": TEXT, "probability": REAL, "role": TEXT, "version": TEXT, "parent": TEXT, "trials": WHOLE, "helped": WHOLE, "no_effect": WHOLE,
    "harmed": WHOLE, "mean_gain_bps": REAL,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """A column of a view; every one may be NULL."""

    name: str
    type: str  # WHOLE, REAL, TEXT or SCALAR


@cache
def list_view_columns() -> Mapping[str, tuple[ViewColumn, ...]]:
    """The columns of every view, in its order, by the name of the view."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    engine = create_engine("sqlite://", creator=lambda: connection)
    with closing(connection), engine.begin() as opened:
        schema.METADATA.create_all(opened)
        views.recreate_views(opened)
        rows = {name: opened.exec_driver_sql(f"PRAGMA table_info({name})").mappings().all() for name in views.list_views()}
    return MappingProxyType(
        {name: tuple(_build_column(str(column["name"]), str(column["type"])) for column in columns) for name, columns in rows.items()}
    )


def list_table_columns(table: Table) -> tuple[ViewColumn, ...]:
    """The columns of a table."""
    return tuple(_build_column(str(column.name), str(column.type.compile())) for column in table.columns)


def _build_column(name: str, declared: str) -> ViewColumn:
    """What newer versions of SQLite say of a computed column is left out: it is an affinity and no type."""
    return ViewColumn(name, _DECLARED.get(declared) or _COMPUTED.get(name, SCALAR))
