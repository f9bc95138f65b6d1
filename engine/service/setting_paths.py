"""Paths that settings give: made absolute, and refused where no file system takes them."""

from __future__ import annotations

import os
from pathlib import Path

from engine.domain.texts import find_control_character, shorten
from engine.settings import SettingsError

MAX_PATH_BYTES, MAX_NAME_BYTES = 4_000, 255  # bytes, the limits of Linux and macOS


def expand_path(name: str, value: str | Path) -> Path:
    """Return the absolute path; raises SettingsError for one that no file system takes."""
    try:
        path = Path(value).expanduser().absolute()
    except RuntimeError:  # ~user without such a user
        raise SettingsError(f"{name} is {shorten(str(value))}: there is no such user on this machine; give the whole path") from None
    require_path(name, path)
    return path


def require_path(name: str, path: Path) -> None:
    """Raise SettingsError for a path with control characters, or one too long for a file system."""
    fault = find_control_character(str(path))
    if fault is not None:
        raise SettingsError(f"{name} is {shorten(str(path))}, which has {fault}: give another path")
    if len(os.fsencode(path)) > MAX_PATH_BYTES or any(len(os.fsencode(part)) > MAX_NAME_BYTES for part in path.parts):
        raise SettingsError(f"{name} is {shorten(str(path))}: give a path of at most {MAX_PATH_BYTES:,} letters, {MAX_NAME_BYTES} in one name")
