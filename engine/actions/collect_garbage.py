"""Collects garbage and gives freed pages back to the system."""

from __future__ import annotations

import gc
from time import perf_counter

from engine.actions._memory import has_trim, resident, trim
from engine.domain.tuning import Action, Measured, Room


def collect(room: Room) -> Measured:
    """RSS freed in bytes: before less after, as it comes out, below 0 where the process grew meanwhile.

    It cannot know beforehand whether there is anything to free, so it never declines. While it looks through every object the process does
    nothing else; that pause is told in the detail.
    """
    if room.dry_run:
        waiting = ", ".join(str(count) for count in gc.get_count())
        detail = f"dry run: would collect all generations (counts {waiting}) and {_trim_words()}; RSS is {resident():,} bytes"
        return Measured(0.0, "bytes", detail, done=False)
    before = resident()
    room.tell(0.1, "collecting")
    begun = perf_counter()
    objects = gc.collect()
    pause = (perf_counter() - begun) * 1e3
    room.tell(0.7, "returning pages")
    returned = trim()
    after = resident()
    detail = f"collected {objects:,} objects in {pause:.0f} ms; {returned}; RSS {before:,} -> {after:,} bytes"
    return Measured(float(before - after), "bytes", detail)


def _trim_words() -> str:
    return "return freed pages to the system" if has_trim() else "return none: this system has no malloc_trim"


ACTION = Action(
    name="collect_garbage",
    kind="memory",
    cures="process.rss_bytes",
    better=-1,
    cost="low",
    about="Collects garbage of all generations and gives freed pages back to the system.",
    do=collect,
)
