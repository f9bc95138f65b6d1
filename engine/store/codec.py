"""Packs records into bytes and back, bit for bit: a JSON head, then the bytes of the arrays. There is no pickle, so reading runs no code."""

from __future__ import annotations

import hashlib
import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from enum import Enum
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
import orjson
from numpy.typing import NDArray

from engine.domain.record import Record

R = TypeVar("R", bound=Record)

_FRAME = struct.Struct("<3s8sBII")  # magic, checksum of the rest, whether the body is compressed, length of the head, length of the uncompressed body
_SUMMED_FROM = 11  # the checksum covers everything from here on
_MAGIC = b"PR1"
_LARGE = 1 << 16  # bytes; a smaller body stays as it is, a larger one is compressed where a sample of it compresses well
_SAMPLE = 1 << 13
_WORTHWHILE = 0.6
_REPEATED = 4  # an array of so many equal items or more is stored as one item
_MOST = 1 << 30  # bytes of a record: more than any has, less than a machine's memory
_PLAIN = (NoneType, bool, int, float, str)
# Marks of earlier versions and those of the layouts of today (docs/decisions/0033): only names of classes and fields differ, and fields at the end
# that have a default (`MarketSnapshot.backfilled`, `.funding`).
_RENAMED = {
    "Account:8df8f20c": "Account:28d881d5",
    "Slice:64677d99": "MarketSnapshot:776f511d",
    "MarketSnapshot:036479c4": "MarketSnapshot:776f511d",
    "MarketSnapshot:cbb4e7bd": "MarketSnapshot:776f511d",
    "Row:85e5f7cf": "TrainingRow:3decb1a3",
}


