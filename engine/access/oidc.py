"""The client of an OpenID Connect provider: authorization code with PKCE, state and nonce, and the checks of the token, by Authlib."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.base_client.sync_app import BaseApp, OAuth2Mixin
from authlib.integrations.base_client.sync_openid import OpenIDMixin
from authlib.integrations.requests_client import OAuth2Session
from joserfc.errors import ClaimError, ExpiredTokenError, JoseError

from engine.access.provider_accounts import LoginRefused
from engine.access.secure_urls import is_encrypted
from engine.domain.identity import Identity, ProviderSettings, build_identity, find_missing_claims
from engine.domain.ports import Clock
from engine.domain.texts import on_one_line
from engine.service.logging import LOG

LEEWAY_SECONDS = 120  # that the clocks of the provider and this machine may differ
TIMEOUT = 10.0  # s for each answer of the provider
RELOAD_SECONDS = 3_600.0  # after which the provider's addresses and keys are read again
DISCOVERY = "/.well-known/openid-configuration"
ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"})
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint")
_CLAIMS = {
    "aud": "The provider's token is for another application, so nobody was logged in.",
    "azp": "The provider's token is for another application, so nobody was logged in.",
    "nonce": "This log-in was begun elsewhere or used before, so nobody was logged in: begin again.",
    "sub": "The provider's token does not say who it is about, so nobody was logged in.",
    "iss": "The token is of another provider, so nobody was logged in.",
    "exp": "The provider's token has expired: begin again, and if that does not help, set the clock of this machine.",
    "iat": f"The clocks of the provider and this machine differ by more than {LEEWAY_SECONDS // 60} min: set the clock of this machine.",
}
_CLAIMS["nbf"] = _CLAIMS["iat"]


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """A log-in that was begun and waits for the provider's answer; the browser brings it back, signed."""

    state: str
    nonce: str
    verifier: str  # of PKCE
    redirect_uri: str
    target: str  # the page to open afterwards


class _PlainSession(OAuth2Session):  # type: ignore[misc] # Authlib has no types
    """A session that follows no redirect: the secret goes to the addresses that the provider states, and nowhere else."""

    def request(self, method: str, url: str, *words: Any, **options: Any) -> Any:
        """Send a request, within TIMEOUT."""
        return super().request(method, url, *words, **{"timeout": TIMEOUT, **options, "allow_redirects": False})


class _ProviderClient(OAuth2Mixin, OpenIDMixin, BaseApp):  # type: ignore[misc] # Authlib has no types
    """Authlib's client without a web framework."""

    client_cls = _PlainSession


