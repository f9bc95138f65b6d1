"""Clears the caches."""

from __future__ import annotations

from engine import units
from engine.actions._memory import resident_bytes, return_freed_pages
from engine.domain.optimization import Action, ActionContext, ActionResult, CacheUsage

MIN_BYTES = 4_000_000  # bytes below which refilling the caches costs more than clearing them frees


def clear_caches(context: ActionContext) -> ActionResult:
    """RSS freed in bytes, as measured. The caches are those of the engine, the pages and the store; they fill again as they are used."""
    held = context.actuators.caches()
    size = sum(cache.bytes or 0 for cache in held)
    if size < MIN_BYTES:
        return ActionResult(0.0, "bytes", f"nothing worth clearing: {_describe(held)}", done=False)
    if context.dry_run:
        return ActionResult(0.0, "bytes", f"dry run: would clear {_describe(held)}; RSS is {units.format_bytes(resident_bytes())}", done=False)
    before = resident_bytes()
    context.report_progress(0.1, "clearing caches")
    held = context.actuators.clear_caches()
    context.report_progress(0.7, "returning pages")
    returned = return_freed_pages()
    after = resident_bytes()
    return ActionResult(float(before - after), "bytes", f"cleared {_describe(held)}; {returned}; RSS {units.format_change(before, after, 'bytes')}")


def _describe(held: tuple[CacheUsage, ...]) -> str:
    """Their number, and the largest."""
    full = sorted((cache for cache in held if cache.entries), key=lambda cache: -(cache.bytes or 0))
    largest = ", ".join(f"{cache.name} {units.format_bytes(cache.bytes)}" for cache in full[:3] if cache.bytes)
    entries, size = sum(cache.entries for cache in full), sum(cache.bytes or 0 for cache in full)
    return f"{len(full):,} caches with {entries:,} entries and at most {units.format_bytes(size)}" + (f" ({largest})" if largest else "")


ACTION = Action(
    name="clear_caches",
    kind="memory",
    metric="process.rss_bytes",
    better=-1,
    cost="low",
    description="Clears the caches of the engine, the pages and the store's connection and returns their memory; the next requests take longer.",
    run=clear_caches,
)
