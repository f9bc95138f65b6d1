"""The base of every record: frozen, slotted, arrays read-only and C-contiguous, with a digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
_ARRAYS = frozenset({"Floats", "Bools", "Ints"})


@dataclass(frozen=True, slots=True)
class Record:
    """A value. Equality is by identity of fields; compare two records by `digest()`."""

    SHAPES: ClassVar[dict[str, str]] = {}
    """Axes of the arrays by field, one letter an axis (S symbols, H horizons ...); a trailing ? allows NaN."""

    def __post_init__(self) -> None:
        names = _ARRAY_FIELDS.get(type(self))
        for name in array_field_names(type(self)) if names is None else names:
            value = getattr(self, name)
            if type(value) is np.ndarray:
                if not value.flags.c_contiguous:
                    value = np.ascontiguousarray(value)
                    object.__setattr__(self, name, value)
                value.setflags(write=False)

    def digest(self) -> str:
        """32 hexadecimal digits over every field, in order; equal exactly when every bit is equal."""
        told: list[bytes | memoryview] = []
        _tell(self, told)
        return hashlib.sha256(b"".join(told)).hexdigest()[:32]  # processors have instructions for it: half the time of BLAKE2


def field_names(kind: type) -> tuple[str, ...]:
    """Names of a record's fields, in order."""
    return tuple(getattr(kind, "__slots__", ()))


def array_field_names(kind: type) -> tuple[str, ...]:
    """Names of the fields that are annotated as arrays."""
    found = _ARRAY_FIELDS.get(kind)
    if found is None:
        found = tuple(name for name, told in kind.__annotations__.items() if str(told) in _ARRAYS or "NDArray" in str(told))
        _ARRAY_FIELDS[kind] = found
    return found


_ARRAY_FIELDS: dict[type, tuple[str, ...]] = {}
_SIMPLE = frozenset({int, float, str, bool, bytes, type(None)})


def _tell(value: Any, told: list[bytes | memoryview]) -> None:
    """Adds the bytes of a value. They are hashed in one go: a call an array costs more than copying its bytes."""
    kind: Any = type(value)
    if kind is np.ndarray:
        told += _header(value.dtype, value.shape), value.data if value.flags.c_contiguous else np.ascontiguousarray(value).data
    elif kind in _SIMPLE:
        told.append(repr(value).encode())
    elif isinstance(value, Record):
        name, parts = _reader(kind)
        told.append(name)
        for part in parts(value):
            sort = type(part)
            if sort is np.ndarray:  # contiguous, as this record saw to it
                told += _header(part.dtype, part.shape), part.data
            elif sort in _SIMPLE:
                told.append(repr(part).encode())
            else:
                _tell(part, told)
    elif kind is tuple:
        _tell_items(value, told)
    else:
        told.append(_plain(value))


@cache
def _reader(kind: type) -> tuple[bytes, Callable[[Any], tuple[Any, ...]]]:
    """The name of a kind of record, and what reads all its fields in one call."""
    names = field_names(kind)
    if len(names) > 1:
        return kind.__name__.encode(), attrgetter(*names)
    return kind.__name__.encode(), lambda value: tuple([getattr(value, name) for name in names])


def _tell_items(value: tuple[Any, ...], told: list[bytes | memoryview]) -> None:
    if set(map(type, value)) == {str}:
        told.append(_words(value))
        return
    told.append(b"(%d" % len(value))
    for item in value:
        _tell(item, told)


@lru_cache(256)
def _words(value: tuple[str, ...]) -> bytes:
    """What a tuple of strings feeds a digest, kept since the same names come with every tick."""
    return b"(%d" % len(value) + b"".join(map(_plain, value))


def _plain(value: object) -> bytes:
    if isinstance(value, np.generic):
        raise TypeError(f"a numpy scalar ({value!r}) has no stable digest: make it a Python number")
    if isinstance(value, Enum):
        return repr(value.value).encode()
    if value is None or isinstance(value, int | float | str | bytes):
        return repr(value).encode()
    raise TypeError(f"{type(value).__name__} has no digest")


@cache
def _header(kind: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    return f"{kind.str}{shape}".encode()
