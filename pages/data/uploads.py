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

from engine import units
from engine.files import private_files, temporary_files
from engine.files.temporary_files import TemporaryItem

KEPT_UPLOADS = 4  # folders; the oldest that no import reads is deleted
MAX_UPLOAD_MB = 200  # of the files of one upload together; as in .streamlit/config.toml
MAX_STEM, MAX_SUFFIX = 180, 30  # bytes of a name; file systems allow 255
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
    in_use: list[Path] = field(default_factory=list)  # folders that an import reads, once for each import


@cache
def _uploads() -> _Uploads:
    return _Uploads()


def store_uploads(files: Sequence[UploadLike], home: Path) -> Path:
    """Write the files, all of them or none, to a folder of their own and return it. Raises OSError or FolderTaken."""
    size = sum(file.getbuffer().nbytes for file in files)
    if size > MAX_UPLOAD_MB * 2**20:
        raise OSError(f"its files have {units.format_bytes(size)} together, more than {MAX_UPLOAD_MB} MB: give their path on this machine")
    key = " ".join(file.file_id for file in files)
    with _uploads().lock:
        folders = _uploads().folders
        if key in folders and folders[key].path.is_dir():
            return folders[key].path
        unused = [name for name, item in folders.items() if item.path not in _uploads().in_use]
        for old in unused[: max(0, len(folders) - KEPT_UPLOADS + 1)]:
            folders.pop(old).delete()
    item = temporary_files.create_folder(str(home), "import")
    is_whole = False
    try:
        _write_files(files, item.path)
        is_whole = True
    finally:
        if not is_whole:
            item.delete()
    with _uploads().lock:
        folders[key] = item
    return item.path


def hold_upload(path: Path) -> bool:
    """Keep an upload while an import reads it; False where it has been deleted."""
    with _uploads().lock:
        if not any(item.path == path and path.is_dir() for item in _uploads().folders.values()):
            return False
        _uploads().in_use.append(path)
        return True


def release_upload(path: Path) -> None:
    """End one import's hold on an upload."""
    with _uploads().lock:
        _uploads().in_use.remove(path)


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
    return f"{_cut_bytes(stem, MAX_STEM)}{dot}{_cut_bytes(suffix, MAX_SUFFIX)}" if stem else _cut_bytes(plain, MAX_STEM) or "file"


def _cut_bytes(text: str, size: int) -> str:
    """Return the beginning of a text that has at most so many bytes in UTF-8."""
    return text.encode()[:size].decode(errors="ignore")


def _write_files(files: Sequence[UploadLike], folder: Path) -> None:
    for file in files:
        with os.fdopen(private_files.create_private_file(_find_free(folder, clean_name(file.name))), "wb") as opened:
            opened.write(file.getbuffer())


def _find_free(folder: Path, name: str) -> Path:
    count, path = 1, folder / name
    while path.exists():
        count, path = count + 1, folder / f"{count}-{name}"
    return path
