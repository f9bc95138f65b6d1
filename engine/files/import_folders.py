"""The hidden folder that an import writes into before it moves whole files to their place; those of killed imports are deleted.

Each carries the marker of Podium's folders and is locked while its import lives. Nothing without the marker, and no link, is touched.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.files import owned_folders, private_files

if sys.platform != "win32":
    import fcntl

IMPORTS = "imports"  # in PODIUM_HOME: the recordings that the page Data imported
_NAME = re.compile(r"\.import-[0-9a-f]{16}", re.ASCII)
_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | private_files.NO_LINK


@contextmanager
def open_workspace(out: Path) -> Iterator[Path]:
    """Make a folder in `out` that is deleted at the end. Raises OSError."""
    path = out / f".import-{secrets.token_hex(8)}"
    path.mkdir(private_files.FOLDER_MODE, parents=True)  # a sweep may have deleted an empty `out`
    descriptor = _lock(path)
    try:
        (path / owned_folders.MARKER).write_bytes(owned_folders.MARKER_TEXT)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def sweep_workspaces(out: Path) -> int:
    """Delete the folders of killed imports in `out`; returns how many. What cannot be deleted stays."""
    return sum(_delete(path) for path in _list_workspaces(out))


def sweep_imports(folder: Path) -> int:
    """Delete the folders of killed imports in every recording of a folder, and recordings of which nothing else is there; returns how many."""
    count = 0
    with suppress(OSError):
        for out in sorted(folder.iterdir()):
            deleted = 0 if out.is_symlink() else sweep_workspaces(out)
            count += deleted
            if deleted:
                with suppress(OSError):  # it holds something else
                    out.rmdir()
    return count


def holds_only_workspaces(out: Path) -> bool:
    """Whether a folder holds folders of killed imports and nothing else."""
    with suppress(OSError):
        names = [entry.name for entry in out.iterdir()]
        return bool(names) and len(names) == sum(map(_is_left, _list_workspaces(out)))
    return False


def _list_workspaces(out: Path) -> list[Path]:
    try:
        paths = [path for path in sorted(out.iterdir()) if _NAME.fullmatch(path.name) and not path.is_symlink() and path.is_dir()]
    except OSError:
        return []
    return [path for path in paths if owned_folders.is_marked(path)]


def _delete(path: Path) -> bool:
    """Delete a folder unless the import that it belongs to lives."""
    descriptor = _lock(path)
    if descriptor is None:
        return False
    try:
        shutil.rmtree(path)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _is_left(path: Path) -> bool:
    """Whether no living import holds a folder."""
    descriptor = _lock(path)
    if descriptor is None:
        return False
    os.close(descriptor)
    return True


def _lock(path: Path) -> int | None:
    """A descriptor that holds the folder's lock; None where another process holds it, or the system has no such locks."""
    if sys.platform == "win32":
        return None
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
