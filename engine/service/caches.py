"""The caches of this process: what is kept only so that it need not be made again."""

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
    """A cache of this process that may be emptied."""

    name: str
    measure: Callable[[], tuple[int, int | None]]  # entries, and bytes where they are counted
    clear: Callable[[], None]


def engine_caches() -> Iterator[ClearableCache]:
    """The functools caches of the engine's modules, as far as they are loaded."""
    for module in sorted(name for name in sys.modules if name.startswith("engine.")):
        for name, found in list(vars(sys.modules[module]).items()):
            if hasattr(found, "cache_info") and getattr(found, "__module__", "") == module:
                yield ClearableCache(f"{module.removeprefix('engine.')}.{name}", partial(_look, found), found.cache_clear)


def _look(found: Any) -> tuple[int, int | None]:
    """The bytes are those of the values, and told only where there is no limit to their number: then they lie in a dictionary."""
    told = found.cache_info()
    if told.maxsize is not None:
        return told.currsize, None
    values = [value for held in gc.get_referents(found) if isinstance(held, dict) and held is not vars(found) for value in held.values()]
    return told.currsize, sum(value.nbytes if isinstance(value, np.ndarray) else sys.getsizeof(value) for value in values)
