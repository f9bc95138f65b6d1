"""Reads the tables [[webhook]] of podium.toml, and the secrets that they name."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine.domain.texts import shorten
from engine.domain.webhooks import EVENT_KINDS, SOURCES, Webhook
from engine.schema import suggest
from engine.settings import SettingsError

MOST = 10
KEYS = ("name", "url", "events", *SOURCES)
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64  # as Standard Webhooks asks
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_SECRET = re.compile(r"(whsec_)?[A-Za-z0-9+/]+={0,2}")
_REMEDY = "give whsec_ and 24 to 64 random bytes in Base64: echo whsec_$(openssl rand -base64 32)"


class SecretUnset(ValueError):
    """A variable or credential that this process does not have, and another may."""


def read_webhooks(name: str, value: object) -> dict[str, Any]:
    """The webhooks of [[webhook]]; raises SettingsError, without anything that may be secret."""
    tables: list[Any] = value if isinstance(value, list) else [value]
    if not all(isinstance(table, dict) for table in tables):
        raise SettingsError(f"{name} must be a list of tables: write [[webhook]] and a line for each key")
    webhooks = tuple(_read_webhook(table) for table in tables)
    names = [webhook.name for webhook in webhooks]
    if len(set(names)) < len(names):
        raise SettingsError("[[webhook]] in podium.toml has a name twice: give each webhook its own")
    if len(webhooks) > MOST:
        raise SettingsError(f"[[webhook]] in podium.toml: there are {len(webhooks)} webhooks: give at most {MOST}")
    return {"webhooks": webhooks}


def read_secret(webhook: Webhook, environ: Mapping[str, str] = os.environ) -> str:
    """The secret that a webhook is signed with; raises ValueError in one line without it."""
    from standardwebhooks import Webhook as Signer  # noqa: PLC0415 - every command reads the settings, and few sign
    from standardwebhooks.webhooks import EmptyWebhookSecretError  # noqa: PLC0415

    try:
        text = _READERS[webhook.source](webhook.place, environ).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ValueError(f"webhook {webhook.name}: {webhook.source} cannot be read: {reason}") from None
    if not text:
        raise SecretUnset(f"webhook {webhook.name}: {webhook.source} {shorten(webhook.place)} is not set or empty: {_REMEDY}")
    try:
        Signer(text)
        size = len(text.removeprefix("whsec_").rstrip("=")) * 3 // 4
        is_secret = _SECRET.fullmatch(text) is not None and MIN_SECRET_BYTES <= size <= MAX_SECRET_BYTES
    except (ValueError, EmptyWebhookSecretError):
        is_secret = False
    if not is_secret:
        raise ValueError(f"webhook {webhook.name}: what {webhook.source} gives is no secret of a webhook: {_REMEDY}")
    return text


def _read_webhook(table: Mapping[str, object]) -> Webhook:
    for key in table:
        if key not in KEYS:
            raise SettingsError(f"[[webhook]] in podium.toml has an unknown key {shorten(key)}: {suggest(key, KEYS, 'the keys are')}")
    name = table.get("name")
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise SettingsError("[[webhook]] in podium.toml needs a name of 1 to 32 letters, digits, _ and -")
    sources = [source for source in SOURCES if source in table]
    if len(sources) != 1:
        raise SettingsError(f"webhook {name} in podium.toml: give its secret by one of {', '.join(SOURCES)}")
    place = table[sources[0]]
    if not isinstance(place, str) or not place.strip() or place.startswith("whsec_"):
        raise SettingsError(f"webhook {name} in podium.toml: {sources[0]} names where the secret is, and is not the secret")
    if sources[0] == "secret_env" and place.upper().startswith("PODIUM_"):
        raise SettingsError(
            f"webhook {name} in podium.toml: {shorten(place)} would be a setting: give a variable of another name, such as BOT_SECRET"
        )
    if sources[0] == "secret_credential" and ("/" in place or place in {".", ".."}):
        raise SettingsError(f"webhook {name} in podium.toml: secret_credential is the name of a systemd credential, without a folder")
    return Webhook(
        name, _read_url(name, table.get("url")), sources[0], place.strip(), _read_events(name, table.get("events", ["decisions", "alerts"]))
    )


def _read_url(name: str, value: object) -> str:
    """An address over HTTPS, or over HTTP on this machine. It may be secret, so no refusal shows it."""
    wrong = SettingsError(f"webhook {name} in podium.toml: url is not an address that can be sent to: write https://host/path")
    if not isinstance(value, str):
        raise wrong
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in {"https", "http"} or not host or parts.username is not None or parts.fragment or not value.isascii() or " " in value:
        raise wrong
    if parts.scheme == "http" and not _is_loopback(host):
        raise SettingsError(f"webhook {name} in podium.toml: url is http:// to another machine, where others can read along: write https://")
    return value


def _read_events(name: str, value: object) -> tuple[str, ...]:
    kinds = value if isinstance(value, list) else [value]
    wrong = [kind for kind in kinds if kind not in EVENT_KINDS]
    if wrong or not kinds or len(set(kinds)) < len(kinds):
        raise SettingsError(f"webhook {name} in podium.toml: events are some of {', '.join(EVENT_KINDS)}, each once")
    return tuple(kinds)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read_credential(name: str, environ: Mapping[str, str]) -> str:
    folder = environ.get("CREDENTIALS_DIRECTORY")
    return (Path(folder) / name).read_text(encoding="utf-8") if folder else ""


_READERS: dict[str, Callable[[str, Mapping[str, str]], str]] = {
    "secret_env": lambda name, environ: environ.get(name, ""),
    "secret_file": lambda path, _: Path(path).expanduser().read_text(encoding="utf-8"),
    "secret_credential": _read_credential,
}
