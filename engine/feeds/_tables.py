"""Loads one file of a recording, or one folder of parts, as a table with standard column names, and explains columns that cannot be used.

A CSV may have comma, semicolon, tab or | as its separator, a byte-order mark, spaces around names, names in capitals, and a first line `sep=;` or
a title.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from engine.feeds._recording_folder import BadRecording
from engine.feeds._recording_parts import load_parts

_HEAD = 1 << 16  # bytes examined
_SEPARATORS = (",", ";", "\t", "|")
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*')
_COMPRESSED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?|\d{4}-\d\d-\d\d.*")
_UNEVEN = re.compile(r"Expected (\d+) columns, got (\d+): (.*)")
_SYNONYMS = {
    "ts": ("timestamp", "time", "date", "datetime", "open time", "open_time", "opentime", "unix", "t", "__index_level_0__"),
    "open": ("o",), "high": ("h",), "low": ("l",), "close": ("c",), "price": ("px", "p"), "size": ("qty", "quantity", "amount", "q"),
}  # fmt: skip
_MAX_NAMES, _MAX_LETTERS = 12, 24  # names of columns in a message, and letters of each
_SYMBOL_COLUMNS = frozenset({
    "symbol", "sym", "ticker", "instrument", "instrument_id", "instrument_name", "instid", "inst_id", "product_id", "pair", "contract", "isin",
})  # fmt: skip
_KNOWN_COLUMNS = re.compile(r"ts|open|high|low|close|volume|price|size|side|(bid|ask)_(px|sz)_\d+")
_LEVEL = re.compile(r"(?:bid|ask)_(?:px|sz)_(\d+)")
_VOLUME = re.compile(r"vol(ume)?\b|.*volume", re.IGNORECASE)
_MAX_SYMBOLS = 3  # in a message
_OR_IMPORT = ", or let `python -m engine import` convert it"


def load_table(file: Path) -> pa.Table:
    """Every column of a file, known names in lower case. Raises BadRecording."""
    try:
        table = load_parts(file) if file.is_dir() else _load_csv(file) if file.suffix == ".csv" else pyarrow.parquet.ParquetFile(file).read()
        column_names = table.column_names
    except MemoryError as error:
        raise BadRecording(f"{file} does not fit into memory: split it by time") from error
    except UnicodeDecodeError as error:
        raise BadRecording(f"{file} has names of columns that are no UTF-8: save it in UTF-8") from error
    except (pa.ArrowException, OSError) as error:
        raise BadRecording(f"{file} {_describe_failure(error)}") from error
    names = [plain if _KNOWN_COLUMNS.fullmatch(plain := name.strip().lower()) else name for name in column_names]
    return table.rename_columns(names) if len(set(names)) == len(set(column_names)) else table


def explain_columns(table: pa.Table, kind: str) -> str | None:
    """Why the columns of a file of this kind (bars.csv ...) cannot be read; None where they can."""
    return _explain_repeats(table.column_names) or _explain_symbols(table, kind)


def describe_missing(missing: Sequence[str], names: Sequence[str]) -> str:
    """The columns that a file lacks, those it has, and which of them to rename."""
    renames = [f"{name} to {wanted}" for wanted in missing for name in names if name.strip().lower() in _SYNONYMS.get(wanted, ())]
    remedy = f"; rename {', '.join(renames)}" if renames else ""
    meaning = " where it is the bar's open or the event's time in UTC" if remedy and missing[0] == "ts" else ""
    listed = ", ".join(name[:_MAX_LETTERS] for name in names[:_MAX_NAMES])
    return f"lacks {', '.join(missing)}: its columns are {listed}{remedy}{meaning}{_OR_IMPORT if len(missing) > 1 else ''}"


def explain_missing_volume(names: Iterable[str]) -> str | None:
    """Why bars without a column volume are refused: another column may hold it; None where none may, and the volume is unknown."""
    candidates = [name for name in names if _VOLUME.match(name.strip())]
    if not candidates:
        return None
    other = candidates[0]
    return f"has no column volume, but {other!r}: rename it to volume where it counts units of the base asset, else to a name without volume in it"


def explain_levels(names: Iterable[str], levels: int) -> str | None:
    """Why a book of so many complete levels is refused: it has columns of further, incomplete levels; None where it has none."""
    further = [name for name in names if (level := _LEVEL.fullmatch(name)) and int(level[1]) >= levels]
    if not further:
        return None
    return f"has {further[0]}, but level {levels} is not whole: count the levels from 0, each with bid_px, bid_sz, ask_px and ask_sz"


def describe_bad_number(value: object) -> str:
    """The remedy for a text in the place of a number."""
    text = str(value).strip()
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+\.\d*", text):
        return f"write it without commas, as {text.replace(',', '')}"
    if re.fullmatch(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+", text):
        return f"a decimal comma, so write it with a point, as {text.replace('.', '').replace(',', '.')}"
    return "make it a number or remove the row"


def _explain_repeats(names: list[str]) -> str | None:
    known = [name for name in names if _KNOWN_COLUMNS.fullmatch(name) or name.strip().lower() in _SYMBOL_COLUMNS]
    repeated = [name for name, count in Counter(known).items() if count > 1]
    return f"has the column {repeated[0]} twice: rename the one that is not meant" if repeated else None


def _explain_symbols(table: pa.Table, kind: str) -> str | None:
    for name in table.column_names:
        if name.strip().lower() not in _SYMBOL_COLUMNS:
            continue
        counts = pc.value_counts(pc.drop_null(pc.cast(table[name], pa.string())))
        if len(counts) > 1:
            rows = sorted(counts.to_pylist(), key=lambda row: (-row["counts"], row["values"]))
            more = " ..." if len(rows) > _MAX_SYMBOLS else ""
            examples = ", ".join(f"{row['values']} in {row['counts']:,} rows" for row in rows[:_MAX_SYMBOLS]) + more
            remedy = f"split it by {name} into SYMBOL/{kind}, one folder per symbol{_OR_IMPORT}"
            return f"holds {len(rows):,} symbols in its column {name} ({examples}): {remedy}"
    return None


def _load_csv(file: Path) -> pa.Table:
    with file.open("rb") as opened:
        head = opened.read(_HEAD)
    compression = next((name for start, name in _COMPRESSED.items() if head.startswith(start)), None)
    if compression:
        raise BadRecording(f"{file} is compressed with {compression} and is no CSV: extract it{_OR_IMPORT}")
    if head.startswith(_UTF16) or b"\0" in head:
        raise BadRecording(f"{file} is no UTF-8 text, it may be UTF-16: save it as CSV in UTF-8{_OR_IMPORT}")
    lines = head.decode("utf-8-sig", errors="replace").splitlines()[:3]
    skipped, separator = _find_header(lines)
    names = _cells(lines[skipped], separator) if skipped < len(lines) else []
    if len(names) > 1 and sum(_NUMBER.fullmatch(name.strip()) is not None for name in names) > len(names) / 2:
        raise BadRecording(
            f"{file} has no header, its first line holds data: put the names of its columns above it, such as ts{separator}open{separator}high"
            f"{_OR_IMPORT}"
        )
    return pyarrow.csv.read_csv(
        file, read_options=pyarrow.csv.ReadOptions(skip_rows=skipped), parse_options=pyarrow.csv.ParseOptions(delimiter=separator)
    )


def _find_header(lines: list[str]) -> tuple[int, str]:
    """The number of lines above the column names, and the separator of these names."""
    if len(lines) < 2:
        return 0, _separator_of(lines[0]) if lines else ","
    declared = _SEPARATOR_LINE.fullmatch(lines[0])
    if declared:
        return 1, declared[1]
    is_title = _count_cells(lines[0]) == 1 and _count_cells(lines[1]) > 2
    return (1, _separator_of(lines[1])) if is_title else (0, _separator_of(lines[0]))


def _count_cells(line: str) -> int:
    return len(_cells(line, _separator_of(line)))


def _separator_of(line: str) -> str:
    return max(_SEPARATORS, key=lambda separator: len(_cells(line, separator)))


def _cells(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator), [])


def _describe_failure(error: Exception) -> str:
    """Why pyarrow cannot read a file, in words that follow its name."""
    first = str(error).splitlines()[0]
    uneven = _UNEVEN.search(first)
    if uneven is None:
        return f"cannot be read ({first}): record or copy it again"
    names, cells, line = int(uneven[1]), int(uneven[2]), uneven[3][:60]
    guess = ", as where commas are decimal too: write decimals with a point" if cells >= 2 * names - 2 > 2 else ": correct it"
    return f"has a line of {cells} cells under a header of {names} ({line}){guess}"
