"""The front desk of a server with log-in: who a cookie belongs to, and the way in and out."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import Connection

from engine.access.accounts import Accounts, LoginResult
from engine.access.logins import LoginLimits, Logins, load_key
from engine.access.refusals import RefusalLog
from engine.access.tokens import Tokens
from engine.domain.access import Visitor
from engine.domain.ports import Clock
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.access.provider_desk import ProviderDesk

BUSY_MS = 2_000  # that a request waits for a locked store
FORM_COOKIE = "podium_form"


@dataclass(eq=False)
class FrontDesk:
    """Finds, admits and dismisses visitors of one store. Raises StoreError where it cannot be read or written."""

    settings: Settings
    clock: Clock
    _accounts: Accounts = field(init=False)

    def __post_init__(self) -> None:
        self._accounts = Accounts(self.settings.database_url, busy_ms=BUSY_MS)

    @cached_property
    def _key(self) -> bytes:
        return load_key(Path(self.settings.home))

    @cached_property
    def _logins(self) -> Logins:
        limits = LoginLimits(self.settings.session_idle_hours, self.settings.session_days, self.has_passwords, self.settings.provider is not None)
        return Logins(self._accounts.store, self._key, limits)

    @cached_property
    def _forms(self) -> URLSafeSerializer:
        return URLSafeSerializer(self._key, salt="podium form")

    @cached_property
    def _tokens(self) -> Tokens:
        return Tokens(self._accounts.store)

    @property
    def has_passwords(self) -> bool:
        """Whether local accounts log in."""
        return self.settings.login != "oidc"

    @cached_property
    def provider_desk(self) -> ProviderDesk | None:
        """The way in through the provider of the settings; None without one. Its libraries are loaded when it is first asked for."""
        if self.settings.provider is None:
            return None
        from engine.access.oidc import IdentityProvider  # noqa: PLC0415
        from engine.access.provider_accounts import ProviderAccounts  # noqa: PLC0415
        from engine.access.provider_desk import ProviderDesk  # noqa: PLC0415

        accounts = ProviderAccounts(self._accounts.store, self.settings.provider)
        return ProviderDesk(IdentityProvider(self.settings.provider, self.clock), accounts, self._logins, self._key, self.clock)

    def renew_roles(self) -> None:
        """Give the provider's people the roles of today's settings, at the start of a server."""
        if self.provider_desk is not None:
            self.provider_desk.accounts.renew_roles(self.clock.now())

    def find_visitor(self, cookie: str | None, *, is_use: bool = False) -> Visitor | None:
        """The visitor that a cookie belongs to now, with today's role. Only a use, which is something that a person does, begins idle time anew."""
        return self._logins.find(cookie, self.clock.now(), is_use=is_use)

    def find_program(self, secret: str) -> Visitor | None:
        """The program that a token belongs to now."""
        return self._tokens.find_visitor(secret, self.clock.now())

    def admit(self, name: str, password: str, address: str) -> LoginResult:
        """Log a person in; gives the result, with the value of the cookie where the password was right."""
        now = self.clock.now()

        def begin(connection: Connection, visitor: Visitor) -> str:
            return self._logins.begin_within(connection, visitor, address, now)

        return self._accounts.log_in(name, password, address, now, begin)

    def dismiss(self, cookie: str | None) -> bool:
        """End a log-in on the server; gives whether it was one of a provider's people."""
        return self._logins.end(cookie, self.clock.now())

    @cached_property
    def refusals(self) -> RefusalLog:
        """Where the guard enters whom it refused."""
        return RefusalLog(self._accounts.store)

    def issue_form(self, cookie: str | None = None) -> tuple[str, str]:
        """A token for a form's cookie, and the signed copy that the form sends back: another site knows neither.

        A browser that has a cookie keeps it, so that forms in two windows are both accepted.
        """
        token = cookie if cookie and len(cookie) <= 64 and cookie.isascii() else secrets.token_urlsafe(16)
        return token, str(self._forms.dumps(token))

    def accepts_form(self, cookie: str | None, sent: str) -> bool:
        """Whether a form was sent from a page of this server to this browser."""
        try:
            return bool(cookie) and bool(secrets.compare_digest(str(self._forms.loads(sent[:500])), str(cookie)))
        except (BadSignature, TypeError):
            return False
