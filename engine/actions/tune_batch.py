"""Has the store work in larger batches where its transactions have become slow."""

from __future__ import annotations

import math

from engine.actions._overrides import revert_override
from engine.domain.optimization import Action, ActionContext, ActionResult, BatchSizes

SLOW_COMMIT_MS = 4.0  # ms a transaction from which on batches are worth it
LARGEST = BatchSizes(write_seconds=15.0, wal_pages=16_000, cache_bytes=128 * 2**20)
GROWTH = BatchSizes(write_seconds=3.0, wal_pages=4, cache_bytes=2)  # in one step


def enlarge_batches(room: ActionContext) -> ActionResult:
    """Transactions a minute less that write readings.

    Readings wait longer for one another, the write-ahead log is folded in after more pages (which is when the disk is waited for), and more of the
    store's pages are kept at hand. A kill loses the readings of the last seconds more, and never a tick.
    """
    dial, took = room.actuators.batches, room.actuators.commit_ms()
    if not math.isfinite(took):
        return ActionResult(0.0, "writes a minute", "nothing to tune: too few transactions so far to tell", done=False)
    now = dial.current()
    wanted = _larger(now)
    if took < SLOW_COMMIT_MS or wanted == now:
        why = (
            f"a transaction takes {took:.2f} ms, and {SLOW_COMMIT_MS:g} ms would be slow"
            if took < SLOW_COMMIT_MS
            else f"batches are as large as they may be, {_words(now)}"
        )
        return ActionResult(0.0, "writes a minute", f"nothing to tune: {why}", done=False)
    told = f"a transaction takes {took:.2f} ms; {_words(now)} -> {_words(wanted)}"
    if room.dry_run:
        return ActionResult(0.0, "writes a minute", f"dry run: would go on: {told}", done=False)
    dial.apply(wanted)
    return ActionResult(60.0 / now.write_seconds - 60.0 / wanted.write_seconds, "writes a minute", told)


def _larger(now: BatchSizes) -> BatchSizes:
    return BatchSizes(
        write_seconds=max(now.write_seconds, min(LARGEST.write_seconds, now.write_seconds * GROWTH.write_seconds)),
        wal_pages=max(now.wal_pages, min(LARGEST.wal_pages, now.wal_pages * GROWTH.wal_pages)),
        cache_bytes=max(now.cache_bytes, min(LARGEST.cache_bytes, now.cache_bytes * GROWTH.cache_bytes)),
    )


def restore_batches(room: ActionContext) -> ActionResult:
    """Writes a minute more than were in force."""
    return revert_override(
        room, room.actuators.batches, "writes a minute", lambda was, now: 60.0 / now.write_seconds - 60.0 / was.write_seconds, _words
    )


def _words(batches: BatchSizes) -> str:
    return (
        f"readings written every {batches.write_seconds:g} s, the log folded in after {batches.wal_pages:,} pages, "
        f"{batches.cache_bytes // 2**20:,} MB of pages at hand"
    )


ACTION = Action(
    name="tune_batch",
    kind="performance",
    metric="engine.store_write_ms",
    better=-1,
    cost="none",
    description="Where the store's transactions are slow: writes readings in larger batches, waits for the disk less often and keeps more pages at hand.",
    run=enlarge_batches,
    undo=restore_batches,
)
