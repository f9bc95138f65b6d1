"""Reads one of Podium's own folders without ever leaving it: every path is relative to an open folder, and no link is followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.files import owned_folders

FOLDER_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)  # Windows has neither, and cannot open a folder
MAX_ENTRIES = 10_000  # entries read of one folder


@dataclass(frozen=True, slots=True)
class PlainFile:
    """A plain file with a single name, and its status when it was listed."""

    name: str
    stat: os.stat_result

    @property
    def on_disk(self) -> int:
        return self.stat.st_blocks * 512

    def is_idle(self, now: int, seconds: float) -> bool:
        """Whether it has not been written to for so long; `now` is ns UTC."""
        return now - self.stat.st_mtime_ns > seconds * 1e9


@contextmanager
def open_folder(home: Path, name: str) -> Iterator[int | None]:
    """Open the folder `name` directly in `home`; None where it does not exist. Raises OSError in one line where it is a link, cannot be opened or
    has no marker of Podium."""
    try:
        folder = os.open(home / name, FOLDER_FLAGS)
    except FileNotFoundError:
        yield None
        return
    except OSError as error:
        raise OSError(f"{home / name} cannot be opened: {error.strerror}") from error
    try:
        if not owned_folders.is_marked(folder):
            raise OSError(f"{home / name} was not made by Podium (it has no {owned_folders.MARKER} file): nothing in it is touched")
        yield folder
    finally:
        os.close(folder)


def list_files(folder: int) -> list[PlainFile]:
    """The plain files of an open folder that have no second name elsewhere, sorted by name; without links, folders and devices."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for _, entry in zip(range(MAX_ENTRIES), entries, strict=False))
    listed = [file for name in names if (file := find_file(name, folder)) is not None]
    device = os.fstat(folder).st_dev
    return [file for file in listed if file.stat.st_nlink == 1 and file.stat.st_dev == device]


def find_file(name: str, folder: int) -> PlainFile | None:
    """A plain file by its name in an open folder; None where there is none."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None
    return PlainFile(name, status) if stat.S_ISREG(status.st_mode) else None


def is_unchanged(file: PlainFile, folder: int) -> bool:
    """Whether the name still leads to the same file, and nobody has written to it."""
    now = find_file(file.name, folder)
    return now is not None and _identity(now.stat) == _identity(file.stat)


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
