"""What of a recording is not read at all: more than memory holds, links that lead out of it, names that cannot be shown, numbers beyond reckoning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet

from engine.domain.record import Floats
from engine.feeds._errors import BadRecording

FEW = 0.01  # share of rows beyond reach that are taken for faulty ones
SHARE = 0.5  # of the free memory that a recording may take while it is read
BYTES_PER_CELL = 56  # measured: 39 to 59 at the peak of reading bars, trades and books of 1 to 20 levels
BYTES_PER_CSV_BYTE = 8  # a cell of a CSV takes about 7
LARGEST_PRICE, LARGEST_SIZE, SMALLEST = 1e15, 1e20, 1e-15  # what is beyond is infinite or 0: decisions are kept in single precision
LARGEST_MONEY = 1e35  # price x size in base units
_GROUPS, _OWN_GROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def require_memory(files: Iterable[Path], free: float | None = None) -> None:
    """Refuses a recording of more rows than memory allows, before they are read; `free` is in bytes, None for what there is."""
    sizes = [(_size_of(file), file) for file in files]
    needed = sum(size for (size, _), _ in sizes)
    allowed = SHARE * (_free_memory() if free is None else free)
    if needed > allowed:
        (size, rows), file = max(sizes)
        counted = f"{rows:,} rows" if rows else f"{file.stat().st_size / 1e9:.1f} GB"
        share = f", {size / 1e9:.1f} GB of it" if len(sizes) > 1 else ""
        raise BadRecording(
            f"the recording takes about {needed / 1e9:.1f} GB to read and {allowed / 1e9:.1f} GB may be used, half of the free memory: "
            f"name fewer symbols or split it by time; its largest file is {file} ({counted}{share})"
        )


def require_inside(path: Path, files: Iterable[Path]) -> None:
    """Refuses files that are not within the recording's folder once links are followed, and names that are no text."""
    root = path.resolve()
    for name in (str(root), *(file.parent.name for file in files)):
        if not name.isprintable():
            raise BadRecording(f"{show_name(name)} is no name that can be shown (not UTF-8, or with control characters): rename the folder")
    for file in files:
        if not is_inside(root, file):
            link = file if file.is_symlink() else file.parent
            raise BadRecording(f"{link} is a link that leads out of the recording and is not followed: copy what it leads to into {path}")


def is_inside(path: Path, entry: Path) -> bool:
    """Whether it lies within the recording's folder once links are followed; a link that leads to itself leads nowhere."""
    try:
        return entry.resolve().is_relative_to(path.resolve())
    except (OSError, RuntimeError):
        return False


def show_name(name: str) -> str:
    """The name as it can be shown and stored: what is no UTF-8 and control characters as escapes."""
    return name if name.isprintable() else ascii(name)[1:-1]


def require_money(symbol: str, price: Floats, size: Floats) -> None:
    """Refuses sizes in base units that are worth more than can be reckoned with."""
    with np.errstate(over="ignore", invalid="ignore"):
        money = price * size
    if (money > LARGEST_MONEY).any():
        raise BadRecording(
            f"{symbol}: price x size reaches {np.nanmax(money):.3g}, too much to reckon with: correct its multiplier in recording.toml"
        )


def within_reach(file: Path, name: str, values: Floats) -> Floats:
    """The numbers of a column, infinite or 0 where they are too large or too small to reckon with. Raises BadRecording where many are."""
    largest = LARGEST_SIZE if name in {"volume", "size"} or "_sz_" in name else LARGEST_PRICE
    magnitude = np.abs(values)
    beyond = np.flatnonzero(((magnitude > largest) & (magnitude < np.inf)) | ((magnitude < SMALLEST) & (magnitude > 0.0)))
    if not len(beyond):
        return values
    if len(beyond) > FEW * len(values):
        row = int(beyond[0])
        raise BadRecording(f"{file}: row {row + 1} has the {name} {values[row]:g}, outside of {SMALLEST:g} to {largest:g}: give it in another unit")
    return np.where(magnitude > largest, np.copysign(np.inf, values), np.where(magnitude < SMALLEST, 0.0, values))


def _size_of(file: Path) -> tuple[float, int]:
    """Bytes it takes to read the file, and its rows, 0 where they are not known; what cannot be opened is refused when it is read."""
    if file.suffix == ".csv":
        return float(file.stat().st_size * BYTES_PER_CSV_BYTE), 0
    try:
        metadata = pyarrow.parquet.read_metadata(file)
    except (pa.ArrowException, OSError):
        return 0.0, 0
    return float(metadata.num_rows * metadata.num_columns * BYTES_PER_CELL), metadata.num_rows


def _free_memory() -> float:
    """Bytes: of the machine, or of the container where it is limited to less."""
    return max(0.0, min([float(psutil.virtual_memory().available), *_free_in_groups()]))


def _free_in_groups() -> Iterator[float]:
    """Bytes that each cgroup v2 this process is in leaves of its limit; pages of files count as free."""
    try:
        own = next((line[4:] for line in _OWN_GROUP.read_text().splitlines() if line.startswith("0::/")), "")
    except OSError:
        return
    for group in (_GROUPS / own, *(_GROUPS / own).parents):
        try:
            limit, used = (float((group / name).read_text()) for name in ("memory.max", "memory.current"))
            cached = dict(line.split() for line in (group / "memory.stat").read_text().splitlines()).get("inactive_file", "0")
        except (OSError, ValueError):  # a group above all of them, or one without a limit ("max")
            continue
        yield limit - used + float(cached)
