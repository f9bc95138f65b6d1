"""Empties what is kept only so that it need not be made again."""

from __future__ import annotations

from engine.actions._memory import resident_bytes, return_freed_pages
from engine.domain.optimization import Action, ActionContext, ActionResult, CacheUsage

MIN_BYTES = 4_000_000  # bytes below which making it all again costs more than it frees


def clear_caches(room: ActionContext) -> ActionResult:
    """RSS freed in bytes, as it comes out. The caches are the engine's own, the pages' and the store's; what is asked again fills them again."""
    held = room.actuators.caches()
    size = sum(cache.bytes or 0 for cache in held)
    if size < MIN_BYTES:
        return ActionResult(0.0, "bytes", f"nothing worth clearing: {_words(held)}", done=False)
    if room.dry_run:
        return ActionResult(0.0, "bytes", f"dry run: would empty {_words(held)}; RSS is {resident_bytes():,} bytes", done=False)
    before = resident_bytes()
    room.report_progress(0.1, "emptying caches")
    held = room.actuators.clear_caches()
    room.report_progress(0.7, "returning pages")
    returned = return_freed_pages()
    after = resident_bytes()
    return ActionResult(float(before - after), "bytes", f"emptied {_words(held)}; {returned}; RSS {before:,} -> {after:,} bytes")


def _words(held: tuple[CacheUsage, ...]) -> str:
    """How many there are, and which are the largest."""
    full = sorted((cache for cache in held if cache.entries), key=lambda cache: -(cache.bytes or 0))
    largest = ", ".join(f"{cache.name} {cache.bytes:,} bytes" for cache in full[:3] if cache.bytes)
    entries, size = sum(cache.entries for cache in full), sum(cache.bytes or 0 for cache in full)
    return f"{len(full):,} caches with {entries:,} entries and at most {size:,} bytes" + (f" ({largest})" if largest else "")


ACTION = Action(
    name="clear_caches",
    kind="memory",
    metric="process.rss_bytes",
    better=-1,
    cost="low",
    description="Empties the caches of the engine, the pages and the store's connection, and gives their memory back; the next ones to ask wait a little.",
    run=clear_caches,
)
