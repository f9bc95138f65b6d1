"""Gives back the empty and the outlived parts of the engine's large blocks of memory."""

from __future__ import annotations

from engine.actions._memory import resident_bytes, return_freed_pages
from engine.domain.optimization import Action, ActionContext, ActionResult, MemoryBlock

MIN_BYTES = 1_000_000  # bytes below which copying the blocks is not worth it


def compact_data(room: ActionContext) -> ActionResult:
    """RSS freed in bytes, as it comes out; below 0 where the process grew meanwhile. The rows and bytes let go of are in the detail.

    The blocks: the rows models are trained on (grown by doubling), the window's buffers, and of a recording the bars that were played. What is in
    use stays as it is, so no decision changes. Ticks wait while the blocks are copied.
    """
    blocks = room.actuators.memory_blocks()
    spare = [block for block in blocks if block.held > block.needed]
    size = sum(block.held - block.needed for block in spare)
    if size < MIN_BYTES:
        held = sum(block.held for block in blocks)
        return ActionResult(0.0, "bytes", f"nothing worth compacting: {size:,} of {held:,} bytes could go", done=False)
    if room.dry_run:
        return ActionResult(0.0, "bytes", f"dry run: would let go of {_words(spare)}; RSS is {resident_bytes():,} bytes", done=False)
    before = resident_bytes()
    room.report_progress(0.1, "copying what is needed")
    was = room.actuators.compact_memory()
    room.report_progress(0.8, "returning pages")
    returned = return_freed_pages()
    after = resident_bytes()
    left = {block.name: block.held for block in room.actuators.memory_blocks()}
    told = [MemoryBlock(block.name, block.rows, block.held, left.get(block.name, 0)) for block in was if block.held > left.get(block.name, 0)]
    return ActionResult(float(before - after), "bytes", f"let go of {_words(told)}; {returned}; RSS {before:,} -> {after:,} bytes")


def _words(blocks: list[MemoryBlock]) -> str:
    return ", ".join(f"{block.rows:,} rows of the {block.name} ({block.held:,} -> {block.needed:,} bytes)" for block in blocks) or "nothing"


ACTION = Action(
    name="compact_data",
    kind="memory",
    metric="process.rss_bytes",
    better=-1,
    cost="high",
    description="Lets go of the empty end of the training rows, spare room in the window and recorded bars that were played; the next tick waits for it.",
    run=compact_data,
)
