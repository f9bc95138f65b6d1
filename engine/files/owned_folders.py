"""Podium's folders in PODIUM_HOME. Each carries a marker, and nothing outside a marked folder is deleted, moved or compressed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from engine.files import private_files

MARKER = ".podium"
SIGNATURE = b"Signature: podium-folder-c2b5f1d47e0946a39d1f6b0a8e7c5d23"
MARKER_TEXT = SIGNATURE + b"\n# Podium made this folder. It deletes files in it that it made itself, and no others.\n"
_UNFINISHED_MARKER = re.compile(r"\.podium\.\d{1,10}", re.ASCII)
_MAX_NAMES = 3  # of other files in a message


class FolderTaken(ValueError):
    """A folder of PODIUM_HOME holds files of another program: one line with the remedy."""


@dataclass(frozen=True, slots=True)
class OwnedFolder:
    """A folder directly in PODIUM_HOME, and the names of all files that Podium creates in it."""

    name: str
    files: re.Pattern[str]


LOGS = OwnedFolder("logs", re.compile(r"podium\.log(?:\.\d{1,3})?|podium-\d{1,20}-\d{1,20}\.log(?:\.zst(?:\.part)?)?", re.ASCII))
BACKTESTS = OwnedFolder(
    "backtests",
    re.compile(
        r"trials\.jsonl|(?:certificate|parity)\.(?:json|draft)|\d{8}-\d{6}-\d{1,18}\.(?:json|draft|damaged)|\.\d{8}-\d{6}-\d{1,18}\.out", re.ASCII
    ),
)
TEMPORARY = OwnedFolder("podium-temp", re.compile(r"(?:rows|drill|report|certify|import|export|bundle)-[0-9a-f]{16}", re.ASCII))
FOLDERS = (LOGS, BACKTESTS, TEMPORARY)


def claim_folders(home: Path) -> None:
    """Create and mark every folder. Raises OSError, and FolderTaken, before any change, where one belongs to another program."""
    for folder in FOLDERS:
        refuse_foreign_files(home / folder.name, folder)
    for folder in FOLDERS:
        claim_folder(home / folder.name, folder)


def claim_folder(path: Path, folder: OwnedFolder) -> None:
    """Create and mark one folder. An unmarked folder is adopted only where Podium made all its files. Raises as claim_folders."""
    private_files.make_private_folder(path)
    if is_marked(path):
        return
    refuse_foreign_files(path, folder)
    draft = path / f"{MARKER}.{os.getpid()}"
    try:
        with os.fdopen(private_files.create_private_file(draft), "wb") as file:
            file.write(MARKER_TEXT)
        draft.replace(path / MARKER)
    finally:
        draft.unlink(missing_ok=True)


def refuse_foreign_files(path: Path, folder: OwnedFolder) -> None:
    """Raise FolderTaken where an unmarked folder holds files that Podium never creates. Changes nothing."""
    if not path.is_dir() or is_marked(path):
        return
    with os.scandir(path) as entries:
        others = sorted(entry.name for entry in entries if not _is_own(entry, folder))
    if others:
        names = ", ".join(repr(name[:40]) for name in others[:_MAX_NAMES]) + (
            f" and {len(others) - _MAX_NAMES} more" if len(others) > _MAX_NAMES else ""
        )
        raise FolderTaken(f"{path} holds files of another program ({names}): move them, or set PODIUM_HOME to a folder of its own")


def _is_own(entry: os.DirEntry[str], folder: OwnedFolder) -> bool:
    if entry.is_dir(follow_symlinks=False):
        return folder is TEMPORARY and folder.files.fullmatch(entry.name) is not None
    match = folder.files.fullmatch(entry.name) or _UNFINISHED_MARKER.fullmatch(entry.name)
    return match is not None and entry.is_file(follow_symlinks=False)


def is_marked(folder: Path | int) -> bool:
    """Whether a folder, given by its path or its descriptor, carries the marker: a plain file, never a link."""
    try:
        if isinstance(folder, int):
            descriptor = os.open(MARKER, os.O_RDONLY | private_files.NO_LINK | getattr(os, "O_NONBLOCK", 0), dir_fd=folder)
        else:
            descriptor = os.open(folder / MARKER, os.O_RDONLY | private_files.NO_LINK | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return False
    try:
        return os.read(descriptor, len(SIGNATURE)) == SIGNATURE
    except OSError:  # a folder of that name
        return False
    finally:
        os.close(descriptor)
