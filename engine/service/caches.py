"""The caches of this process that can be cleared."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class ClearableCache:
    """A cache of this process that may be cleared."""

    name: str
    measure: Callable[[], tuple[int, int | None]]  # entries, and bytes where they are counted
    clear: Callable[[], None]


def engine_caches() -> Iterator[ClearableCache]:
    """The functools caches of the engine's loaded modules."""
    for module in sorted(name for name in sys.modules if name.startswith("engine.")):
        for name, function in list(vars(sys.modules[module]).items()):
            if hasattr(function, "cache_info") and getattr(function, "__module__", "") == module:
                yield ClearableCache(f"{module.removeprefix('engine.')}.{name}", partial(_measure, function), function.cache_clear)


def _measure(function: Any) -> tuple[int, int | None]:
    """Entries, and the bytes of their values; None for a cache of limited size, whose values cannot be reached."""
    info = function.cache_info()
    if info.maxsize is not None:
        return info.currsize, None
    dictionaries = [entries for entries in gc.get_referents(function) if isinstance(entries, dict) and entries is not vars(function)]
    values = [value for entries in dictionaries for value in entries.values()]
    return info.currsize, sum(value.nbytes if isinstance(value, np.ndarray) else sys.getsizeof(value) for value in values)
