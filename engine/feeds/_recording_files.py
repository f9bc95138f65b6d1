"""Reads the files of a recording into arrays and refuses, in one line each, files that cannot be read correctly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine import units
from engine.domain.record import Bools, Floats, Ints, Record
from engine.feeds._bar_spacing import align_days, find_spacing
from engine.feeds._recording_folder import BadRecording as BadRecording  # noqa: PLC0414 - callers that read a recording catch it from here
from engine.feeds._recording_folder import clip_extremes, find_left_out, require_inside
from engine.feeds._recording_parts import list_parts
from engine.feeds._tables import describe_bad_number, describe_missing, explain_columns, explain_levels, explain_missing_volume, load_table
from engine.feeds._timestamps import describe_repeat, format_time, read_times

BOOK_COLUMNS = ("bid_px", "bid_sz", "ask_px", "ask_sz")
KINDS = ("bars", "books", "trades")
SUFFIXES = (".parquet", ".csv")  # the first that exists is read
PRICES = ("open", "high", "low", "close")
MAX_FAULTY_SHARE = 0.01  # share of a file's rows above which the file is refused: it is read wrongly, or it is something else
_ROUNDING = 1e-9  # relative slack before an open or close outside high..low is a fault and not rounding

_BUY = frozenset({"buy", "b", "bid", "bought", "buyer", "+1", "+1.0"})
_SELL = frozenset({"sell", "s", "ask", "a", "sold", "seller", "offer", "-1", "-1.0"})
_ONE, _ZERO = frozenset({"1", "1.0"}), frozenset({"0", "0.0"})  # 1 and -1 are sides; 1 and 0 may stand for either
_UNKNOWN_SIDE = frozenset({"", "none", "n", "null", "nan", "na", "n/a", "unknown", "u", "undefined", "-", "?"})
_TRUE, _FALSE = frozenset({"true", "t", "1", "1.0", "yes", "y"}), frozenset({"false", "f", "0", "0.0", "no", "n"})
_MAKER_COLUMNS = frozenset({"isbuyermaker", "buyermaker", "buyerismaker", "isbuyerthemaker"})
_MAX_EXAMPLES = 4  # values in a message


@dataclass(frozen=True, slots=True)
class BarRows(Record):
    """The valid rows of a file of bars, in order of time."""

    opened: Ints  # (n,) ns UTC
    values: Floats  # (5, n) open, high, low, close, volume; volume is NaN in every row where it is unknown
    spacing: int | None  # ns, most common distance of two rows, faulty ones too; None with fewer than two rows
    duplicates: int  # identical rows dropped
    faulty: int  # rows, apart from repeats, without a finite, positive and consistent bar: treated as missing
    moved: int  # rows whose open was moved later, onto the clock of the others (_bar_spacing.align_days)


@dataclass(frozen=True, slots=True)
class TradeRows(Record):
    """The valid rows of a file of trades; several may share a time."""

    at: Ints  # (n,) ns UTC
    price: Floats  # (n,)
    size: Floats  # (n,)
    sign: Floats  # (n,) +1 bought by the aggressor, -1 sold, 0 unknown
    faulty: int


@dataclass(frozen=True, slots=True)
class BookRows(Record):
    """All rows of a file of books; several may share a time, of which the last is in force."""

    at: Ints  # (n,) ns UTC
    bid_price: Floats  # (n, D)
    bid_size: Floats  # (n, D)
    ask_price: Floats  # (n, D)
    ask_size: Floats  # (n, D)
    valid: Bools  # (n,) the best bid and ask are finite, positive and not crossed


def symbol_folders(path: Path, wanted: tuple[str, ...]) -> tuple[Path, ...]:
    """The folders of the symbols `wanted`, or of all symbols where that is empty. Raises BadRecording."""
    if not path.is_dir():
        raise BadRecording(f"there is no recording at {path}: give the folder that holds one folder per symbol")
    if any(file_of(path, kind) for kind in KINDS):
        raise BadRecording(f"{path} is the folder of one symbol: give the folder above it, {path.resolve().parent}")
    known = {folder.name: folder for folder in sorted(path.iterdir()) if folder.is_dir() and any(file_of(folder, kind) for kind in KINDS)}
    if not known:
        layout = "a recording is DIR/SYMBOL/bars.parquet, books.parquet or trades.parquet (or .csv)"
        raise BadRecording(f"{path} holds no symbol: {layout}{_describe_left_out(path)}")
    for symbol in wanted:
        if symbol not in known:
            raise BadRecording(f"{path} has no symbol {symbol!r}: it has {', '.join(known)}{_describe_left_out(path, symbol)}")
    folders = tuple(known[symbol] for symbol in (dict.fromkeys(wanted) or known))
    require_inside(path, read_files(folders))
    return folders


def file_of(folder: Path, kind: str) -> Path | None:
    """The file of a kind (bars, books or trades) in a symbol's folder, or its folder of parts; None where there is neither."""
    files = (folder / (kind + suffix) for suffix in SUFFIXES)
    return next((file for file in files if file.is_file() or (file.suffix == ".parquet" and list_parts(file))), None)


