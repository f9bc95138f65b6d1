"""People of an identity provider as accounts of the store: admitted with the role that [auth] gives them, or refused with a reason."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, RowMapping

from engine.access.accounts import NAME_PATTERN, LoginResult, end_logins, revoke_tokens_of
from engine.access.login_tries import build_address_key, count_try, enter_failure, forgive_try, take_back_try
from engine.domain.access import ADMINISTER, RIGHTS, Visitor
from engine.domain.audit import ENGINE, AuditEntry
from engine.domain.identity import Identity, ProviderSettings, choose_role
from engine.store.connection import Store, driver_connection
from engine.store.write.audit import STARTED, append_entry, to_audit_text

STRANGER = "unknown name"  # as failed tries with a password call somebody who is not known
_FIND = "SELECT name, role, subject, facts FROM users WHERE"


class LoginRefused(ValueError):
    """Nobody was logged in: one line for the person at the browser. `entered` is the reason for the audit trail, which holds no secret."""

    def __init__(self, words: str, entered: str = "", code: int = 401) -> None:
        super().__init__(words)
        self.entered, self.code = entered or words, code


@dataclass(slots=True)
class ProviderAccounts:
    """The accounts of a provider's people in a store. Raises StoreError."""

    store: Store
    settings: ProviderSettings

    def begin_try(self, address: str, now: int) -> int:
        """Count a try of an address before it is looked at; gives the seconds to wait, 0 for none."""
        with self.store.write(fenced=False) as connection:
            return count_try(connection, build_address_key(address), now)

    def end_try(self, address: str, refusal: LoginRefused, now: int) -> None:
        """Enter a try that failed; one that failed for the provider's sake is not held against the address."""
        with self.store.write(fenced=False) as connection:
            if refusal.code == 503:
                take_back_try(connection, build_address_key(address), now)
            enter_failure(connection, STRANGER, address, refusal.entered, now)

    def admit(self, identity: Identity, address: str, now: int, begin: Callable[[Connection, Visitor], str]) -> LoginResult:
        """Log somebody in whom the provider has named; `begin` stores the log-in and gives its cookie. Raises LoginRefused."""
        role, refusal = choose_role(self.settings, identity), None
        with self.store.write(fenced=False) as connection:
            known = connection.exec_driver_sql(f"{_FIND} subject = ?", (identity.key,)).mappings().first()
            name = _choose_name(identity) if known is None else str(known["name"])
            if role is None:
                refusal = LoginRefused(f"{name} has no role here: an administrator can give one in [auth] of podium.toml.", "no role in [auth]", 403)
                if known is not None:  # such as a person who has left a group
                    self._close(connection, known, now, address)
            elif known is None and connection.exec_driver_sql(f"{_FIND} name = ?", (name,)).first() is not None:
                refusal = LoginRefused(f"Another account is called {name}: an administrator can remove it (user remove).", "the name is taken", 403)
            if refusal is None and role is not None:
                self._save(connection, identity, known, name, role, address, now)
                forgive_try(connection, build_address_key(address), now)
                visitor = Visitor(name, role)
                return LoginResult(visitor, cookie=begin(connection, visitor))
            enter_failure(connection, name if known is not None else STRANGER, address, "" if refusal is None else refusal.entered, now)
        raise refusal or LoginRefused("Nobody was logged in.")

    def renew_roles(self, now: int) -> None:
        """Give everybody the role that today's rules give them by what the provider last said; who has none any more is logged out."""
        with self.store.write(fenced=False) as connection:
            for row in connection.exec_driver_sql(f"{_FIND} subject IS NOT NULL ORDER BY name").mappings().all():
                identity = _read_identity(row, self.settings)
                role = None if identity is None else choose_role(self.settings, identity)
                if role is None:
                    self._close(connection, row, now, STARTED)
                elif role != row["role"]:
                    self._change_role(connection, row, role, STARTED, now)

    def _save(self, connection: Connection, identity: Identity, known: RowMapping | None, name: str, role: str, address: str, now: int) -> None:
        if known is None:
            sql = "INSERT INTO users (name, role, password, created_at, subject, facts) VALUES (?, ?, '', ?, ?, ?)"
            connection.exec_driver_sql(sql, (name, role, now, identity.key, _write_facts(identity)))
            _enter(connection, now, name, address, "account", name, f"first log-in at {self.settings.host}", after={"role": role})
            return
        connection.exec_driver_sql("UPDATE users SET facts = ? WHERE name = ?", (_write_facts(identity), name))
        if role != known["role"]:
            self._change_role(connection, known, role, address, now)

    def _change_role(self, connection: Connection, known: RowMapping, role: str, origin: str, now: int) -> None:
        name, before = str(known["name"]), str(known["role"])
        who = ENGINE if origin == STARTED else name
        connection.exec_driver_sql("UPDATE users SET role = ? WHERE name = ?", (role, name))
        _enter(connection, now, who, origin, "account", name, "by [auth]", before={"role": before}, after={"role": role})
        if ADMINISTER not in RIGHTS.get(role, frozenset()):
            revoke_tokens_of(connection, name, now, who, origin)

    def _close(self, connection: Connection, known: RowMapping, now: int, origin: str) -> None:
        """Leave an account without a role: its log-ins end, and commands that wait are refused."""
        if known["role"]:
            self._change_role(connection, known, "", origin, now)
        end_logins(connection, str(known["name"]), now)


def _choose_name(identity: Identity) -> str:
    """The name of a new account; a digest where the provider's has other letters than a name may have."""
    if NAME_PATTERN.fullmatch(identity.name) is not None:
        return identity.name
    return f"oidc-{hashlib.sha256(identity.key.encode()).hexdigest()[:16]}"


def _write_facts(identity: Identity) -> str:
    return orjson.dumps({"email": identity.email, "groups": identity.groups, "claims": dict(identity.claims)}).decode()


def _read_identity(row: RowMapping, settings: ProviderSettings) -> Identity | None:
    """What the provider said of somebody at the last log-in; None where it was another provider."""
    issuer, _, subject = str(row["subject"]).partition(" ")
    if issuer != settings.issuer:
        return None
    facts = orjson.loads(row["facts"] or "{}")
    claims = tuple((name, tuple(values)) for name, values in facts.get("claims", {}).items())
    return Identity(issuer, subject, str(row["name"]), facts.get("email", ""), tuple(facts.get("groups", ())), claims)


def _enter(
    connection: Connection, now: int, who: str, origin: str, kind: str, subject: str, why: str,
    before: Mapping[str, object] | None = None, after: Mapping[str, object] | None = None,
) -> None:  # fmt: skip
    texts = (None if values is None else to_audit_text(values) for values in (before, after))
    append_entry(driver_connection(connection), AuditEntry(now, who, origin, kind, subject, why, *texts))
