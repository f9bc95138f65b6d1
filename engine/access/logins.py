"""Log-ins of browsers: a signed cookie names a record in the store, which ends by itself and on request."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import Connection

from engine.domain.access import Visitor
from engine.domain.audit import AuditEntry
from engine.files import private_files
from engine.store.connection import Store, driver_connection
from engine.store.write.audit import append_entry

COOKIE = "podium_login"
KEY_FILE = "login.key"  # in PODIUM_HOME
HOUR = 3_600 * 10**9  # ns
SEEN_EVERY = 60 * 10**9  # ns between two notes that a log-in is used
_FIND = """
SELECT l.id, l.account, l.began_at, l.seen_at, u.role, u.subject FROM logins l JOIN users u ON u.name = l.account
WHERE l.id = ? AND l.ended_at IS NULL
"""
_FIND_OPEN = """
SELECT l.account, l.origin, u.subject FROM logins l LEFT JOIN users u ON u.name = l.account WHERE l.id = ? AND l.ended_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """How long a log-in lasts, and whose."""

    idle_hours: float  # without use
    days: float  # at most
    has_passwords: bool = True  # of local accounts
    has_provider: bool = False  # of a provider's people

    def admits(self, subject: object) -> bool:
        """Whether an account may still be logged in under the settings of now; `subject` is what names it at a provider."""
        return self.has_passwords if subject is None else self.has_provider


class Logins:
    """The log-ins in a store. Raises StoreError."""

    def __init__(self, store: Store, key: bytes, limits: LoginLimits) -> None:
        self._store, self._limits = store, limits
        self._serializer = URLSafeSerializer(key, salt="podium log-in")

    def begin(self, visitor: Visitor, address: str, now: int) -> str:
        """Store a log-in and return the value of its cookie; the store holds only a digest of it."""
        with self._store.write(fenced=False) as connection:
            return self.begin_within(connection, visitor, address, now)

    def begin_within(self, connection: Connection, visitor: Visitor, address: str, now: int) -> str:
        """Store a log-in inside the caller's transaction."""
        token = secrets.token_urlsafe(32)
        row = (_digest(token), visitor.name, now, now, address)
        connection.exec_driver_sql("INSERT INTO logins (id, account, began_at, seen_at, origin) VALUES (?, ?, ?, ?, ?)", row)
        append_entry(driver_connection(connection), AuditEntry(now, visitor.name, address, "log-in", "began", ""))
        return str(self._serializer.dumps(token))

    def find(self, cookie: str | None, now: int, *, is_use: bool = True) -> Visitor | None:
        """The visitor of a cookie with today's role; None where it is not ours, has ended, or is too old. A use begins its idle time anew."""
        token = self._read(cookie)
        if token is None:
            return None
        with self._store.read() as connection:
            row = connection.exec_driver_sql(_FIND, (_digest(token),)).mappings().first()
        if row is None or not self._limits.admits(row["subject"]) or self._is_over(int(row["began_at"]), int(row["seen_at"]), now):
            return None
        if is_use and now - int(row["seen_at"]) > SEEN_EVERY:
            self._store.try_update("UPDATE logins SET seen_at = ? WHERE id = ?", (now, row["id"]))
        return Visitor(str(row["account"]), str(row["role"]))

    def end(self, cookie: str | None, now: int) -> bool:
        """End a log-in in the store, so that its cookie is worth nothing any more; gives whether it was one of a provider's people."""
        token = self._read(cookie)
        if token is None:
            return False
        with self._store.write(fenced=False) as connection:
            row = connection.exec_driver_sql(_FIND_OPEN, (_digest(token),)).first()
            if row is not None:
                connection.exec_driver_sql("UPDATE logins SET ended_at = ? WHERE id = ?", (now, _digest(token)))
                append_entry(driver_connection(connection), AuditEntry(now, str(row[0]), str(row[1]), "log-in", "ended", ""))
        return row is not None and row[2] is not None

    def _is_over(self, began_at: int, seen_at: int, now: int) -> bool:
        """A log-in from the future counts as over: the clock was set back, and its age is unknown."""
        is_idle = now - seen_at > self._limits.idle_hours * HOUR
        return is_idle or now - began_at > self._limits.days * 24 * HOUR or began_at > now + HOUR

    def _read(self, cookie: str | None) -> str | None:
        if not cookie or len(cookie) > 500:
            return None
        try:
            token = self._serializer.loads(cookie)
        except BadSignature:
            return None
        return token if isinstance(token, str) else None


def load_key(home: Path) -> bytes:
    """The key that signs cookies, made at the first use; only the user who runs Podium can read its file. Raises OSError, ValueError."""
    private_files.make_private_folder(home)
    path = home / KEY_FILE
    if not path.exists():
        _make_key(path)
    key = path.read_bytes()
    if len(key) < 32:
        raise ValueError(f"{KEY_FILE} in PODIUM_HOME is not a key: delete it, and everybody logs in again")
    return key


def _make_key(path: Path) -> None:
    """Write a key under another name first, so that no other process reads half of it, and a full disk leaves none."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(private_files.create_private_file(draft), "wb") as out:
            out.write(secrets.token_bytes(32))
            out.flush()
            os.fsync(out.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its key is the one
            path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
