"""Deletes the temporary files that killed processes left in Podium's own folder."""

from __future__ import annotations

from engine import units
from engine.domain.optimization import Action, ActionContext, ActionResult
from engine.files import temporary_files
from engine.files.owned_folders import TEMPORARY
from engine.files.temporary_files import SweepResult


def delete_temp(context: ActionContext) -> ActionResult:
    """Bytes freed on disk. Only files and folders that Podium created in its marked folder and whose process has ended.

    Raises ValueError where `context.temp` is not that folder or has no marker, and OSError where it cannot be read.
    """
    if context.temp != context.home / TEMPORARY.name:
        raise ValueError(f"{context.temp} is not the temporary folder of {context.home}")
    context.report_progress(0.1, "listing files")
    return _measured(temporary_files.sweep_folder(context.temp, dry_run=context.dry_run), dry_run=context.dry_run)


def _measured(swept: SweepResult, *, dry_run: bool) -> ActionResult:
    refused = f"; {len(swept.refused):,} failed: {', '.join(swept.refused[:3])}" if swept.refused else ""
    left = f"left alone: {swept.used:,} in use, {swept.foreign:,} that Podium did not create"
    if not swept.items:
        return ActionResult(0.0, "bytes", f"nothing to delete: no killed process left a file; {left}{refused}", done=False)
    figures = f"{swept.items:,} left by killed processes, {units.format_bytes(swept.bytes)}"
    if dry_run:
        return ActionResult(0.0, "bytes", f"dry run: would delete {figures}; {left}{refused}", done=False)
    return ActionResult(float(swept.bytes), "bytes", f"deleted {figures}; {left}{refused}")


ACTION = Action(
    name="delete_temp",
    kind="disk",
    metric="host.disk_free_bytes",
    better=1,
    cost="none",
    description="Deletes training rows, drills and reports that killed processes left in Podium's own temporary folder; it touches no other file.",
    run=delete_temp,
)
