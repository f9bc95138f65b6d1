"""Reads the column ts as ns since 1970 in UTC and refuses, in one line that says what it looks like, what is no plausible time.

Numbers are counts since 1970. Each row has the one unit of s, ms, us and ns in which it lies between 1980 and 2070, so that a file joined from parts
in ms and in us is read right. Timestamps, dates and ISO texts are taken as written, and are UTC where they have no zone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.domain.record import Ints
from engine.feeds._errors import BadRecording
from engine.feeds._time_guesses import describe_backward_step, describe_counts, describe_disguised_counts

REMEDY = "write it as 2024-01-31T00:00:00Z or as whole ms or ns since 1970"
SECOND, DAY = 10**9, 86_400 * 10**9  # ns
EARLIEST_COUNT = 315_532_800  # s since 1970, 1980-01-01: smaller numbers may be days, minutes, rows, times of a day ...
EARLIEST, LATEST = -8_520_336_000, 3_155_760_000  # s since 1970, 1700-01-01 and 2070-01-01: of every form
EARLIEST_BEFORE = -2_208_988_800  # s since 1970, 1900-01-01: where counts that begin before 1980 may begin
CONTINUES = 31 * DAY  # longest step from such rows, and from a time of 0, to the next row
_PER_COUNT = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}  # ns
_TEXT_KINDS = (pa.timestamp("us", "UTC"), pa.timestamp("us"))  # of texts with a zone and of those without; years beyond the reach of ns too
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_binary, pa.types.is_large_binary)
_EXACT = 10**3  # ns to which a double holds a time of today


def read_times(file: Path, column: pa.ChunkedArray) -> Ints:
    """(n,) ns UTC, not decreasing. Raises BadRecording."""
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise BadRecording(f"{file}: row {row + 1} has no ts: write its time or remove the row")
    times = _read_any(file, column)
    zero = np.flatnonzero(times == 0)
    if len(zero) and not ((times != 0) & (np.abs(times) < CONTINUES)).any():
        raise BadRecording(f"{file}: row {zero[0] + 1} has the ts 0 (1970-01-01), as for a missing time: write its time or remove the row")
    back = np.flatnonzero(np.diff(times) < 0)
    if len(back):
        raise BadRecording(f"{file}: row {back[0] + 2} goes back in time, {describe_backward_step(times, int(back[0]) + 1)}")
    return times


def _read_any(file: Path, column: pa.ChunkedArray) -> Ints:
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    kind = column.type
    if pa.types.is_float16(kind) or pa.types.is_float32(kind):
        raise BadRecording(f"{file}: the column ts is {kind}, which keeps about 7 digits and so no time: write it from its source as int64")
    if pa.types.is_time(kind):
        raise BadRecording(f"{file}: the column ts is {kind}, a time of day without its date: {REMEDY}")
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _from_counts(file, column)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _from_timestamps(file, column)
    if not any(is_text(kind) for is_text in _TEXTS):
        raise BadRecording(f"{file}: the column ts is {kind}: {REMEDY}")
    return _from_text(file, column)


def _from_counts(file: Path, column: pa.ChunkedArray) -> Ints:
    try:
        raw = pc.cast(column, pa.int64()).to_numpy()
    except pa.ArrowException:
        raw = pc.cast(column, pa.float64()).to_numpy()
        if not np.isfinite(raw).all():
            row = int(np.flatnonzero(~np.isfinite(raw))[0])
            raise BadRecording(f"{file}: row {row + 1} has a ts that is no number: write its time or remove the row") from None
    per_count = np.zeros(len(raw), dtype=np.int64)
    for ns in _PER_COUNT.values():
        per_count[(raw >= EARLIEST_COUNT * SECOND // ns) & (raw < LATEST * SECOND // ns)] = ns
    start = _early_rows(raw, per_count)
    bad = np.flatnonzero(per_count[start:] == 0) + start
    if len(bad):
        sample = raw[bad] if len(bad) == len(raw) else raw[bad[:1]]
        raise BadRecording(f"{file}: row {bad[0] + 1} has the ts {raw[bad[0]].item()}, which {describe_counts(sample)}: {REMEDY}")
    disguised = describe_disguised_counts(raw, per_count, doubles=pa.types.is_floating(column.type))
    if disguised:
        raise BadRecording(f"{file}: row 1 has the ts {raw[0].item()}, which {disguised}: {REMEDY}")
    return np.asarray(raw * per_count if raw.dtype.kind == "i" else np.rint(raw * per_count / _EXACT).astype(np.int64) * _EXACT, dtype=np.int64)


def _early_rows(raw: Ints, per_count: Ints) -> int:
    """How many rows at the start lie before 1980 and are continued, in the one unit of all others, within a month; their unit is filled in."""
    start = int(np.argmax(per_count != 0))
    unit = int(per_count[start])
    if start == 0 or unit == 0 or (per_count[start:] != unit).any():
        return 0
    steps = np.diff(raw[: start + 1])
    if (raw[:start] < EARLIEST_BEFORE * SECOND // unit).any() or (steps < 0).any() or (steps > CONTINUES // unit).any():
        return 0
    per_count[:start] = unit
    return start


def _from_timestamps(file: Path, column: pa.ChunkedArray) -> Ints:
    if pa.types.is_date(column.type):
        column = pc.cast(column, pa.timestamp("s" if pa.types.is_date32(column.type) else "ms"))
    unit = column.type.unit
    raw, ns = pc.cast(column, pa.int64()).to_numpy(), _PER_COUNT[unit]
    bad = np.flatnonzero((raw < EARLIEST * SECOND // ns) | (raw >= LATEST * SECOND // ns))
    if len(bad):
        at = np.datetime64(int(raw[bad[0]]), unit)
        raise BadRecording(f"{file}: row {bad[0] + 1} has the ts {at}, which lies outside of 1700 to 2070: correct it, or the unit it was made with")
    times = np.asarray(raw * ns, dtype=np.int64)
    if times.any() and times.min() >= 0 and times.max() < CONTINUES:
        raise BadRecording(
            f"{file}: all of its ts lie in January 1970, the first at {np.datetime64(int(raw[0]), unit)}: "
            "counts of s, ms or us were taken for a smaller unit, so make them anew with their own"
        )
    return times


def _from_text(file: Path, column: pa.ChunkedArray) -> Ints:
    """Texts as pyarrow reads ISO 8601; texts of digits alone are counts."""
    try:
        text = pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
    except pa.ArrowException:
        raise BadRecording(f"{file}: the column ts is {column.type} and no UTF-8: {REMEDY}") from None
    digits = pc.match_substring_regex(text, r"^[+-]?\d+(\.\d+)?$")
    if pc.all(digits).as_py():
        return _from_counts(file, _as_numbers(text))
    text = pc.replace_substring_regex(text, r"\s*(UTC|GMT)$", "Z")
    for kind in (pa.timestamp("ns", "UTC"), pa.timestamp("ns"), *_TEXT_KINDS):
        try:
            return _from_timestamps(file, pc.cast(text, kind))
        except pa.ArrowException:
            continue
    raise BadRecording(f"{file}: {_describe_unread_text(column, text)}")


def _as_numbers(text: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return pc.cast(pc.utf8_ltrim(text, "+"), pa.int64())
    except pa.ArrowException:
        return pc.cast(text, pa.float64())


def _describe_unread_text(column: pa.ChunkedArray, text: pa.ChunkedArray) -> str:
    """The first row that is no time, or that has a zone where the first has none, or the other way round."""
    first_row = [_count_readable(text, kind) for kind in _TEXT_KINDS]
    row = max(first_row)
    value = column[row].as_py()
    if row > 0 and any(_count_readable(text.slice(row, 1), kind) for kind in _TEXT_KINDS):
        has, had = ("no zone", "one") if first_row[0] else ("a zone", "none")
        return f"row {row + 1} has the ts {value!r} with {has}, row 1 has {had}: write all of them with Z or with their offset"
    return f"row {row + 1} has the ts {value!r}: {REMEDY}"


def _count_readable(text: pa.ChunkedArray, kind: pa.DataType) -> int:
    """How many rows are read, up to the first that is not."""
    low, high = 0, len(text) + 1  # rows before low are read, not all before high are
    while high - low > 1:
        middle = (low + high) // 2
        try:
            pc.cast(text.slice(low, middle - low), kind)
            low = middle
        except pa.ArrowException:
            high = middle
    return low
