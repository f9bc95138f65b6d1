"""Frees the empty and outdated parts of the engine's large blocks of memory."""

from __future__ import annotations

from engine.actions._memory import resident, trim
from engine.domain.tuning import Action, Block, Measured, Room

WORTH = 1_000_000  # bytes below which copying the blocks is not worth it


def compact(room: Room) -> Measured:
    """RSS freed in bytes, as measured; below 0 where the process grew meanwhile. The detail gives the rows and bytes freed.

    The blocks are the training rows (which grow by doubling), the window's buffers, and the bars of a recording that have been played. Values in use
    stay as they are, so no decision changes. Ticks wait while the blocks are copied.
    """
    blocks = room.levers.blocks()
    spare = [block for block in blocks if block.held > block.needed]
    size = sum(block.held - block.needed for block in spare)
    if size < WORTH:
        held = sum(block.held for block in blocks)
        return Measured(0.0, "bytes", f"nothing worth compacting: {size:,} of {held:,} bytes could be freed", done=False)
    if room.dry_run:
        return Measured(0.0, "bytes", f"dry run: would free {_words(spare)}; RSS is {resident():,} bytes", done=False)
    before = resident()
    room.tell(0.1, "copying the rows in use")
    was = room.levers.compact()
    room.tell(0.8, "returning pages")
    returned = trim()
    after = resident()
    left = {block.name: block.held for block in room.levers.blocks()}
    freed = [Block(block.name, block.rows, block.held, left.get(block.name, 0)) for block in was if block.held > left.get(block.name, 0)]
    return Measured(float(before - after), "bytes", f"freed {_words(freed)}; {returned}; RSS {before:,} -> {after:,} bytes")


def _words(blocks: list[Block]) -> str:
    return ", ".join(f"{block.rows:,} rows of the {block.name} ({block.held:,} -> {block.needed:,} bytes)" for block in blocks) or "nothing"


ACTION = Action(
    name="compact_data",
    kind="memory",
    cures="process.rss_bytes",
    better=-1,
    cost="high",
    about="Frees the empty end of the training rows, spare room in the window and played bars of a recording; the next tick waits for it.",
    do=compact,
)
