"""The settings of log-in and of the address: refuses an address that others could reach without log-in and encryption."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.domain.texts import shorten
from engine.schema import suggest
from engine.service.provider_settings import PROVIDER_KEYS
from engine.settings import SettingsError

TRUSTED_PROXIES = "FORWARDED_ALLOW_IPS"  # uvicorn's variable: whose X-Forwarded-For and X-Forwarded-Proto are believed
AUTH_KEYS = {"login": "login", "idle_hours": "session_idle_hours", "days": "session_days"}
SECRET_SOURCES = "client_secret_file, PODIUM_OIDC_CLIENT_SECRET or the credential podium_oidc_client_secret"
_TUNNEL = "use 127.0.0.1 and an SSH tunnel"


def read_address(name: str, value: object) -> str:
    """Read the address to listen on; raises SettingsError for what is not an IP address of this machine or localhost."""
    text = str(value).strip() if isinstance(value, str) else ""
    if not text:
        raise SettingsError(f"{name} is {shorten(value)}: give a text")
    if text == "localhost":
        return "127.0.0.1"
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise SettingsError(f"{name} is {shorten(text)}: there is no login yet for names; give an IP address, or {_TUNNEL}") from None
    return text


def read_proxies(name: str, value: object) -> tuple[str, ...]:
    """Read the IP addresses of the proxies whose word on a visitor's address is taken; raises SettingsError."""
    parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else value if isinstance(value, list) else []
    try:
        addresses = tuple(str(ipaddress.ip_address(str(part))) for part in parts)
    except ValueError:
        addresses = ()
    if not addresses:
        raise SettingsError(f"{name} is {shorten(value)}: give the IP addresses of the proxies, separated by commas")
    return addresses


def read_auth_keys(name: str, value: object) -> dict[str, object]:
    """The settings that the table [auth] of podium.toml gives, unread, by name; the table alone turns log-in on. Raises SettingsError."""
    if not isinstance(value, dict):
        raise SettingsError(f"{name} must be a table: write [auth] and a line for each")
    if "client_secret" in value:
        raise SettingsError(f"[auth] in podium.toml has client_secret: remove it, and give {SECRET_SOURCES}")
    known = sorted({*AUTH_KEYS, *PROVIDER_KEYS})
    for key in value:
        if key not in known:
            raise SettingsError(f"[auth] in podium.toml has an unknown key {shorten(key)}: {suggest(key, known, 'the settings are')}")
    return {"login": "local"} | {AUTH_KEYS[key]: inner for key, inner in value.items() if key in AUTH_KEYS}


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def find_missing_access(address: str, values: Mapping[str, Any]) -> str | None:
    """What is missing for this address to be listened on, with the remedy; None where nothing is. `values` are settings by name."""
    has_login, cert, key = values.get("login", "off") != "off", values.get("tls_cert"), values.get("tls_key")
    if bool(cert) != bool(key):
        return "tls_cert and tls_key go together: give both, or neither"
    for name in ("tls_cert", "tls_key"):
        if values.get(name) and not Path(values[name]).is_file():
            return f"{name} {shorten(values[name])} is not a file: give the path of a PEM file"
    if values.get("behind_proxy") and not has_login:
        return "behind_proxy needs log-in, because a proxy brings other machines: add [auth] to podium.toml, or unset behind_proxy"
    if is_loopback(address):
        return None
    if not has_login:
        return f"there is no login yet, so only this machine may connect; {_TUNNEL}, or add [auth] with tls_cert and tls_key (docs/access.md)"
    if not cert and not values.get("behind_proxy"):
        return f"passwords would travel unencrypted; give tls_cert and tls_key, or behind_proxy with the proxy's addresses, or {_TUNNEL}"
    return None


def require_safe_address(name: str, address: str, values: Mapping[str, Any]) -> None:
    """Raise SettingsError for an address that other machines can reach, unless they must log in over an encrypted connection."""
    missing = find_missing_access(address, values)
    if missing is not None:
        about = missing.startswith(("tls_", "behind_"))
        raise SettingsError(missing if about else f"{name} is {shorten(address)}: {missing}")


def require_own_tls(cert: str | None, used: str | None, env: Mapping[str, str], argv: Sequence[str]) -> None:
    """Raise SettingsError where the settings have a certificate and the server was started without any: it reads them too late to use it.

    `used` is the certificate that Streamlit serves with, if any.
    """
    has_flag = any(word.partition("=")[0] in {"--ssl-certfile", "--server.sslCertFile"} for word in argv)
    if cert is None or used or has_flag or env.get("UVICORN_SSL_CERTFILE"):
        return
    flags = "--server.sslCertFile and --server.sslKeyFile"
    raise SettingsError(f"tls_cert is {shorten(cert)}, and the server was started without it: start by python -m engine serve, or add {flags}")


def require_trusted_proxies(proxies: Sequence[str], env: Mapping[str, str], argv: Sequence[str]) -> None:
    """Raise SettingsError where the server believes others than the proxies of the settings on a visitor's address: it was started another way."""
    wanted, flag = ",".join(proxies), "--forwarded-allow-ips"
    if env.get(TRUSTED_PROXIES) == wanted and not any(word.partition("=")[0] == flag for word in argv):
        return
    given = f"{TRUSTED_PROXIES}={wanted!r} in the environment and without {flag}"
    raise SettingsError(f"with log-in, only behind_proxy is believed on a visitor's address: start by python -m engine serve, or with {given}")
