"""Commands from people to the engine, as rows: each is given once, with who, when and why, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection

from engine.domain.record import Record
from engine.domain.trading_config import COMMANDS, Command
from engine.store.connection import Store, fetch_value
from engine.store.errors import LeaseLost
from engine.store.write.tick_rows import to_json

QUEUED, RUNNING, DONE, FAILED = "queued", "running", "done", "failed"

_CLAIM = """
UPDATE commands SET status = 'running', started_at = ?, progress = 0.0
WHERE id = ? AND status = 'queued'
"""


@dataclass(frozen=True, slots=True)
class CommandRecord(Record):
    """A command and how far it has come."""

    command: Command
    at: int  # ns UTC
    status: str  # queued, running, done, failed
    result: str | None  # JSON
    started_at: int | None
    finished_at: int | None
    progress: float | None  # 0..1
    note: str | None

    @property
    def is_finished(self) -> bool:
        return self.status in {DONE, FAILED}


class Inbox:
    """Anyone may submit and look; only the engine that holds the lease (`holder`) claims, reports and finishes."""

    def __init__(self, url: str, holder: str | None = None, *, busy_ms: int = 5000) -> None:
        """`busy_ms`: for how long a store that another process has locked is waited for."""
        self._store = Store(url, holder, busy_ms=busy_ms)

    def close(self) -> None:
        self._store.close()

    def limit_busy_wait(self, busy_ms: int) -> None:
        """From now on a store that another process has locked is waited for no longer than that."""
        self._store.pragma(f"PRAGMA busy_timeout = {busy_ms:d}")

    def submit(self, name: str, args: Mapping[str, str], by: str, reason: str, now: int) -> int:
        """Queues a command and gives its number; raises ValueError for a name there is not."""
        if name not in COMMANDS:
            raise ValueError(f"there is no command {name!r}: give one of {', '.join(COMMANDS)}")
        row = (now, name, to_json(dict(args)), by, reason)
        with self._store.write(fenced=False) as connection:
            connection.exec_driver_sql("INSERT INTO commands (at, name, args, \"by\", reason, status) VALUES (?, ?, ?, ?, ?, 'queued')", row)
            return int(fetch_value(connection, "SELECT last_insert_rowid()"))

    def count_queued(self) -> int:
        """How many commands nobody has taken yet."""
        with self._store.read() as connection:
            return int(fetch_value(connection, "SELECT count(*) FROM commands WHERE status = 'queued'"))

    def peek(self) -> tuple[int, str] | None:
        """Number and name of the oldest command nobody has taken; None without one. Costs no write, for most of the time there is none."""
        with self._store.read() as connection:
            row = connection.exec_driver_sql("SELECT id, name FROM commands WHERE status = 'queued' ORDER BY id LIMIT 1").first()
        return None if row is None else (int(row[0]), str(row[1]))

    def claim(self, now: int) -> Command | None:
        """The oldest command nobody has taken, now taken; None without one. Raises LeaseLost when another engine holds the store."""
        oldest = self.peek()
        return None if oldest is None else self.claim_number(oldest[0], now)

    def claim_number(self, number: int, now: int) -> Command | None:
        """That command, unless somebody was faster."""
        with self._store.write() as connection:
            taken = connection.exec_driver_sql(_CLAIM, (now, number)).rowcount == 1
            return _asked(connection, number).command if taken else None

    def report_progress(self, number: int, progress: float, note: str) -> None:
        """How far a running command has come, 0..1, and a word."""
        with self._store.write() as connection:
            connection.exec_driver_sql("UPDATE commands SET progress = ?, note = ? WHERE id = ? AND status = 'running'", (progress, note, number))

    def finish(self, number: int, ok: bool, result: Mapping[str, object], now: int) -> None:
        """Closes a running command; raises LeaseLost when it has been taken from this engine."""
        row = (DONE if ok else FAILED, to_json(dict(result)), now, number)
        with self._store.write() as connection:
            closed = connection.exec_driver_sql(
                "UPDATE commands SET status = ?, result = ?, finished_at = ? WHERE id = ? AND status = 'running'", row
            )
            if closed.rowcount != 1:
                raise LeaseLost(f"command {number} is not running here: another engine has closed it")

    def get(self, number: int) -> CommandRecord | None:
        """A command and how far it has come."""
        with self._store.read() as connection:
            known = fetch_value(connection, "SELECT id FROM commands WHERE id = ?", (number,))
            return None if known is None else _asked(connection, number)


def fail_running_commands(connection: Connection, now: int) -> int:
    """Fails what a dead engine left running: nobody knows how much of it was done. Gives how many."""
    result = to_json({"error": "the engine stopped while this was running: look at what it did, then ask again"})
    row = (result, now)
    return int(
        connection.exec_driver_sql("UPDATE commands SET status = 'failed', result = ?, finished_at = ? WHERE status = 'running'", row).rowcount
    )


def _asked(connection: Connection, number: int) -> CommandRecord:
    row = connection.exec_driver_sql(
        'SELECT id, name, args, "by", reason, at, status, result, started_at, finished_at, progress, note FROM commands WHERE id = ?', (number,)
    ).one()
    args = tuple((str(key), str(value)) for key, value in orjson.loads(row[2]).items())
    return CommandRecord(Command(row[0], row[1], args, row[3], row[4]), row[5], row[6], row[7], row[8], row[9], row[10], row[11])
