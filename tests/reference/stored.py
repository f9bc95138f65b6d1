"""The stored references: residues of every figure of every tick, and the values themselves at some ticks and of the cases."""

from __future__ import annotations

import io
import json
import lzma
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.reference.figures import DIGEST, RESIDUES, Figures, is_close, project, residue_of

FOLDER = Path(__file__).parent / "stored"
HIDDEN = ("learning.", "evolution.", "given.")  # not among the values that are stored to be read
SHOWN = 12  # values of a figure that are stored and shown at most
DIGITS = 9
TOLERANCE = 1e-6  # relative, of a stored value; below 1e-9 it is absolute
TOLERANCES = {"neural": 1e-3, "random_fourier_features": 1e-4}  # of cases whose names begin so: in single precision, or nearly singular


@dataclass(frozen=True)
class Reference:
    """The residues of a session: names (F,), residues (ticks, F); and by tick the values of the figures that are small enough to read."""

    names: tuple[str, ...]
    residues: NDArray[np.uint8]
    values: dict[int, dict[str, list[Any]]]


def read_reference(name: str) -> Reference:
    """Read the reference of a session."""
    with np.load(io.BytesIO(lzma.decompress((FOLDER / f"{name}.npz.xz").read_bytes()))) as parts:
        names, residues = tuple(str(parts["names"]).split("\n")), parts["residues"].T
    values = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return Reference(names, residues, {int(tick): figures for tick, figures in values.items()})


def write_reference(name: str, ticks: Iterable[Figures], shown: frozenset[int]) -> None:
    """Write the reference of a session, with the values at the ticks `shown`."""
    every = list(ticks)
    names = sorted({figure for figures in every for figure in figures})
    residues = np.array([[residue_of(figures.get(figure, ())) for figure in names] for figures in every], dtype=np.uint8).T
    packed = io.BytesIO()
    np.savez(packed, names=np.array("\n".join(names)), residues=np.ascontiguousarray(residues))
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.npz.xz").write_bytes(lzma.compress(packed.getvalue(), preset=9))
    values = {
        str(tick): {
            figure: shown_values(parts) for figure, parts in every[tick].items() if count_values(parts) <= SHOWN and not figure.startswith(HIDDEN)
        }
        for tick in sorted(shown)
    }
    write_values(name, values)


def write_values(name: str, values: dict[str, dict[str, list[Any]]]) -> None:
    """Write figures as JSON, one on each line."""
    groups = []
    for group, figures in values.items():
        lines = ",\n".join(f"  {json.dumps(figure)}: {json.dumps(parts)}" for figure, parts in figures.items())
        groups.append(f"{json.dumps(group)}: {{\n{lines}\n}}")
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text("{\n" + ",\n".join(groups) + "\n}\n", encoding="utf-8")


def read_values(name: str) -> dict[str, dict[str, list[Any]]]:
    """Read figures that were written as JSON."""
    stored: dict[str, dict[str, list[Any]]] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return stored


def count_values(parts: list[Any]) -> int:
    """The number of numbers and texts in a figure."""
    return sum(int(np.size(part)) for part in parts)


def shown_values(parts: list[Any]) -> list[Any]:
    """The numbers and texts of a figure, flat, with 9 digits and without digests of bits; of a large one the projection."""
    if count_values(parts) > SHOWN:
        return [f"{count_values(parts)} values", _rounded(project(parts))]
    return [_rounded(value) for part in parts for value in (np.asarray(part).reshape(-1).tolist() if not isinstance(part, str) else [part])]


def _rounded(value: Any) -> Any:
    if isinstance(value, bool | int) or value is None:
        return value
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else str(value)
    return DIGEST.sub("", str(value))


def differences(figures: Figures, reference: Reference, tick: int) -> Iterator[str]:
    """The figures of a tick that differ from the reference, in the order in which they are computed, with their values."""
    place = {name: index for index, name in enumerate(reference.names)}
    for name, parts in figures.items():
        stored = int(reference.residues[tick, place[name]]) if name in place else None
        if stored is None or not is_close(residue_of(parts), stored):
            yield f"{name} is {shown_values(parts)}{_stored_value(name, tick, reference)}"
    for name, index in place.items():
        if name not in figures and int(reference.residues[tick, index]) % RESIDUES:
            yield f"{name} is absent{_stored_value(name, tick, reference)}"


def _stored_value(name: str, tick: int, reference: Reference) -> str:
    if name not in reference.names:
        return ", which the reference does not have"
    value = reference.values.get(tick, {}).get(name)
    return "" if value is None else f", in the reference {value}"


def value_differences(case: str, figures: Figures, stored: dict[str, list[Any]]) -> Iterator[str]:
    """The figures of a case that differ from their stored values."""
    tolerance = next((value for name, value in TOLERANCES.items() if case.startswith(name)), TOLERANCE)
    now = {name: shown_values(parts) for name, parts in figures.items()}
    for name in [*now, *(name for name in stored if name not in now)]:
        if name not in now or name not in stored:
            yield f"{name or 'the result'} is {now.get(name, 'absent')}, in the reference {stored.get(name, 'absent')}"
        elif len(now[name]) != len(stored[name]) or not all(
            _are_close(value, expected, tolerance) for value, expected in zip(now[name], stored[name], strict=True)
        ):
            yield f"{name or 'the result'} is {now[name]}, in the reference {stored[name]}"


def _are_close(value: Any, stored: Any, tolerance: float) -> bool:
    if isinstance(value, float) and isinstance(stored, int | float) and not isinstance(stored, bool):
        return math.isclose(value, stored, rel_tol=tolerance, abs_tol=1e-9)
    if isinstance(value, str) and isinstance(stored, str):
        return is_close(residue_of([value]), residue_of([stored]))
    return bool(value == stored)
