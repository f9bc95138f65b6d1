"""Local accounts: names with a role and a password, and the log-in that slows down and counts failed tries."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection

from engine.access.login_tries import build_keys, count_try, enter_failure, forgive_try
from engine.access.passwords import hash_password, require_good_password, verify_password
from engine.domain.access import ADMINISTER, RIGHTS, ROLES, Visitor
from engine.domain.audit import AuditEntry
from engine.domain.texts import shorten
from engine.store import database
from engine.store.connection import Store, driver_connection, fetch_value
from engine.store.errors import translate_errors
from engine.store.write.audit import append_entry, to_audit_text

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")


@dataclass(frozen=True, slots=True)
class PersonAccount:
    """A person's account, without its password."""

    name: str
    role: str
    created_at: int  # ns UTC
    is_local: bool = True  # has a password here; else its owner logs in at the provider


@dataclass(frozen=True, slots=True)
class LoginResult:
    """The result of a try to log in: the visitor, or how long to wait before the next try is looked at."""

    visitor: Visitor | None
    wait_seconds: int = 0
    cookie: str | None = None  # of the log-in that began


def list_accounts(url: str) -> tuple[PersonAccount, ...]:
    """Every account of a store by name, which is only read: one that is missing or of an earlier version has none. Raises StoreError."""
    path = database.path_from_url(url)
    if not path.exists():
        return ()
    with translate_errors(str(path)), database.connect(url, read_only=True).begin() as connection:
        if fetch_value(connection, "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'users'") is None:
            return ()
        has_subjects = fetch_value(connection, "SELECT 1 FROM pragma_table_info('users') WHERE name = 'subject'") is not None
        sql = f"SELECT name, role, created_at, {'subject' if has_subjects else 'NULL'} AS subject FROM users ORDER BY name"
        rows = connection.exec_driver_sql(sql).mappings().all()
    return tuple(PersonAccount(row["name"], row["role"], row["created_at"], row["subject"] is None) for row in rows)


