"""Frees the empty and outdated parts of the engine's large blocks of memory."""

from __future__ import annotations

from engine import units
from engine.actions._memory import resident_bytes, return_freed_pages
from engine.domain.optimization import Action, ActionContext, ActionResult, MemoryBlock

MIN_BYTES = 1_000_000  # bytes below which copying the blocks is not worth it


def compact_data(context: ActionContext) -> ActionResult:
    """RSS freed in bytes, as measured; below 0 where the process grew meanwhile. The detail gives the rows and bytes freed.

    The blocks are the training rows (which grow by doubling), the window's buffers, and the bars of a recording that have been played. Values in use
    stay as they are, so no decision changes. Ticks wait while the blocks are copied.
    """
    blocks = context.actuators.memory_blocks()
    compactable = [block for block in blocks if block.held > block.needed]
    size = sum(block.held - block.needed for block in compactable)
    if size < MIN_BYTES:
        held = sum(block.held for block in blocks)
        return ActionResult(
            0.0, "bytes", f"nothing worth compacting: {units.format_bytes(size)} of {units.format_bytes(held)} could be freed", done=False
        )
    if context.dry_run:
        return ActionResult(0.0, "bytes", f"dry run: would free {_describe(compactable)}; RSS is {units.format_bytes(resident_bytes())}", done=False)
    before = resident_bytes()
    context.report_progress(0.1, "copying the rows in use")
    was = context.actuators.compact_memory()
    context.report_progress(0.8, "returning pages")
    returned = return_freed_pages()
    after = resident_bytes()
    left = {block.name: block.held for block in context.actuators.memory_blocks()}
    freed = [MemoryBlock(block.name, block.rows, block.held, left.get(block.name, 0)) for block in was if block.held > left.get(block.name, 0)]
    return ActionResult(float(before - after), "bytes", f"freed {_describe(freed)}; {returned}; RSS {units.format_change(before, after, 'bytes')}")


def _describe(blocks: list[MemoryBlock]) -> str:
    return (
        ", ".join(f"{block.rows:,} rows of the {block.name} ({units.format_change(block.held, block.needed, 'bytes')})" for block in blocks)
        or "nothing"
    )


ACTION = Action(
    name="compact_data",
    kind="memory",
    metric="process.rss_bytes",
    better=-1,
    cost="high",
    description="Frees the empty end of the training rows, spare room in the window and played bars of a recording; the next tick waits for it.",
    run=compact_data,
)
