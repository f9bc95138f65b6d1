"""Has the store work in larger batches where its transactions have become slow."""

from __future__ import annotations

import math

from engine.actions._dials import back
from engine.domain.tuning import Action, Batches, Measured, Room

SLOW = 4.0  # ms a transaction from which on batches are worth it
LARGEST = Batches(write_seconds=15.0, log_pages=16_000, cache_bytes=128 * 2**20)
TIMES = Batches(write_seconds=3.0, log_pages=4, cache_bytes=2)  # in one step


def tune(room: Room) -> Measured:
    """Transactions a minute less that write readings.

    Readings wait longer for one another, the write-ahead log is folded in after more pages (which is when the disk is waited for), and more of the
    store's pages are kept at hand. A kill loses the readings of the last seconds more, and never a tick.
    """
    dial, took = room.levers.batches, room.levers.commit_ms()
    if not math.isfinite(took):
        return Measured(0.0, "writes a minute", "nothing to tune: too few transactions so far to tell", done=False)
    now = dial.now()
    wanted = _larger(now)
    if took < SLOW or wanted == now:
        why = (
            f"a transaction takes {took:.2f} ms, and {SLOW:g} ms would be slow"
            if took < SLOW
            else f"batches are as large as they may be, {_words(now)}"
        )
        return Measured(0.0, "writes a minute", f"nothing to tune: {why}", done=False)
    told = f"a transaction takes {took:.2f} ms; {_words(now)} -> {_words(wanted)}"
    if room.dry_run:
        return Measured(0.0, "writes a minute", f"dry run: would go on: {told}", done=False)
    dial.turn(wanted)
    return Measured(60.0 / now.write_seconds - 60.0 / wanted.write_seconds, "writes a minute", told)


def _larger(now: Batches) -> Batches:
    return Batches(
        write_seconds=max(now.write_seconds, min(LARGEST.write_seconds, now.write_seconds * TIMES.write_seconds)),
        log_pages=max(now.log_pages, min(LARGEST.log_pages, now.log_pages * TIMES.log_pages)),
        cache_bytes=max(now.cache_bytes, min(LARGEST.cache_bytes, now.cache_bytes * TIMES.cache_bytes)),
    )


def undo(room: Room) -> Measured:
    """Writes a minute more than were in force."""
    return back(room, room.levers.batches, "writes a minute", lambda was, now: 60.0 / now.write_seconds - 60.0 / was.write_seconds, _words)


def _words(batches: Batches) -> str:
    return (
        f"readings written every {batches.write_seconds:g} s, the log folded in after {batches.log_pages:,} pages, "
        f"{batches.cache_bytes // 2**20:,} MB of pages at hand"
    )


ACTION = Action(
    name="tune_batch",
    kind="performance",
    cures="engine.store_write_ms",
    better=-1,
    cost="none",
    about="Where the store's transactions are slow: writes readings in larger batches, waits for the disk less often and keeps more pages at hand.",
    do=tune,
    undo=undo,
)