@dataclass(slots=True)
class Accounts:
    """The accounts in a store. Every change is entered in the audit trail in its own transaction. Raises StoreError."""

    url: str
    who: str = ""  # changes accounts, for the audit trail
    origin: str = ""
    busy_ms: int = 5_000
    _store: Store | None = field(default=None, init=False, repr=False)

    @property
    def store(self) -> Store:
        """The connection, opened when it is first used."""
        if self._store is None:
            database.prepare(self.url)
            self._store = Store(self.url, None, busy_ms=self.busy_ms)
        return self._store

    def close(self) -> None:
        if self._store is not None:
            self._store.close()

    def require_free(self, name: str, role: str) -> None:
        """Raise ValueError in one line where an account of that name and role cannot be added, before its password is asked for."""
        _require_name(name)
        _require_role(role)
        with self.store.read() as connection:
            _require_unused(connection, name)

    def add(self, name: str, role: str, password: str, now: int) -> None:
        """Create an account; raises ValueError in one line."""
        _require_name(name)
        _require_role(role)
        hashed = hash_password(require_good_password(password))
        with self.store.write(fenced=False) as connection:
            _require_unused(connection, name)
            connection.exec_driver_sql("INSERT INTO users (name, role, password, created_at) VALUES (?, ?, ?, ?)", (name, role, hashed, now))
            self._enter(connection, now, "account", name, after={"role": role})

    def remove(self, name: str, now: int) -> None:
        """Remove an account, end its log-ins and revoke the tokens that it created; raises ValueError in one line."""
        with self.store.write(fenced=False) as connection:
            role = self._require_account(connection, name)
            connection.exec_driver_sql("DELETE FROM users WHERE name = ?", (name,))
            end_logins(connection, name, now)
            self._enter(connection, now, "account", name, before={"role": role})
            revoke_tokens_of(connection, name, now, self.who, self.origin)

    def change_role(self, name: str, role: str, now: int) -> None:
        """Give an account another role, which holds at once; the tokens of who is no admin any more are revoked. Raises ValueError in one line."""
        _require_role(role)
        with self.store.write(fenced=False) as connection:
            before = self._require_account(connection, name)
            connection.exec_driver_sql("UPDATE users SET role = ? WHERE name = ?", (role, name))
            self._enter(connection, now, "account", name, before={"role": before}, after={"role": role})
            if ADMINISTER not in RIGHTS[role]:
                revoke_tokens_of(connection, name, now, self.who, self.origin)

    def change_password(self, name: str, password: str, now: int) -> None:
        """Give an account another password and end its log-ins; raises ValueError in one line."""
        hashed = hash_password(require_good_password(password))
        with self.store.write(fenced=False) as connection:
            self._require_account(connection, name)
            if fetch_value(connection, "SELECT subject FROM users WHERE name = ?", (name,)) is not None:
                raise ValueError(f"{name} logs in at the provider and has no password here: change it there")
            connection.exec_driver_sql("UPDATE users SET password = ? WHERE name = ?", (hashed, name))
            end_logins(connection, name, now)
            self._enter(connection, now, "account", name, after={"password": "changed, and its log-ins ended"})

    def log_in(
        self, name: str, password: str, address: str, now: int, begin: Callable[[Connection, Visitor], str] | None = None
    ) -> LoginResult:  # fmt: skip
        """Check a name and a password that were sent from an address; `begin` stores the log-in and gives its cookie.

        A try counts as failed before the password is looked at, and not any more once it was right: tries at the same time cannot share one.
        The log-in begins in the transaction that sees that the password is still the one that was checked.
        """
        keys = build_keys(name, address)
        with self.store.write(fenced=False) as connection:
            wait = count_try(connection, keys, now)
            if wait > 0:
                return LoginResult(None, wait)
            stored = fetch_value(connection, "SELECT password FROM users WHERE name = ? AND subject IS NULL", (name,))
        is_right = verify_password(stored, password)
        with self.store.write(fenced=False) as connection:
            role = fetch_value(connection, "SELECT role FROM users WHERE name = ? AND password = ? AND subject IS NULL", (name, stored))
            if not is_right or role is None:
                enter_failure(connection, name if _find_role(connection, name) is not None else "unknown name", address, "", now)
                return LoginResult(None)
            forgive_try(connection, keys, now)
            visitor = Visitor(name, str(role))
            return LoginResult(visitor, cookie=None if begin is None else begin(connection, visitor))

    def _require_account(self, connection: Connection, name: str) -> str:
        role = _find_role(connection, name)
        if role is None:
            raise ValueError(f"there is no account {shorten(name)}: see user list")
        return role

    def _enter(
        self, connection: Connection, now: int, kind: str, name: str, before: dict[str, object] | None = None, after: dict[str, object] | None = None
    ) -> None:
        texts = (None if values is None else to_audit_text(values) for values in (before, after))
        append_entry(driver_connection(connection), AuditEntry(now, self.who, self.origin, kind, name, "", *texts))


def _find_role(connection: Connection, name: str) -> str | None:
    role = fetch_value(connection, "SELECT role FROM users WHERE name = ?", (name,))
    return None if role is None else str(role)


def end_logins(connection: Connection, name: str, now: int) -> None:
    """End every log-in of an account."""
    connection.exec_driver_sql("UPDATE logins SET ended_at = ? WHERE account = ? AND ended_at IS NULL", (now, name))


def revoke_tokens_of(connection: Connection, creator: str, now: int, who: str, origin: str) -> None:
    """Revoke what somebody created who may not create tokens any more, with an entry for each in the audit trail."""
    sql = "SELECT name FROM tokens WHERE created_by = ? AND revoked_at IS NULL AND expires_at > ?"
    for token in connection.exec_driver_sql(sql, (creator, now)).scalars().all():
        connection.exec_driver_sql("UPDATE tokens SET revoked_at = ? WHERE name = ?", (now, token))
        texts = (to_audit_text({"state": "valid"}), to_audit_text({"state": "revoked", "created_by": creator}))
        append_entry(driver_connection(connection), AuditEntry(now, who, origin, "token", str(token), "", *texts))


def _require_unused(connection: Connection, name: str) -> None:
    if _find_role(connection, name) is not None:
        raise ValueError(f"there is an account {name} already: change it by user role or user password")


def _require_name(name: str) -> None:
    if NAME_PATTERN.fullmatch(name) is None:
        raise ValueError(f"{shorten(name)} is not a name for an account: give 1 to 64 letters, digits and . _ @ + -")


def _require_role(role: str) -> None:
    if role not in ROLES:
        raise ValueError(f"{shorten(role)} is not a role: give {', '.join(ROLES[:-1])} or {ROLES[-1]}")
