"""The inbox of commands from people to the engine: each row has who, when, why and the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import orjson
from sqlalchemy import Connection, RowMapping

from engine.commands.router import find_command
from engine.domain.access import TOKEN_PREFIX, Visitor, judge_access
from engine.domain.audit import AuditEntry
from engine.domain.record import Record
from engine.domain.trading_config import Command
from engine.store.connection import Store, driver_connection, fetch_value
from engine.store.errors import LeaseLost
from engine.store.write.audit import append_entry, append_limited, to_audit_text
from engine.store.write.tick_rows import to_json

QUEUED, RUNNING, DONE, FAILED = "queued", "running", "done", "failed"

_QUEUE = "INSERT INTO commands (at, name, args, \"by\", reason, status, origin, account, request_key) VALUES (?, ?, ?, ?, ?, 'queued', ?, ?, ?)"
_CLAIM = """
UPDATE commands SET status = 'running', started_at = ?, progress = 0.0
WHERE id = ? AND status = 'queued'
"""


@dataclass(frozen=True, slots=True)
class CommandRecord(Record):
    """A command with its progress and result."""

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


class KeyReused(ValueError):
    """A key that belongs to another command."""


class Inbox:
    """Anyone may submit and read commands; only the engine that holds the lease (`holder`) claims, reports and finishes them."""

    def __init__(self, url: str, holder: str | None = None, *, busy_ms: int = 5000) -> None:
        """`busy_ms` limits the wait for a store that another process has locked."""
        self._store = Store(url, holder, busy_ms=busy_ms)

    def close(self) -> None:
        self._store.close()

    def limit_busy_wait(self, busy_ms: int) -> None:
        """Change the limit of the wait for a locked store."""
        self._store.pragma(f"PRAGMA busy_timeout = {busy_ms:d}")

    def submit(
        self, name: str, args: Mapping[str, str], by: str, reason: str, now: int, origin: str = "", account: str | None = None,
        request_key: str | None = None,
    ) -> int:  # fmt: skip
        """Queue a command, enter it in the audit trail, and return its number; raises ValueError for an unknown name.

        `origin` is where it comes from, such as the command line; `account` the one whose role it is carried out by.
        The same command of an account under the same `request_key` is not queued again: its number is returned. Another command under that key
        raises KeyReused.
        """
        find_command(name)
        row = (now, name, to_json(dict(args)), by, reason, origin or None, account, request_key)
        with self._store.write(fenced=False) as connection:
            earlier = _find_request(connection, account, request_key)
            if earlier is not None:
                if (earlier["name"], orjson.loads(earlier["args"]), earlier["reason"]) != (name, dict(args), reason):
                    raise KeyReused(f"the key {request_key} belongs to command {earlier['id']}, which is another one: give a new key")
                return int(earlier["id"])
            connection.exec_driver_sql(_QUEUE, row)
            number = int(fetch_value(connection, "SELECT last_insert_rowid()"))
            after = to_audit_text({"id": number, "args": dict(args)})
            append_entry(driver_connection(connection), AuditEntry(now, by, origin, "command", name, reason, after=after))
            return number

    def count_queued(self) -> int:
        """The number of commands that nobody has claimed yet."""
        with self._store.read() as connection:
            return int(fetch_value(connection, "SELECT count(*) FROM commands WHERE status = 'queued'"))

    def peek(self) -> tuple[int, str] | None:
        """Number and name of the oldest queued command; None without one. Reads only, since most of the time there is none."""
        with self._store.read() as connection:
            row = connection.exec_driver_sql("SELECT id, name FROM commands WHERE status = 'queued' ORDER BY id LIMIT 1").mappings().first()
        return None if row is None else (int(row["id"]), str(row["name"]))

    def claim(self, now: int) -> Command | None:
        """Claim the oldest queued command; None without one. Raises LeaseLost when another engine holds the store."""
        oldest = self.peek()
        return None if oldest is None else self.claim_number(oldest[0], now)

    def claim_number(self, number: int, now: int) -> Command | None:
        """Claim this command; None where it is no longer queued."""
        with self._store.write() as connection:
            is_claimed = connection.exec_driver_sql(_CLAIM, (now, number)).rowcount == 1
            return _read_record(connection, number).command if is_claimed else None

    def enter_refusal(self, name: str, who: str, why: str, now: int, origin: str) -> None:
        """Enter in the audit trail that somebody may not send a command, once a minute however often they try."""
        with self._store.write(fenced=False) as connection:
            append_limited(driver_connection(connection), AuditEntry(now, who, origin, "refusal", name, why), 1)

    def enter_import(self, name: str, who: str, details: Mapping[str, object], now: int, origin: str) -> None:
        """Enter in the audit trail that somebody imports files as a recording."""
        with self._store.write(fenced=False) as connection:
            append_entry(driver_connection(connection), AuditEntry(now, who, origin, "import", name, after=to_audit_text(details)))

    def find_refusal(self, command: Command, now: int) -> str | None:
        """The reason why whoever sent a command may not do so with the role that they have now; None where they may."""
        with self._store.read() as connection:
            account = fetch_value(connection, "SELECT account FROM commands WHERE id = ?", (command.id,))
            if account is None:  # from a terminal of this machine
                return None
            sender = _find_sender(connection, str(account), now)
        return judge_access(sender, find_command(command.name).right, command.name)

    def report_progress(self, number: int, progress: float, note: str) -> None:
        """Report the progress of a running command, 0..1, with a note."""
        with self._store.write() as connection:
            connection.exec_driver_sql("UPDATE commands SET progress = ?, note = ? WHERE id = ? AND status = 'running'", (progress, note, number))

    def finish(self, number: int, ok: bool, result: Mapping[str, object], now: int) -> None:
        """Finish a running command and enter its result in the audit trail; raises LeaseLost when another engine has closed it."""
        row = (DONE if ok else FAILED, to_json(dict(result)), now, number)
        with self._store.write() as connection:
            closed = connection.exec_driver_sql(
                "UPDATE commands SET status = ?, result = ?, finished_at = ? WHERE id = ? AND status = 'running'", row
            )
            if closed.rowcount != 1:
                raise LeaseLost(f"command {number} is not running here: another engine has closed it")
            _audit_result(connection, number, ok, result, now)

    def get(self, number: int) -> CommandRecord | None:
        """A command with its progress and result; None where the number is unknown."""
        with self._store.read() as connection:
            known = fetch_value(connection, "SELECT id FROM commands WHERE id = ?", (number,))
            return None if known is None else _read_record(connection, number)


def _find_request(connection: Connection, account: str | None, request_key: str | None) -> RowMapping | None:
    """The command that an account sent under a key; None without a key, and where there is none."""
    if request_key is None:
        return None
    sql = "SELECT id, name, args, reason FROM commands WHERE account IS ? AND request_key = ?"
    return connection.exec_driver_sql(sql, (account, request_key)).mappings().first()


def _find_sender(connection: Connection, account: str, now: int) -> Visitor:
    """Who sent a command, with the role or the scopes of now; neither for an account that was removed and a token that was revoked or has expired."""
    if not account.startswith(TOKEN_PREFIX):
        return Visitor(account, str(fetch_value(connection, "SELECT role FROM users WHERE name = ?", (account,)) or ""))
    sql = "SELECT scopes FROM tokens WHERE name = ? AND revoked_at IS NULL AND expires_at > ?"
    scopes = fetch_value(connection, sql, (account.removeprefix(TOKEN_PREFIX), now))
    return Visitor(account, "", scopes=() if scopes is None else tuple(orjson.loads(scopes)))


def fail_running_commands(connection: Connection, now: int) -> int:
    """Fail the commands that a dead engine left running, since it is unknown how much was done; return their number."""
    result = {"error": "the engine stopped while this was running: look at what it did, then ask again"}
    numbers = connection.exec_driver_sql("SELECT id FROM commands WHERE status = 'running'").scalars().all()
    for number in numbers:
        connection.exec_driver_sql("UPDATE commands SET status = 'failed', result = ?, finished_at = ? WHERE id = ?", (to_json(result), now, number))
        _audit_result(connection, int(number), False, result, now)
    return len(numbers)


def _audit_result(connection: Connection, number: int, ok: bool, result: Mapping[str, object], now: int) -> None:
    """Enter a result in the audit trail, and where it changed a setting, its value before and after, which the handler reports."""
    sql = 'SELECT name, "by" AS sender, reason, origin FROM commands WHERE id = ?'
    row = connection.exec_driver_sql(sql, (number,)).mappings().one()
    outcome = {"id": number, "status": DONE if ok else FAILED, **{name: result[name] for name in ("message", "error") if name in result}}
    entry = AuditEntry(now, row["sender"], row["origin"] or "", "result", row["name"], row["reason"], after=to_audit_text(outcome))
    append_entry(driver_connection(connection), entry)
    before, after = result.get("before"), result.get("after")
    if ok and isinstance(before, Mapping) and isinstance(after, Mapping):
        changed = replace(entry, kind="setting", before=to_audit_text(before), after=to_audit_text(after))
        append_entry(driver_connection(connection), changed)


def _read_record(connection: Connection, number: int) -> CommandRecord:
    sql = 'SELECT id, name, args, "by", reason, at, status, result, started_at, finished_at, progress, note FROM commands WHERE id = ?'
    row = connection.exec_driver_sql(sql, (number,)).mappings().one()
    args = tuple((str(key), str(value)) for key, value in orjson.loads(row["args"]).items())
    return CommandRecord(
        Command(row["id"], row["name"], args, row["by"], row["reason"]), row["at"], row["status"], row["result"], row["started_at"],
        row["finished_at"], row["progress"], row["note"],
    )  # fmt: skip