def read_files(folders: tuple[Path, ...]) -> tuple[Path, ...]:
    """The files in these symbols' folders that a recording consists of."""
    return tuple(file for folder in folders for kind in KINDS if (file := file_of(folder, kind)))


def read_bars(file: Path) -> BarRows:
    """The bars of a file. Identical repeats are dropped; raises BadRecording for two different bars of one time and for too many faulty rows."""
    opened, values, single, valid = parse_bars(file, load_table(file))
    keep = valid & single
    spacing = find_spacing(file, opened)
    aligned = align_days(opened, spacing)
    moved = int((aligned != opened)[keep].sum())
    return BarRows(aligned[keep], np.ascontiguousarray(values[:, keep]), spacing, int((~single).sum()), int((single & ~keep).sum()), moved)


def parse_bars(file: Path, table: pa.Table, most_faulty: float = MAX_FAULTY_SHARE) -> tuple[Ints, Floats, Bools, Bools]:
    """Parse a table of bars: times (n,), values (5, n), which rows repeat none before them, and which are valid. `file` is its name in messages.

    Raises BadRecording for two different bars of one time, and where a larger share than `most_faulty` of the rows is faulty.
    """
    _require_columns(file, table, ("ts", *PRICES))
    opened = read_times(file, table["ts"])
    values = np.stack([*(_read_numbers(file, table, name) for name in PRICES), _read_volume(file, table)])
    _refuse(file, _explain_negative(values[:4]))
    again = np.flatnonzero(np.diff(opened) == 0) + 1
    same = (values[:, again] == values[:, again - 1]) | (np.isnan(values[:, again]) & np.isnan(values[:, again - 1]))
    different = again[~same.all(axis=0)]
    if len(different):
        row = int(different[0])
        raise BadRecording(f"{file}: row {row + 1} is a second and different bar of {format_time(opened[row])}: {describe_repeat(int(opened[row]))}")
    single = np.ones(len(opened), dtype=np.bool_)
    single[again] = False
    faults = _find_bar_faults(values)
    _refuse(file, _explain_faults(faults, single, most_faulty))
    return opened, values, single, _valid_rows(faults)


def read_trades(file: Path) -> TradeRows:
    """The trades of a file. Raises BadRecording where no side can be understood and for too many faulty rows."""
    return parse_trades(file, load_table(file))


def parse_trades(file: Path, table: pa.Table, most_faulty: float = MAX_FAULTY_SHARE) -> TradeRows:
    """Parse a table of trades, as `parse_bars` does one of bars."""
    _require_columns(file, table, ("ts", "price", "size"))
    sign = _read_signs(file, table)
    at = read_times(file, table["ts"])
    price, size = _read_numbers(file, table, "price"), _read_numbers(file, table, "size")
    _refuse(file, _explain_negative(price[None]))
    faults = _find_trade_faults(price, size)
    _refuse(file, _explain_faults(faults, np.ones(len(at), dtype=np.bool_), most_faulty))
    valid = _valid_rows(faults)
    return TradeRows(at[valid], price[valid], size[valid], sign[valid], int((~valid).sum()))


def read_books(file: Path) -> BookRows:
    """The books of a file, with as many levels as it has complete columns for, counted from 0. Raises BadRecording."""
    return parse_books(file, load_table(file))


def parse_books(file: Path, table: pa.Table) -> BookRows:
    """Parse a table of books, as `parse_bars` does one of bars."""
    _require_columns(file, table, ("ts", *(f"{name}_0" for name in BOOK_COLUMNS)))
    at = read_times(file, table["ts"])
    levels = 1
    while all(f"{name}_{levels}" in table.column_names for name in BOOK_COLUMNS):
        levels += 1
    _refuse(file, explain_levels(table.column_names, levels))
    sides = [np.column_stack([_read_numbers(file, table, f"{name}_{level}") for level in range(levels)]) for name in BOOK_COLUMNS]
    bid, bid_size, ask, ask_size = (side[:, 0] for side in sides)
    _refuse(file, _explain_books(bid, bid_size, ask, ask_size))
    with np.errstate(invalid="ignore"):
        valid = (bid > 0.0) & (ask > bid) & np.isfinite(ask) & (bid_size > 0.0) & (ask_size > 0.0) & np.isfinite(bid_size) & np.isfinite(ask_size)
    return BookRows(at, sides[0], sides[1], sides[2], sides[3], valid)


