"""One connection to the store, with atomic transactions that are fenced by the lease."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import Any

from sqlalchemy import Connection, Table

from engine.store import database
from engine.store.errors import LeaseLost, StoreError, StoreMoved, translate_errors

_BUMP = "UPDATE meta SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE key = 'version'"
RECENT_TRANSACTIONS = 64  # transactions
FileIdentity = tuple[int, int]  # device, inode


class Store:
    """A connection shared by the threads of one process, one at a time.

    `holder` is that of the lease: every write checks within its transaction that the lease still belongs to it. Without a holder (tests, tools)
    writing works only while nobody holds the lease.
    """

    def __init__(self, url: str, holder: str | None, *, busy_ms: int = 5000) -> None:
        self.path = database.path_from_url(url)
        self._url = url
        self.holder = holder
        self.busy_ms = busy_ms
        self._lock = threading.RLock()
        self.transaction_seconds: deque[float] = deque(maxlen=RECENT_TRANSACTIONS)  # s, of the newest write transactions, without the wait for others
        self._engine = database.connect(url, busy_ms=busy_ms)
        with translate_errors(str(self.path)):
            self._connection = self._engine.connect()
        self._file = identify_file(self.path)
        self._log: FileIdentity | None = None  # of the write-ahead log, once something was written

    def close(self) -> None:
        with self._lock:
            self._connection.close()
            self._engine.dispose()

    def reconnect(self) -> None:
        """Replace the connection. Where that fails, raises StoreError and keeps the old one."""
        with self._lock:
            self.require_in_place()  # never switch from one file to another
            engine = database.connect(self._url, busy_ms=self.busy_ms)
            with translate_errors(str(self.path)):
                connection = engine.connect()
            self.close()
            self._engine, self._connection = engine, connection

    @contextmanager
    def write(self, *, fenced: bool = True) -> Iterator[Connection]:
        """A write transaction. Raises LeaseLost when another engine holds the store, StoreMoved when its file is gone, else StoreError."""
        with self._lock, translate_errors(str(self.path)), self._timed(), self._connection.begin():
            driver = driver_connection(self._connection)
            self._begin_write(driver, fenced=fenced)
            yield self._connection
            self._end_write(driver)

    @contextmanager
    def write_directly(self) -> Iterator[sqlite3.Connection]:
        """The same on the driver's connection: for every tick, because SQLAlchemy takes longer to begin and commit than SQLite."""
        with self._lock, translate_errors(str(self.path)), self._timed():
            driver = driver_connection(self._connection)
            driver.execute("BEGIN IMMEDIATE")
            try:
                self._begin_write(driver, fenced=True)
                yield driver
                self._end_write(driver)
                driver.execute("COMMIT")
            finally:
                if driver.in_transaction:  # after an error; some, such as a full disk, have ended it already
                    driver.execute("ROLLBACK")

    def try_update(self, statement: str, values: Sequence[object]) -> bool:
        """Make an update that can be left out, such as a note of the last use; return whether it was made. A locked store is not waited for."""
        with self._lock, suppress(StoreError):
            try:
                self.pragma("PRAGMA busy_timeout = 0")
                with self.write(fenced=False) as connection:
                    connection.exec_driver_sql(statement, tuple(values))
                return True
            finally:
                self.pragma(f"PRAGMA busy_timeout = {self.busy_ms:d}")
        return False

    def _begin_write(self, driver: sqlite3.Connection, *, fenced: bool) -> None:
        """Raise where the file is not in place, or where another engine holds the lease."""
        self.require_in_place()
        (holder,) = driver.execute("SELECT (SELECT holder FROM lease WHERE id = 1)").fetchone()
        if fenced and holder != self.holder:
            raise LeaseLost(f"another engine holds the store {self.path}: this one stops")

    def _end_write(self, driver: sqlite3.Connection) -> None:
        driver.execute(_BUMP)
        if self._log is None:
            self._log = identify_file(wal_path(self.path))

    def require_in_place(self) -> None:
        """Raise StoreMoved where the file is no longer at its path, or has been replaced."""
        current = identify_file(self.path)
        if current is None:
            raise StoreMoved(f"the file of the store {self.path} was deleted or moved away while the engine ran")
        if current != self._file:
            raise StoreMoved(f"the file of the store {self.path} was replaced by another one while the engine ran")

    def owns_log(self) -> bool:
        """Whether the write-ahead log on disk belongs to the open file, and not to another one that has replaced it."""
        return self._log is not None and identify_file(wal_path(self.path)) == self._log

    @contextmanager
    def _timed(self) -> Iterator[None]:
        begun = perf_counter()
        yield
        self.transaction_seconds.append(perf_counter() - begun)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction on a snapshot; other processes may write meanwhile."""
        with self._lock, translate_errors(str(self.path)):
            self._connection.execution_options(start="BEGIN")
            try:
                with self._connection.begin():
                    yield self._connection
            finally:
                self._connection.execution_options(start="BEGIN IMMEDIATE")

    @contextmanager
    def read_separately(self) -> Iterator[Connection]:
        """A read transaction on its own connection, for long reads that nobody should wait for."""
        with translate_errors(str(self.path)), database.connect(self._url, read_only=True).begin() as connection:
            yield connection

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other threads out over several calls."""
        with self._lock:
            yield

    def raw_connection(self) -> sqlite3.Connection:
        """The driver's connection outside any transaction; for use inside `exclusive`."""
        return driver_connection(self._connection)

    def pragma(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement outside any transaction and return its rows."""
        with self._lock, translate_errors(str(self.path)):
            raw = self._connection.connection.driver_connection
            assert raw is not None
            rows: list[tuple[Any, ...]] = raw.execute(statement).fetchall()
            return rows


def identify_file(path: Path) -> FileIdentity | None:
    """Device and inode of a file; None where it does not exist."""
    try:
        status = os.stat(path)  # noqa: PTH116 - runs in every transaction, at a third of the time of Path.stat
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino


def wal_path(path: Path) -> Path:
    """The write-ahead log of a store's file."""
    return path.with_name(f"{path.name}-wal")


def driver_connection(connection: Connection) -> sqlite3.Connection:
    """The driver's connection, inside the same transaction: for statements of every tick, where SQLAlchemy costs more than SQLite."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def fetch_value(connection: Connection, statement: str, values: Sequence[object] = ()) -> Any:
    """The first column of the first row; None without a row."""
    row = connection.exec_driver_sql(statement, tuple(values)).first()
    return None if row is None else row[0]


def build_insert(table: Table, *, verb: str = "INSERT") -> str:
    """The statement that inserts a row with all columns in the table's order."""
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    return f"{verb} INTO {table.name} ({names}) VALUES ({', '.join('?' * len(table.columns))})"
