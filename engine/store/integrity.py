"""Looks for damage in a store: pages and indexes that SQLite finds at fault, and checkpoints that cannot be read."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass

from engine.domain.record import Record
from engine.store import codec, database
from engine.store.errors import NotStored, translate_errors
from engine.store.read.history import TickHistory

MAX_FAULTS = 100  # faults of pages that are told apart
_OF_AN_INDEX = re.compile(r"(missing from|in|of|entry in) index (\S+)|^wrong # of entries in index (\S+)")


@dataclass(frozen=True, slots=True)
class Damage(Record):
    """What is at fault in a store."""

    indexes: tuple[str, ...] = ()  # names of indexes that do not agree with their table; they can be built anew
    pages: tuple[str, ...] = ()  # what SQLite says of anything else; it cannot be mended here
    checkpoints: tuple[tuple[int, int, str], ...] = ()  # session, tick, reason

    def describe(self) -> tuple[str, ...]:
        """A sentence for each kind of damage."""
        told = []
        if self.pages:
            told.append(f"pages of the store are damaged ({len(self.pages)} faults, the first: {self.pages[0]})")
        if self.indexes:
            told.append(f"damaged indexes: {', '.join(self.indexes)}")
        if self.checkpoints:
            told.append(f"damaged checkpoints: of tick {', '.join(str(tick) for _, tick, _ in self.checkpoints)}")
        return tuple(told)


def find_damage(url: str) -> Damage:
    """Reads every page of a store; raises StoreFailed where it cannot be read at all."""
    path = database.path_from_url(url)
    with translate_errors(str(path)), database.connect(url, read_only=True).begin() as connection:
        faults = [str(row[0]) for row in connection.exec_driver_sql(f"PRAGMA integrity_check({MAX_FAULTS})") if row[0] != "ok"]
    named = [_OF_AN_INDEX.search(fault) for fault in faults]
    indexes = dict.fromkeys(found[2] or found[3] for found in named if found is not None)
    pages = tuple(" ".join(fault.split()) for fault, found in zip(faults, named, strict=True) if found is None)
    return Damage(tuple(indexes), pages, _damaged_checkpoints(url))


def rebuild_indexes(url: str) -> None:
    """Builds every index anew from its table; raises StoreFailed."""
    path = database.path_from_url(url)
    with translate_errors(str(path)), closing(sqlite3.connect(path, timeout=30.0, isolation_level=None)) as connection:
        connection.execute("REINDEX")


def _damaged_checkpoints(url: str) -> tuple[tuple[int, int, str], ...]:
    history = TickHistory(url)
    try:
        damaged: list[tuple[int, int, str]] = []
        for session, tick in history.checkpoints():
            unread: dict[int, str] = {}
            try:
                history.read_checkpoint(tick, unread)
            except NotStored as error:
                if isinstance(error.__cause__, codec.LayoutMismatch):  # whole, and of another version
                    continue
                raise
            damaged += [(session, tick, why) for why in unread.values()]
        return tuple(damaged)
    finally:
        history.close()
