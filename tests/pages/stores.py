"""Stores in every state a page may meet."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from engine.service.clock import WallClock
from tests.store.made import empty, filled

NOW = WallClock().now()
SECOND = 1_000_000_000
STATES = ("missing", "blank", "empty", "young", "full", "locked", "corrupt", "engine down", "paused")


def beat(folder: Path, at: int) -> None:
    """Gives the store an engine whose last heartbeat was then, and moves its ticks to just before."""
    with closing(sqlite3.connect(folder / "podium.db")) as store, store:
        store.execute("INSERT OR REPLACE INTO lease (id, holder, pid, process_started, host, namespace, started_at, beat) "
                      "VALUES (1, 'made', 1, 0, 'here', 'made', ?, ?)", (at - 600 * SECOND, at))  # fmt: skip
        newest = store.execute("SELECT max(wall) FROM ticks").fetchone()[0]
        if newest is not None:
            store.execute("UPDATE ticks SET wall = wall + ?", (at - SECOND - newest,))
        for table in ("readings_raw", "components", "commands", "trials", "alerts"):
            column = "since" if table == "components" else "at"
            last = store.execute(f"SELECT max({column}) FROM {table}").fetchone()[0]
            if last is not None:
                store.execute(f"UPDATE {table} SET {column} = {column} + ?", (at - SECOND - last,))


def copied(source: str, folder: Path) -> str:
    shutil.copytree(Path(source.removeprefix("sqlite:///")).parent, folder, dirs_exist_ok=True)
    return f"sqlite:///{folder / 'podium.db'}"


@contextmanager
def store(state: str, full: str, folder: Path) -> Iterator[str]:
    """The address of a store in this state, made in `folder` from the full one where that is needed."""
    held: list[sqlite3.Connection] = []
    url = _MAKE.get(state, _from_full)(full, folder)
    path = folder / "podium.db"
    if state in {"full", "locked", "paused", "young", "empty"}:
        beat(folder, WallClock().now() + 4 * SECOND)  # as far ahead as counts: it is alive for 19 s
    if state == "engine down":
        beat(folder, NOW - 600 * SECOND)
    if state == "corrupt":
        data = path.read_bytes()
        path.write_bytes(data[:4096] + os.urandom(len(data) - 4096))
    if state == "locked":
        held.append(lock(path))
    try:
        yield url
    finally:
        for connection in held:
            connection.close()


def lock(path: Path) -> sqlite3.Connection:
    """Takes the whole store for itself, readers included, until it is closed."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")
    connection.execute("UPDATE meta SET value = value")
    return connection


def _missing(_full: str, folder: Path) -> str:
    return f"sqlite:///{folder / 'podium.db'}"


def _blank(_full: str, folder: Path) -> str:
    (folder / "podium.db").touch()
    return f"sqlite:///{folder / 'podium.db'}"


def _empty(_full: str, folder: Path) -> str:
    return empty(folder)


def _young(_full: str, folder: Path) -> str:
    template = folder.parent / "young"  # made once a process, in its own folder of pytest
    if not template.exists():
        filled(template, ticks=2)
    return copied(f"sqlite:///{template / 'podium.db'}", folder)


def _from_full(full: str, folder: Path) -> str:
    return copied(full, folder)


_MAKE: dict[str, Callable[[str, Path], str]] = {"missing": _missing, "blank": _blank, "empty": _empty, "young": _young}
