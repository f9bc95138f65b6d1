"""Addresses that alerts are sent to: how they are written, and how they are shown without what must stay secret."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

HIDDEN = "****"
SHORTEST, HIDDEN_SHORTEST = 4, 2  # letters a part of an address must have to be taken for a secret; the other where its host may be one
_FORM = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_BETWEEN = re.compile(r"\s*,\s*(?=[a-z][a-z0-9+.-]*://)|\s+", re.IGNORECASE)
_PLAIN = frozenset({"json", "jsons", "xml", "xmls", "form", "forms"})  # their host is a server's name and no token


def split_addresses(text: str) -> tuple[str, ...]:
    """The addresses of a list: a comma stands between two of them where another address follows it."""
    return tuple(part for part in _BETWEEN.split(text.strip(" ,")) if part)


def is_address(text: str) -> bool:
    return _FORM.fullmatch(text) is not None


def label_addresses(urls: Sequence[str]) -> tuple[str, ...]:
    """What stands for each address on screen, in the log and in the store: the same for the same address, another for another."""
    found: list[str] = []
    for url in urls:
        name = label_address(url)
        found.append(name if name not in found else f"{name} {found.count(name) + 1}")
    return tuple(found)


def label_address(url: str) -> str:
    """Its kind, its host where that is no token, and four digits to tell it from others: too few to guess a secret by."""
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    mark = hashlib.blake2b(_without_password(url).encode(), digest_size=2).hexdigest()
    host = rest.partition("?")[0].partition("/")[0].rpartition("@")[2] if scheme in _PLAIN else HIDDEN
    return f"{scheme}://{host or HIDDEN} #{mark}"


def mask_secrets(text: str, urls: Iterable[str]) -> str:
    """The text without any part of these addresses that may be secret."""
    parts = {part for url in urls for part in _secrets(url)}
    for part in sorted(parts, key=len, reverse=True):
        text = text.replace(part, HIDDEN)
    return text


def _secrets(url: str) -> set[str]:
    """The address, and each of its parts but its kind and a host that is no token, as written and as decoded."""
    scheme, _, rest = url.partition("://")
    before, _, _ = rest.partition("?")
    found = {url, rest, before}
    place, _, path = before.partition("/")
    user, _, host = place.rpartition("@")
    pieces = [*re.split(r"[:@]", user), *re.split(r"[/?&=#:@]", path), *re.split(r"[&=]", rest.partition("?")[2])]
    if scheme.lower() not in _PLAIN:
        pieces += [host, *re.split(r"[:@]", host)]
    found |= {piece for piece in pieces if piece}
    found |= {_decoded(piece) for piece in found}
    least = SHORTEST if scheme.lower() in _PLAIN else HIDDEN_SHORTEST
    return {piece for piece in found if len(piece) >= least}


def _without_password(url: str) -> str:
    return re.sub(r"(://[^/@:]*:)[^/@]*@", r"\1@", url, count=1)


def _decoded(text: str) -> str:
    return re.sub(r"%([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), text)
