"""What every test of a run would do again with the same result, done once a process: it saves a third of the processor time.

Nothing that a test is about is replaced: the real code runs once and its result is copied. Tests of that code itself take `as_shipped`.
"""

from __future__ import annotations

import functools
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

_originals: dict[tuple[ModuleType, str], Any] = {}


def install(folder: Path) -> None:
    """Install the copies in modules that are loaded already, and load none; `folder` holds what is copied."""
    if "streamlit.testing.v1" in sys.modules:
        from streamlit.components.v2 import manifest_scanner

        _replace(manifest_scanner, "scan_component_manifests", functools.cache)  # reads the metadata of every installed package, at every AppTest
    if "engine.store.database" in sys.modules:
        from engine.store import database

        _replace(database, "_set_up", functools.partial(copy_blank, folder / "blank" / "podium.db"))  # runs every migration
    if "engine.access.passwords" in sys.modules:
        from engine.access import passwords

        _replace(passwords, "_hasher", hash_at_least_cost)  # 50 ms and 64 MB a password


@contextmanager
def as_shipped() -> Iterator[None]:
    """Do everything anew."""
    copying = {(module, name): getattr(module, name) for module, name in _originals}
    for (module, name), original in _originals.items():
        setattr(module, name, original)
    try:
        yield
    finally:
        for (module, name), copy in copying.items():
            setattr(module, name, copy)


def hash_at_least_cost(make_hasher: Callable[[], Any]) -> Callable[[], Any]:
    """The same hash at the lowest cost that Argon2id allows."""
    return functools.cache(lambda: type(make_hasher())(time_cost=1, memory_cost=8, parallelism=1))


def _replace(module: ModuleType, name: str, wrap: Callable[[Any], Any]) -> None:
    original = _originals.setdefault((module, name), getattr(module, name))
    setattr(module, name, wrap(original))


def copy_blank(blank: Path, set_up: Callable[[str, Path], None]) -> Callable[[str, Path], None]:
    """Copies the blank store wherever a store is created; a store that exists is migrated by `set_up`."""
    from engine.files import private_files

    blank.parent.mkdir(exist_ok=True)
    set_up(f"sqlite:///{blank}", blank)

    def copy(url: str, path: Path) -> None:
        if path.exists() and path.stat().st_size:
            set_up(url, path)
            return
        private_files.make_private_file(path)
        with closing(sqlite3.connect(blank)) as source, closing(sqlite3.connect(path)) as target:
            source.backup(target)

    return copy
