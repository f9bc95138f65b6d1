"""How long firings, trials and judgements are kept: by age, and by number where rules fire without end."""

from __future__ import annotations

from dataclasses import dataclass

from engine.store.store import Store, one

DAY = 24 * 3600 * 10**9
AT_ONCE = 500  # rows deleted in one transaction


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows of a table by their age and number."""

    table: str
    days: int
    rows: int


TABLES = (Kept("triggers", 90, 50_000), Kept("trials", 730, 50_000))


def forget(store: Store, now: int) -> int:
    """Drops what is kept no longer, a little at a time, so that a tick never waits long; gives how many rows went."""
    gone = sum(_forget(store, kept.table, now - kept.days * DAY, kept.rows) for kept in TABLES)
    with store.read() as connection:
        old = one(connection, "SELECT count(*) FROM judgements WHERE at < ?", (now - TABLES[1].days * DAY,))
    if old:
        with store.write() as connection:
            gone += connection.exec_driver_sql("DELETE FROM judgements WHERE at < ?", (now - TABLES[1].days * DAY,)).rowcount
    return gone


def _forget(store: Store, table: str, before: int, rows: int) -> int:
    """Ids grow with time, so what goes is what lies below one of them; a clock that was set back keeps a little more."""
    with store.read() as connection:
        newest = int(one(connection, f"SELECT max(id) FROM {table}") or 0)
        young = one(connection, f"SELECT min(id) FROM {table} WHERE at >= ?", (before,))
    floor = max(newest - rows + 1, newest + 1 if young is None else int(young))
    gone = 0
    while True:
        with store.read() as connection:
            left = one(connection, f"SELECT 1 FROM {table} WHERE id < ? LIMIT 1", (floor,))
        if left is None:
            return gone
        with store.write() as connection:
            gone += connection.exec_driver_sql(
                f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE id < ? ORDER BY id LIMIT {AT_ONCE})",
                (floor,),
            ).rowcount
