"""Makes the store checkpoint its write-ahead log, refresh its statistics and return unused pages."""

from __future__ import annotations

from engine import units
from engine.domain.optimization import Action, ActionContext, ActionResult, ReclaimableSpace

MIN_BYTES = 1_000_000  # bytes of log and free pages below which it is not worth the disk access


def tune_database(context: ActionContext) -> ActionResult:
    """Bytes that the store returned, as the store measured them."""
    reclaimable = context.actuators.reclaimable_space()
    if reclaimable.log_bytes + reclaimable.free_bytes < MIN_BYTES:
        return ActionResult(0.0, "bytes", f"nothing to tune: {_describe(reclaimable)}", done=False)
    if context.dry_run:
        return ActionResult(0.0, "bytes", f"dry run: would checkpoint the log, refresh statistics and compact; {_describe(reclaimable)}", done=False)
    context.report_progress(0.1, "tuning the store")
    return context.tune_store()


def _describe(reclaimable: ReclaimableSpace) -> str:
    return f"the write-ahead log holds {units.format_bytes(reclaimable.log_bytes)}, free pages {units.format_bytes(reclaimable.free_bytes)}"


ACTION = Action(
    name="tune_database",
    kind="performance",
    metric="engine.store_bytes",
    better=-1,
    cost="low",
    description="Checkpoints the store's write-ahead log, refreshes its statistics and returns unused pages.",
    run=tune_database,
)
