"""Copies a store while it is in use, and verifies the copy by an integrity check and by the digest of every table."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from engine.domain.record import Record
from engine.files import private_files
from engine.store.connection import Store
from engine.store.database import choose_immutable_option, path_from_url
from engine.store.errors import StoreError, translate_errors

_SPARE = 1_000_000  # bytes that stay free beside a copy


class TargetExists(StoreError):
    """The target of a copy exists already."""

    def __init__(self, target: Path) -> None:
        super().__init__(f"{target} is there already: give another name, nothing is overwritten")


@dataclass(frozen=True, slots=True)
class CopySummary(Record):
    """The contents of a copy."""

    tables: int
    rows: int
    bytes: int


def back_up_store(url: str, target: Path) -> CopySummary:
    """Copy a store, which others may write to meanwhile, and verify the copy. Raises StoreError and leaves no file where that fails.

    The file has mode 0600 and replaces no other file.
    """
    path = path_from_url(url)
    if not path.is_file():
        raise StoreError(f"there is no store at {path}")
    with closing(_open(path, f"mode=ro{choose_immutable_option(path)}")) as source:
        with translate_errors(str(path)):
            if source.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone() is None:
                raise StoreError(f"{path} is an SQLite file but not a Podium store: give another address")
        return copy_store(source, path, target)


def rescue_store(store: Store, stamp: str) -> str:
    """Copy what only this connection still sees, after the file was deleted or replaced; return where it is. Raises StoreError.

    Where nothing has replaced the file, the copy is put in its place.
    """
    path = store.path
    with store.exclusive():
        _set_aside_log(store, stamp)
        try:
            private_files.make_private_folder(path.parent)
            copy_store(store.raw_connection(), path, path, is_sound=False)
            return f"what it held was put back into {path}"
        except TargetExists:
            rescued = path.with_name(f"{path.name}.rescued-{stamp}")
            copy_store(store.raw_connection(), path, rescued, is_sound=False)
            return f"what it held until then is kept in {rescued}"
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error.strerror or error}") from error


def _set_aside_log(store: Store, stamp: str) -> None:
    """Rename the log of the lost file, so that it is not applied to the file that has replaced it."""
    if not store.owns_log():
        return
    for ending in ("-wal", "-shm"):
        beside = store.path.with_name(f"{store.path.name}{ending}")
        if beside.exists():
            beside.rename(beside.with_name(f"{beside.name}.rescued-{stamp}"))


def copy_store(source: sqlite3.Connection, path: Path, target: Path, *, is_sound: bool = True) -> CopySummary:
    """Copy what an open connection sees, verified where it `is_sound`. Raises StoreError and leaves no file where that fails."""
    if os.path.lexists(target):
        raise TargetExists(target)
    with _draft(target) as draft, translate_errors(str(path)):
        source.execute("BEGIN")  # one snapshot for the copy and its verification
        try:
            _require_room(source, path, target)
            _copy_pages(source, path, draft, target)
            copied = _verify(source, draft, path) if is_sound else CopySummary(0, 0, draft.stat().st_size)
        finally:
            source.execute("ROLLBACK")
        _publish(draft, target)
    return copied


def _open(path: Path, options: str) -> sqlite3.Connection:
    with translate_errors(str(path)):
        return sqlite3.connect(f"file:{quote(str(path.absolute()))}?{options}", uri=True, timeout=30.0, isolation_level=None)


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """A temporary file of mode 0600 beside the target."""
    try:
        number, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".draft", dir=target.parent)
    except OSError as error:
        raise StoreError(f"{target} cannot be written ({error.strerror or error}): give a file in a folder that is there") from error
    os.close(number)
    draft = Path(name)
    try:
        yield draft
    except OSError as error:
        raise StoreError(f"{target} could not be written ({error.strerror or error}); nothing was left there") from error
    finally:
        for part in ("", "-journal", "-wal", "-shm"):
            Path(f"{name}{part}").unlink(missing_ok=True)


def _require_room(source: sqlite3.Connection, path: Path, target: Path) -> None:
    needed = _pragma(source, "page_count") * _pragma(source, "page_size")
    free = shutil.disk_usage(target.parent).free
    if free < needed + _SPARE:
        raise StoreError(_full(path, target, needed))


def _full(path: Path, target: Path, needed: int) -> str:
    free = shutil.disk_usage(target.parent).free
    return f"{target} does not fit: the copy of {path} takes {needed:,} bytes, {free:,} are free there; give a file on another disk or free space"


def _copy_pages(source: sqlite3.Connection, path: Path, draft: Path, target: Path) -> None:
    needed = _pragma(source, "page_count") * _pragma(source, "page_size")
    try:
        with closing(sqlite3.connect(draft, isolation_level=None)) as copied:
            source.backup(copied)
    except sqlite3.Error as error:
        if "full" in str(error) or "I/O" in str(error):
            raise StoreError(f"{_full(path, target, needed)} ({error})") from error
        raise


def _verify(source: sqlite3.Connection, draft: Path, path: Path) -> CopySummary:
    """Raise StoreError where the copy is damaged or differs from the snapshot."""
    with closing(_open(draft, "mode=ro&immutable=1")) as copied:
        (message,) = copied.execute("PRAGMA integrity_check(1)").fetchone()
        if message != "ok":
            raise StoreError(f"the store {path} is damaged ({' '.join(message.split())}): run python -m engine doctor; no copy was kept")
        names = [name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        rows = 0
        for name in names:
            count, digest = _digest(source, name)
            if (count, digest) != _digest(copied, name):
                raise StoreError(f"the copy differs from the store {path} in the table {name}: no copy was kept, try again")
            rows += count
    return CopySummary(len(names), rows, draft.stat().st_size)


def _digest(connection: sqlite3.Connection, table: str) -> tuple[int, bytes]:
    """The number of a table's rows and a digest of all their values in stored order."""
    digest, count = hashlib.blake2b(digest_size=16), 0
    reading = connection.cursor()
    before, connection.text_factory = connection.text_factory, bytes  # also reads damaged text
    try:
        for row in reading.execute(f'SELECT * FROM "{table}"'):
            for value in row:
                part = value if isinstance(value, bytes) else repr(value).encode()
                digest.update(b"%d:" % len(part))
                digest.update(part)
            count += 1
    finally:
        connection.text_factory = before
    return count, digest.digest()


def _publish(draft: Path, target: Path) -> None:
    """Give the draft its name, unless the name has been taken meanwhile."""
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    try:
        os.link(draft, target)
    except FileExistsError:
        raise TargetExists(target) from None
    except OSError:  # a file system without links
        if os.path.lexists(target):
            raise TargetExists(target) from None
        draft.rename(target)


def _pragma(source: sqlite3.Connection, name: str) -> int:
    return int(source.execute(f"PRAGMA {name}").fetchone()[0])
