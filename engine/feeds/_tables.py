"""Loads one file of a recording as a table with the names of columns as they are meant, whatever separates the columns of a CSV.

Read are comma, semicolon, tab and | as separators, a byte-order mark, spaces around names, names in capitals, and a line on top: `sep=;` or a title.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from engine.feeds._columns import USED
from engine.feeds._errors import BadRecording

_HEAD = 1 << 16  # bytes looked at
_SEPARATORS = (",", ";", "\t", "|")
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*')
_FORMATS = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?|\d{4}-\d\d-\d\d.*")
_UNEVEN = re.compile(r"Expected (\d+) columns, got (\d+): (.*)")
_SYNONYMS = {
    "ts": ("timestamp", "time", "date", "datetime", "open time", "open_time", "opentime", "unix", "t", "__index_level_0__"),
    "open": ("o",), "high": ("h",), "low": ("l",), "close": ("c",), "price": ("px", "p"), "size": ("qty", "quantity", "amount", "q"),
}  # fmt: skip
_SHOWN, _LETTERS = 12, 24  # names of columns in a message, and how much of each


def load_table(file: Path) -> pa.Table:
    """Every column of the file. Raises BadRecording."""
    try:
        table = _load_csv(file) if file.suffix == ".csv" else pyarrow.parquet.ParquetFile(file).read()
        written = table.column_names
    except MemoryError as error:
        raise BadRecording(f"{file} does not fit into memory: split it by time") from error
    except UnicodeDecodeError as error:
        raise BadRecording(f"{file} has names of columns that are no UTF-8: save it in UTF-8") from error
    except (pa.ArrowException, OSError) as error:
        raise BadRecording(f"{file} {_describe_failure(error)}") from error
    names = [plain if USED.fullmatch(plain := name.strip().lower()) else name for name in written]
    return table.rename_columns(names) if len(set(names)) == len(set(written)) else table


def describe_missing(missing: Sequence[str], names: Sequence[str]) -> str:
    """Which columns a file lacks, what it has and what is to be renamed."""
    renames = [f"{name} to {wanted}" for wanted in missing for name in names if name.strip().lower() in _SYNONYMS.get(wanted, ())]
    remedy = f"; rename {', '.join(renames)}" if renames else ""
    meaning = " where it is the bar's open or the event's time in UTC" if remedy and missing[0] == "ts" else ""
    shown = ", ".join(name[:_LETTERS] for name in names[:_SHOWN])
    return f"lacks {', '.join(missing)}: its columns are {shown}{remedy}{meaning}"


def describe_bad_number(value: object) -> str:
    """What to do about a text where a number belongs."""
    text = str(value).strip()
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+\.\d*", text):
        return f"write it without commas, as {text.replace(',', '')}"
    if re.fullmatch(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+", text):
        return f"a decimal comma, so write it with a point, as {text.replace('.', '').replace(',', '.')}"
    return "make it a number or remove the row"


def _load_csv(file: Path) -> pa.Table:
    with file.open("rb") as opened:
        head = opened.read(_HEAD)
    packed = next((name for start, name in _FORMATS.items() if head.startswith(start)), None)
    if packed:
        raise BadRecording(f"{file} is packed with {packed} and no CSV: unpack it")
    if head.startswith(_UTF16) or b"\0" in head:
        raise BadRecording(f"{file} is no UTF-8 text, it may be UTF-16: save it as CSV in UTF-8")
    lines = head.decode("utf-8-sig", errors="replace").splitlines()[:3]
    skipped, separator = _find_header(lines)
    names = _cells(lines[skipped], separator) if skipped < len(lines) else []
    if len(names) > 1 and sum(_NUMBER.fullmatch(name.strip()) is not None for name in names) > len(names) / 2:
        raise BadRecording(
            f"{file} has no header, its first line holds data: put the names of its columns above it, such as ts{separator}open{separator}high ..."
        )
    return pyarrow.csv.read_csv(
        file, read_options=pyarrow.csv.ReadOptions(skip_rows=skipped), parse_options=pyarrow.csv.ParseOptions(delimiter=separator)
    )


def _find_header(lines: list[str]) -> tuple[int, str]:
    """How many lines stand above the names of the columns, and what separates those."""
    if len(lines) < 2:
        return 0, _separator_of(lines[0]) if lines else ","
    told = _SEPARATOR_LINE.fullmatch(lines[0])
    if told:
        return 1, told[1]
    is_title = _count_cells(lines[0]) == 1 and _count_cells(lines[1]) > 2
    return (1, _separator_of(lines[1])) if is_title else (0, _separator_of(lines[0]))


def _count_cells(line: str) -> int:
    return len(_cells(line, _separator_of(line)))


def _separator_of(line: str) -> str:
    return max(_SEPARATORS, key=lambda separator: len(_cells(line, separator)))


def _cells(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator), [])


def _describe_failure(error: Exception) -> str:
    """Of a file that pyarrow does not read."""
    first = str(error).splitlines()[0]
    uneven = _UNEVEN.search(first)
    if uneven is None:
        return f"cannot be read ({first}): record or copy it again"
    names, cells, line = int(uneven[1]), int(uneven[2]), uneven[3][:60]
    guess = ", as where commas are decimal too: write decimals with a point" if cells >= 2 * names - 2 > 2 else ": correct it"
    return f"has a line of {cells} cells under a header of {names} ({line}){guess}"
