"""Makes the store write in larger batches where its transactions are slow."""

from __future__ import annotations

import math

from engine import units
from engine.actions._overrides import revert_override
from engine.domain.optimization import Action, ActionContext, ActionResult, BatchSizes

SLOW_COMMIT_MS = 4.0  # ms per transaction from which on larger batches are worth it
LARGEST = BatchSizes(write_seconds=15.0, wal_pages=16_000, cache_bytes=128 * 2**20)
GROWTH = BatchSizes(write_seconds=3.0, wal_pages=4, cache_bytes=2)  # per run


def enlarge_batches(context: ActionContext) -> ActionResult:
    """The reduction in transactions per minute that write readings.

    Readings are written less often, the write-ahead log is checkpointed after more pages (the moment that waits for the disk), and more of the
    store's pages stay in memory. A kill loses the readings of a few seconds more, and never a tick.
    """
    override, commit_ms = context.actuators.batches, context.actuators.commit_ms()
    if not math.isfinite(commit_ms):
        return ActionResult(0.0, "writes per minute", "nothing to tune: too few transactions so far", done=False)
    now = override.current()
    desired = _larger(now)
    if commit_ms < SLOW_COMMIT_MS:
        why = f"a transaction takes {units.format_ms(commit_ms)}, and {units.format_setting(SLOW_COMMIT_MS, 'ms')} would be slow"
        return ActionResult(0.0, "writes per minute", f"nothing to tune: {why}", done=False)
    if desired == now:
        return ActionResult(0.0, "writes per minute", f"nothing to tune: batches are at their maximum, {_describe(now)}", done=False)
    summary = f"a transaction takes {units.format_ms(commit_ms)}; {_describe(now)} -> {_describe(desired)}"
    if context.dry_run:
        return ActionResult(0.0, "writes per minute", f"dry run: would enlarge batches: {summary}", done=False)
    override.apply(desired)
    return ActionResult(60.0 / now.write_seconds - 60.0 / desired.write_seconds, "writes per minute", summary)


def _larger(now: BatchSizes) -> BatchSizes:
    return BatchSizes(
        write_seconds=max(now.write_seconds, min(LARGEST.write_seconds, now.write_seconds * GROWTH.write_seconds)),
        wal_pages=max(now.wal_pages, min(LARGEST.wal_pages, now.wal_pages * GROWTH.wal_pages)),
        cache_bytes=max(now.cache_bytes, min(LARGEST.cache_bytes, now.cache_bytes * GROWTH.cache_bytes)),
    )


def restore_batches(context: ActionContext) -> ActionResult:
    """The increase in writes per minute."""
    return revert_override(
        context, context.actuators.batches, "writes per minute", lambda was, now: 60.0 / now.write_seconds - 60.0 / was.write_seconds, _describe
    )


def _describe(batches: BatchSizes) -> str:
    return (
        f"readings written every {units.format_setting(batches.write_seconds, 's')}, the log checkpointed after {batches.wal_pages:,} pages, "
        f"{batches.cache_bytes // 2**20:,} MB of pages in memory"
    )


ACTION = Action(
    name="tune_batch",
    kind="performance",
    metric="engine.store_write_ms",
    better=-1,
    cost="none",
    description="Where the store's transactions are slow: writes larger batches, waits for the disk less often and holds more pages in memory.",
    run=enlarge_batches,
    undo=restore_batches,
)
