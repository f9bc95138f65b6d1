"""Retention: decides what is pruned. Whole blocks between checkpoints go, oldest first, so that every stored decision can be replayed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from engine.domain.record import Record
from engine.store import maintenance
from engine.store.connection import Store, driver_connection, fetch_value
from engine.store.maintenance import measure_live_bytes, measure_size
from engine.store.write import audit, readings
from engine.window import WINDOW_BARS

DAY = 24 * 3600 * 10**9
ROWS_PER_TRANSACTION = 500  # rows deleted in one transaction: a few milliseconds
_LOG_PAGES = 4000
_MAX_INCIDENTS = 20_000
MAX_EVOLUTIONS = 500
AUDIT_DAYS, AUDIT_ROWS, AUDIT_SAFE_DAYS = 1_095, 200_000, 90  # of the audit trail; none younger than the last is deleted for their number
TRY_DAYS, LOGIN_DAYS = 2, 366  # of failed tries, and of log-ins, which last 365 days at most
_FILL = 0.9  # share of the limit that may be in use after pruning, at most


@dataclass(frozen=True, slots=True)
class RetentionPolicy(Record):
    """How much of the history is stored. Both limits apply where both are given."""

    days: float | None = None  # by the wall clock
    bytes: int | None = None  # of the store's file with its log


@dataclass(frozen=True, slots=True)
class PruneResult(Record):
    """What was pruned."""

    ticks: int
    decisions: int
    first_kept: int | None  # tick
    bytes_before: int
    bytes_after: int
    bytes_over: int  # bytes above the limit that cannot be pruned: the newest block stays whatever its size


@dataclass(frozen=True, slots=True)
class TableRetention:
    """Retention of a table's rows, by age and number."""

    table: str
    days: int
    rows: int
    condition: str = "1"  # of the rows that may be pruned


TABLE_RETENTIONS = (
    TableRetention("triggers", 90, 50_000),
    TableRetention("trials", 730, 50_000),
    TableRetention("events", 30, 50_000),
    TableRetention("commands", 730, 50_000, "status IN ('done', 'failed')"),
    TableRetention("bot_intents", 730, 200_000),
)


