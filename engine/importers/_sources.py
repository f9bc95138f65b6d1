"""Opens sources: files, folders of files, and what is packed in gz, zip, zst, bz2 and xz, as streams."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, cast

import zstandard

from engine.importers._format import ImportFault
from engine.importers._progress import ReadProgress

_GZIP, _ZIP, _ZSTD, _BZIP2, _XZ = b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ"
_SUFFIXES = (".gz", ".zst", ".bz2", ".xz", ".zip")
_TABLES = (".csv", ".txt", ".tsv", ".json", ".prn", ".parquet", ".feather")
READ_ERRORS = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zstandard.ZstdError,
    zipfile.BadZipFile,
    NotImplementedError,
)  # of streams that are not whole
_BUFFER = 1 << 20  # bytes of content
_SPREADSHEETS = "xl/workbook.xml"


@dataclass(frozen=True, slots=True)
class Member:
    """A table to read: a file, or a file within an archive."""

    source: Path
    name: str  # without the suffix of its compression
    open: Callable[[], IO[bytes]]
    is_plain: bool  # not compressed: can be read at any position

    @property
    def title(self) -> str:
        """How messages name it."""
        return str(self.source) if self.source.name.startswith(self.name) else f"{self.source}/{self.name}"


def expand_sources(paths: tuple[Path, ...], progress: ReadProgress | None = None) -> tuple[Member, ...]:
    """The tables in these files and folders, in order; a folder's by name. `progress` learns what is read of them. Raises ImportFault."""
    files = [file for path in paths for file in _list_files(path)]
    progress = progress or ReadProgress()
    for file in files:
        progress.add_source(file)
    members = tuple(member for file in files for member in _members_of(file, progress))
    if not members:
        raise ImportFault(f"{paths[0]} holds no file to import: give files or folders with files")
    return members


def hash_source(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _list_files(path: Path) -> list[Path]:
    if path.is_dir():
        return [file for file in sorted(path.iterdir()) if _is_table(file)]
    if not path.is_file():
        raise ImportFault(f"there is no file {path}: check its name")
    return [path]


def list_skipped(paths: tuple[Path, ...]) -> tuple[str, ...]:
    """The entries of folders among the sources that are no tables by their names, or are folders themselves; hidden ones are not listed."""
    entries = (entry for path in paths if path.is_dir() for entry in sorted(path.iterdir()) if not entry.name.startswith("."))
    return tuple(str(entry) for entry in entries if not _is_table(entry))


def _is_table(file: Path) -> bool:
    return file.is_file() and not file.name.startswith(".") and file.name.lower().endswith((*_TABLES, *_SUFFIXES))


def _members_of(file: Path, progress: ReadProgress) -> Iterator[Member]:
    with file.open("rb") as opened:
        start = opened.read(6)
    if not start:
        raise ImportFault(f"{file} is empty: get it again")
    name = next((file.name[: -len(suffix)] for suffix in _SUFFIXES if file.name.lower().endswith(suffix)), file.name)
    if start.startswith(_ZIP):
        yield from _members_of_zip(file, progress)
    elif start.startswith(_GZIP):
        yield Member(file, name, lambda: _unpack(progress.open(file), gzip.open), is_plain=False)
    elif start.startswith(_ZSTD):
        yield Member(file, name, lambda: _unpack(progress.open(file), _unpack_zstd), is_plain=False)
    elif start.startswith(_BZIP2):
        yield Member(file, name, lambda: _unpack(progress.open(file), bz2.open), is_plain=False)
    elif start.startswith(_XZ):
        yield Member(file, name, lambda: _unpack(progress.open(file), lzma.open), is_plain=False)
    else:
        yield Member(file, file.name, lambda: progress.open(file), is_plain=True)


def _members_of_zip(file: Path, progress: ReadProgress) -> Iterator[Member]:
    try:
        with zipfile.ZipFile(file) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir() and not info.filename.startswith("__MACOSX")]
    except READ_ERRORS as error:
        raise ImportFault(f"{file} is no whole zip ({error}): get it again") from error
    if any(info.filename == _SPREADSHEETS for info in infos):
        raise ImportFault(f"{file} is a spreadsheet: save its sheet as CSV")
    if any(info.flag_bits & 1 for info in infos):
        raise ImportFault(f"{file} has a password: extract it")
    for info in sorted(infos, key=lambda info: info.filename):
        if info.filename.lower().endswith(_TABLES):
            yield Member(file, Path(info.filename).name, partial(_open_zipped, file, info.filename, progress), is_plain=False)


class _Unpacked(io.RawIOBase):
    """The content of a packed file; closing it closes the file."""

    def __init__(self, file: IO[bytes], unpack: Callable[[IO[bytes]], object]) -> None:
        self._file = file
        with ExitStack() as on_failure:
            on_failure.callback(file.close)
            self._content = cast("IO[bytes]", unpack(file))
            on_failure.pop_all()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        return int(self._content.readinto(buffer))  # type: ignore[attr-defined]

    def close(self) -> None:
        if not self.closed:
            self._content.close()
            self._file.close()
        super().close()


def _unpack(file: IO[bytes], unpack: Callable[[IO[bytes]], object]) -> IO[bytes]:
    return io.BufferedReader(_Unpacked(file, unpack), _BUFFER)


def _unpack_zstd(file: IO[bytes]) -> object:
    return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True, closefd=True)


def _open_zipped(file: Path, name: str, progress: ReadProgress) -> IO[bytes]:
    return _unpack(progress.open(file), lambda opened: zipfile.ZipFile(opened).open(name))
