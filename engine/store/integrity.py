"""Finds damage in a store: damaged pages and indexes, and checkpoints that cannot be read."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass

from engine.domain.record import Record
from engine.store import codec, database
from engine.store.errors import NotStored, translate_errors
from engine.store.read.history import TickHistory

MAX_FAULTS = 100  # faults reported by SQLite, at most
_OF_AN_INDEX = re.compile(r"(missing from|in|of|entry in) index (\S+)|^wrong # of entries in index (\S+)")


@dataclass(frozen=True, slots=True)
class Damage(Record):
    """The damage found in a store."""

    indexes: tuple[str, ...] = ()  # indexes that do not match their table; they can be rebuilt
    pages: tuple[str, ...] = ()  # SQLite's messages on other faults, which cannot be repaired here
    checkpoints: tuple[tuple[int, int, str], ...] = ()  # session, tick, reason

    def describe(self) -> tuple[str, ...]:
        """A sentence per kind of damage."""
        sentences = []
        if self.pages:
            sentences.append(f"pages of the store are damaged ({len(self.pages)} faults, the first: {self.pages[0]})")
        if self.indexes:
            sentences.append(f"damaged indexes: {', '.join(self.indexes)}")
        if self.checkpoints:
            sentences.append(f"damaged checkpoints: of tick {', '.join(str(tick) for _, tick, _ in self.checkpoints)}")
        return tuple(sentences)


def find_damage(url: str) -> Damage:
    """Check every page of a store; raises StoreError where it cannot be read at all."""
    path = database.path_from_url(url)
    with translate_errors(str(path)), database.connect(url, read_only=True).begin() as connection:
        messages = connection.exec_driver_sql(f"PRAGMA integrity_check({MAX_FAULTS})").scalars()
        faults = [str(message) for message in messages if message != "ok"]
    matches = [_OF_AN_INDEX.search(fault) for fault in faults]
    indexes = dict.fromkeys(match[2] or match[3] for match in matches if match is not None)
    pages = tuple(" ".join(fault.split()) for fault, match in zip(faults, matches, strict=True) if match is None)
    return Damage(tuple(indexes), pages, _damaged_checkpoints(url))


def rebuild_indexes(url: str) -> None:
    """Rebuild every index from its table; raises StoreError."""
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
                if isinstance(error.__cause__, codec.LayoutMismatch):  # valid, but of another version
                    continue
                raise
            damaged += [(session, tick, why) for why in unread.values()]
        return tuple(damaged)
    finally:
        history.close()
