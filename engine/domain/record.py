"""The base of every record: frozen, slotted, arrays read-only and C-contiguous, with a digest over its values."""

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
DIGEST_FORMAT = "values 3"  # stored with each run and part of a session: digests of another format or of other rules cannot be compared (decision 32)
_ARRAYS = frozenset({"Floats", "Bools", "Ints"})


@dataclass(frozen=True, slots=True)
class Record:
    """An immutable value. Equality is by identity of fields; compare two records by `digest()`."""

    SHAPES: ClassVar[dict[str, str]] = {}
    """Axes of the arrays by field, one letter per axis (S symbols, H horizons ...); a trailing ? allows NaN."""

    def __post_init__(self) -> None:
        names = _ARRAY_FIELDS.get(type(self))
        for name in array_field_names(type(self)) if names is None else names:
            value = getattr(self, name)
            if type(value) is np.ndarray:
                if not value.flags.c_contiguous:
                    value = np.ascontiguousarray(value)
                    object.__setattr__(self, name, value)
                value.setflags(False)  # by position, which is faster

    def digest(self, memo: DigestMemo | None = None) -> str:
        """Return 32 hexadecimal digits over the values of every field, in order; equal exactly when every bit is equal.

        Names of classes and fields do not count, so that renaming one changes no digest. A `memo` saves time and changes nothing.
        """
        chunks: list[bytes | memoryview] = []
        _feed_record(self, chunks, memo)
        return hashlib.sha256(b"".join(chunks)).hexdigest()[:32]  # SHA-256 has processor instructions: half the time of BLAKE2


class DigestMemo:
    """The bytes of small records inside those digested at this tick and the last: one that several results share, or that stays, is read once."""

    def __init__(self) -> None:
        self._before: dict[int, tuple[Record, bytes]] = {}  # by id; holding the records keeps ids unique
        self._now: dict[int, tuple[Record, bytes]] = {}

    def begin_tick(self) -> None:
        """Forget what the last tick did not use."""
        self._before, self._now = self._now, {}

    def read(self, record: Record) -> bytes:
        """Return the bytes of a record inside another one."""
        key = id(record)
        entry = self._now.get(key) or self._before.get(key)
        if entry is None:
            chunks: list[bytes | memoryview] = []
            _feed_record(record, chunks, self)
            entry = record, b"".join(chunks)
        if len(entry[1]) <= _MEMO_BYTES:
            self._now[key] = entry
        return entry[1]


def field_names(kind: type) -> tuple[str, ...]:
    """Return the names of a record's fields, in order."""
    return tuple(getattr(kind, "__slots__", ()))


def array_field_names(kind: type) -> tuple[str, ...]:
    """Return the names of the fields that are annotated as arrays."""
    names = _ARRAY_FIELDS.get(kind)
    if names is None:
        names = tuple(name for name, hint in kind.__annotations__.items() if str(hint) in _ARRAYS or "NDArray" in str(hint))
        _ARRAY_FIELDS[kind] = names
    return names


_ARRAY_FIELDS: dict[type, tuple[str, ...]] = {}
_SIMPLE = frozenset({int, float, str, bool, bytes, type(None)})
_MEMO_BYTES = 1 << 16  # bytes; to read a larger record again costs little beside hashing it


def _feed(value: Any, chunks: list[bytes | memoryview], memo: DigestMemo | None = None) -> None:
    """Append the bytes of a value. They are hashed in one go: one hash call per array costs more than copying its bytes."""
    kind: Any = type(value)
    if kind is np.ndarray:
        chunks += _HEADERS[value.dtype, value.shape], value.data if value.flags.c_contiguous else np.ascontiguousarray(value).data
    elif kind in _SIMPLE:
        chunks.append(_simple(value))
    elif isinstance(value, Record):
        _feed_record(value, chunks, memo)
    elif kind is tuple:
        _feed_items(value, chunks)
    else:
        chunks.append(_plain(value))


def _feed_record(record: Record, chunks: list[bytes | memoryview], memo: DigestMemo | None) -> None:
    kind: Any = type(record)
    opening, read_fields = _reader(kind)
    chunks.append(opening)
    for field in read_fields(record):
        kind = type(field)
        if kind is np.ndarray:  # contiguous: __post_init__ made it so
            chunks += _HEADERS[field.dtype, field.shape], field.data
        elif kind in _SIMPLE:
            chunks.append(_simple(field))
        elif memo is not None and isinstance(field, Record):
            chunks.append(memo.read(field))
        else:
            _feed(field, chunks, memo)


@cache
def _reader(kind: type) -> tuple[bytes, Callable[[Any], tuple[Any, ...]]]:
    """Return the opening bytes of a record of this kind, and a function that reads all its fields in one call."""
    names = field_names(kind)
    opening = b"{%d:" % len(names)
    if len(names) > 1:
        return opening, attrgetter(*names)
    return opening, lambda value: tuple([getattr(value, name) for name in names])


def _feed_items(value: tuple[Any, ...], chunks: list[bytes | memoryview]) -> None:
    if set(map(type, value)) == {str}:
        chunks.append(_strings(value))
        return
    chunks.append(b"(%d:" % len(value))
    for item in value:
        _feed(item, chunks)


@lru_cache(256)
def _strings(value: tuple[str, ...]) -> bytes:
    """Return the bytes of a tuple of strings; cached because the same names recur at every tick."""
    return b"(%d:" % len(value) + b"".join(map(_plain, value))


def _simple(value: object) -> bytes:
    return f"{value!r},".encode()  # the comma ends a number


def _plain(value: object) -> bytes:
    if isinstance(value, np.generic):
        raise TypeError(f"a numpy scalar ({value!r}) has no stable digest: make it a Python number")
    if isinstance(value, Enum):
        return _simple(value.value)
    if value is None or isinstance(value, int | float | str | bytes):
        return _simple(value)
    raise TypeError(f"{type(value).__name__} has no digest")


class _Headers(dict[tuple[np.dtype[Any], tuple[int, ...]], bytes]):
    """The bytes before those of an array, by type and shape."""

    def __missing__(self, key: tuple[np.dtype[Any], tuple[int, ...]]) -> bytes:
        header = self[key] = f"{key[0].str}{key[1]}".encode()
        return header


_HEADERS = _Headers()
