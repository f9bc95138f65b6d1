"""Reads the files of a recording into arrays and refuses, in one line each, what cannot be read honestly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.domain.record import Bools, Floats, Ints, Record
from engine.feeds._bar_spacing import align_days, find_spacing
from engine.feeds._columns import explain_columns, explain_levels, explain_missing_volume
from engine.feeds._errors import BadRecording as BadRecording  # noqa: PLC0414 - whoever reads a recording catches it from here
from engine.feeds._left_out import find_left_out
from engine.feeds._limits import require_inside, within_reach
from engine.feeds._row_counts import bar_faults, explain_books, explain_negative, explain_refusal, sound_rows, trade_faults
from engine.feeds._sides import trade_signs
from engine.feeds._tables import describe_bad_number, describe_missing, load_table
from engine.feeds._time_guesses import describe_repeat, format_time
from engine.feeds._timestamps import read_times

BOOK_COLUMNS = ("bid_px", "bid_sz", "ask_px", "ask_sz")
KINDS = ("bars", "books", "trades")
SUFFIXES = (".parquet", ".csv")  # the first that is there is read
PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class BarRows(Record):
    """bars: sound rows only, in order of time."""

    opened: Ints  # (n,) ns UTC
    values: Floats  # (5, n) open, high, low, close, volume; volume is NaN in every row where it is unknown
    spacing: int | None  # ns, most common distance of two rows, faulty ones too; None with fewer than two rows
    duplicates: int  # identical rows dropped
    faulty: int  # rows, apart from repeats, without a finite, positive and consistent bar: taken as missing
    moved: int  # rows taken as opening later, on the clock of the others (_bar_spacing.align_days)


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
    folders = tuple(known[symbol] for symbol in (dict.fromkeys(wanted) or known))
    require_inside(path, read_files(folders))
    return folders


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
    opened = read_times(file, table["ts"])
    values = np.stack([*(_numbers(file, table, name) for name in PRICES), _volumes(file, table)])
    _refuse(file, explain_negative(values[:4]))
    again = np.flatnonzero(np.diff(opened) == 0) + 1
    same = (values[:, again] == values[:, again - 1]) | (np.isnan(values[:, again]) & np.isnan(values[:, again - 1]))
    different = again[~same.all(axis=0)]
    if len(different):
        row = int(different[0])
        raise BadRecording(f"{file}: row {row + 1} is a second and different bar of {format_time(opened[row])}: {describe_repeat(int(opened[row]))}")
    single = np.ones(len(opened), dtype=np.bool_)
    single[again] = False
    faults = bar_faults(values)
    _refuse(file, explain_refusal(faults, single))
    keep = sound_rows(faults) & single
    spacing = find_spacing(file, opened)
    taken = align_days(opened, spacing)
    moved = int((taken != opened)[keep].sum())
    return BarRows(taken[keep], np.ascontiguousarray(values[:, keep]), spacing, len(again), int((single & ~keep).sum()), moved)


def read_trades(file: Path) -> TradeRows:
    """Sides in the spellings of _sides; a column in which none is understood is refused."""
    table = _read(file, ("ts", "price", "size"))
    try:
        sign = trade_signs(table)
    except ValueError as error:
        raise BadRecording(f"{file} {error}") from None
    at = read_times(file, table["ts"])
    price, size = _numbers(file, table, "price"), _numbers(file, table, "size")
    _refuse(file, explain_negative(price[None]))
    faults = trade_faults(price, size)
    _refuse(file, explain_refusal(faults, np.ones(len(at), dtype=np.bool_)))
    sound = sound_rows(faults)
    return TradeRows(at[sound], price[sound], size[sound], sign[sound], int((~sound).sum()))


def read_books(file: Path) -> BookRows:
    """As many levels as the file has columns for, counted from 0 without a hole."""
    table = _read(file, ("ts", "bid_px_0", "bid_sz_0", "ask_px_0", "ask_sz_0"))
    at = read_times(file, table["ts"])
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


def _read(file: Path, needed: tuple[str, ...]) -> pa.Table:
    table = load_table(file)
    missing = [name for name in needed if name not in table.column_names]
    if missing:
        raise BadRecording(f"{file} {describe_missing(missing, table.column_names)}")
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
        raise BadRecording(f"{file}: row {row + 1} has the {name} {(value := table[name][row].as_py())!r}: {describe_bad_number(value)}") from error
    return within_reach(file, name, np.asarray(column.to_numpy(), dtype=np.float64))


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return value is None
    return True
