"""The queue of events for webhooks: deliveries as those of alerts, each with the number of its event, as statements inside a caller's transaction."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from sqlalchemy import Connection

from engine.domain.alerting import FAILED, WAITING
from engine.domain.webhooks import TARGET
from engine.store.connection import driver_connection, fetch_value
from engine.store.write import counters

BATCH = 500  # events queued at once
MOST_WAITING = 5_000  # for one webhook: beyond them, the oldest are given up
SENT_DAYS, DEAD_DAYS, MOST_DEAD = 1, 30, 5_000
DAY = 86_400 * 10**9  # ns
_STORE_KEY = "store id"  # in meta: makes the number of a message different from those of other stores
_QUEUE = """
INSERT OR IGNORE INTO deliveries (alert, at, kind, target, message, status, tries, next_at, event)
SELECT 0, ?, 'event', ?, '', 'waiting', 0, ?, id FROM events WHERE id > ? AND id <= ? AND kind IN ({})
"""
_GIVE_UP = "UPDATE deliveries SET status = ?, next_at = NULL, error = {} WHERE event IS NOT NULL AND status = ? AND target = ? AND "


def read_store_id(connection: Connection) -> str:
    """A random text that is made once for each store."""
    connection.exec_driver_sql("INSERT OR IGNORE INTO meta VALUES (?, ?)", (_STORE_KEY, secrets.token_hex(6)))
    return str(fetch_value(connection, "SELECT value FROM meta WHERE key = ?", (_STORE_KEY,)))


def find_newest_event(connection: Connection) -> int:
    """The number of the newest event; 0 before the first."""
    return int(fetch_value(connection, "SELECT seq FROM sqlite_sequence WHERE name = 'events'") or 0)


def sync_positions(connection: Connection, targets: Sequence[str]) -> dict[str, int]:
    """The last event that was queued for each webhook. A new one begins with what comes; one that is configured no longer is forgotten."""
    rows = connection.exec_driver_sql("SELECT key, value FROM meta WHERE key LIKE ?", (f"{TARGET}%",)).mappings().all()
    known = {str(row["key"]): int(row["value"]) for row in rows}
    newest = find_newest_event(connection)
    for target in known.keys() - set(targets):
        connection.exec_driver_sql("DELETE FROM meta WHERE key = ?", (target,))
    positions = {target: min(known.get(target, newest), newest) for target in targets}
    for target, position in positions.items():
        connection.exec_driver_sql("INSERT OR REPLACE INTO meta VALUES (?, ?)", (target, str(position)))
    return positions


def queue_events(connection: Connection, target: str, kinds: Sequence[str], after: int, now: int) -> int:
    """Queue the events after a number for a webhook, at most a batch, and store how far it is; return that number."""
    until = min(find_newest_event(connection), after + BATCH)
    connection.exec_driver_sql(_QUEUE.format(", ".join("?" * len(kinds))), (now, target, now, after, until, *kinds))
    connection.exec_driver_sql("INSERT OR REPLACE INTO meta VALUES (?, ?)", (target, str(until)))
    return until


def give_up_events(connection: Connection, target: str, before: int, most: int = MOST_WAITING) -> int:
    """Make dead letters of what has waited since before that time, and of the oldest beyond `most`; return their number."""
    old = connection.exec_driver_sql(_GIVE_UP.format("coalesce(error, 'never tried')") + "at < ?", (FAILED, WAITING, target, before)).rowcount
    newest = "SELECT id FROM deliveries WHERE event IS NOT NULL AND status = ? AND target = ? ORDER BY id DESC LIMIT 1 OFFSET ?"
    many = connection.exec_driver_sql(
        _GIVE_UP.format("'too many wait'") + f"id <= ({newest})", (FAILED, WAITING, target, WAITING, target, most)
    ).rowcount
    if old + many:
        counters.add_counts(connection, [("webhooks", target.removeprefix(TARGET), "given up", old + many)])
    return int(old + many)


def give_up_others(connection: Connection, targets: Sequence[str]) -> None:
    """Make dead letters of what waits for webhooks that are configured no longer."""
    marks = ", ".join("?" * len(targets)) or "''"
    sql = f"UPDATE deliveries SET status = ?, next_at = NULL, error = ? WHERE event IS NOT NULL AND status = ? AND target NOT IN ({marks})"
    connection.exec_driver_sql(sql, (FAILED, "the webhook is configured no longer", WAITING, *targets))


def requeue_dead_letters(connection: Connection, target: str, number: int | None, now: int) -> int:
    """Send the dead letters of a webhook again, or one of them, as if they were new; return their number."""
    sql = "UPDATE deliveries SET status = ?, tries = 0, at = ?, next_at = ? WHERE event IS NOT NULL AND status = ? AND target = ?"
    values = (WAITING, now, now, FAILED, target)
    if number is not None:
        return int(connection.exec_driver_sql(f"{sql} AND event = ?", (*values, number)).rowcount)
    return int(connection.exec_driver_sql(sql, values).rowcount)


def prune_events(connection: Connection, now: int) -> None:
    """Delete what was sent long ago, and the oldest dead letters."""
    driver = driver_connection(connection)
    driver.execute("DELETE FROM deliveries WHERE event IS NOT NULL AND status = 'sent' AND at < ?", (now - SENT_DAYS * DAY,))
    newest = "SELECT id FROM deliveries WHERE event IS NOT NULL AND status = 'failed' ORDER BY id DESC LIMIT 1 OFFSET ?"
    driver.execute(
        f"DELETE FROM deliveries WHERE event IS NOT NULL AND status = 'failed' AND (at < ? OR id <= ({newest}))", (now - DEAD_DAYS * DAY, MOST_DEAD)
    )
