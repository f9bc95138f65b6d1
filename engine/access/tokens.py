"""Tokens by which programs call the API: named, scoped, expiring, stored as digests, revocable at once."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, RowMapping

from engine.access.accounts import NAME_PATTERN
from engine.domain.access import COMMAND_SCOPE, SCOPES, TOKEN_PREFIX, Visitor
from engine.domain.audit import AuditEntry
from engine.domain.texts import shorten
from engine.schema import find_near
from engine.store import database
from engine.store.connection import Store, driver_connection
from engine.store.errors import StoreError
from engine.store.write.audit import append_entry, to_audit_text

DAY, MINUTE = 86_400 * 10**9, 60 * 10**9  # ns
USUAL_DAYS, MAX_DAYS = 90, 3_650
MARK = "podium_"  # how a token begins, so that a scanner of secrets finds it
_COLUMNS = "name, scopes, created_at, created_by, expires_at, used_at, revoked_at"


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its secret. Times are ns UTC."""

    name: str
    scopes: tuple[str, ...]
    created_at: int
    created_by: str
    expires_at: int
    used_at: int | None
    revoked_at: int | None

    def describe_state(self, now: int) -> str:
        """Say whether it is valid: valid, expired or revoked."""
        return "revoked" if self.revoked_at is not None else "expired" if now >= self.expires_at else "valid"


class Tokens:
    """The tokens in a store. Every change is entered in the audit trail in its own transaction. Raises StoreError."""

    def __init__(self, store: Store, who: str = "", origin: str = "") -> None:
        self._store, self._who, self._origin = store, who, origin

    def list(self) -> tuple[Token, ...]:
        """Every token by name, also those that are worth nothing any more."""
        with self._store.read() as connection:
            rows = connection.exec_driver_sql(f"SELECT {_COLUMNS} FROM tokens ORDER BY name").mappings().all()
        return tuple(map(_build_token, rows))

    def create(self, name: str, scopes: Sequence[str], days: float, commands: Collection[str], now: int) -> str:
        """Create a token and return its secret, which is stored nowhere; raises ValueError in one line.

        `commands` are the names that a scope may have after "command:".
        """
        if NAME_PATTERN.fullmatch(name) is None:
            raise ValueError(f"{shorten(name)} is not a name for a token: give 1 to 64 letters, digits and . _ @ + -")
        if not 0 < days <= MAX_DAYS:
            raise ValueError(f"days is {days:g}: give a number from 1 to {MAX_DAYS}")
        chosen = _read_scopes(scopes, commands)
        secret = MARK + secrets.token_urlsafe(32)
        expires_at = now + round(days * DAY)
        row = (name, digest_secret(secret), orjson.dumps(chosen).decode(), now, self._who, expires_at)
        with self._store.write(fenced=False) as connection:
            if connection.exec_driver_sql("SELECT 1 FROM tokens WHERE name = ?", (name,)).first() is not None:
                raise ValueError(f"there is a token {name} already: give another name, so that the audit trail tells the two apart")
            sql = "INSERT INTO tokens (name, digest, scopes, created_at, created_by, expires_at) VALUES (?, ?, ?, ?, ?, ?)"
            connection.exec_driver_sql(sql, row)
            self._enter(connection, now, name, after={"scopes": chosen, "days": days})
        return secret

    def revoke(self, name: str, now: int) -> None:
        """Make a token worth nothing from now on; raises ValueError in one line."""
        with self._store.write(fenced=False) as connection:
            sql = "UPDATE tokens SET revoked_at = ? WHERE name = ? AND revoked_at IS NULL"
            if connection.exec_driver_sql(sql, (now, name)).rowcount != 1:
                raise ValueError(f"there is no token {shorten(name)} that is not revoked: see token list")
            self._enter(connection, now, name, before={"state": "valid"}, after={"state": "revoked"})

    def find_visitor(self, secret: str, now: int) -> Visitor | None:
        """The visitor that a secret stands for; None where it is unknown, expired or revoked. Its use is noted once a minute."""
        if not secret.startswith(MARK) or len(secret) > 200:
            return None
        digest = digest_secret(secret)
        with self._store.read() as connection:
            row = connection.exec_driver_sql(f"SELECT {_COLUMNS} FROM tokens WHERE digest = ?", (digest,)).mappings().first()
        token = None if row is None else _build_token(row)
        if token is None or token.describe_state(now) != "valid":
            return None
        if token.used_at is None or now - token.used_at > MINUTE:
            self._store.try_update("UPDATE tokens SET used_at = ? WHERE digest = ?", (now, digest))
        return Visitor(f"{TOKEN_PREFIX}{token.name}", "", scopes=token.scopes)

    def _enter(
        self, connection: Connection, now: int, name: str, before: dict[str, object] | None = None, after: dict[str, object] | None = None
    ) -> None:
        texts = (None if values is None else to_audit_text(values) for values in (before, after))
        append_entry(driver_connection(connection), AuditEntry(now, self._who, self._origin, "token", name, "", *texts))


def open_tokens(url: str, who: str, origin: str) -> tuple[Store, Tokens]:
    """Open the tokens of a store for somebody; the caller closes the store. Raises StoreError."""
    database.prepare(url)
    store = Store(url, None)
    return store, Tokens(store, who, origin)


def digest_secret(secret: str) -> str:
    """Digest a secret as the store holds it: it is random enough that no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _build_token(row: RowMapping) -> Token:
    return Token(**{**row, "scopes": tuple(orjson.loads(row["scopes"]))})


def _read_scopes(scopes: Sequence[str], commands: Collection[str]) -> tuple[str, ...]:
    """The scopes, each once and in order; raises ValueError in one line."""
    if not scopes:
        raise ValueError(f"a token needs a scope: give {', '.join(SCOPES)} or {COMMAND_SCOPE}:NAME")
    for scope in scopes:
        kind, colon, name = scope.partition(":")
        if kind not in SCOPES or (colon and kind != COMMAND_SCOPE):
            raise ValueError(f"{shorten(scope)} is not a scope: give {', '.join(SCOPES)} or {COMMAND_SCOPE}:NAME")
        if colon and name not in commands:
            near = find_near(name, commands)
            raise ValueError(f"{shorten(scope)}: there is no command {shorten(name)}" + (f": did you mean {near}?" if near else ""))
    return tuple(dict.fromkeys(scopes))


__all__ = ["StoreError", "Token", "Tokens", "open_tokens"]
