"""The base of every record: frozen, slotted, arrays read-only and C-contiguous, with a digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Record:
    """A value. Equality is by identity of fields; compare two records by `digest()`."""

    SHAPES: ClassVar[dict[str, str]] = {}
    """Axes of the arrays by field, one letter an axis (S symbols, H horizons ...); a trailing ? allows NaN."""

    def __post_init__(self) -> None:
        for name in type(self).__slots__:
            value = getattr(self, name)
            if isinstance(value, np.ndarray):
                if not value.flags.c_contiguous:
                    value = np.ascontiguousarray(value)
                    object.__setattr__(self, name, value)
                value.flags.writeable = False

    def digest(self) -> str:
        """32 hexadecimal digits over every field, in order; equal exactly when every bit is equal."""
        told = hashlib.blake2b(digest_size=16)
        _feed(told, self)
        return told.hexdigest()


def _feed(told: hashlib.blake2b, value: object) -> None:
    if isinstance(value, np.ndarray):
        told.update(f"{value.dtype.str}{value.shape}".encode())
        told.update(np.ascontiguousarray(value).data)
    elif isinstance(value, np.generic):
        raise TypeError(f"a numpy scalar ({value!r}) has no stable digest: make it a Python number")
    elif isinstance(value, Record):
        told.update(type(value).__name__.encode())
        for name in type(value).__slots__:
            _feed(told, getattr(value, name))
    elif isinstance(value, tuple):
        told.update(f"({len(value)}".encode())
        for item in value:
            _feed(told, item)
    elif isinstance(value, Enum):
        told.update(repr(value.value).encode())
    elif value is None or isinstance(value, int | float | str | bool | bytes):
        told.update(repr(value).encode())
    else:
        raise TypeError(f"{type(value).__name__} has no digest")
