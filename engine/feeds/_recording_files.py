"""Reads the files of a recording into arrays and refuses, in one line each, what cannot be read honestly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from engine.domain.record import Bools, Floats, Ints, Record
from engine.feeds._columns import explain_columns, explain_levels, explain_missing_volume
from engine.feeds._left_out import find_left_out
from engine.feeds._row_counts import bar_faults, explain_books, explain_negative, explain_refusal, sound_rows, trade_faults
from engine.feeds._sides import trade_signs

BOOK_COLUMNS = ("bid_px", "bid_sz", "ask_px", "ask_sz")
KINDS = ("bars", "books", "trades")
SUFFIXES = (".parquet", ".csv")  # the first that is there is read
PRICES = ("open", "high", "low", "close")
_REMEDY = "write it as 2024-01-01T00:00:00Z or as whole ms or ns since 1970"


class BadRecording(ValueError):
    """A recording that cannot be read honestly: one line with what, where and the remedy."""


@dataclass(frozen=True, slots=True)
class BarRows(Record):
    """bars: sound rows only, in order of time."""

    opened: Ints  # (n,) ns UTC
    values: Floats  # (5, n) open, high, low, close, volume; volume is NaN in every row where it is unknown
    spacing: int | None  # ns, most common distance of two rows, faulty ones too; None with fewer than two rows
    duplicates: int  # identical rows dropped
    faulty: int  # rows, apart from repeats, without a finite, positive and consistent bar: taken as missing


@dataclass(frozen=True, slots=True)
class TradeRows(Record):
    """trades: sound rows only; many may share a time."""

    at: Ints  # (n,) ns UTC
    price: Floats  # (n,)
    size: Floats  # (n,)
    sign: Floats  # (n,) +1 bought by the aggressor, -1 sold, 0 not told
    faulty: int


@dataclass(frozen=True, slots=True)
class BookRows(Record):
    """books: every row; many may share a time, the last of them stands."""

    at: Ints  # (n,) ns UTC
    bid_price: Floats  # (n, D)
    bid_size: Floats  # (n, D)
    ask_price: Floats  # (n, D)
    ask_size: Floats  # (n, D)
    sound: Bools  # (n,) the best bid and ask are finite, positive and not crossed


def symbol_folders(path: Path, wanted: tuple[str, ...]) -> tuple[Path, ...]:
    """A recording's folders, by name of the symbol; all of them where none is asked for."""
    if not path.is_dir():
        raise BadRecording(f"there is no recording at {path}: give the folder that holds one folder a symbol")
    if any(file_of(path, kind) for kind in KINDS):
        raise BadRecording(f"{path} is the folder of one symbol: give the folder above it, {path.resolve().parent}")
    known = {folder.name: folder for folder in sorted(path.iterdir()) if folder.is_dir() and any(file_of(folder, kind) for kind in KINDS)}
    if not known:
        raise BadRecording(f"{path} holds no symbol: a recording is DIR/SYMBOL/bars.parquet, books.parquet or trades.parquet (or .csv){_found(path)}")
    for symbol in wanted:
        if symbol not in known:
            raise BadRecording(f"{path} has no symbol {symbol!r}: it has {', '.join(known)}{_found(path, symbol)}")
    return tuple(known[symbol] for symbol in (dict.fromkeys(wanted) or known))


def file_of(folder: Path, kind: str) -> Path | None:
    """The file of a kind, None where there is none."""
    return next((folder / (kind + suffix) for suffix in SUFFIXES if (folder / (kind + suffix)).is_file()), None)


def read_files(folders: tuple[Path, ...]) -> tuple[Path, ...]:
    """The files of these symbols' folders that are read."""
    return tuple(file for folder in folders for kind in KINDS if (file := file_of(folder, kind)))


def _found(path: Path, symbol: str | None = None) -> str:
    """What lies there and is not read, in words that follow an error: of one symbol, or the first of all."""
    left_out = find_left_out(path, read_files(tuple(folder for folder in path.iterdir() if folder.is_dir())))
    name = next(iter(left_out), None) if symbol is None else symbol
    return f"; {name} is left out ({left_out[name]})" if name in left_out else ""


def read_bars(file: Path) -> BarRows:
    """Identical repeats of a row are dropped; two different bars for one time are refused."""
    table = _read(file, ("ts", *PRICES))
    opened = _times(file, table)
    values = np.stack([*(_numbers(file, table, name) for name in PRICES), _volumes(file, table)])
    _refuse(file, explain_negative(values[:4]))
    again = np.flatnonzero(np.diff(opened) == 0) + 1
    for row in again.tolist():
        if not np.array_equal(values[:, row], values[:, row - 1], equal_nan=True):
            raise BadRecording(f"{file}: row {row + 1} is a second and different bar of {_shown(opened[row])}: keep one of the two")
    single = np.ones(len(opened), dtype=np.bool_)
    single[again] = False
    faults = bar_faults(values)
    _refuse(file, explain_refusal(faults, single))
    keep = sound_rows(faults) & single
    return BarRows(opened[keep], np.ascontiguousarray(values[:, keep]), _spacing(opened), len(again), int((single & ~keep).sum()))


def read_trades(file: Path) -> TradeRows:
    """Sides in the spellings of _sides; a column in which none is understood is refused."""
    table = _read(file, ("ts", "price", "size"))
    try:
        sign = trade_signs(table)
    except ValueError as error:
        raise BadRecording(f"{file} {error}") from None
    at = _times(file, table)
    price, size = _numbers(file, table, "price"), _numbers(file, table, "size")
    _refuse(file, explain_negative(price[None]))
    faults = trade_faults(price, size)
    _refuse(file, explain_refusal(faults, np.ones(len(at), dtype=np.bool_)))
    sound = sound_rows(faults)
    return TradeRows(at[sound], price[sound], size[sound], sign[sound], int((~sound).sum()))


