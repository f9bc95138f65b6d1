"""Clears the caches."""

from __future__ import annotations

from engine.actions._memory import resident, trim
from engine.domain.tuning import Action, Cache, Measured, Room

WORTH = 4_000_000  # bytes below which refilling the caches costs more than clearing them frees


def clear(room: Room) -> Measured:
    """RSS freed in bytes, as measured. The caches are those of the engine, the pages and the store; they fill again as they are used."""
    held = room.levers.caches()
    size = sum(cache.bytes or 0 for cache in held)
    if size < WORTH:
        return Measured(0.0, "bytes", f"nothing worth clearing: {_words(held)}", done=False)
    if room.dry_run:
        return Measured(0.0, "bytes", f"dry run: would clear {_words(held)}; RSS is {resident():,} bytes", done=False)
    before = resident()
    room.tell(0.1, "clearing caches")
    held = room.levers.clear()
    room.tell(0.7, "returning pages")
    returned = trim()
    after = resident()
    return Measured(float(before - after), "bytes", f"cleared {_words(held)}; {returned}; RSS {before:,} -> {after:,} bytes")


def _words(held: tuple[Cache, ...]) -> str:
    """Their number, and the largest."""
    full = sorted((cache for cache in held if cache.entries), key=lambda cache: -(cache.bytes or 0))
    largest = ", ".join(f"{cache.name} {cache.bytes:,} bytes" for cache in full[:3] if cache.bytes)
    entries, size = sum(cache.entries for cache in full), sum(cache.bytes or 0 for cache in full)
    return f"{len(full):,} caches with {entries:,} entries and at most {size:,} bytes" + (f" ({largest})" if largest else "")


ACTION = Action(
    name="clear_caches",
    kind="memory",
    cures="process.rss_bytes",
    better=-1,
    cost="low",
    about="Clears the caches of the engine, the pages and the store's connection, and returns their memory; the next requests take a little longer.",
    do=clear,
)
