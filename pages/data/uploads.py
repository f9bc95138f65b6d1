"""Uploaded files on disk until they are imported: a few at a time, each in a temporary folder that its process deletes."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Protocol

from engine.files import private_files, temporary_files
from engine.files.temporary_files import TemporaryItem

KEPT_UPLOADS = 4  # folders; the oldest that no import reads is deleted
MAX_UPLOAD_MB = 200  # as in .streamlit/config.toml
MAX_NAME = 120
_UNSAFE = re.compile(r"[^\w.+=,() -]")


class UploadLike(Protocol):
    """What is needed of an uploaded file."""

    @property
    def name(self) -> str: ...

    @property
    def file_id(self) -> str: ...

    def getbuffer(self) -> memoryview: ...


@dataclass(slots=True)
class _Uploads:
    """The uploads of this process by the identifiers of their files, oldest first."""

    lock: Lock = field(default_factory=Lock)
    folders: dict[str, TemporaryItem] = field(default_factory=dict)


@cache
def _uploads() -> _Uploads:
    return _Uploads()


def store_uploads(files: Sequence[UploadLike], home: Path, used: str | None) -> Path:
    """Write the files to a folder of their own and return it; `used` is the folder that an import reads. Raises OSError or FolderTaken."""
    key = " ".join(file.file_id for file in files)
    with _uploads().lock:
        folders = _uploads().folders
        if key in folders and folders[key].path.is_dir():
            return folders[key].path
        for old in [name for name, item in folders.items() if str(item.path) != used][: max(0, len(folders) - KEPT_UPLOADS + 1)]:
            folders.pop(old).delete()
        item = folders[key] = temporary_files.create_folder(str(home), "import")
    for file in files:
        with os.fdopen(private_files.create_private_file(_find_free(item.path, clean_name(file.name))), "wb") as opened:
            opened.write(file.getbuffer())
    return item.path


def delete_upload(path: Path) -> None:
    """Delete an upload after its import; any other folder stays."""
    with _uploads().lock:
        for key, item in list(_uploads().folders.items()):
            if item.path == path:
                _uploads().folders.pop(key).delete()


def clean_name(name: str) -> str:
    """Return the name of an uploaded file without its folders and without anything that a name of a file should not hold."""
    plain = _UNSAFE.sub("_", name.replace("\\", "/").rpartition("/")[2]).lstrip(". ")
    stem, dot, suffix = plain.rpartition(".")
    return f"{stem[:MAX_NAME]}{dot}{suffix[:10]}" if stem else plain[:MAX_NAME] or "file"


def _find_free(folder: Path, name: str) -> Path:
    count, path = 1, folder / name
    while path.exists():
        count, path = count + 1, folder / f"{count}-{name}"
    return path
