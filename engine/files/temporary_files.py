"""Temporary files of a running process. Each is locked while its process lives, so that the leftovers of a killed process can be deleted."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from engine.files import owned_folders, private_files
from engine.files.owned_folders import TEMPORARY, FolderTaken

if sys.platform != "win32":
    import fcntl

_FOLDER_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | private_files.NO_LINK
_READ_FLAGS = os.O_RDONLY | private_files.NO_LINK | getattr(os, "O_NONBLOCK", 0)
_MAX_DEPTH = 16  # of nested folders that are deleted


class TemporaryItem:
    """One temporary file or folder, locked by this process until it is deleted."""

    def __init__(self, path: Path, descriptor: int | None) -> None:
        """`descriptor` holds the lock; None where the system opens no folder."""
        self.path = path
        self._descriptor = descriptor
        self._deleted = False
        self._deleting = Lock()

    def delete(self) -> None:
        """Release the lock and delete the item; does nothing the second time. An item that cannot be deleted is left to the next sweep."""
        with self._deleting:
            if self._deleted:
                return
            self._deleted = True
        if self._descriptor is not None:
            os.close(self._descriptor)  # before deleting: Windows deletes no open file
        with suppress(OSError):
            if self.path.is_dir():
                shutil.rmtree(self.path)
            else:
                self.path.unlink(missing_ok=True)


@dataclass(slots=True)
class SweepResult:
    """The items that a sweep deleted, or would delete in a dry run."""

    items: int = 0  # files and folders directly in the swept folder
    bytes: int = 0  # on disk
    used: int = 0  # items of living processes
    foreign: int = 0  # entries that Podium did not create
    refused: list[str] = field(default_factory=list)


def create_file(home: str, kind: str) -> TemporaryItem:
    """Create an empty private file. Raises OSError or FolderTaken."""
    return _create(home, kind, private_files.create_private_file)


def create_folder(home: str, kind: str) -> TemporaryItem:
    """Create an empty private folder. Raises OSError or FolderTaken."""

    def make(path: Path) -> int | None:
        path.mkdir(private_files.FOLDER_MODE)
        return os.open(path, _FOLDER_FLAGS) if hasattr(os, "O_DIRECTORY") else None

    return _create(home, kind, make)


def sweep_at_start(home: str) -> SweepResult:
    """Delete the leftovers of killed processes in both folders for temporary files. Raises OSError or FolderTaken."""
    swept = sweep_folder(Path(home) / TEMPORARY.name)
    if _system_folder().is_dir():
        fallback = sweep_folder(_system_folder())
        swept.items, swept.bytes = swept.items + fallback.items, swept.bytes + fallback.bytes
    return swept


def sweep_folder(path: Path, *, dry_run: bool = False) -> SweepResult:
    """Delete the leftovers of ended processes in a marked folder; nothing outside it is touched and no link is followed.

    Raises FolderTaken for an unmarked folder, and OSError where the folder is a link or cannot be read. A missing folder counts as empty.
    """
    swept = SweepResult()
    try:
        folder = os.open(path, _FOLDER_FLAGS)
    except FileNotFoundError:
        return swept
    except OSError as error:
        raise OSError(f"{path} cannot be read: {error.strerror}") from error
    try:
        if not owned_folders.is_marked(folder):
            raise FolderTaken(f"{path} was not made by Podium (it has no {owned_folders.MARKER} file): nothing in it is deleted")
        for name in _list_names(folder):
            _sweep_one(name, folder, swept, dry_run=dry_run)
    finally:
        os.close(folder)
    return swept


def _create(home: str, kind: str, make: Callable[[Path], int | None]) -> TemporaryItem:
    folder = _folder_for(home)
    while True:
        path = folder / f"{kind}-{secrets.token_hex(8)}"
        descriptor = make(path)
        if descriptor is None:
            return TemporaryItem(path, None)
        if sys.platform != "win32":
            with suppress(OSError):  # a file system without locks: no sweep can lock the item either, and leaves it alone
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.path.lexists(path):
            return TemporaryItem(path, descriptor)
        os.close(descriptor)  # a sweep deleted it before it was locked


def _folder_for(home: str) -> Path:
    """The marked folder in PODIUM_HOME; where that is impossible, this user's folder in the system's temporary folder."""
    if home:
        with suppress(OSError, FolderTaken):
            path = Path(home) / TEMPORARY.name
            owned_folders.claim_folder(path, TEMPORARY)
            return path
    path = _system_folder()
    private_files.make_private_folder(path)
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode) or (hasattr(os, "getuid") and status.st_uid != os.getuid()):
        raise FolderTaken(f"{path} belongs to another user: set TMPDIR to another folder")
    owned_folders.claim_folder(path, TEMPORARY)
    return path


def _system_folder() -> Path:
    return Path(tempfile.gettempdir()) / f"podium-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


def _sweep_one(name: str, folder: int, swept: SweepResult, *, dry_run: bool) -> None:
    if name == owned_folders.MARKER:
        return
    descriptor = _open_own(name, folder)
    if descriptor is None:
        swept.foreign += 1
        return
    try:
        if not _lock_if_free(descriptor):
            swept.used += 1
            return
        size = _size_on_disk(descriptor)
        if not dry_run:
            _delete(name, folder, descriptor)
        swept.items, swept.bytes = swept.items + 1, swept.bytes + size
    except OSError as error:
        swept.refused.append(f"{name}: {error.strerror or 'cannot be deleted'}")
    finally:
        os.close(descriptor)


def _open_own(name: str, folder: int) -> int | None:
    """A descriptor of a plain file or folder with one of Podium's names; None for anything else."""
    if TEMPORARY.files.fullmatch(name) is None:
        return None
    try:
        descriptor = os.open(name, _READ_FLAGS, dir_fd=folder)
    except OSError:
        return None
    status = os.fstat(descriptor)
    is_plain = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
    if (is_plain or stat.S_ISDIR(status.st_mode)) and status.st_dev == os.fstat(folder).st_dev:
        return descriptor
    os.close(descriptor)
    return None


