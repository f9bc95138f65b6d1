"""Deletes the temporary files that killed processes left in Podium's own folder."""

from __future__ import annotations

from engine.domain.tuning import Action, Measured, Room
from engine.files import temporary
from engine.files.owned import TEMPORARY
from engine.files.temporary import Swept


def delete(room: Room) -> Measured:
    """Bytes freed on disk. Only files and folders that Podium created in its marked folder and whose process has ended.

    Raises ValueError where `room.temp` is not that folder or has no marker, and OSError where it cannot be read.
    """
    if room.temp != room.home / TEMPORARY.name:
        raise ValueError(f"{room.temp} is not the temporary folder of {room.home}")
    room.tell(0.1, "listing files")
    return _measured(temporary.sweep(room.temp, dry_run=room.dry_run), dry_run=room.dry_run)


def _measured(swept: Swept, *, dry_run: bool) -> Measured:
    refused = f"; {len(swept.refused):,} failed: {', '.join(swept.refused[:3])}" if swept.refused else ""
    left = f"left alone: {swept.used:,} in use, {swept.others:,} that Podium did not create"
    if not swept.items:
        return Measured(0.0, "bytes", f"nothing to delete: no killed process left a file; {left}{refused}", done=False)
    figures = f"{swept.items:,} left by killed processes, {swept.bytes:,} bytes"
    if dry_run:
        return Measured(0.0, "bytes", f"dry run: would delete {figures}; {left}{refused}", done=False)
    return Measured(float(swept.bytes), "bytes", f"deleted {figures}; {left}{refused}")


ACTION = Action(
    name="delete_temp",
    kind="disk",
    cures="host.disk_free_bytes",
    better=1,
    cost="none",
    about="Deletes training rows, drills and reports that killed processes left in Podium's own temporary folder; it touches no other file.",
    do=delete,
)
