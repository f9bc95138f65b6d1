"""Names what lies in a recording's folder and is not read, each with the reason and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.feeds._limits import is_inside, show_name

SETTINGS = "recording.toml"
_PACKED = frozenset({".gz", ".zip", ".bz2", ".xz", ".zst", ".7z", ".tar", ".tgz", ".rar", ".lz4", ".br"})
_TABLES = frozenset({".csv", ".parquet"})
_PAPERS = frozenset({"readme", "license", "licence", "notice"})  # about the recording, no part of it
_NAMES = "bars, books or trades"


def find_left_out(path: Path, read: Sequence[Path]) -> dict[str, str]:
    """Reasons by name of all but the files `read`; hidden ones and a README do not count. A symbol none of whose files is read has one name."""
    known = set(read)
    found: dict[str, str] = {}
    for entry in _entries(path):
        if not is_inside(path, entry):
            found[entry.name] = "a link that leads out of the recording: it is not followed"
            continue
        if not entry.is_dir():
            if entry.name != SETTINGS:
                found[entry.name] = _explain_outside(entry)
            continue
        rest = {child.name: _explain(child, known) for child in _entries(entry) if child not in known}
        if any(child in known for child in _entries(entry)):
            found |= {f"{entry.name}/{name}": reason for name, reason in rest.items()}
        else:
            found[entry.name] = _explain_folder(rest)
    return {show_name(name): show_name(reason) for name, reason in found.items()}


def _entries(folder: Path) -> list[Path]:
    return [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(".") and entry.stem.lower() not in _PAPERS]


def _explain_folder(rest: dict[str, str]) -> str:
    """Why no file of a symbol is read."""
    if not rest:
        return "the folder is empty"
    name, reason = next(iter(rest.items()))
    more = f" (and {len(rest) - 1:,} more)" if len(rest) > 1 else ""
    return f"{name}: {reason}{more}"


def _explain(entry: Path, read: set[Path]) -> str:
    """Why this entry of a symbol's folder is not read."""
    if entry.is_dir():
        return "a folder inside a symbol's folder: write its files as one file bars.parquet"
    if not entry.is_file():
        return "a link that leads nowhere: correct it"
    return _explain_name(entry, read)


def _explain_name(entry: Path, read: set[Path]) -> str:
    kinds = ("bars", "books", "trades")
    suffix, stem = entry.suffix.lower(), entry.stem.lower()
    if suffix in _PACKED:
        plain = next((kind for kind in kinds if stem.split(".")[0] == kind), _NAMES)
        return f"it is packed: unpack it to {plain if plain == _NAMES else f'{plain}.csv or {plain}.parquet'}"
    if suffix not in _TABLES:
        return f"not a .csv or .parquet: write it as {_NAMES}"
    rival = next((file for file in read if file.parent == entry.parent and file.stem == stem), None)
    if rival is not None:
        return f"{rival.name} is read instead: keep one of the two in this folder"
    kind = next((kind for kind in kinds if stem in {kind, kind.removesuffix("s")}), None)
    return f"rename it to {kind}{suffix}" if kind else f"its name says nothing of its kind: rename it to {_NAMES}, with {suffix}"


def _explain_outside(entry: Path) -> str:
    suffix = entry.suffix.lower()
    if suffix in _TABLES:
        return f"it lies in no symbol's folder: move it to {entry.stem}/bars{suffix} (or books, trades)"
    return "it lies in no symbol's folder"