def _lock_if_free(descriptor: int) -> bool:
    """Lock an item; False where a living process holds the lock."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _list_names(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries)


def _size_on_disk(descriptor: int, depth: int = 0) -> int:
    """Bytes on disk of an open file, or of the plain files in an open folder."""
    status = os.fstat(descriptor)
    if not stat.S_ISDIR(status.st_mode):
        return status.st_blocks * 512
    size = 0
    for name in _list_names(descriptor):
        status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
            size += status.st_blocks * 512
        elif stat.S_ISDIR(status.st_mode) and depth < _MAX_DEPTH:
            inner = os.open(name, _FOLDER_FLAGS, dir_fd=descriptor)
            try:
                size += _size_on_disk(inner, depth + 1)
            finally:
                os.close(inner)
    return size


def _delete(name: str, folder: int, descriptor: int, depth: int = 0) -> None:
    """Delete an open file or folder by its name in an open folder; links inside it are deleted, their targets stay."""
    if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.unlink(name, dir_fd=folder)
        return
    if depth > _MAX_DEPTH or os.fstat(descriptor).st_dev != os.fstat(folder).st_dev:
        raise OSError(0, "too deep, or on another file system")
    for inner_name in _list_names(descriptor):
        if not stat.S_ISDIR(os.stat(inner_name, dir_fd=descriptor, follow_symlinks=False).st_mode):
            os.unlink(inner_name, dir_fd=descriptor)
            continue
        inner = os.open(inner_name, _FOLDER_FLAGS, dir_fd=descriptor)
        try:
            _delete(inner_name, descriptor, inner, depth + 1)
        finally:
            os.close(inner)
    os.rmdir(name, dir_fd=folder)
