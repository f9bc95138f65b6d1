"""How long firings, trials, judgements and commands are kept: by age, and by number where rules fire without end."""

from __future__ import annotations

from dataclasses import dataclass

from engine.store.connection import Store, fetch_value

DAY = 24 * 3600 * 10**9
ROWS_PER_TRANSACTION = 500  # rows deleted in one transaction


@dataclass(frozen=True, slots=True)
class TableRetention:
    """Rows of a table by their age and number."""

    table: str
    days: int
    rows: int
    condition: str = "1"  # a condition: only such rows are ever dropped


TABLE_RETENTIONS = (
    TableRetention("triggers", 90, 50_000),
    TableRetention("trials", 730, 50_000),
    TableRetention("commands", 730, 50_000, "status IN ('done', 'failed')"),
)


def prune_optimizer_rows(store: Store, now: int) -> int:
    """Drops what is kept no longer, a little at a time, so that a tick never waits long; gives how many rows went."""
    gone = sum(_forget(store, kept, now) for kept in TABLE_RETENTIONS)
    with store.read() as connection:
        old = fetch_value(connection, "SELECT count(*) FROM judgements WHERE at < ?", (now - TABLE_RETENTIONS[1].days * DAY,))
    if old:
        with store.write() as connection:
            gone += connection.exec_driver_sql("DELETE FROM judgements WHERE at < ?", (now - TABLE_RETENTIONS[1].days * DAY,)).rowcount
    return gone


def _forget(store: Store, kept: TableRetention, now: int) -> int:
    """Ids grow with time, so what goes is what lies below one of them; a clock that was set back keeps a little more."""
    table = kept.table
    with store.read() as connection:
        newest = int(fetch_value(connection, f"SELECT max(id) FROM {table}") or 0)
        young = fetch_value(connection, f"SELECT min(id) FROM {table} WHERE at >= ?", (now - kept.days * DAY,))
    floor = max(newest - kept.rows + 1, newest + 1 if young is None else int(young))
    old, gone = f"SELECT id FROM {table} WHERE id < ? AND {kept.condition} ORDER BY id LIMIT {ROWS_PER_TRANSACTION}", 0
    while True:
        with store.read() as connection:
            left = fetch_value(connection, old, (floor,))
        if left is None:
            return gone
        with store.write() as connection:
            gone += connection.exec_driver_sql(f"DELETE FROM {table} WHERE id IN ({old})", (floor,)).rowcount
