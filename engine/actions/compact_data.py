"""Gives back the empty and the outlived parts of the engine's large blocks of memory."""

from __future__ import annotations

from engine.actions._memory import resident, trim
from engine.domain.tuning import Action, Block, Measured, Room

WORTH = 1_000_000  # bytes below which copying the blocks is not worth it


def compact(room: Room) -> Measured:
    """RSS freed in bytes, as it comes out; below 0 where the process grew meanwhile. The rows and bytes let go of are in the detail.

    The blocks: the rows models are trained on (grown by doubling), the window's buffers, and of a recording the bars that were played. What is in
    use stays as it is, so no decision changes. Ticks wait while the blocks are copied.
    """
    blocks = room.levers.blocks()
    spare = [block for block in blocks if block.held > block.needed]
    size = sum(block.held - block.needed for block in spare)
    if size < WORTH:
        held = sum(block.held for block in blocks)
        return Measured(0.0, "bytes", f"nothing worth compacting: {size:,} of {held:,} bytes could go", done=False)
    if room.dry_run:
        return Measured(0.0, "bytes", f"dry run: would let go of {_words(spare)}; RSS is {resident():,} bytes", done=False)
    before = resident()
    room.tell(0.1, "copying what is needed")
    was = room.levers.compact()
    room.tell(0.8, "returning pages")
    returned = trim()
    after = resident()
    left = {block.name: block.held for block in room.levers.blocks()}
    told = [Block(block.name, block.rows, block.held, left.get(block.name, 0)) for block in was if block.held > left.get(block.name, 0)]
    return Measured(float(before - after), "bytes", f"let go of {_words(told)}; {returned}; RSS {before:,} -> {after:,} bytes")


def _words(blocks: list[Block]) -> str:
    return ", ".join(f"{block.rows:,} rows of the {block.name} ({block.held:,} -> {block.needed:,} bytes)" for block in blocks) or "nothing"


ACTION = Action(
    name="compact_data",
    kind="memory",
    cures="process.rss_bytes",
    better=-1,
    cost="high",
    about="Lets go of the empty end of the training rows, spare room in the window and recorded bars that were played; the next tick waits for it.",
    do=compact,
)
