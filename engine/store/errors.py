"""Errors of the store, each with a one-line message and its remedy."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError


class StoreError(Exception):
    """The store could not be read or written. Nothing was written in part."""


class LeaseLost(StoreError):
    """Another engine holds the store: this one must stop."""


class StoreMoved(StoreError):
    """The file of the store was deleted or replaced while it was open: later writes would be invisible to everybody."""


class NotStored(StoreError):
    """The requested data was pruned, or never existed."""


MIN_FREE_BYTES = 131_072  # bytes: the index of SQLite's log and a small transaction
_REMEDIES = (
    ("database is locked", "is locked by another process: try again, or end what holds it"),
    ("database or disk is full", "cannot grow, the disk is full: free space or lower PODIUM_RETENTION"),
    ("disk i/o error", "cannot be read or written (disk I/O error): look at the disk and its free space"),
    ("readonly database", "may not be written: check the permissions of the file and its folder"),
    ("unable to open", "cannot be opened: check the path and its permissions"),
    ("file is not a database", "is not a Podium store or is damaged: move the file away, or restore a copy of it"),
    ("malformed", "is damaged: move the file away, or restore a copy of it"),
    ("no such table", "has not been set up: start the engine once, or check PODIUM_DATABASE_URL"),
)


def describe_error(store: str, error: sqlite3.Error) -> str:
    """The error and its remedy, in one line."""
    message = str(error)
    if "disk i/o error" in message.lower() and is_full(Path(store)):  # SQLite's message when the index of its log cannot grow
        message = "database or disk is full"
    for sign, remedy in _REMEDIES:
        if sign in message.lower():
            return f"the store {store} {remedy}"
    return f"the store {store} failed: {message}"


def is_full(store: Path) -> bool:
    """Whether the disk of a store has no room for a transaction."""
    try:
        return shutil.disk_usage(store.parent).free < MIN_FREE_BYTES
    except OSError:
        return False


@contextmanager
def translate_errors(store: str) -> Iterator[None]:
    """Turn every database error into StoreError."""
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.Error):
            raise StoreError(describe_error(store, error.orig)) from error
        raise
    except sqlite3.Error as error:
        raise StoreError(describe_error(store, error)) from error
