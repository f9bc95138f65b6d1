"""The options of a connection to an exchange: JSON for ccxt's constructor, without keys of an account, and hidden where they are shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from engine.domain.addresses import HIDDEN, HIDDEN_SHORTEST, decode_percent
from engine.domain.texts import shorten

KEYS_OF_ACCOUNTS = ("apiKey", "secret", "password", "uid", "privateKey", "walletAddress", "token", "login", "twofa", "accountId")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://(?:([^/:@]*)(?::([^/@]*))?@)?[^?]*(?:\?(.+))?", re.IGNORECASE)
_REFUSED = {name.lower(): name for name in KEYS_OF_ACCOUNTS}


def parse_exchange_options(name: str, value: object) -> str:
    """Parse JSON, or the table of a file, and return it as JSON; raises ValueError in one line that shows no value, as values may be secret."""
    options = value
    if isinstance(value, str):
        try:
            options = json.loads(value)
        except (ValueError, RecursionError):
            options = None
    if not isinstance(options, dict):
        raise ValueError(f'{name} is no JSON object: write it as {{"timeout": 20000}}')
    account_key = _find_account_key(options)
    if account_key is not None:
        raise ValueError(f"{name} has {account_key}: Podium reads public data and sends no orders, so remove it")
    try:
        return json.dumps(options, sort_keys=True, allow_nan=False) if options else ""
    except (TypeError, ValueError, RecursionError):
        raise ValueError(f"{name} has a value that JSON cannot hold: give texts, numbers, true, false, lists and tables") from None


def _find_account_key(options: dict[str, object]) -> str | None:
    """The first key of an account at any depth, outermost first, with the tables around it; names of headers are free."""
    level: list[tuple[str, object]] = [("", options)]
    while level:
        inner: list[tuple[str, object]] = []
        for place, value in level:
            if isinstance(value, list):
                inner += [(place, element) for element in value]
            if isinstance(value, Mapping) and "header" not in place.rpartition(".")[2].lower():
                for key, below in value.items():
                    account_key = _REFUSED.get(str(key).replace("_", "").lower())
                    if account_key is not None:
                        return f"{account_key} in {shorten(place)}" if place else account_key
                    inner.append((f"{place}.{key}" if place else str(key), below))
        level = inner
    return None


def mask_exchange_options(options: str) -> str:
    """Return options as JSON with every text hidden: addresses of proxies and headers may hold passwords."""
    return json.dumps(_mask(json.loads(options)), sort_keys=True) if options else ""


def hide_option_secrets(text: str, options: str) -> str:
    """Return a message without the headers, users and passwords of these options."""
    secrets = {part for part in _list_secrets(json.loads(options), in_headers=False) if len(part) >= HIDDEN_SHORTEST} if options else set()
    for secret in sorted(secrets | {decode_percent(part) for part in secrets}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def _mask(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _mask(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_mask(inner) for inner in value]
    return HIDDEN if isinstance(value, str) and value else value


def _list_secrets(value: object, *, in_headers: bool) -> Iterator[str]:
    """Every text of headers, and the users, passwords and queries of addresses."""
    if isinstance(value, str):
        match = _ADDRESS.match(value)
        yield from [value] if in_headers else [part for part in match.groups() if part] if match else []
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _list_secrets(inner, in_headers=in_headers or "header" in str(key).lower())
    elif isinstance(value, list):
        for inner in value:
            yield from _list_secrets(inner, in_headers=in_headers)