def read_books(file: Path) -> BookRows:
    """As many levels as the file has columns for, counted from 0 without a hole."""
    table = _read(file, ("ts", "bid_px_0", "bid_sz_0", "ask_px_0", "ask_sz_0"))
    at = _times(file, table)
    levels = 1
    while all(f"{name}_{levels}" in table.column_names for name in BOOK_COLUMNS):
        levels += 1
    _refuse(file, explain_levels(table.column_names, levels))
    sides = [
        np.column_stack([_numbers(file, table, f"{name}_{level}") for level in range(levels)]) for name in ("bid_px", "bid_sz", "ask_px", "ask_sz")
    ]
    bid, bid_size, ask, ask_size = (side[:, 0] for side in sides)
    _refuse(file, explain_books(bid, bid_size, ask, ask_size))
    with np.errstate(invalid="ignore"):
        sound = (bid > 0.0) & (ask > bid) & np.isfinite(ask) & (bid_size > 0.0) & (ask_size > 0.0) & np.isfinite(bid_size) & np.isfinite(ask_size)
    return BookRows(at, sides[0], sides[1], sides[2], sides[3], sound)


def _volumes(file: Path, table: pa.Table) -> Floats:
    """The volumes of bars, NaN in every row where there is no such column."""
    if "volume" in table.column_names:
        return _numbers(file, table, "volume")
    _refuse(file, explain_missing_volume(table.column_names))
    return np.full(table.num_rows, np.nan)


def _refuse(file: Path, reason: str | None) -> None:
    """Raises BadRecording where there is a reason."""
    if reason is not None:
        raise BadRecording(f"{file} {reason}")


def _spacing(opened: Ints) -> int | None:
    """The most common and not the median, which is two bars for a symbol that is silent half of the time."""
    steps, counts = np.unique(np.diff(np.unique(opened)), return_counts=True)
    return int(steps[np.argmax(counts)]) if len(steps) else None


def _read(file: Path, needed: tuple[str, ...]) -> pa.Table:
    try:
        table = pyarrow.csv.read_csv(file) if file.suffix == ".csv" else pyarrow.parquet.ParquetFile(file).read()
    except (pa.ArrowException, OSError) as error:
        raise BadRecording(f"{file} cannot be read ({str(error).splitlines()[0]}): record or copy it again") from error
    missing = [name for name in needed if name not in table.column_names]
    if missing:
        raise BadRecording(f"{file} lacks {', '.join(missing)}: its columns are {', '.join(table.column_names[:12])}")
    _refuse(file, explain_columns(table, file.name))
    if table.num_rows == 0:
        raise BadRecording(f"{file} is empty: remove it or record it again")
    return table


def _numbers(file: Path, table: pa.Table, name: str) -> Floats:
    """A column as doubles, NaN where it is null."""
    try:
        column = pc.cast(table[name], pa.float64())
    except pa.ArrowException as error:
        row = next((row for row, value in enumerate(table[name].to_pylist()) if not _is_number(value)), 0)
        raise BadRecording(f"{file}: row {row + 1} has the {name} {table[name][row].as_py()!r}: make it a number or remove the row") from error
    return np.asarray(column.to_numpy(), dtype=np.float64)


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return value is None
    return True


def _times(file: Path, table: pa.Table) -> Ints:
    """The column ts as ns UTC, refused where it goes back."""
    column = table["ts"]
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise BadRecording(f"{file}: row {row + 1} has no ts: remove the row")
    counted = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
    times = _counted(file, column) if counted else _told(file, column)
    back = np.flatnonzero(np.diff(times) < 0)
    if len(back):
        row = int(back[0]) + 1
        raise BadRecording(f"{file}: row {row + 1} goes back in time, {_shown(times[row])} after {_shown(times[row - 1])}: sort the file by ts")
    return times


def _counted(file: Path, column: pa.ChunkedArray) -> Ints:
    """Seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their size."""
    raw = column.to_numpy()
    if not np.isfinite(raw).all():
        raise BadRecording(f"{file}: row {int(np.flatnonzero(~np.isfinite(raw))[0]) + 1} has a ts that is no number: remove the row")
    largest = float(np.abs(raw).max())
    unit = next((unit for limit, unit in ((1e11, 10**9), (1e14, 10**6), (1e17, 10**3)) if largest < limit), 1)
    return np.asarray(raw * unit if raw.dtype.kind == "i" else np.rint(raw * unit), dtype=np.int64)


def _told(file: Path, column: pa.ChunkedArray) -> Ints:
    """Timestamps, dates or ISO texts; without a zone they are UTC."""
    for kind in (pa.timestamp("ns", "UTC"), pa.timestamp("ns")):
        try:
            return np.asarray(pc.cast(pc.cast(column, kind), pa.int64()).to_numpy(), dtype=np.int64)
        except pa.ArrowException:
            continue
    for row, value in enumerate(column.to_pylist()):
        try:
            pc.cast(pa.scalar(str(value)), pa.timestamp("ns"))
        except pa.ArrowException:
            raise BadRecording(f"{file}: row {row + 1} has the ts {value!r}: {_REMEDY}") from None
    raise BadRecording(f"{file}: the column ts is {column.type}: {_REMEDY}")


def _shown(at: np.int64) -> str:
    return f"{np.datetime_as_string(np.datetime64(int(at), 'ns'), unit='ms')}Z"
