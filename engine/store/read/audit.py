"""Checks the audit trail row by row: each digest covers its row and the one before, and the head says where the trail ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, text

from engine.domain.audit import FIRST, AuditEntry, AuditHead, AuditVerdict, chain_digest
from engine.store.connection import driver_connection
from engine.store.read.reader import Reader, fetch_first, fetch_scalar
from engine.store.write.audit import FAULT, HEAD_KEY, HEAD_MISSING

_TEXTS = ("who", "origin", "kind", "subject", "why", "before", "after")
# SQLite's storage classes of the time and the texts, of which the last two may be missing.
_CLASSES = frozenset(f"integer{' text' * 5} {before} {after}" for before in ("text", "null") for after in ("text", "null"))
# Bytes, because a changed text need not be one that can be decoded.
_ROWS = "SELECT id, at, {values}, CAST(digest AS BLOB) AS digest, {classes} AS classes FROM audit ORDER BY id".format(
    values=", ".join(f'CAST("{name}" AS BLOB) AS "{name}"' for name in _TEXTS),
    classes=" || ' ' || ".join(f'typeof("{name}")' for name in ("at", *_TEXTS)),
)


def verify_trail(reader: Reader, anchor: AuditHead | None = None) -> AuditVerdict:
    """Check every row in one snapshot; with `anchor`, a head that a report printed, also that this very row is still in the trail."""
    with reader.reading() as connection:
        head = _read_head(connection)
        chain = _Chain(_find_pruned(connection), anchor)
        for number, *values, digest, classes in driver_connection(connection).execute(_ROWS):
            chain.check_row(number, digest, _read_entry(values, classes))
            if chain.fault is not None:
                break
    fault = chain.fault or _check_end(chain.last, head) or chain.check_anchor() or chain.past_fault
    return AuditVerdict(chain.rows, chain.first, head, fault)


def read_head_until(connection: Connection, until: int) -> AuditHead | None:
    """The newest row of the trail before a time (ns UTC), with its digest; None without one."""
    row = fetch_first(connection, "SELECT id, digest FROM audit WHERE at < :until ORDER BY id DESC LIMIT 1", until=until)
    return None if row is None else AuditHead(int(row["id"]), str(row["digest"]))


class _Chain:
    """The check of one row after another, up to the first fault."""

    def __init__(self, pruned: Mapping[int, str], anchor: AuditHead | None) -> None:
        self._pruned, self._anchor = pruned, anchor
        self.rows = 0
        self.first: int | None = None
        self.last: AuditHead | None = None
        self.fault: str | None = None
        self.past_fault: str | None = None  # that a sound row tells of: the rest is checked as well
        self._is_anchored = False

    def check_row(self, number: int, stored: bytes, entry: AuditEntry | None) -> None:
        """Check a row with its stored digest against the one before, and set the fault where it does not follow."""
        previous = self._find_previous(number)
        if previous is None:
            return
        digest = None if entry is None else chain_digest(previous, number, entry)
        if digest is None or digest.encode() != stored:
            self.fault = f"row {number} is changed: its digest is not that of the row and the one before"
            return
        self.rows, self.last = self.rows + 1, AuditHead(number, digest)
        if entry is not None and (entry.kind, entry.subject) == (FAULT, HEAD_MISSING) and self.past_fault is None:
            self.past_fault = f"row {number} says that the head was missing: rows after row {number - 1} may have been cut off then"
        self._is_anchored |= self.last == self._anchor

    def _find_previous(self, number: int) -> str | None:
        """The digest that row `number` continues; None, with the fault set, where the row before is missing."""
        if self.last is not None:
            if number == self.last.row + 1:
                return self.last.digest
            self.fault = f"row {self.last.row + 1} is missing: row {self.last.row} is followed by row {number}"
            return None
        self.first = number
        previous = FIRST if number == 1 else self._pruned.get(number - 1)
        if previous is None:
            self.fault = f"row {number - 1} is missing: the trail begins with row {number}, and no row says that retention has deleted it"
        return previous

    def check_anchor(self) -> str | None:
        """The fault of an anchor that is not in the trail; None where it is, or where retention has deleted its row and a row says so."""
        anchor, first = self._anchor, self.first
        if anchor is None or self._is_anchored or self._pruned.get(anchor.row) == anchor.digest:
            return None
        if self.last is None or anchor.row > self.last.row:
            return f"row {anchor.row} is cut off: the report has it, and the trail ends with row {0 if self.last is None else self.last.row}"
        if first is not None and anchor.row < first:
            return f"row {anchor.row} cannot be compared: retention has deleted the rows before {first}; give the head of a later report"
        return f"row {anchor.row} is changed: its digest is not the one in the report"


def _check_end(last: AuditHead | None, head: AuditHead | None) -> str | None:
    if head is None:
        return None if last is None else f"row {last.row + 1} may be cut off: the head of the trail, which says where it ends, is missing"
    if last is None or last.row < head.row:
        return f"row {1 if last is None else last.row + 1} is cut off: the trail went on to row {head.row}"
    if last.row > head.row:
        return f"row {head.row + 1} is changed: it was not added by Podium, whose last row is {head.row}"
    return None if last.digest == head.digest else f"row {last.row} is changed: its digest is not that of the head"


def _read_head(connection: Connection) -> AuditHead | None:
    stored = fetch_scalar(connection, "SELECT value FROM meta WHERE key = :key", key=HEAD_KEY)
    row, _, digest = str(stored or "").partition(":")
    return AuditHead(int(row), digest) if row.isdecimal() and row.isascii() else None


def _read_entry(values: Sequence[Any], classes: str) -> AuditEntry | None:
    """The entry of a row; None where its values are of another kind than Podium stores."""
    if classes not in _CLASSES:
        return None
    at, *texts = values
    decoded: list[Any] = [part if part is None else part.decode(errors="surrogateescape") for part in texts]
    return AuditEntry(at, *decoded)


def _find_pruned(connection: Connection) -> dict[int, str]:
    """The last row of each batch that retention has deleted, with its digest; whether a row that says so is sound is checked with the others."""
    pruned: dict[int, str] = {}
    sql = """SELECT CAST("before" AS BLOB) FROM audit WHERE kind = 'retention' AND subject = 'audit'"""
    for stored in connection.execute(text(sql)).scalars():
        try:
            batch = orjson.loads(stored or b"{}")
            pruned[int(batch["last"])] = str(batch["digest"])
        except (ValueError, KeyError, TypeError):
            continue
    return pruned