class _Body:
    """The bytes after the head, with the reading position."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        end = self.at + size
        if size < 0 or end > len(self.data):
            raise ValueError("it names more bytes than it has")
        taken, self.at = self.data[self.at : end], end
        return taken


class LayoutMismatch(ValueError):
    """The bytes are valid, but of a record with another layout."""


Encoder = Callable[[Any, list[bytes]], Any]  # the value, the parts of the body -> its item in the head
Decoder = Callable[[Any, _Body], Any]


@dataclass(frozen=True, slots=True)
class _CodecEntry:
    """How a type is written and read; `mark` identifies its layout by names and types."""

    mark: str
    write: Encoder
    read: Decoder


def pack(record: Record) -> bytes:
    """Pack a record; raises TypeError for a value that a record may not hold."""
    entry = _of_record(type(record))
    parts: list[bytes] = []
    head = orjson.dumps([_short(entry.mark), entry.write(record, parts)])
    body = b"".join(parts)
    stored = _compress(body)
    rest = _FRAME.pack(_MAGIC, b"", stored is not body, len(head), len(body))[_SUMMED_FROM:] + head + stored
    return _MAGIC + _checksum(rest) + rest


def unpack(kind: type[R], data: bytes) -> R:
    """Unpack a record. Raises ValueError, in one line, for damaged bytes, and LayoutMismatch for another kind or version of record."""
    try:
        head, body = _open(data)
        entry = _of_record(kind)
        if not isinstance(head, list) or len(head) != 2 or _RENAMED.get(head[0], head[0]) != _short(entry.mark):
            raise LayoutMismatch(f"these {len(data)} bytes are no {kind.__name__}: they have another layout")
        record: R = entry.read(head[1], _Body(body))
    except LayoutMismatch:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError, RecursionError, struct.error, zlib.error) as error:
        raise ValueError(f"these {len(data)} bytes are no {kind.__name__}: {error}") from error
    return record


def digest_layout(*kinds: type[Record]) -> str:
    """A digest that changes with the layout of these records or of a part of them; records packed before cannot be read from then on."""
    return hashlib.blake2b(" ".join([_of_record(kind).mark for kind in kinds]).encode(), digest_size=8).hexdigest()


def _open(data: bytes) -> tuple[Any, bytes]:
    magic, checksum, compressed, head_size, body_size = _FRAME.unpack_from(data)
    if magic != _MAGIC or checksum != _checksum(data[_SUMMED_FROM:]):
        raise ValueError("the checksum does not agree")
    start = _FRAME.size + head_size
    body = data[start:]
    if body_size > _MOST:
        raise ValueError(f"it would take {body_size:,} bytes")
    if compressed:
        body = zlib.decompressobj().decompress(body, body_size)
    if len(body) != body_size:
        raise ValueError("its length does not agree")
    return orjson.loads(data[_FRAME.size : start]), body


def _checksum(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=8).digest()


@cache
def _short(mark: str) -> str:
    return f"{mark.partition('(')[0]}:{hashlib.blake2b(mark.encode(), digest_size=4).hexdigest()}"


def _compress(body: bytes) -> bytes:
    """The body, compressed where that pays: prices hardly compress, empty windows do."""
    middle = len(body) // 2
    if len(body) < _LARGE or len(zlib.compress(body[middle : middle + _SAMPLE], 1)) > _WORTHWHILE * _SAMPLE:
        return body
    return zlib.compress(body, 1)


_ENTRIES: dict[Any, _CodecEntry] = {}  # by record


def _of_record(kind: type[Record]) -> _CodecEntry:
    if kind not in _ENTRIES:
        _ENTRIES[kind] = _build(kind)
    return _ENTRIES[kind]


def _build(kind: type[Record]) -> _CodecEntry:
    hints = get_type_hints(kind)
    names: tuple[str, ...] = tuple(kind.__slots__)
    entries = tuple(_of(hints[name]) for name in names)
    mark = f"{kind.__name__}({','.join(f'{name}:{entry.mark}' for name, entry in zip(names, entries, strict=True))})"
    writes = tuple((name, entry.write) for name, entry in zip(names, entries, strict=True))
    reads = tuple(entry.read for entry in entries)
    fewest = sum(field.default is MISSING for field in fields(kind))

    def write(record: Any, parts: list[bytes]) -> list[Any]:
        if type(record) is not kind:
            raise TypeError(f"{type(record).__name__} where a {kind.__name__} belongs")
        return [put(getattr(record, name), parts) for name, put in writes]

    def read(head: Any, body: _Body) -> Record:
        if not fewest <= len(head) <= len(reads):
            raise ValueError(f"it has {len(head)} fields instead of {len(reads)}")
        made: Record = kind(*[get(item, body) for get, item in zip(reads, head, strict=False)])
        return made

    return _CodecEntry(mark, write, read)


def _of(hint: Any) -> _CodecEntry:
    origin = get_origin(hint)
    if origin is np.ndarray or hint is np.ndarray or origin is NDArray:  # from numpy 2.5 on NDArray is an alias of its own
        return _CodecEntry("array", _write_array, _read_array)
    if origin is tuple:
        return _of_tuple(get_args(hint))
    if origin in {Union, UnionType}:
        return _of_optional(get_args(hint))
    if hint in _PLAIN:
        return _CodecEntry(hint.__name__, _write_plain, _read_plain)
    if hint is bytes:
        return _CodecEntry("bytes", _write_bytes, lambda head, body: body.take(head))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _CodecEntry(hint.__name__, lambda value, _parts: hint(value).value, lambda head, _body: hint(head))
    if isinstance(hint, type) and issubclass(hint, Record):
        return _of_record(hint)
    raise TypeError(f"a record may not hold {hint}")


def _of_tuple(kinds: tuple[Any, ...]) -> _CodecEntry:
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        item = _of(kinds[0])
        return _CodecEntry(f"[{item.mark}]", partial(_write_items, item.write), lambda head, body: tuple(item.read(part, body) for part in head))
    entries = tuple(_of(kind) for kind in kinds)
    return _CodecEntry(
        f"[{','.join(entry.mark for entry in entries)}]",
        lambda value, parts: [entry.write(part, parts) for entry, part in zip(entries, value, strict=True)],
        lambda head, body: tuple(entry.read(part, body) for entry, part in zip(entries, head, strict=True)),
    )


def _of_optional(kinds: tuple[Any, ...]) -> _CodecEntry:
    others = [kind for kind in kinds if kind not in _PLAIN]
    if not others:
        return _CodecEntry("|".join(sorted(kind.__name__ for kind in kinds)), _write_plain, _read_plain)
    if len(others) > 1 or set(kinds) != {others[0], NoneType}:
        raise TypeError(f"a record may hold one kind of thing or None, not one of {kinds}")
    entry = _of(others[0])
    return _CodecEntry(
        f"{entry.mark}?",
        lambda value, parts: None if value is None else entry.write(value, parts),
        lambda head, body: None if head is None else entry.read(head, body),
    )


def _write_items(write: Encoder, value: Any, parts: list[bytes]) -> list[Any]:
    if type(value) is not tuple:
        raise TypeError(f"{type(value).__name__} where a tuple belongs")
    return [write(part, parts) for part in value]


def _write_plain(value: Any, _parts: list[bytes]) -> Any:
    kind = type(value)
    if kind not in _PLAIN:
        raise TypeError(f"{kind.__name__} where a plain number or text belongs: {value!r}")
    if kind is float and not math.isfinite(value):
        return {"float": repr(value)}  # JSON has no such numbers
    return value


def _read_plain(head: Any, _body: _Body) -> Any:
    return float(head["float"]) if isinstance(head, dict) else head


def _write_bytes(value: Any, parts: list[bytes]) -> int:
    if type(value) is not bytes:
        raise TypeError(f"{type(value).__name__} where bytes belong")
    parts.append(value)
    return len(value)


def _write_array(value: Any, parts: list[bytes]) -> list[Any]:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
        raise TypeError(f"{type(value).__name__} where an array of numbers belongs")
    data, dtype = value.tobytes(), value.dtype
    if value.size >= _REPEATED:
        first = data[: dtype.itemsize]
        if data.endswith(first) and data == first * value.size:
            parts.append(first)
            return ["=" + dtype.str, *value.shape]
    parts.append(data)
    return [dtype.str, *value.shape]


def _read_array(head: Any, body: _Body) -> NDArray[Any]:
    name, *shape = head
    dtype = np.dtype(name.removeprefix("="))
    if dtype.kind not in "fiub":
        raise ValueError(f"it names an array of {dtype}")
    if any(size < 0 for size in shape) or dtype.itemsize * math.prod(shape) > _MOST:
        raise ValueError(f"it names an array of {shape}")
    if name.startswith("="):
        return np.full(shape, np.frombuffer(body.take(dtype.itemsize), dtype=dtype)[0])
    return np.frombuffer(body.take(dtype.itemsize * math.prod(shape)), dtype=dtype).reshape(shape)
