"""Rows of ticks that a reader has read before: a stored tick never changes, so that a chart which grows reads the new ticks only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import pandas as pd
from sqlalchemy import Connection

from engine.store.read.reader import Reader, fetch_rows

COLUMNS = ("tick", "at", "wall", "equity", "benchmark", "drawdown", "warm", "gross", "skill")
MAX_ROWS = 4_000  # remembered of a store; a chart has at most 600 points
_PICKED = f"SELECT {', '.join(f't.{name}' for name in COLUMNS)} FROM json_each(:picked) p JOIN ticks t ON t.tick = p.value ORDER BY t.tick"
Row = tuple[Any, ...]


@dataclass(slots=True)
class TickRows:
    """The rows of one store by tick; the newest is read again each time, so that another store at the same address is noticed."""

    rows: dict[int, Row] = field(default_factory=dict)
    newest: int | None = None
    lock: Lock = field(default_factory=Lock)

    def fetch(self, connection: Connection, picked: Sequence[int]) -> list[Row]:
        """Return the rows of these ticks, in their order, of those that are stored."""
        with self.lock:
            known, newest = self.rows, self.newest
            missing = {tick for tick in picked if tick not in known}
            fetched = _fetch_rows(connection, missing | ({newest} if newest is not None else set()))
            if newest is not None and fetched.get(newest) != known.get(newest):
                known, fetched = {}, _fetch_rows(connection, set(picked))
            elif len(known) > MAX_ROWS:
                known = {tick: known[tick] for tick in picked if tick in known}
            self.rows = known = known | fetched
            self.newest = max(fetched, default=None)
            return [known[tick] for tick in picked if tick in known]


_remembered: WeakKeyDictionary[Reader, TickRows] = WeakKeyDictionary()


def fetch_ticks(reader: Reader, picked: Sequence[int], columns: Sequence[str]) -> pd.DataFrame:
    """Return these columns of the picked ticks as a frame, ascending; raises StoreUnreadable."""
    with reader.reading() as connection:
        if reader.past is None:
            rows = _remembered.setdefault(reader, TickRows()).fetch(connection, picked)
        else:
            rows = list(_fetch_rows(connection, set(picked)).values())
    if not rows:
        return pd.DataFrame.from_records([], columns=list(columns))
    values = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
    return pd.DataFrame({name: values[name] for name in columns})


def _fetch_rows(connection: Connection, ticks: set[int]) -> dict[int, Row]:
    return {int(row[0]): row for row in fetch_rows(connection, _PICKED, {"picked": json.dumps(sorted(ticks))})} if ticks else {}
