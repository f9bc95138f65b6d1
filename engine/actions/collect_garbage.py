"""Collects garbage and returns freed pages to the system."""

from __future__ import annotations

import gc
from time import perf_counter

from engine import units
from engine.actions._memory import can_return_pages, resident_bytes, return_freed_pages
from engine.domain.optimization import Action, ActionContext, ActionResult

MIN_OBJECTS = 1_000  # containers more than after the last full collection, below which a pause is not worth it
MIN_GROWTH = 2 * 2**20  # bytes of RSS more than after the last full collection, below which it is not worth it


class GarbageCollector:
    """Collects, and remembers the memory in use afterwards, to know whether there can be anything to free again."""

    def __init__(self) -> None:
        self._left: int | None = None  # RSS after the last collection

    def collect(self, context: ActionContext) -> ActionResult:
        """RSS freed in bytes: before less after, as measured; below 0 where the process grew meanwhile.

        It declines where hardly an object has been added and RSS has hardly grown since the last run. The process stands still during the
        collection; the detail gives that pause.
        """
        before, waiting = resident_bytes(), _objects()
        if self._left is not None and before - self._left < MIN_GROWTH and waiting < MIN_OBJECTS:
            change = units.format_reading(before - self._left, "bytes", signed=True)
            grown = f"since the last collection RSS changed by {change} and {waiting:,} objects were added"
            return ActionResult(0.0, "bytes", f"nothing to collect: {grown}", done=False)
        if context.dry_run:
            detail = (
                f"dry run: would collect all generations ({waiting:,} objects are new) and {_describe_trim()}; RSS is {units.format_bytes(before)}"
            )
            return ActionResult(0.0, "bytes", detail, done=False)
        context.report_progress(0.1, "collecting")
        begun = perf_counter()
        objects = gc.collect()
        pause = (perf_counter() - begun) * 1e3
        context.report_progress(0.7, "returning pages")
        returned = return_freed_pages()
        self._left = resident_bytes()
        detail = f"collected {objects:,} objects in {units.format_ms(pause)}; {returned}; RSS {units.format_change(before, self._left, 'bytes')}"
        return ActionResult(float(before - self._left), "bytes", detail)


def _objects() -> int:
    """Containers created and not freed since the last full collection, estimated from the collector's counters."""
    young, middle, old = gc.get_count()
    first, second, _ = gc.get_threshold()
    return young + middle * first + old * first * second


def _describe_trim() -> str:
    return "return freed pages to the system" if can_return_pages() else "return none: this system has no malloc_trim"


ACTION = Action(
    name="collect_garbage",
    kind="memory",
    metric="process.rss_bytes",
    better=-1,
    cost="low",
    description="Collects garbage of all generations and returns freed pages to the system.",
    run=GarbageCollector().collect,
)