def prune_store(store: Store, now: int, policy: RetentionPolicy) -> PruneResult:
    """Prune by age, then by size. A pruning that a crash interrupts is completed by the next call."""
    before = measure_size(store)
    pruned = [_drop(store, block, now) for block in _too_old(store, now - int(policy.days * DAY))] if policy.days is not None else []
    prune_optimizer_rows(store, now)
    _prune_incidents(store, now)
    prune_evolutions(store, now)
    prune_audit(store, now)
    prune_logins(store, now)
    if exceeds_limit(store, policy):
        maintenance.fold_log(store)  # the log alone may exceed the limit
    if policy.bytes is not None and exceeds_limit(store, policy):
        blocks = _blocks(store)
        target = _target(policy.bytes, measure_live_bytes(store) // (len(blocks) + 1))
        for block in blocks:
            if measure_live_bytes(store) <= target:
                break
            pruned.append(_drop(store, block, now))
        _shorten_readings(store, target, now)
    if pruned:
        maintenance.drop_obsolete(store, maintenance.find_unused(store))
    if pruned or exceeds_limit(store, policy):
        maintenance.return_free_pages(store)
        maintenance.fold_log(store)
    after = measure_size(store)
    over = max(0, after - policy.bytes) if policy.bytes is not None else 0
    return PruneResult(sum(ticks for ticks, _ in pruned), sum(decisions for _, decisions in pruned), _first(store), before, after, over)


def prune_ahead(store: Store, now: int, policy: RetentionPolicy, before: int) -> int:
    """Prune where another block as large as the last would exceed the limit; `before` is the size at the block's start. Return the size now."""
    size = measure_size(store)
    growth = max(0, size - before)
    if policy.bytes is None or size + growth <= policy.bytes:
        return size
    return prune_store(store, now, RetentionPolicy(policy.days, max(1, policy.bytes - growth))).bytes_after


def exceeds_limit(store: Store, policy: RetentionPolicy) -> bool:
    """Whether the files are larger than the policy permits."""
    return policy.bytes is not None and measure_size(store) > policy.bytes


def choose_log_pages(policy: RetentionPolicy | None) -> int:
    """Pages of the write-ahead log after which it is folded into the store: many, but few for a small store."""
    if policy is None or policy.bytes is None:
        return _LOG_PAGES
    return min(_LOG_PAGES, max(100, policy.bytes // 40 // 4096))


def prune_optimizer_rows(store: Store, now: int) -> int:
    """Prune firings, trials, commands and judgements in small steps, so that a tick never waits long; return the number of rows."""
    pruned = sum(_prune_table(store, retention, now) for retention in TABLE_RETENTIONS)
    oldest = now - TABLE_RETENTIONS[1].days * DAY
    with store.read() as connection:
        has_old = fetch_value(connection, "SELECT count(*) FROM judgements WHERE at < ?", (oldest,))
    if has_old:
        with store.write() as connection:
            judged = connection.exec_driver_sql("DELETE FROM judgements WHERE at < ?", (oldest,)).rowcount
            audit.append_deletion(driver_connection(connection), "judgements", now, rows=judged)
            pruned += judged
    return pruned


def prune_logins(store: Store, now: int) -> int:
    """Prune failed tries that count no longer, and log-ins that have ended or are older than any may be; return the number of rows."""
    with store.write() as connection:
        tries = connection.exec_driver_sql("DELETE FROM login_tries WHERE last_at < ?", (now - TRY_DAYS * DAY,)).rowcount
        ended = connection.exec_driver_sql("DELETE FROM logins WHERE ended_at < ? OR began_at < ?", (now - DAY, now - LOGIN_DAYS * DAY)).rowcount
    return int(tries) + int(ended)


def prune_audit(store: Store, now: int, days: int = AUDIT_DAYS, most: int = AUDIT_ROWS, safe_days: int = AUDIT_SAFE_DAYS) -> int:
    """Prune the audit trail, each batch in one transaction with the entry that says so; return the number of rows."""
    pruned, since = 0, now - safe_days * DAY
    with store.read() as connection:
        is_due = audit.count_due(driver_connection(connection), now - days * DAY, most, since)
    while is_due:
        with store.write() as connection:
            batch = audit.prune_entries(driver_connection(connection), now - days * DAY, most, since, now)
        pruned += batch
        is_due = batch == audit.ROWS_PER_BATCH
    return pruned


def _prune_table(store: Store, retention: TableRetention, now: int) -> int:
    """Ids grow with time, so all rows below one id are pruned. After a clock was set back, a few more rows stay."""
    table = retention.table
    with store.read() as connection:
        newest = int(fetch_value(connection, f"SELECT max(id) FROM {table}") or 0)
        young = fetch_value(connection, f"SELECT min(id) FROM {table} WHERE at >= ?", (now - retention.days * DAY,))
    floor = max(newest - retention.rows + 1, newest + 1 if young is None else int(young))
    old, pruned = f"SELECT id FROM {table} WHERE id < ? AND {retention.condition} ORDER BY id LIMIT {ROWS_PER_TRANSACTION}", 0
    while True:
        with store.read() as connection:
            left = fetch_value(connection, old, (floor,))
        if left is None:
            return pruned
        with store.write() as connection:
            rows = connection.exec_driver_sql(f"DELETE FROM {table} WHERE id IN ({old})", (floor,)).rowcount
            audit.append_deletion(driver_connection(connection), table, now, rows=rows, before_id=floor)
            pruned += rows


def _target(limit: int, block: int) -> int:
    """The size at which pruning stops, with room for another block."""
    return max(limit // 2, min(int(_FILL * limit), limit - block))


@dataclass(frozen=True, slots=True)
class _Block:
    """Ticks that are pruned together: those after one checkpoint, up to the next one inclusive."""

    start: int
    end: int


def _blocks(store: Store) -> list[_Block]:
    """The blocks, oldest first, without the newest, which is never pruned. A session begins its own block."""
    with store.read() as connection:
        first, last = connection.exec_driver_sql("SELECT min(tick), max(tick) FROM ticks").one()
        if last is None:
            return []
        bounds = {int(tick) for tick in connection.exec_driver_sql("SELECT tick FROM checkpoints").scalars()}
        bounds |= {int(tick) - 1 for tick in connection.exec_driver_sql("SELECT min(first_tick) FROM runs GROUP BY session").scalars()}
    inner = sorted(bound for bound in bounds | {first - 1} if first - 1 <= bound < last)
    return [_Block(start + 1, end) for start, end in pairwise(inner)]


def _too_old(store: Store, before: int) -> list[_Block]:
    """The blocks whose ticks were all decided before that time."""
    with store.read() as connection:
        young = fetch_value(connection, "SELECT tick FROM ticks WHERE wall >= ? ORDER BY wall LIMIT 1", (before,))
    return [block for block in _blocks(store) if young is None or block.end < young]


def _drop(store: Store, block: _Block, now: int) -> tuple[int, int]:
    """Delete a block from its newest tick back, so that the rest can still be replayed after a crash; return ticks and decisions."""
    ticks = decisions = 0
    end = block.end
    with store.read() as connection:
        newest = "(SELECT max(tick) FROM ticks WHERE tick <= ?)"
        symbols = int(fetch_value(connection, f"SELECT count(*) FROM decisions WHERE tick = {newest}", (end,)))
    step = max(1, ROWS_PER_TRANSACTION // max(1, symbols))
    while end >= block.start:
        start = max(block.start, end - step + 1)
        with store.write() as connection:
            if end == block.end:  # a crash leaves the older ones to the next call, which enters them
                audit.append_deletion(driver_connection(connection), "ticks", now, first=block.start, last=block.end)
            decisions += connection.exec_driver_sql("DELETE FROM decisions WHERE tick BETWEEN ? AND ?", (start, end)).rowcount
            connection.exec_driver_sql("DELETE FROM fills WHERE tick BETWEEN ? AND ?", (start, end))
            connection.exec_driver_sql("DELETE FROM bot_ticks WHERE tick BETWEEN ? AND ?", (start, end))
            ticks += connection.exec_driver_sql("DELETE FROM ticks WHERE tick BETWEEN ? AND ?", (start, end)).rowcount
            if start == block.start:  # the windows of later ticks reach back into the snapshots of this block
                connection.exec_driver_sql("DELETE FROM market_snapshots WHERE tick <= ?", (block.end - WINDOW_BARS,))
                connection.exec_driver_sql("DELETE FROM checkpoints WHERE tick < ?", (block.end,))
                connection.exec_driver_sql("DELETE FROM estimates WHERE tick < ?", (block.start,))  # the newest before the first tick stays
        end = start - 1
    return ticks, decisions


def _prune_incidents(store: Store, now: int) -> None:
    """Delete the oldest of those that are over."""
    with store.write() as connection:
        deleted = connection.exec_driver_sql(
            "DELETE FROM incidents WHERE until IS NOT NULL AND id <= (SELECT id FROM incidents ORDER BY id DESC LIMIT 1 OFFSET ?)",
            (_MAX_INCIDENTS,),
        )
        if deleted.rowcount:
            audit.append_deletion(driver_connection(connection), "incidents", now, rows=deleted.rowcount)


def prune_evolutions(store: Store, now: int) -> int:
    """Delete the oldest evolutions, but for those not decided in the newest session, and the points of contests without one."""
    oldest = "SELECT id FROM evolutions ORDER BY id DESC LIMIT 1 OFFSET ?"
    undecided = "decided IS NULL AND session = (SELECT max(id) FROM sessions)"
    with store.read() as connection:
        if fetch_value(connection, oldest, (MAX_EVOLUTIONS,)) is None:
            return 0
        going = f"SELECT session, number FROM evolutions WHERE id <= ({oldest}) AND NOT ({undecided})"
        numbers = connection.exec_driver_sql(going, (MAX_EVOLUTIONS,)).fetchall()
    for key in numbers:
        with store.write() as connection:
            connection.exec_driver_sql("DELETE FROM contest_points WHERE session = ? AND number = ?", tuple(key))
            connection.exec_driver_sql("DELETE FROM evolutions WHERE session = ? AND number = ?", tuple(key))
            audit.append_deletion(driver_connection(connection), "evolutions", now, session=int(key[0]), number=int(key[1]))
    return len(numbers)


def _shorten_readings(store: Store, limit: int, now: int) -> None:
    """Where pruning decisions is not enough, delete the older half of the readings finer than hours, repeatedly."""
    while measure_live_bytes(store) > limit:
        with store.read() as connection:
            series, minutes = readings.list_series(connection), readings.find_minute_range(connection)
        if minutes is None or minutes[0] == minutes[1]:
            return
        first, last = minutes
        until = first + (last - first) // 2 + 1
        with store.write() as connection:
            audit.append_deletion(driver_connection(connection), "readings", now, before_at=until, series=len(series))
        for number in series:
            with store.write() as connection:
                readings.drop_before(connection, number, until)


def _first(store: Store) -> int | None:
    with store.read() as connection:
        first = fetch_value(connection, "SELECT min(tick) FROM ticks")
    return None if first is None else int(first)
