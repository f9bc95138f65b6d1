"""The way in through an identity provider: there and back with a signed cookie that is accepted once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from threading import Lock

from itsdangerous import BadSignature, URLSafeTimedSerializer

from engine.access.accounts import LoginResult
from engine.access.logins import Logins
from engine.access.oidc import IdentityProvider, PendingLogin, describe_refusal
from engine.access.provider_accounts import LoginRefused, ProviderAccounts
from engine.domain.ports import Clock

PENDING_SECONDS = 600  # for which a log-in may be under way at the provider
MOST_USED = 10_000  # answers that are remembered, so that each is accepted once
_NOT_OURS = "This log-in was begun in another browser, took too long or was used before, so nobody was logged in: begin again."


@dataclass(eq=False)
class ProviderDesk:
    """Sends people to the provider and takes them back. Raises LoginRefused in one line, StoreError."""

    provider: IdentityProvider
    accounts: ProviderAccounts
    logins: Logins
    key: bytes
    clock: Clock
    _used: dict[str, float] = field(default_factory=dict, init=False)  # states that came back, and when (s)
    _lock: Lock = field(default_factory=Lock, init=False)

    def begin(self, redirect_uri: str, target: str) -> tuple[str, str]:
        """The provider's page to open, and the value of the cookie that the browser brings back."""
        url, pending = self.provider.begin(redirect_uri, target)
        return url, str(self._serializer.dumps(asdict(pending)))

    def finish(self, cookie: str | None, answer: Mapping[str, str], address: str) -> tuple[LoginResult, str]:
        """Log in whom the provider's answer names: the result, and the page to open."""
        now = self.clock.now()
        wait = self.accounts.begin_try(address, now)
        if wait:
            return LoginResult(None, wait), "/"
        try:
            pending = self._take(cookie, answer)
            identity = self.provider.finish(answer["code"], pending)
        except LoginRefused as refusal:
            self.accounts.end_try(address, refusal, now)
            raise
        result = self.accounts.admit(identity, address, now, lambda connection, visitor: self.logins.begin_within(connection, visitor, address, now))
        return result, pending.target

    def _take(self, cookie: str | None, answer: Mapping[str, str]) -> PendingLogin:
        """The log-in that this browser began and this answer belongs to, once; a refusal of the provider need not say which."""
        try:
            pending = PendingLogin(**self._serializer.loads(cookie or "", max_age=PENDING_SECONDS))
        except (BadSignature, TypeError):
            raise LoginRefused(_NOT_OURS, "no log-in under way") from None
        if "error" in answer or not answer.get("code"):
            raise describe_refusal(answer.get("error", ""))
        state = answer.get("state", "")
        if pending.state != state:
            raise LoginRefused(_NOT_OURS, "state of another log-in")
        with self._lock:
            now = self.clock.tick()
            is_used = state in self._used
            self._used = {old: at for old, at in self._used.items() if now - at < 2 * PENDING_SECONDS}
            self._used[state] = now
            while len(self._used) > MOST_USED:
                del self._used[next(iter(self._used))]
        if is_used:
            raise LoginRefused(_NOT_OURS, "state used before")
        return pending

    @property
    def _serializer(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self.key, salt="podium provider")
