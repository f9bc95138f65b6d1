"""Collects garbage and gives freed pages back to the system."""

from __future__ import annotations

import ctypes
import gc
from time import perf_counter

import psutil

from engine.domain.tuning import Action, Measured, Room


def collect(room: Room) -> Measured:
    """RSS freed in bytes: before less after, as it comes out, below 0 where the process grew meanwhile.

    It cannot know beforehand whether there is anything to free, so it never declines. While it looks through every object the process does
    nothing else; that pause is told in the detail.
    """
    process = psutil.Process()
    if room.dry_run:
        waiting = ", ".join(str(count) for count in gc.get_count())
        detail = f"dry run: would collect all generations (counts {waiting}) and {_trim_words()}; RSS is {process.memory_info().rss:,} bytes"
        return Measured(0.0, "bytes", detail, done=False)
    before = process.memory_info().rss
    room.tell(0.1, "collecting")
    begun = perf_counter()
    objects = gc.collect()
    pause = (perf_counter() - begun) * 1e3
    room.tell(0.7, "returning pages")
    returned = _trim()
    after = process.memory_info().rss
    detail = f"collected {objects:,} objects in {pause:.0f} ms; {returned}; RSS {before:,} -> {after:,} bytes"
    return Measured(float(before - after), "bytes", detail)


def _malloc_trim() -> ctypes._NamedFuncPointer | None:
    """glibc's malloc_trim; None with another C library."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return None


def _trim() -> str:
    trim = _malloc_trim()
    if trim is None:
        return "this system has no malloc_trim"
    trim.argtypes, trim.restype = (ctypes.c_size_t,), ctypes.c_int
    return "malloc_trim returned pages" if trim(0) else "malloc_trim had no page to return"


def _trim_words() -> str:
    return "return freed pages to the system" if _malloc_trim() else "return none: this system has no malloc_trim"


ACTION = Action(
    name="collect_garbage",
    kind="memory",
    cures="process.rss_bytes",
    better=-1,
    cost="low",
    about="Collects garbage of all generations and gives freed pages back to the system.",
    do=collect,
)
