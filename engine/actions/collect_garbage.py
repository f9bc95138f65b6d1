"""Collects garbage and gives freed pages back to the system."""

from __future__ import annotations

import gc
from time import perf_counter

from engine.actions._memory import can_return_pages, resident_bytes, return_freed_pages
from engine.domain.optimization import Action, ActionContext, ActionResult

MIN_OBJECTS = 1_000  # containers more than at the last collection of all generations, below which no ring of garbage is worth a pause
MIN_GROWTH = 2 * 2**20  # bytes of RSS more than the last collection left, below which no page is worth it


class GarbageCollector:
    """Collects, and remembers what it left, to tell whether there can be anything to free again."""

    def __init__(self) -> None:
        self._left: int | None = None  # RSS after the last collection

    def collect(self, room: ActionContext) -> ActionResult:
        """RSS freed in bytes: before less after, as it comes out, below 0 where the process grew meanwhile.

        It declines where, since it last ran, hardly an object has been added and RSS has hardly grown. While it looks through every object the
        process does nothing else; that pause is told in the detail.
        """
        before, waiting = resident_bytes(), _objects()
        if self._left is not None and before - self._left < MIN_GROWTH and waiting < MIN_OBJECTS:
            grown = f"RSS is {before - self._left:+,} bytes and {waiting:,} objects from what the last collection left"
            return ActionResult(0.0, "bytes", f"nothing to collect: {grown}", done=False)
        if room.dry_run:
            detail = f"dry run: would collect all generations ({waiting:,} objects are new) and {_trim_words()}; RSS is {before:,} bytes"
            return ActionResult(0.0, "bytes", detail, done=False)
        room.report_progress(0.1, "collecting")
        begun = perf_counter()
        objects = gc.collect()
        pause = (perf_counter() - begun) * 1e3
        room.report_progress(0.7, "returning pages")
        returned = return_freed_pages()
        self._left = resident_bytes()
        detail = f"collected {objects:,} objects in {pause:.0f} ms; {returned}; RSS {before:,} -> {self._left:,} bytes"
        return ActionResult(float(before - self._left), "bytes", detail)


def _objects() -> int:
    """Containers made and not freed since all generations were last collected, as far as the collector's counts tell."""
    young, middle, old = gc.get_count()
    first, second, _ = gc.get_threshold()
    return young + middle * first + old * first * second


def _trim_words() -> str:
    return "return freed pages to the system" if can_return_pages() else "return none: this system has no malloc_trim"


ACTION = Action(
    name="collect_garbage",
    kind="memory",
    metric="process.rss_bytes",
    better=-1,
    cost="low",
    description="Collects garbage of all generations and gives freed pages back to the system.",
    run=GarbageCollector().collect,
)
