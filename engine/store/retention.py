"""What is kept and what is dropped: whole blocks between checkpoints, oldest first, so that every decision kept can be replayed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import orjson

from engine.domain.optimization import ActionResult
from engine.domain.record import Record
from engine.store import optimizer_retention
from engine.store.connection import Store, fetch_value
from engine.store.write import readings
from engine.window import WINDOW_BARS

DAY = 24 * 3600 * 10**9
_ROWS_AT_ONCE = 500  # decisions deleted in one transaction: a few milliseconds
_PAGES_AT_ONCE = 64
_LOG_PAGES = 4000
_INCIDENTS = 20_000  # faults of the data that are kept
_FOLD_MS = 50
_ROOM = 0.9  # of the limit is filled after pruning, at most


@dataclass(frozen=True, slots=True)
class RetentionPolicy(Record):
    """How much is kept: both limits hold where both are given."""

    days: float | None = None  # by the wall clock
    bytes: int | None = None  # of the store's file with its log


@dataclass(frozen=True, slots=True)
class PruneResult(Record):
    """What pruning did."""

    ticks: int
    decisions: int
    first_kept: int | None  # tick
    bytes_before: int
    bytes_after: int
    bytes_over: int  # bytes above the limit that cannot be dropped: the newest block stays whatever its size


def prune_store(store: Store, now: int, policy: RetentionPolicy) -> PruneResult:
    """Drops by age, then by size; what a crash interrupts the next call finishes."""
    before = measure_size(store)
    done = [_drop(store, block) for block in _too_old(store, now - int(policy.days * DAY))] if policy.days is not None else []
    optimizer_retention.prune_optimizer_rows(store, now)
    _forget_incidents(store)
    if exceeds_limit(store, policy):
        _fold(store)  # maybe it is only the log
    if policy.bytes is not None and exceeds_limit(store, policy):
        blocks = _blocks(store)
        target = _target(policy.bytes, _live(store) // (len(blocks) + 1))
        for block in blocks:
            if _live(store) <= target:
                break
            done.append(_drop(store, block))
        _shorten_readings(store, target)
    if done:
        drop_unused(store, find_unused(store))
    if done or exceeds_limit(store, policy):
        _give_back(store)
        _fold(store)
    after = measure_size(store)
    over = max(0, after - policy.bytes) if policy.bytes is not None else 0
    return PruneResult(sum(ticks for ticks, _ in done), sum(decisions for _, decisions in done), _first(store), before, after, over)


def prune_ahead(store: Store, now: int, policy: RetentionPolicy, before: int) -> int:
    """Prunes where another block as large as the last would pass the limit; `before` was the size at its start. Gives the size now."""
    here = measure_size(store)
    growth = max(0, here - before)
    if policy.bytes is None or here + growth <= policy.bytes:
        return here
    return prune_store(store, now, RetentionPolicy(policy.days, max(1, policy.bytes - growth))).bytes_after


def exceeds_limit(store: Store, keep: RetentionPolicy) -> bool:
    """The files are larger than they may be."""
    return keep.bytes is not None and measure_size(store) > keep.bytes


def choose_log_pages(keep: RetentionPolicy | None) -> int:
    """After how many pages the log is folded into the store: seldom, but a small store has a small log."""
    if keep is None or keep.bytes is None:
        return _LOG_PAGES
    return min(_LOG_PAGES, max(100, keep.bytes // 40 // 4096))


def _target(limit: int, block: int) -> int:
    """Where pruning stops: with room for another block."""
    return max(limit // 2, min(int(_ROOM * limit), limit - block))


def compact_store(store: Store) -> ActionResult:
    """Checkpoint, planner's figures, free pages; the amount is what the files measure less."""
    log_before, before = _log_size(store), measure_size(store)
    free = int(store.pragma("PRAGMA freelist_count")[0][0])
    _fold(store)
    store.pragma("PRAGMA analysis_limit = 400")
    store.pragma("PRAGMA optimize = 0x10002")
    _give_back(store)
    folded = _fold(store)
    after = measure_size(store)
    told = (
        f"folded a log of {log_before:,} bytes into the store, gave back {free:,} free pages and renewed the planner's figures: "
        f"{before:,} bytes before, {after:,} after"
    )
    return ActionResult(float(before - after), "bytes", told + ("" if folded else "; a reader kept the log from being cut"))


def measure_size(store: Store) -> int:
    """Bytes of the store's file and of its log."""
    return store.path.stat().st_size + _log_size(store)


@dataclass(frozen=True, slots=True)
class _Block:
    """Ticks that go together: those after one checkpoint, up to and with the next one."""

    start: int
    end: int


def _blocks(store: Store) -> list[_Block]:
    """The blocks there are, oldest first, without the newest, which is never dropped. A session begins a block of its own."""
    with store.read() as connection:
        first, last = connection.exec_driver_sql("SELECT min(tick), max(tick) FROM ticks").one()
        if last is None:
            return []
        bounds = {int(row[0]) for row in connection.exec_driver_sql("SELECT tick FROM checkpoints")}
        bounds |= {int(row[0]) - 1 for row in connection.exec_driver_sql("SELECT min(first_tick) FROM runs GROUP BY session")}
    inner = sorted(bound for bound in bounds | {first - 1} if first - 1 <= bound < last)
    return [_Block(start + 1, end) for start, end in pairwise(inner)]


def _too_old(store: Store, before: int) -> list[_Block]:
    """The blocks of which every tick was decided before that time."""
    with store.read() as connection:
        young = fetch_value(connection, "SELECT tick FROM ticks WHERE wall >= ? ORDER BY wall LIMIT 1", (before,))
    return [block for block in _blocks(store) if young is None or block.end < young]