def _describe_left_out(path: Path, symbol: str | None = None) -> str:
    """Words that follow an error: why a symbol, or the first of all entries, is left out."""
    left_out = find_left_out(path, read_files(tuple(folder for folder in path.iterdir() if folder.is_dir())))
    name = next(iter(left_out), None) if symbol is None else symbol
    return f"; {name} is left out ({left_out[name]})" if name in left_out else ""


def _refuse(file: Path, reason: str | None) -> None:
    """Raise BadRecording where there is a reason."""
    if reason is not None:
        raise BadRecording(f"{file} {reason}")


def _require_columns(file: Path, table: pa.Table, needed: tuple[str, ...]) -> None:
    missing = [name for name in needed if name not in table.column_names]
    if missing:
        raise BadRecording(f"{file} {describe_missing(missing, table.column_names)}")
    _refuse(file, explain_columns(table, file.name))
    if table.num_rows == 0:
        raise BadRecording(f"{file} is empty: remove it or record it again")


def _read_numbers(file: Path, table: pa.Table, name: str) -> Floats:
    """A column as doubles, NaN where it is null."""
    try:
        column = pc.cast(table[name], pa.float64())
    except pa.ArrowException as error:
        row = next((row for row, value in enumerate(table[name].to_pylist()) if not _is_number(value)), 0)
        raise BadRecording(f"{file}: row {row + 1} has the {name} {(value := table[name][row].as_py())!r}: {describe_bad_number(value)}") from error
    return clip_extremes(file, name, np.asarray(column.to_numpy(), dtype=np.float64))


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return value is None
    return True


def _read_volume(file: Path, table: pa.Table) -> Floats:
    """The volume of bars, NaN in every row where there is no such column."""
    if "volume" in table.column_names:
        return _read_numbers(file, table, "volume")
    _refuse(file, explain_missing_volume(table.column_names))
    return np.full(table.num_rows, np.nan)


def _find_bar_faults(values: Floats) -> dict[str, Bools]:
    """(n,) by cause, of (5, n) open, high, low, close and volume; a volume that is NaN in every row is unknown and no fault."""
    first_price, high, low, last_price, volume = values
    known = np.isfinite(values[:4]).all(axis=0)
    has_volume = bool((~np.isnan(volume)).any())
    with np.errstate(invalid="ignore"):
        wide = (high * (1.0 + _ROUNDING) >= np.maximum(first_price, last_price)) & (low * (1.0 - _ROUNDING) <= np.minimum(first_price, last_price))
        return {
            "a price that is missing or not finite": ~known,
            "a price of 0": known & (values[:4] <= 0.0).any(axis=0),
            "an open or close outside of low to high": known & ~wide,
            "a volume that is missing, infinite or below 0": has_volume & ~(np.isfinite(volume) & (volume >= 0.0)),
        }


def _find_trade_faults(price: Floats, size: Floats) -> dict[str, Bools]:
    """(n,) by cause."""
    return {
        "a price that is missing, not finite or 0": ~(np.isfinite(price) & (price > 0.0)),
        "a size that is missing, not finite, 0 or below": ~(np.isfinite(size) & (size > 0.0)),
    }


def _valid_rows(faults: Mapping[str, Bools]) -> Bools:
    """(n,) the rows without any fault."""
    return np.asarray(~np.logical_or.reduce(list(faults.values())))


def _explain_faults(faults: Mapping[str, Bools], counted: Bools, most: float) -> str | None:
    """Why a file with so many faulty rows among those `counted` is refused; None where the faulty rows are few enough to be left out."""
    faulty = ~_valid_rows(faults) & counted
    count, rows = int(faulty.sum()), int(counted.sum())
    if count <= most * rows:
        return None
    cause, hit = max(faults.items(), key=lambda item: int((item[1] & counted).sum()))
    first = int(np.flatnonzero(hit & counted)[0]) + 1
    how_many = (
        "no valid row" if count == rows else f"{units.format_count(count, 'faulty row')} of {rows:,}, more than {units.format_percent(most, 0)}"
    )
    affected = int((hit & counted).sum())
    return f"has {how_many}: {affected:,} {'has' if affected == 1 else 'have'} {cause}, the first is row {first:,}: correct them"


