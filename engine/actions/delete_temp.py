"""Deletes old files from Podium's own temporary folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.domain.tuning import Action, Measured, Room

OLDEST = 3_600.0  # s: a file not written to for longer is left over
OLDEST_PARTIAL = 600.0  # s, for a write that was never finished
PARTIAL = (".part", ".tmp")
DEEPEST = 32  # folders inside one another that are looked into
MOST = 100_000  # files deleted in one run
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@dataclass(slots=True)
class Sweep:
    """A walk through one folder, with what it found. Every step is taken relative to an open folder, so nobody can move it elsewhere."""

    now: float  # s UTC
    device: int  # a folder on another one is mounted from elsewhere and left alone
    dry_run: bool
    files: int = 0
    bytes: int = 0
    kept: int = 0
    refused: list[str] = field(default_factory=list)

    def old(self, name: str, found: os.stat_result) -> bool:
        limit = OLDEST_PARTIAL if name.endswith(PARTIAL) else OLDEST
        return self.now - found.st_mtime > limit

    def refuse(self, name: str, why: str) -> None:
        self.refused.append(f"{name!r}: {why}")

    def delete(self, name: str, folder: int, found: os.stat_result) -> None:
        """Deletes one plain file by its name in an open folder. A second name of the same file elsewhere stays, and its bytes too."""
        if not self.dry_run:
            try:
                os.unlink(name, dir_fd=folder)
            except OSError as error:
                self.refuse(name, error.strerror or "cannot be deleted")
                return
        self.files += 1
        self.bytes += found.st_blocks * 512 if found.st_nlink == 1 else 0


def delete(room: Room) -> Measured:
    """Bytes freed on disk by deleting files older than an hour, and unfinished writes older than ten minutes, under `room.temp`.

    Plain files only: links, sockets and devices stay, no link is followed, no other file system is entered. What cannot be read or deleted is told
    and stops nothing. Raises ValueError where `room.temp` is not a folder directly in `room.home`.
    """
    if room.temp != room.home / "tmp":
        raise ValueError(f"{room.temp} is not the temporary folder of {room.home}")
    try:
        folder = os.open(room.temp, FOLDER)
    except FileNotFoundError:
        return Measured(0.0, "bytes", f"nothing to delete; {room.temp} does not exist", done=False)
    except OSError as error:
        raise ValueError(f"{room.temp} cannot be swept: {error.strerror}") from error
    try:
        sweep = Sweep(room.now / 1e9, os.fstat(folder).st_dev, room.dry_run)
        room.tell(0.1, "looking")
        for _ in _walk(folder, sweep, 0):
            if sweep.files % 1_000 == 0:
                room.tell(0.5, f"{sweep.files:,} files")
    finally:
        os.close(folder)
    return _measured(sweep)


def _walk(folder: int, sweep: Sweep, depth: int) -> Iterator[None]:
    """Deletes what is old in an open folder and those inside it; yields after each file deleted."""
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)  # read whole before anything is deleted
    for entry in listed:
        if sweep.files >= MOST:
            return
        try:
            found = os.stat(entry.name, dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            sweep.refuse(entry.name, error.strerror or "cannot be read")
            continue
        if stat.S_ISDIR(found.st_mode):
            yield from _enter(entry.name, folder, sweep, depth + 1)
        elif stat.S_ISREG(found.st_mode) and sweep.old(entry.name, found):
            sweep.delete(entry.name, folder, found)
            yield
        else:
            sweep.kept += 1


def _enter(name: str, folder: int, sweep: Sweep, depth: int) -> Iterator[None]:
    if depth > DEEPEST:
        sweep.refuse(name, f"more than {DEEPEST} folders deep")
        return
    try:
        inner = os.open(name, FOLDER, dir_fd=folder)
    except OSError as error:
        sweep.refuse(name, error.strerror or "cannot be opened")
        return
    try:
        if os.fstat(inner).st_dev == sweep.device:
            yield from _walk(inner, sweep, depth)
        else:
            sweep.refuse(name, "on another file system")
    finally:
        os.close(inner)


def _measured(sweep: Sweep) -> Measured:
    refused = f"; {len(sweep.refused):,} could not be: {', '.join(sweep.refused[:3])}" if sweep.refused else ""
    stays = f"left alone: {_counted(sweep.kept, 'entry', 'entries')}, recent or no plain files"
    if not sweep.files:
        return Measured(0.0, "bytes", f"nothing to delete; {stays}{refused}", done=False)
    figures = f"{_counted(sweep.files, 'file', 'files')}, {sweep.bytes:,} bytes"
    if sweep.dry_run:
        return Measured(0.0, "bytes", f"dry run: would delete {figures}; {stays}{refused}", done=False)
    return Measured(float(sweep.bytes), "bytes", f"deleted {figures}; {stays}{refused}")


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


ACTION = Action(
    name="delete_temp",
    kind="disk",
    cures="host.disk_free_bytes",
    better=1,
    cost="none",
    about="Deletes files older than an hour, and unfinished writes older than ten minutes, from Podium's own temporary folder.",
    do=delete,
)
