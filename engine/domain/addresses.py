"""Target addresses of alerts: parsing, and labels that hide their secrets."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

HIDDEN = "****"
SHORTEST, HIDDEN_SHORTEST = 4, 2  # minimum length of a part that counts as a secret; the second where the host may be one
_FORM = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_BETWEEN = re.compile(r"\s*,\s*(?=[a-z][a-z0-9+.-]*://)|\s+", re.IGNORECASE)
_PLAIN = frozenset({"json", "jsons", "xml", "xmls", "form", "forms"})  # schemes whose host is a server name, not a token


def split_addresses(text: str) -> tuple[str, ...]:
    """Split a list of addresses; a comma separates only where another address follows it."""
    return tuple(part for part in _BETWEEN.split(text.strip(" ,")) if part)


def is_address(text: str) -> bool:
    """Return whether a text is one address."""
    return _FORM.fullmatch(text) is not None


def label_addresses(urls: Sequence[str]) -> tuple[str, ...]:
    """Return a distinct label per address for the screen, the log and the store; the same address always has the same label."""
    names: list[str] = []
    for url in urls:
        name = label_address(url)
        names.append(name if name not in names else f"{name} {names.count(name) + 1}")
    return tuple(names)


def label_address(url: str) -> str:
    """Return the scheme, the host where it is no token, and four hexadecimal digits that distinguish it: too few to guess a secret from."""
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    mark = hashlib.blake2b(_without_password(url).encode(), digest_size=2).hexdigest()
    host = rest.partition("?")[0].partition("/")[0].rpartition("@")[2] if scheme in _PLAIN else HIDDEN
    return f"{scheme}://{host or HIDDEN} #{mark}"


def mask_secrets(text: str, urls: Iterable[str]) -> str:
    """Return the text with every part of these addresses hidden that may be secret."""
    parts = {part for url in urls for part in _secrets(url)}
    for part in sorted(parts, key=len, reverse=True):
        text = text.replace(part, HIDDEN)
    return text


def _secrets(url: str) -> set[str]:
    """Return the address and its parts, as written and decoded, except the scheme and a host that is no token."""
    scheme, _, rest = url.partition("://")
    before, _, _ = rest.partition("?")
    parts = {url, rest, before}
    place, _, path = before.partition("/")
    user, _, host = place.rpartition("@")
    pieces = [*re.split(r"[:@]", user), *re.split(r"[/?&=#:@]", path), *re.split(r"[&=]", rest.partition("?")[2])]
    if scheme.lower() not in _PLAIN:
        pieces += [host, *re.split(r"[:@]", host)]
    parts |= {piece for piece in pieces if piece}
    parts |= {decode_percent(piece) for piece in parts}
    least = SHORTEST if scheme.lower() in _PLAIN else HIDDEN_SHORTEST
    return {piece for piece in parts if len(piece) >= least}


def _without_password(url: str) -> str:
    return re.sub(r"(://[^/@:]*:)[^/@]*@", r"\1@", url, count=1)


def decode_percent(text: str) -> str:
    """Return a text with its percent-encoded ASCII characters decoded."""
    return re.sub(r"%([0-9a-fA-F]{2})", lambda match: chr(int(match[1], 16)), text)
