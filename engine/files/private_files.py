"""Files and folders that only the user who runs Podium can read."""

from __future__ import annotations

import os
from pathlib import Path

FILE_MODE, FOLDER_MODE = 0o600, 0o700
NO_LINK = getattr(os, "O_NOFOLLOW", 0)  # Windows has none


def make_private_folder(path: Path) -> None:
    """Create a folder and its missing parents; an existing folder keeps its mode. Raises OSError."""
    for folder in reversed([parent for parent in path.parents if not parent.exists()]):
        folder.mkdir(FOLDER_MODE, exist_ok=True)
    path.mkdir(FOLDER_MODE, exist_ok=True)


def make_private_file(path: Path) -> None:
    """Create an empty file where there is none; an existing file stays unchanged. Raises OSError."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE))


def create_private_file(path: Path) -> int:
    """Create a file that does not exist and open it for writing; no link is followed. Returns the descriptor. Raises OSError."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_LINK, FILE_MODE)


def private_opener(path: str, flags: int) -> int:
    """Open a file for `open(..., opener=...)`; a new file is private."""
    return os.open(path, flags, FILE_MODE)


def replace_synced(draft: Path, path: Path) -> None:
    """Rename a draft to its final name, its content first and the name then on the disk, so that a power cut leaves one or the other whole."""
    descriptor = os.open(draft, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk; systems without descriptors of folders do so themselves. Raises OSError."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
