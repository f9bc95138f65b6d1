"""Parts of a page built once per version of the store for all browser sessions that show them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar

from pages.ui import cache

MAX_PARTS = 64  # the least recently used part is dropped
T = TypeVar("T")


@dataclass(slots=True)
class BuiltPart:
    """The newest result of a part; the lock lets one session build it while the others wait for it."""

    version: str | None = None
    at: int = 0  # ns UTC
    value: Any = None
    lock: Lock = field(default_factory=Lock)


_Parts = OrderedDict[Hashable, BuiltPart]
_parts: _Parts = OrderedDict()
_answers: _Parts = OrderedDict()  # by what browsers ask, apart from what all share
_lock = Lock()


def build_once(name: Hashable, build: Callable[[], T], *, seconds: float | None = None) -> T:
    """Return what `build` returns, which nobody may change; it runs when the store's version changes.

    `seconds` is for a part that depends on the time too: it is built again when it is as old as that.
    """
    return _build(_parts, name, build, cache.store_version(), seconds)


def build_every(name: Hashable, build: Callable[[], T], *, seconds: float) -> T:
    """Return what `build` returns, which nobody may change; for what changes little from tick to tick, it runs after as many seconds."""
    return _build(_parts, name, build, "", seconds)


def build_answer_every(name: Hashable, build: Callable[[], T], *, seconds: float) -> T:
    """Do the same for a name that holds what a browser asks, so that none displaces what all share."""
    return _build(_answers, name, build, "", seconds)


def _build(parts: _Parts, name: Hashable, build: Callable[[], T], version: str, seconds: float | None) -> T:
    part, now = _find_part(parts, (cache.read_key(), name)), cache.current_time()
    with part.lock:
        if part.version != version or (seconds is not None and not 0 <= now - part.at < seconds * cache.SECOND):
            part.value = build()
            part.version, part.at = version, now
        value: T = part.value
        return value


def _find_part(parts: _Parts, name: Hashable) -> BuiltPart:
    with _lock:
        part = parts.setdefault(name, BuiltPart())
        parts.move_to_end(name)
        while len(parts) > MAX_PARTS:
            parts.popitem(last=False)
        return part
