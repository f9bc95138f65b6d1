"""The folder of a recording: which of its files may be read, what is left out and why, and the limits of memory and of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet

from engine import units
from engine.domain.record import Floats
from engine.feeds._recording_parts import RECORDER_TABLES, list_parts, read_parts_metadata

SETTINGS_FILE = "recording.toml"
MAX_EXTREME_SHARE = 0.01  # share of rows with extreme numbers that counts as faulty rows; more of them refuse the file
MEMORY_SHARE = 0.5  # of the free memory that reading a recording may take
BYTES_PER_CELL = 56  # measured: 39 to 59 at the peak of reading bars, trades and books of 1 to 20 levels
BYTES_PER_CSV_BYTE = 8  # a cell of a CSV takes about 7
LARGEST_PRICE, LARGEST_SIZE, SMALLEST = 1e15, 1e20, 1e-15  # numbers beyond become infinite or 0: decisions are stored in single precision
LARGEST_MONEY = 1e35  # price x size in base units
_CGROUPS, _OWN_CGROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_COMPRESSED = frozenset({".gz", ".zip", ".bz2", ".xz", ".zst", ".7z", ".tar", ".tgz", ".rar", ".lz4", ".br"})
_TABLES = frozenset({".csv", ".parquet"})
_NOTES = frozenset({"readme", "license", "licence", "notice", "import"})  # about the recording, not part of it
_FILE_NAMES = "bars, books or trades"


class BadRecording(ValueError):
    """A recording that cannot be read correctly: one line with what is wrong, where, and the remedy."""


def require_memory(files: Iterable[Path], free: float | None = None) -> None:
    """Refuse a recording that needs more memory than allowed, before it is read; `free` is in bytes, None for the machine's own."""
    sizes = [(_estimate_size(file), file) for file in files]
    needed = sum(size for (size, _), _ in sizes)
    allowed = MEMORY_SHARE * (_free_memory() if free is None else free)
    if needed > allowed:
        (size, rows), file = max(sizes)
        counted = f"{rows:,} rows" if rows else f"{units.format_bytes(file.stat().st_size)}"
        share = f", {units.format_bytes(size)} of it" if len(sizes) > 1 else ""
        raise BadRecording(
            f"the recording takes about {units.format_bytes(needed)} to read and {units.format_bytes(allowed)} may be used, half of the free memory: "
            f"name fewer symbols or split it by time; its largest file is {file} ({counted}{share})"
        )


def require_inside(path: Path, files: Iterable[Path]) -> None:
    """Refuse files outside the recording's folder once links are followed, and folder names that cannot be printed."""
    root = path.resolve()
    for name in (str(root), *(file.parent.name for file in files)):
        if not name.isprintable():
            raise BadRecording(f"{show_name(name)} cannot be shown as a name (not UTF-8, or with control characters): rename the folder")
    for file in files:
        if not is_inside(root, file):
            link = file if file.is_symlink() else file.parent
            raise BadRecording(f"{link} is a link that leads out of the recording and is not followed: copy what it leads to into {path}")


def is_inside(path: Path, entry: Path) -> bool:
    """Whether an entry lies within the recording's folder once links are followed; False for a link to itself."""
    try:
        return entry.resolve().is_relative_to(path.resolve())
    except (OSError, RuntimeError):
        return False


def show_name(name: str) -> str:
    """The name with control characters and invalid UTF-8 escaped, so that it can be shown and stored."""
    return name if name.isprintable() else ascii(name)[1:-1]


def require_money(symbol: str, price: Floats, size: Floats) -> None:
    """Refuse sizes (base units) whose value exceeds the range of the calculations."""
    with np.errstate(over="ignore", invalid="ignore"):
        money = price * size
    if (money > LARGEST_MONEY).any():
        raise BadRecording(
            f"{symbol}: price x size reaches {np.nanmax(money):.3g}, too large to calculate with: correct its multiplier in recording.toml"
        )


def clip_extremes(file: Path, name: str, values: Floats) -> Floats:
    """The numbers of a column, infinite or 0 where they are too large or too small. Raises BadRecording for more than 1 % of these."""
    largest = LARGEST_SIZE if name in {"volume", "size"} or "_sz_" in name else LARGEST_PRICE
    magnitude = np.abs(values)
    extreme = np.flatnonzero(((magnitude > largest) & (magnitude < np.inf)) | ((magnitude < SMALLEST) & (magnitude > 0.0)))
    if not len(extreme):
        return values
    if len(extreme) > MAX_EXTREME_SHARE * len(values):
        row = int(extreme[0])
        raise BadRecording(f"{file}: row {row + 1} has the {name} {values[row]:g}, outside of {SMALLEST:g} to {largest:g}: give it in another unit")
    return np.where(magnitude > largest, np.copysign(np.inf, values), np.where(magnitude < SMALLEST, 0.0, values))


