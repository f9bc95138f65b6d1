"""Examines the beginning of a table: container, encoding, separator, header and first rows."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

from engine.importers._format import ImportFault
from engine.importers._sources import READ_ERRORS, Member

_HEAD = 1 << 17  # bytes examined
MAX_JSON = 1 << 30  # bytes: JSON is read whole
_SEPARATORS = (";", "\t", "|", ",")  # of those that split all lines evenly the first is taken: decimal commas split evenly too
_DECLARED = re.compile(r'\ufeff?"?sep=(.)"?\s*')
_NUMBER = re.compile(r"[+-]?(\d[\d,.]*|\.\d+)([eE][+-]?\d+)?")
_TIME = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?!\d).*|\d{8}[ T]\d{4,}.*")
_DECIMAL_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+")
_POINTS_GROUP = re.compile(r"[+-]?\d{1,3}((\.\d{3}){2,}|(\.\d{3})+,\d+)")  # numbers whose points divide thousands for certain
_GROUPS = re.compile(r"[+-]?\d{1,3}(,\d{3})+")
_DECIMAL_POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")
_ROWS = 300  # examined
_EXTRA = 3  # lines that a header may have below its first


@dataclass(frozen=True, slots=True)
class Sample:
    """The beginning of a table and how to read it."""

    member: Member
    container: str  # delimited, json, parquet or feather
    header: tuple[str, ...]  # in lower case without spaces around; empty where there is none
    rows: tuple[tuple[str, ...], ...]  # the first rows of data as text
    extra: tuple[tuple[str, ...], ...] = ()  # further lines of the header
    encoding: str = "utf-8"
    separator: str = ","
    skipped: int = 0  # lines above the data, the header's included
    has_decimal_comma: bool = False

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.header) or (len(self.rows[0]) if self.rows else 0)

    def describe(self) -> str:
        """The dialect in words."""
        if self.container != "delimited":
            return self.container
        separator = {",": "comma", ";": "semicolon", "\t": "tab", "|": "|"}.get(self.separator, repr(self.separator))
        comma = ", decimal comma" if self.has_decimal_comma else ""
        lines = self.skipped - (1 + len(self.extra) if self.header else 0)
        above = f", {lines} line{'s' if lines > 1 else ''} above it left out" if lines else ""
        return f"{separator}-separated{comma}, {'with' if self.header else 'without'} header{above}, {self.encoding.upper()}"


def take_sample(member: Member) -> Sample:
    """Examine the beginning of a table. Raises ImportFault."""
    try:
        with member.open() as opened:
            head = _read_head(opened)
    except (*READ_ERRORS, ValueError) as error:
        raise ImportFault(f"{member.title} cannot be read ({error}): get it again") from error
    if head.startswith((b"PAR1", b"ARROW1", b"FEA1")):
        return _sample_arrow(member, "parquet" if head.startswith(b"PAR1") else "feather")
    if head.lstrip().startswith((b"[", b"{")):
        return _sample_json(member)
    return _sample_delimited(member, head)


def _read_head(opened: Any) -> bytes:
    parts: list[bytes] = []
    while sum(map(len, parts)) < _HEAD and (part := opened.read(_HEAD)):
        parts.append(part)
    return b"".join(parts)


def _sample_arrow(member: Member, container: str) -> Sample:
    if not member.is_plain:
        raise ImportFault(f"{member.title} is a {container} inside an archive: extract it")
    try:
        if container == "parquet":
            batch = next(pyarrow.parquet.ParquetFile(member.source).iter_batches(_ROWS), None)
            table = pa.Table.from_batches([batch]) if batch is not None else pyarrow.parquet.read_schema(member.source).empty_table()
        else:
            table = pyarrow.feather.read_table(member.source, memory_map=True).slice(0, _ROWS)
    except (pa.ArrowException, OSError) as error:
        raise ImportFault(f"{member.title} cannot be read ({str(error).splitlines()[0]}): get it again") from error
    rows = tuple(tuple(_text_of(value) for value in row.values()) for row in table.to_pylist())
    return Sample(member, container, clean_header(table.column_names), rows)


def load_json(member: Member) -> tuple[tuple[str, ...], list[list[Any]]]:
    """The header (empty for lists of lists) and the rows of a JSON table. Raises ImportFault."""
    try:
        with member.open() as opened:
            content = opened.read(MAX_JSON + 1)
    except READ_ERRORS as error:
        raise ImportFault(f"{member.title} cannot be read ({error}): get it again") from error
    if len(content) > MAX_JSON:
        raise ImportFault(f"{member.title} is JSON of more than 1 GB, which is read whole: split it by time")
    try:
        rows = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ImportFault(f"{member.title} is no valid JSON ({error}): get it again") from error
    if not isinstance(rows, list) or not rows:
        raise ImportFault(f"{member.title} holds no list of bars or trades: write it as [[time, open, high, low, close, volume], ...]")
    if all(isinstance(row, dict) for row in rows):
        keys = tuple(dict.fromkeys(key for row in rows for key in row if not isinstance(row[key], dict | list)))
        return clean_header(list(keys)), [[row.get(key) for key in keys] for row in rows]
    if all(isinstance(row, list) and len(row) == len(rows[0]) for row in rows):
        return (), rows
    raise ImportFault(f"{member.title} mixes lists of different lengths: write each row with the same columns")


def _sample_json(member: Member) -> Sample:
    header, rows = load_json(member)
    return Sample(member, "json", header, tuple(tuple(_text_of(value) for value in row) for row in rows[:_ROWS]))


def _text_of(value: object) -> str:
    return "" if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value)


def _sample_delimited(member: Member, head: bytes) -> Sample:
    text, encoding = _decode(head)
    if "\0" in text:
        raise ImportFault(f"{member.title} is no text, JSON, Parquet or Feather: convert it to CSV")
    lines = text.splitlines()
    lines = lines[:-1] if len(head) >= _HEAD else lines
    declared = _DECLARED.fullmatch(lines[0]) if lines else None
    separator = declared[1] if declared else _find_separator(lines[:_ROWS])
    cells = [tuple(cell.strip() for cell in next(csv.reader([line.lstrip("\ufeff")], delimiter=separator), [])) for line in lines[:_ROWS]]
    widths = Counter(len(row) for row in cells if len(row) > 1)
    if not widths:
        raise ImportFault(f"{member.title} has no columns: separate them with a comma, semicolon or tab")
    width = widths.most_common(1)[0][0]
    first = next(index for index, row in enumerate(cells) if len(row) == width)
    header, skipped = ((), first) if _is_data(cells[first]) else (clean_header(list(cells[first])), first + 1)
    extra = 0
    while header and extra < _EXTRA and any(row := cells[skipped + extra] if skipped + extra < len(cells) else ()) and not _is_data(row):
        extra += 1
    rows = tuple(row for row in cells[skipped + extra :] if len(row) == width)
    commas = [cell for row in rows for cell in row if _DECIMAL_COMMA.fullmatch(cell)]
    has_points = any(_DECIMAL_POINT.fullmatch(cell) and not _THOUSANDS.fullmatch(cell) for row in rows for cell in row)
    has_grouping_points = any(_POINTS_GROUP.fullmatch(cell) for row in rows for cell in row)
    if separator not in ",;" and commas and not has_points and all(_GROUPS.fullmatch(cell) for cell in commas):
        raise ImportFault(
            f"{member.title}: the comma in {commas[0]} may be decimal or divide thousands: write decimals with a point, without thousands"
        )
    return Sample(
        member, "delimited", header, rows, tuple(cells[skipped : skipped + extra]), encoding, separator, skipped + extra,
        has_decimal_comma=not has_points and (has_grouping_points or (separator != "," and bool(commas))),
    )  # fmt: skip


def clean_header(names: list[str]) -> tuple[str, ...]:
    """Names of columns in lower case without spaces, quotes and angle brackets around; a repeated name has its number appended."""
    plain = [str(name).replace("\ufeff", "").strip(" \t\"'<>").lower() for name in names]
    return tuple(f"{name}.{plain[:index].count(name)}" if name in plain[:index] else name for index, name in enumerate(plain))


def _decode(head: bytes) -> tuple[str, str]:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", errors="ignore").lstrip("\ufeff"), "utf-16"
    if len(head) > 3 and head[1] == 0 and head[3] == 0:
        return head.decode("utf-16-le", errors="ignore"), "utf-16-le"
    try:
        return head.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError as error:
        if len(head) - error.start < 4:  # a character cut in two by the end of the sample
            return head.decode("utf-8-sig", errors="ignore"), "utf-8"
        return head.decode("cp1252", errors="replace"), "cp1252"


def _find_separator(lines: list[str]) -> str:
    """The separator that divides most lines into the same number of cells, at least two."""

    def share(separator: str) -> float:
        widths = Counter(len(next(csv.reader([line], delimiter=separator), [])) for line in lines if line.strip())
        return max((count for width, count in widths.items() if width > 1), default=0) / max(1, widths.total())

    return max(_SEPARATORS, key=lambda separator: round(share(separator), 3))


def _is_data(row: tuple[str, ...]) -> bool:
    """Whether a row begins with a date, or at least a third of its cells are numbers and times."""
    if _TIME.fullmatch(row[0]):
        return True
    return 3 * sum(_NUMBER.fullmatch(cell) is not None or _TIME.fullmatch(cell) is not None for cell in row) >= len(row)