def _drop(store: Store, block: _Block) -> tuple[int, int]:
    """Deletes a block from its newest tick back, so that what a crash leaves of it can still be replayed; gives ticks and decisions."""
    ticks = decisions = 0
    end = block.end
    with store.read() as connection:
        symbols = int(fetch_value(connection, "SELECT count(*) FROM decisions WHERE tick = (SELECT max(tick) FROM ticks WHERE tick <= ?)", (end,)))
    step = max(1, _ROWS_AT_ONCE // max(1, symbols))
    while end >= block.start:
        span = (max(block.start, end - step + 1), end)
        with store.write() as connection:
            decisions += connection.exec_driver_sql("DELETE FROM decisions WHERE tick BETWEEN ? AND ?", span).rowcount
            connection.exec_driver_sql("DELETE FROM fills WHERE tick BETWEEN ? AND ?", span)
            ticks += connection.exec_driver_sql("DELETE FROM ticks WHERE tick BETWEEN ? AND ?", span).rowcount
            if span[0] == block.start:  # the windows of the ticks that stay reach back into the slices of those that go
                connection.exec_driver_sql("DELETE FROM slices WHERE tick <= ?", (block.end - WINDOW_BARS,))
                connection.exec_driver_sql("DELETE FROM checkpoints WHERE tick < ?", (block.end,))
        end = span[0] - 1
    return ticks, decisions


@dataclass(frozen=True, slots=True)
class UnusedData:
    """What no kept tick has used, as of a tick."""

    knobs: tuple[str, ...]  # digests
    artifacts: tuple[int, ...]  # ids
    tick: int


def find_unused(store: Store) -> UnusedData:
    """Knobs no kept tick was decided with, and models that served none and were there before the first: none can be used any more."""
    with store.read_separately() as connection:
        first, last, wall = connection.exec_driver_sql("SELECT tick, (SELECT max(tick) FROM ticks), wall FROM ticks ORDER BY tick LIMIT 1").one()
        used = {str(row[0]) for row in connection.exec_driver_sql("SELECT DISTINCT knobs_digest FROM ticks")}
        served = {name for row in connection.exec_driver_sql("SELECT DISTINCT serving FROM ticks") for name in orjson.loads(row[0]) if name}
        knobs = tuple(str(row[0]) for row in connection.exec_driver_sql("SELECT digest FROM knobs") if row[0] not in used)
        old = connection.exec_driver_sql("SELECT id, digest FROM artifacts WHERE serves_from < ? AND trained_at < ?", (first, wall)).fetchall()
    return UnusedData(knobs, tuple(int(row[0]) for row in old if row[1] not in served), int(last))


def drop_unused(store: Store, found: UnusedData) -> None:
    """Drops it, but for knobs that a tick saved meanwhile has taken up again."""
    with store.write() as connection:
        for digest in found.knobs:
            connection.exec_driver_sql(
                "DELETE FROM knobs WHERE digest = ? AND NOT EXISTS (SELECT 1 FROM ticks WHERE tick > ? AND knobs_digest = knobs.digest)",
                (digest, found.tick),
            )
        for number in found.artifacts:
            connection.exec_driver_sql("DELETE FROM artifacts WHERE id = ?", (number,))


def _forget_incidents(store: Store) -> None:
    """The oldest of those that are over."""
    with store.write() as connection:
        connection.exec_driver_sql(
            "DELETE FROM incidents WHERE until IS NOT NULL AND id <= (SELECT id FROM incidents ORDER BY id DESC LIMIT 1 OFFSET ?)", (_INCIDENTS,)
        )


def _shorten_readings(store: Store, limit: int) -> None:
    """When decisions alone do not make the room: the older half of what is finer than hours, again and again."""
    while _live(store) > limit:
        with store.read() as connection:
            known, found = readings.list_series(connection), readings.find_minute_range(connection)
        if found is None or found[0] == found[1]:
            return
        for number in known:
            with store.write() as connection:
                readings.drop_before(connection, number, found[0] + (found[1] - found[0]) // 2 + 1)


def _live(store: Store) -> int:
    """Bytes in use, free pages not counted."""
    pages, free, each = (int(store.pragma(f"PRAGMA {name}")[0][0]) for name in ("page_count", "freelist_count", "page_size"))
    return (pages - free) * each


def _give_back(store: Store) -> None:
    """Returns free pages to the file system, a few at a time."""
    left = int(store.pragma("PRAGMA freelist_count")[0][0])
    while left > 0:
        store.pragma(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})")
        now = int(store.pragma("PRAGMA freelist_count")[0][0])
        if now >= left:
            return  # the file was made without incremental vacuum
        left = now


def _fold(store: Store) -> bool:
    """Brings the log into the store and cuts it; False when a reader is in the way. Ticks wait meanwhile, so it gives up soon."""
    with store.exclusive():
        store.pragma(f"PRAGMA busy_timeout = {_FOLD_MS}")
        try:
            return not store.pragma("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]
        finally:
            store.pragma(f"PRAGMA busy_timeout = {store.busy_ms}")


def _log_size(store: Store) -> int:
    log = store.path.with_name(store.path.name + "-wal")
    return log.stat().st_size if log.exists() else 0


def _first(store: Store) -> int | None:
    with store.read() as connection:
        first = fetch_value(connection, "SELECT min(tick) FROM ticks")
    return None if first is None else int(first)
