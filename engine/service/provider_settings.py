"""The identity provider of the table [auth]: who its people are here, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.access.secure_urls import is_encrypted
from engine.domain.access import ROLES
from engine.domain.identity import ProviderSettings, check_rule
from engine.domain.texts import shorten
from engine.service.secret_values import read_secret_file
from engine.settings import SettingsError

RULE_KEYS = ("admins", "operators", "viewers")
TEXT_KEYS = {"client_id": "client_id", "provider_name": "label", "scopes": "scopes", "groups_claim": "groups_claim"}
PROVIDER_KEYS = ("issuer", *TEXT_KEYS, "client_secret_file", *RULE_KEYS, "default_role", "trust_email")
DISCOVERY = "/.well-known/openid-configuration"
MAX_LETTERS = 500


def read_provider(table: Mapping[str, object]) -> ProviderSettings | None:
    """The provider that [auth] names; None where it names none. Raises SettingsError in one line."""
    given = [key for key in PROVIDER_KEYS if key in table]
    if not given:
        return None
    for key in ("issuer", "client_id"):
        if key not in table:
            raise SettingsError(f"[auth] in podium.toml has {given[0]} and no {key}: give issuer and client_id of the provider, or remove {given[0]}")
    values: dict[str, Any] = {field: _read_text(key, table[key]) for key, field in TEXT_KEYS.items() if key in table}
    values |= {key: _read_rules(key, table[key]) for key in RULE_KEYS if key in table}
    if "client_secret_file" in table:
        values["client_secret"] = read_secret_file("auth.client_secret_file in podium.toml", table["client_secret_file"])
    if "default_role" in table:
        values["default_role"] = _read_role(table["default_role"])
    if "trust_email" in table:
        values["trust_email"] = _read_truth(table["trust_email"])
    if not any(values.get(key) for key in (*RULE_KEYS, "default_role")):
        raise SettingsError('[auth] in podium.toml gives nobody of the provider a role: give admins = ["ann@example.com"], or group:NAME')
    return ProviderSettings(issuer=_read_issuer(table["issuer"]), **values)


def complete_provider(values: dict[str, Any], secret: str | None, has_login: bool) -> None:
    """Settle who logs in: with a provider both ways unless `login` says otherwise; one that nobody logs in at is dropped. Raises SettingsError."""
    provider: ProviderSettings | None = values.get("provider")
    if provider is not None and not has_login:
        values["login"] = "both"
    if values.get("login") in {"oidc", "both"}:
        if provider is None:
            raise SettingsError(
                f'login is {values["login"]} and [auth] in podium.toml names no provider: give issuer and client_id, or login = "local"'
            )
        values["provider"] = provider if secret is None else replace(provider, client_secret=secret)
    else:
        values.pop("provider", None)


def _read_issuer(value: object) -> str:
    url = _read_text("issuer", value).removesuffix(DISCOVERY).rstrip("/")
    if not is_encrypted(url) or any(sign in url for sign in "?#@"):
        raise SettingsError(
            f"auth.issuer in podium.toml is {shorten(url)}: give the https address of the provider (http on this machine only), or of its {DISCOVERY}"
        )
    return url


def _read_text(key: str, value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= MAX_LETTERS:
        raise SettingsError(f"auth.{key} in podium.toml is {shorten(value)}: give a text")
    return value.strip()


def _read_rules(key: str, value: object) -> tuple[str, ...]:
    name = f"auth.{key} in podium.toml"
    if not isinstance(value, list):
        raise SettingsError(f'{name} is {shorten(value)}: give a list, such as ["ann@example.com", "group:desk"]')
    try:
        return tuple(check_rule(name, rule) for rule in value)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _read_role(value: object) -> str:
    if value not in ROLES:
        raise SettingsError(f"auth.default_role in podium.toml is {shorten(value)}: give {', '.join(ROLES[:-1])} or {ROLES[-1]}, or leave it unset")
    return str(value)


def _read_truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise SettingsError(f"auth.trust_email in podium.toml is {shorten(value)}: give true or false")
    return value
