"""Has the store empty its write-ahead log, refresh its statistics and give unused pages back."""

from __future__ import annotations

from engine.domain.optimization import Action, ActionContext, ActionResult, ReclaimableSpace

MIN_BYTES = 1_000_000  # bytes of log and free pages below which the disk would only be busied


def tune_database(room: ActionContext) -> ActionResult:
    """Bytes the store gave back, as the store measured them."""
    slack = room.actuators.reclaimable_space()
    if slack.log_bytes + slack.free_bytes < MIN_BYTES:
        return ActionResult(0.0, "bytes", f"nothing to tune: {_words(slack)}", done=False)
    if room.dry_run:
        return ActionResult(0.0, "bytes", f"dry run: would fold in the log, refresh statistics and compact; {_words(slack)}", done=False)
    room.report_progress(0.1, "tuning the store")
    return room.tune_store()


def _words(slack: ReclaimableSpace) -> str:
    return f"the write-ahead log holds {slack.log_bytes:,} bytes, free pages {slack.free_bytes:,} bytes"


ACTION = Action(
    name="tune_database",
    kind="performance",
    metric="engine.store_bytes",
    better=-1,
    cost="low",
    description="Empties the store's write-ahead log into the database, refreshes its statistics and gives unused pages back.",
    run=tune_database,
)
