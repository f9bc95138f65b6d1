"""Figures of a result: every number and text in its records by name, and a residue of each that a stored reference can be compared with."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

import numpy as np

from engine.domain.record import Floats, Record, field_names

STEP = 2e-6  # a residue counts these steps of the projection
RESIDUES = 1 << 8  # they are counted modulo this, so that a byte is enough: of 85 changed figures one looks unchanged, at that tick
ALLOWED = 1  # steps by which two residues may differ
SMALLEST = 1e-5  # sizes below are compared absolutely, sizes above relatively
LARGEST_NUMBER = 1e5  # whole numbers above, such as times, are compared exactly
DIGEST = re.compile(r"\b[0-9a-f]{32}\b|\b[0-9a-f]{64}\b")  # of bits, which may differ between platforms
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w])")
_NONE = np.array([55.5])
Figures = dict[str, list[Any]]  # by name: arrays, numbers and texts in the order of the records that hold them


def figures_of(value: Any, name: str, left_out: frozenset[str] = frozenset()) -> Figures:
    """Return the figures of a record, an array, a mapping, a sequence, a number or a text; fields in `left_out` are skipped wherever they stand."""
    figures: Figures = {}
    _add(value, name, figures, left_out)
    return figures


def _add(value: Any, name: str, figures: Figures, left_out: frozenset[str]) -> None:
    if isinstance(value, Record) or (is_dataclass(value) and not isinstance(value, type)):
        for part in field_names(type(value)) if isinstance(value, Record) else [field.name for field in fields(value)]:
            if part not in left_out:
                _add(getattr(value, part), f"{name}.{part}" if name else part, figures, left_out)
    elif isinstance(value, Mapping):
        for key, part in value.items():
            _add(part, f"{name}.{key}", figures, left_out)
    elif isinstance(value, tuple | list):
        figures.setdefault(f"{name}#", []).append(len(value))
        for part in value:
            _add(part, name, figures, left_out)
    else:
        figures.setdefault(name, []).append(value)


def project(parts: Sequence[Any]) -> float:
    """Return one number that changes with each of the values by about as much as the value changes relative to its size."""
    values = np.concatenate([_read(part) for part in parts]) if parts else np.zeros(0)
    return float(values @ _weights(len(values))) / math.sqrt(max(len(values), 1))


def residue_of(parts: Sequence[Any]) -> int:
    """Return the projection in steps, modulo RESIDUES."""
    return round(project(parts) / STEP) % RESIDUES


def is_close(residue: int, reference: int) -> bool:
    """Return whether two residues differ by no more than ALLOWED steps."""
    return (residue - reference + ALLOWED) % RESIDUES <= 2 * ALLOWED


def _read(part: Any) -> Floats:
    if type(part) is np.ndarray and part.dtype.kind == "f":
        return _read_floats(part.reshape(-1).astype(np.float64, copy=False))
    if isinstance(part, Enum):
        part = part.value
    if part is None:
        return _NONE
    if isinstance(part, str | bytes):
        return _read_text(part if isinstance(part, str) else part.decode("latin-1"))
    if isinstance(part, float):
        return _read_floats(np.array([part]))
    values = np.asarray(part)
    if values.dtype.kind == "f":
        return _read_floats(values.reshape(-1).astype(np.float64))
    if values.dtype.kind not in "iub":
        raise TypeError(f"{type(part).__name__} is no figure: leave it out, or turn it into numbers")
    flat = values.reshape(-1)
    if not len(flat) or np.abs(flat.astype(np.float64)).max() < LARGEST_NUMBER:
        return np.asarray(np.arcsinh(flat.astype(np.float64) / SMALLEST))
    return np.array([_read_whole(number) for number in flat.tolist()])


def _read_floats(flat: Floats) -> Floats:
    known = np.isfinite(flat)
    if known.all():
        return np.asarray(np.arcsinh(flat / SMALLEST))
    scaled = np.arcsinh(np.where(known, flat, 0.0) / SMALLEST)
    return np.where(known, scaled, np.where(np.isnan(flat), 77.7, np.copysign(88.8, flat)))


def _read_whole(number: int) -> float:
    return math.asinh(number / SMALLEST) if abs(number) < LARGEST_NUMBER else zlib.crc32(str(number).encode()) / 2**28


@lru_cache(4_096)
def _read_text(text: str) -> Floats:
    """The text without its numbers, then each number; digests do not count."""
    plain = DIGEST.sub("", text)
    numbers = NUMBER.findall(plain)
    kinds = [zlib.crc32(NUMBER.sub("0", plain).encode()) / 2**28]
    return np.array(
        kinds + [_read_whole(int(number)) if number.lstrip("-").isdigit() else math.asinh(float(number) / SMALLEST) for number in numbers]
    )


@lru_cache(64)
def _weights(count: int) -> Floats:
    """(count,) weights between 1 and 2, no two of them equal, so that an exchange of two values shows."""
    return np.asarray(1.0 + np.arange(1, count + 1) * 0.6180339887498949 % 1.0)