def _explain_books(bid: Floats, bid_size: Floats, ask: Floats, ask_size: Floats) -> str | None:
    """Why the (n,) best levels of a file form no book: a price below 0, or bids above asks in most rows; None where nothing is wrong."""
    with np.errstate(invalid="ignore"):
        negative = _explain_negative(np.stack([np.where(bid_size > 0.0, bid, np.nan), np.where(ask_size > 0.0, ask, np.nan)]))
        crossed = int(((bid > ask) & (ask > 0.0)).sum())
    if negative is not None or 2 * crossed <= len(bid):
        return negative
    return f"has a best bid above its best ask in {crossed:,} of its {len(bid):,} rows: bid and ask may be swapped, so correct its columns"


def _explain_negative(prices: Floats) -> str | None:
    """Why (k, n) prices cannot be read where one of them is below 0; None where none is."""
    with np.errstate(invalid="ignore"):
        below = prices < 0.0
    rows = np.flatnonzero(below.any(axis=0))
    if not len(rows):
        return None
    first = int(rows[0])
    price = float(prices[below[:, first], first][0])
    return (
        f"has negative prices in {len(rows):,} of its {prices.shape[1]:,} rows, first {price:g} in row {first + 1:,}: "
        "log returns need positive prices, so leave this symbol out"
    )


def _read_signs(file: Path, table: pa.Table) -> Floats:
    """(n,) +1 where the aggressor bought, -1 where it sold, 0 where the side is unknown, in the spellings of venues and vendors."""
    if "side" in table.column_names:
        words, places = _distinct_words(table["side"])
        return _map_words(_signs_of_sides(file, words), words, places)
    maker = next((name for name in table.column_names if name.strip().lower().replace("_", "").replace(" ", "") in _MAKER_COLUMNS), None)
    if maker is None:
        raise BadRecording(f"{file} lacks side (or is_buyer_maker): its columns are {', '.join(table.column_names[:12])}")
    words, places = _distinct_words(table[maker])
    return _map_words(_signs_of_makers(file, maker, words), words, places)


def _distinct_words(column: pa.ChunkedArray) -> tuple[list[str], np.ndarray]:
    """The distinct values as trimmed lower-case texts ("" for null), and the index of each row's text among them."""
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    coded = pc.fill_null(pc.cast(column, pa.string()), "").combine_chunks().dictionary_encode()
    return [value.strip().lower() for value in coded.dictionary.to_pylist()], coded.indices.to_numpy()


def _signs_of_sides(file: Path, words: list[str]) -> Mapping[str, float]:
    signs = dict.fromkeys(_BUY, 1.0) | dict.fromkeys(_SELL, -1.0) | dict.fromkeys(_UNKNOWN_SIDE, 0.0)
    used = set(words)
    if used & {"-1", "-1.0"} or not used & (_ZERO | {"2"}):
        signs |= dict.fromkeys(_ONE, 1.0) | dict.fromkeys(_ZERO, 0.0)
    unknown = [word for word in words if word not in signs]
    sides = {signs[word] for word in words if word in signs} - {0.0}
    if unknown and len(sides) < 2:
        examples = ", ".join(repr(word) for word in unknown[:_MAX_EXAMPLES])
        raise BadRecording(
            f"{file} has a column side whose {examples} cannot be understood: write buy, sell or none for the side of the aggressor, "
            "or name the column is_buyer_maker where it says that"
        )
    return signs


def _signs_of_makers(file: Path, name: str, words: list[str]) -> Mapping[str, float]:
    """Signs by word of a column that says whether the buyer was the maker: then the aggressor sold."""
    signs = dict.fromkeys(_UNKNOWN_SIDE, 0.0) | dict.fromkeys(_TRUE, -1.0) | dict.fromkeys(_FALSE, 1.0)
    unknown = [word for word in words if word not in signs]
    if unknown:
        raise BadRecording(f"{file} has the {name} {unknown[0]!r}: write true or false")
    return signs


def _map_words(signs: Mapping[str, float], words: list[str], places: np.ndarray) -> Floats:
    table = np.array([signs.get(word, 0.0) for word in words], dtype=np.float64)
    return np.asarray(table[places]) if len(table) else np.zeros(len(places))