def find_left_out(path: Path, read: Sequence[Path]) -> dict[str, str]:
    """Reasons by name for all files but those `read`, without hidden ones and a README. A symbol of which no file is read has one entry."""
    known = set(read)
    reasons: dict[str, str] = {}
    for entry in _list_entries(path):
        if not is_inside(path, entry):
            reasons[entry.name] = "a link that leads out of the recording: it is not followed"
            continue
        if not entry.is_dir():
            if entry.name != SETTINGS_FILE:
                reasons[entry.name] = _explain_outside(entry)
            continue
        if entry.name in RECORDER_TABLES and list_parts(entry):
            reasons |= _explain_foreign_parts(entry, entry.name)
            continue
        rest = {child.name: _explain_entry(child, known) for child in _list_entries(entry) if child not in known}
        for table in (child for child in _list_entries(entry) if child in known and child.is_dir()):
            reasons |= _explain_foreign_parts(table, f"{entry.name}/{table.name}")
        if any(child in known for child in _list_entries(entry)):
            reasons |= {f"{entry.name}/{name}": reason for name, reason in rest.items()}
        else:
            reasons[entry.name] = _explain_folder(rest)
    return {show_name(name): show_name(reason) for name, reason in reasons.items()}


def _list_entries(folder: Path) -> list[Path]:
    return [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(".") and entry.stem.lower() not in _NOTES]


def _explain_foreign_parts(table: Path, name: str) -> dict[str, str]:
    """Why entries of a folder of parts are not read, by their path."""
    parts = set(list_parts(table))
    others = [entry.name for entry in _list_entries(table) if entry not in parts]
    return {f"{name}/{other}": "it is no part of this table: only part-000001.parquet and so on are read" for other in others}


def _explain_folder(rest: dict[str, str]) -> str:
    """Why no file of a symbol is read."""
    if not rest:
        return "the folder is empty"
    name, reason = next(iter(rest.items()))
    more = f" (and {len(rest) - 1:,} more)" if len(rest) > 1 else ""
    return f"{name}: {reason}{more}"


def _explain_entry(entry: Path, read: set[Path]) -> str:
    """Why an entry of a symbol's folder is not read."""
    if entry.is_dir():
        return "a folder inside a symbol's folder: write its files as one file bars.parquet"
    if not entry.is_file():
        return "a link that leads nowhere: correct it"
    return _explain_file(entry, read)


def _explain_file(entry: Path, read: set[Path]) -> str:
    kinds = ("bars", "books", "trades")
    suffix, stem = entry.suffix.lower(), entry.stem.lower()
    if suffix in _COMPRESSED:
        plain = next((kind for kind in kinds if stem.split(".")[0] == kind), _FILE_NAMES)
        return f"it is compressed: extract it to {plain if plain == _FILE_NAMES else f'{plain}.csv or {plain}.parquet'}"
    if suffix not in _TABLES:
        return f"not a .csv or .parquet: write it as {_FILE_NAMES}"
    rival = next((file for file in read if file.parent == entry.parent and file.stem == stem), None)
    if rival is not None:
        return f"{rival.name} is read instead: keep one of the two in this folder"
    kind = next((kind for kind in kinds if stem in {kind, kind.removesuffix("s")}), None)
    return f"rename it to {kind}{suffix}" if kind else f"its name says nothing of its kind: rename it to {_FILE_NAMES}, with {suffix}"


def _explain_outside(entry: Path) -> str:
    suffix = entry.suffix.lower()
    if suffix in _TABLES:
        return f"it is outside any symbol's folder: move it to {entry.stem}/bars{suffix} (or books, trades)"
    return "it is outside any symbol's folder"


def _estimate_size(file: Path) -> tuple[float, int]:
    """Bytes needed to read the file, and its rows (0 where unknown). A file that cannot be opened is refused later, when it is read."""
    if file.is_dir():
        try:
            rows, columns = read_parts_metadata(file)
        except (pa.ArrowException, OSError):
            return 0.0, 0
        return float(rows * columns * BYTES_PER_CELL), rows
    if file.suffix == ".csv":
        return float(file.stat().st_size * BYTES_PER_CSV_BYTE), 0
    try:
        metadata = pyarrow.parquet.read_metadata(file)
    except (pa.ArrowException, OSError):
        return 0.0, 0
    return float(metadata.num_rows * metadata.num_columns * BYTES_PER_CELL), metadata.num_rows


def _free_memory() -> float:
    """Bytes free on the machine, or in the container where its limit is lower."""
    return max(0.0, min([float(psutil.virtual_memory().available), *_free_in_cgroups()]))


def _free_in_cgroups() -> Iterator[float]:
    """Bytes left of the limit of each cgroup v2 of this process; cached pages of files count as free."""
    try:
        own = next((line[4:] for line in _OWN_CGROUP.read_text().splitlines() if line.startswith("0::/")), "")
    except OSError:
        return
    for group in (_CGROUPS / own, *(_CGROUPS / own).parents):
        try:
            limit, used = (float((group / name).read_text()) for name in ("memory.max", "memory.current"))
            cached = dict(line.split() for line in (group / "memory.stat").read_text().splitlines()).get("inactive_file", "0")
        except (OSError, ValueError):  # a group above all of them, or one without a limit ("max")
            continue
        yield limit - used + float(cached)
