"""Appends to the audit trail, inside a caller's transaction: the entry is stored with what it is about, or neither is."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import orjson

from engine.domain.audit import ENGINE, FIRST, AuditEntry, AuditHead, chain_digest

HEAD_KEY = "audit head"  # of the table meta: the last row and its digest
PRUNED_KEY = "audit pruned"  # of the table meta: the last row that retention has deleted
STARTED = "engine start"  # where a change of podium.toml, PODIUM_* or a flag comes from
PAST_RETENTION = "older or more than is stored"
FAULT, HEAD_MISSING = "fault", "the head was missing"  # kind and subject of the row that says so
ROWS_PER_BATCH = 500  # rows deleted in one transaction
MINUTE = 60 * 10**9  # ns
_INSERT = 'INSERT INTO audit (id, at, who, origin, kind, subject, why, "before", "after", digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'
_META = "INSERT OR REPLACE INTO meta VALUES (?, ?)"


def to_audit_text(values: Mapping[str, object]) -> str:
    """Values as JSON with sorted keys, as `before` and `after` hold them; what JSON has no form of is stored as text."""
    return orjson.dumps(dict(values), default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS).decode()


def append_entry(driver: sqlite3.Connection, entry: AuditEntry) -> AuditHead:
    """Append one entry and return the new head. The transaction must hold the write lock, so that no two rows follow the same one.

    The row continues from the stored head, not from the last row: after a row was cut off, its number stays missing. Where the head is missing,
    a row says so first and for good, because rows may be missing that nobody can miss any more.
    """
    head = find_head(driver)
    if head is not None and _read_head(driver) is None and entry.kind != FAULT:
        text = to_audit_text({"last": head.row, "digest": head.digest})
        head = append_entry(driver, AuditEntry(entry.at, ENGINE, ENGINE, FAULT, HEAD_MISSING, "rows after the last one may be cut off", text))
    row, previous = (1, FIRST) if head is None else (head.row + 1, head.digest)
    entry = _clean(entry)
    new = AuditHead(row, chain_digest(previous, row, entry))
    values = (row, entry.at, entry.who, entry.origin, entry.kind, entry.subject, entry.why, entry.before, entry.after, new.digest)
    driver.execute(_INSERT, values)
    driver.execute(_META, (HEAD_KEY, str(new)))
    return new


def append_limited(driver: sqlite3.Connection, entry: AuditEntry, most: int) -> bool:
    """Append an entry of what strangers can repeat as often as they like; not where the minute has `most` of its who, kind and subject already.

    Return whether it was appended.
    """
    clean, since = _clean(entry), entry.at - entry.at % MINUTE
    sql = "SELECT count(*) FROM audit WHERE at >= ? AND at < ? AND kind = ? AND who = ? AND subject = ?"
    if driver.execute(sql, (since, since + MINUTE, clean.kind, clean.who, clean.subject)).fetchone()[0] >= most:
        return False
    append_entry(driver, entry)
    return True


def append_settings(driver: sqlite3.Connection, settings: str, now: int) -> None:
    """Enter each setting that differs from the last start, as podium.toml, PODIUM_* and flags give them; `settings` is JSON without secrets."""
    last = driver.execute("SELECT settings FROM runs ORDER BY id DESC LIMIT 1").fetchone()
    after = orjson.loads(settings)
    before = None if last is None else orjson.loads(last[0])
    if before is None:
        append_entry(driver, AuditEntry(now, ENGINE, STARTED, "setting", "all settings", "first start", after=to_audit_text(after)))
        return
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            texts = (to_audit_text({name: values.get(name)}) for values in (before, after))
            append_entry(driver, AuditEntry(now, ENGINE, STARTED, "setting", name, "changed between two starts", *texts))


def find_head(driver: sqlite3.Connection) -> AuditHead | None:
    """The stored head; None before the first row. Where it was removed, the last row stands for it, and the next row says so."""
    return _read_head(driver) or _find_last(driver)


def append_deletion(driver: sqlite3.Connection, subject: str, now: int, **deleted: int) -> None:
    """Enter what retention deletes in this transaction: a table, or "ticks" with all that belongs to them, and which rows."""
    append_entry(driver, AuditEntry(now, ENGINE, ENGINE, "retention", subject, PAST_RETENTION, before=to_audit_text(deleted)))


def count_due(driver: sqlite3.Connection, before: int, most: int, since: int) -> int:
    """The number of rows that are older than `before` (ns UTC), or older than `since` and beyond the newest `most`; the last row always stays.

    So nobody can push a row out of the trail by adding many, for as long as `since` covers.
    """
    head = find_head(driver)
    if head is None:
        return 0
    sql = "SELECT (SELECT min(id) FROM audit WHERE at >= ?), (SELECT min(id) FROM audit WHERE at >= ?), (SELECT min(id) FROM audit)"
    young, recent, first = driver.execute(sql, (before, since)).fetchone()
    by_number = min(head.row - most + 1, head.row if recent is None else int(recent))
    floor = max(head.row if young is None else int(young), by_number)
    return max(0, floor - int(first)) if first is not None else 0


def prune_entries(driver: sqlite3.Connection, before: int, most: int, since: int, now: int) -> int:
    """Delete the oldest of the rows that are due, up to ROWS_PER_BATCH; return their number.

    An entry of the same transaction says which rows were deleted. It holds the digest of the last of them, which the rest of the chain continues.
    """
    due = min(count_due(driver, before, most, since), ROWS_PER_BATCH)
    if due <= 0:
        return 0
    rows = driver.execute("SELECT id, digest FROM audit ORDER BY id LIMIT ?", (due,)).fetchall()
    (first, _), (last, digest) = rows[0], rows[-1]
    deleted = to_audit_text({"first": first, "last": last, "rows": len(rows), "digest": digest})
    append_entry(driver, AuditEntry(now, ENGINE, ENGINE, "retention", "audit", PAST_RETENTION, before=deleted))
    driver.execute(_META, (PRUNED_KEY, str(last)))
    driver.execute("DELETE FROM audit WHERE id <= ?", (last,))
    return len(rows)


def _read_head(driver: sqlite3.Connection) -> AuditHead | None:
    stored = driver.execute("SELECT value FROM meta WHERE key = ?", (HEAD_KEY,)).fetchone()
    row, _, digest = str("" if stored is None else stored[0]).partition(":")
    return AuditHead(int(row), digest) if row.isascii() and row.isdigit() else None


def _find_last(driver: sqlite3.Connection) -> AuditHead | None:
    row = driver.execute("SELECT id, digest FROM audit ORDER BY id DESC LIMIT 1").fetchone()
    return None if row is None else AuditHead(int(row[0]), str(row[1]))


def _clean(entry: AuditEntry) -> AuditEntry:
    """The entry as SQLite can hold it: without lone surrogates and zero characters, which would be stored otherwise than digested."""
    texts = (entry.who, entry.origin, entry.kind, entry.subject, entry.why, entry.before, entry.after)
    who, origin, kind, subject, why, before, after = (
        None if text is None else text.replace("\0", "").encode("utf-8", "replace").decode() for text in texts
    )
    return AuditEntry(entry.at, who or "", origin or "", kind or "", subject or "", why or "", before, after)