class IdentityProvider:
    """One provider. Raises LoginRefused, in one line for the person at the browser."""

    def __init__(self, settings: ProviderSettings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._lock = Lock()
        self._loaded: tuple[Any, float] | None = None  # the client with the provider's addresses, and when they were read (s)

    def check(self) -> None:
        """Read the provider's addresses, as at a log-in."""
        self._load()

    def begin(self, redirect_uri: str, target: str) -> tuple[str, PendingLogin]:
        """Begin a log-in: the provider's page to open, and what belongs to it."""
        client = self._load()
        made = self._call(lambda: client.create_authorization_url(redirect_uri))
        return made["url"], PendingLogin(made["state"], made["nonce"], made["code_verifier"], redirect_uri, target)

    def finish(self, code: str, pending: PendingLogin) -> Identity:
        """Exchange the code of a log-in, check the token, and read who it names."""
        client = self._load()
        token = self._call(lambda: client.fetch_access_token(pending.redirect_uri, code=code, code_verifier=pending.verifier))
        options: dict[str, dict[str, object]] = {name: {"essential": True} for name in ("sub", "exp", "iat")}
        options |= {"iss": {"essential": True, "values": [self._settings.issuer]}, "aud": {"essential": True, "values": [self._settings.client_id]}}
        claims = self._call(lambda: client.parse_id_token(token, pending.nonce, options, leeway=LEEWAY_SECONDS))
        if claims is None:
            raise LoginRefused("The provider sent no identity: the scopes in [auth] need openid.", "no id_token")
        claims = dict(claims)
        if find_missing_claims(self._settings, claims) and client.server_metadata.get("userinfo_endpoint"):
            more = dict(self._call(lambda: client.userinfo(token=token)))
            claims = more | claims if more.get("sub") == claims.get("sub") else claims
        try:
            return build_identity(self._settings, claims)
        except ValueError as error:
            raise LoginRefused(_CLAIMS["sub"], "no subject") from error

    def find_logout(self, return_to: str) -> str | None:
        """The provider's page that ends the log-in there too; None where it has none, or cannot be reached."""
        try:
            client = self._load()
            if not client.server_metadata.get("end_session_endpoint"):
                return None
            return str(self._call(lambda: client.create_logout_url(return_to, client_id=self._settings.client_id))["url"])
        except LoginRefused:
            return None

    def _load(self) -> Any:
        """The client, with addresses and keys that were read within the hour."""
        with self._lock:
            if self._loaded is not None and 0.0 <= self._clock.tick() - self._loaded[1] < RELOAD_SECONDS:
                return self._loaded[0]
            settings = self._settings
            options = {"scope": settings.scopes, "code_challenge_method": "S256"}
            client = _ProviderClient(
                None, "provider", client_id=settings.client_id, client_secret=settings.client_secret or None, client_kwargs=options,
                server_metadata_url=settings.issuer + DISCOVERY,
            )  # fmt: skip
            metadata = self._call(client.load_server_metadata)
            self._call(lambda: _check_metadata(settings, metadata))
            methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
            if settings.client_secret and "client_secret_basic" not in methods and "client_secret_post" in methods:
                client.client_kwargs = options | {"token_endpoint_auth_method": "client_secret_post"}
            supported = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
            metadata["id_token_signing_alg_values_supported"] = sorted(ALGORITHMS & set(supported))
            self._loaded = (client, self._clock.tick())
            return client

    def _call(self, work: Callable[[], Any]) -> Any:
        """The result of a step; its failure in one line for the person, and with its cause in the log, which no token or secret is part of."""
        try:
            return work()
        except requests.RequestException as error:
            kind, host = type(error).__name__, self._settings.host
            code = getattr(error.response, "status_code", None)
            refusal = LoginRefused(f"The provider {host} cannot be reached right now: try again later.", f"provider unreachable: {code or kind}", 503)
        except ClaimError as error:
            claim = "exp" if isinstance(error, ExpiredTokenError) else error.claim
            refusal = LoginRefused(_CLAIMS.get(claim, "The provider's token is not valid, so nobody was logged in."), f"token refused: {claim}")
        except JoseError as error:
            refusal = LoginRefused("The provider's token is not signed by its keys, so nobody was logged in.", f"token refused: {error.error}")
        except AuthlibBaseError as error:
            refusal = describe_refusal(str(error.error))
        except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:  # an answer that is none
            LOG.warning("log-in at the provider: %s", type(error).__name__)
            detail = on_one_line(str(error)) if isinstance(error, _BadMetadata) else "it sent something else than OpenID Connect"
            refusal = LoginRefused(f"The provider {self._settings.host} does not answer as it should: {detail}.", "unexpected answer", 503)
        LOG.warning("log-in at the provider: %s", refusal.entered)
        raise refusal


class _BadMetadata(ValueError):
    """What a provider says about itself and cannot be used."""


def _check_metadata(settings: ProviderSettings, metadata: Mapping[str, Any]) -> None:
    if metadata.get("issuer") != settings.issuer:
        raise _BadMetadata("it calls itself by another name than issuer in [auth]")
    for name in _ENDPOINTS:
        if metadata.get(name) and not is_encrypted(str(metadata[name])):
            raise _BadMetadata(f"its {name} is not encrypted")
    for name in _ENDPOINTS[:3]:
        if not metadata.get(name):
            raise _BadMetadata(f"it has no {name}")


def describe_refusal(code: str) -> LoginRefused:
    """A refusal of the provider by its code, in one line; what is no code of OAuth 2 is not repeated."""
    shown = code if code.isascii() and code.replace("_", "").isalnum() and len(code) <= 40 else "an unknown reason"
    if shown in {"invalid_client", "unauthorized_client"}:
        return LoginRefused(f"The provider refused Podium ({shown}): client_id and the client secret must be those that it knows.", shown, 503)
    if shown == "invalid_grant":
        return LoginRefused("The provider's answer was used before or is too old, so nobody was logged in: begin again.", shown)
    return LoginRefused(f"The provider refused the log-in ({shown}).", shown)
