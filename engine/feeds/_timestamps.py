"""Reads the column ts as ns since 1970 in UTC, and refuses times that are not plausible, in one line that says what they look like.

Numbers are counts since 1970. Each row has the one unit of s, ms, us and ns in which it lies between 1980 and 2070, so that a file joined from parts
in ms and in us is read correctly. Timestamps, dates and ISO texts are used as written, and are UTC where they have no zone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.domain.record import Floats, Ints
from engine.feeds._recording_folder import BadRecording

REMEDY = "write it as 2024-01-31T00:00:00Z or as whole ms or ns since 1970"
SECOND, HOUR, DAY = 10**9, 3_600 * 10**9, 86_400 * 10**9  # ns
EARLIEST_COUNT = 315_532_800  # s since 1970, 1980-01-01: smaller numbers may be days, minutes, rows, times of a day ...
EARLIEST, LATEST = -8_520_336_000, 3_155_760_000  # s since 1970, 1700-01-01 and 2070-01-01: of every form
EARLIEST_BEFORE = -2_208_988_800  # s since 1970, 1900-01-01: where counts that begin before 1980 may begin
MAX_STEP = 31 * DAY  # longest step from such rows, and from a time of 0, to the next row
_PER_COUNT = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}  # ns
_TEXT_KINDS = (pa.timestamp("us", "UTC"), pa.timestamp("us"))  # of texts with a zone and of those without; years beyond the reach of ns too
_TEXT_CHECKS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_binary, pa.types.is_large_binary)
_EXACT = 10**3  # ns to which a double holds a time of today
# Zones whose clocks are set back by an hour or half an hour; the zones of one country change at the same time.
ZONES = (
    "Europe/Berlin", "Europe/London", "America/New_York", "Europe/Helsinki", "America/Sao_Paulo", "America/Santiago", "Asia/Jerusalem",
    "Australia/Sydney", "Pacific/Auckland", "Australia/Lord_Howe",
)  # fmt: skip
_SAMPLE = 10_000  # numbers examined
# Formats of strptime, and their number of digits.
WRITTEN = {
    "YYYYMMDD": ("%Y%m%d", 8), "YYYYMMDDHHMM": ("%Y%m%d%H%M", 12), "YYYYMMDDHHMMSS": ("%Y%m%d%H%M%S", 14),
    "YYYYMMDDHHMMSSmmm": ("%Y%m%d%H%M%S%f", 17), "YYMMDDHHMM": ("%y%m%d%H%M", 10), "YYMMDDHHMMSS": ("%y%m%d%H%M%S", 12), "YYMMDD": ("%y%m%d", 6),
}  # fmt: skip
# Smallest and largest number, both inclusive; of 1980 to 2070 where counted from a year.
COUNTED = {
    "seconds after midnight without their date": (0, 86_400),
    "days of a spreadsheet": (25_569, 62_092),
    "days since 1970": (3_652, 25_568),
    "hours since 1970": (87_648, 876_600),
    "ms after midnight without their date": (86_401, 86_400_000),
    "minutes since 1970": (5_258_880, 52_596_000),
    "Julian days": (2_440_587, 2_477_113),
    "us after midnight without their date": (86_400_001, 86_400_000_000),
    "ns after midnight without their date": (86_400_000_001, 86_400_000_000_000),
    "seconds since 1900 or 1904": (3_155_760_000, 5_400_000_000),
    "steps of 100 ns since 1601, as in Windows": (119_600_064_000_000_000, 148_010_976_000_000_000),
}
_DOTNET_TICKS = (630_822_816_000_000_000, 645_000_000_000_000_000)  # of 100 ns since the year 1, 2000 to 2044; as ns since 1970 early in 1990
_MIN_CUT_STEP = 60_000  # s between rows, as of bars of a minute in ms; shorter steps are bars of seconds or trades
_MIN_CUT_ROWS = 5
_MAX_DAILY_STEP = 7  # days between two daily rows


def read_times(file: Path, column: pa.ChunkedArray) -> Ints:
    """(n,) the times of a column in ns UTC, not decreasing. Raises BadRecording."""
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise BadRecording(f"{file}: row {row + 1} has no ts: write its time or remove the row")
    times = _read_any(file, column)
    zero = np.flatnonzero(times == 0)
    if len(zero) and not ((times != 0) & (np.abs(times) < MAX_STEP)).any():
        raise BadRecording(f"{file}: row {zero[0] + 1} has the ts 0 (1970-01-01), as for a missing time: write its time or remove the row")
    back = np.flatnonzero(np.diff(times) < 0)
    if len(back):
        raise BadRecording(f"{file}: row {back[0] + 2} goes back in time, {describe_backward_step(times, int(back[0]) + 1)}")
    return times


def format_time(at: np.int64) -> str:
    """A time (ns UTC) as text, to the ms."""
    return f"{np.datetime_as_string(np.datetime64(int(at), 'ns'), unit='ms')}Z"


def describe_repeat(at: int) -> str:
    """The remedy for two different bars at one time (ns)."""
    second = find_second_hour(at)
    return f"a clock in {second.tzinfo} has that hour twice, so {_remedy_of_zone(second)}" if second else "keep one of the two"


def describe_backward_step(times: Ints, row: int) -> str:
    """The two times between which a file goes back, the likely cause, and the remedy."""
    before, after = times[row - 1], times[row]
    step = f"to {format_time(after)} from {format_time(before)}"
    if (np.diff(times) <= 0).all():
        return f"{step}, as do all rows: reverse their order"
    later, earlier = find_second_hour(int(before)), find_second_hour(int(after))
    if later and earlier and before - after <= HOUR:
        return f"{step}, as a clock in {earlier.tzinfo} does when summer time ends: {_remedy_of_zone(earlier)}"
    if (before // HOUR % 24, after // HOUR % 24) == (12, 1) and before - after < 12 * HOUR:
        return f"{step}, as a 12-hour clock without AM and PM does: write the hours as 0 to 23"
    return f"{step}: sort the file by ts"


def find_second_hour(at: int) -> datetime | None:
    """The later of the two times at which a zone's clocks show this time (ns, as if UTC) when they are set back; None where no zone's clocks do."""
    local = datetime.fromtimestamp(at // 10**9, UTC).replace(tzinfo=None)
    for name in ZONES:
        first, second = (local.replace(tzinfo=ZoneInfo(name), fold=fold) for fold in (0, 1))
        if first.utctimetuple() < second.utctimetuple():
            return second
    return None


def describe_counts(numbers: Ints | Floats) -> str:
    """Describe numbers that are not times since 1970 by what they look like; `numbers` is the first of them where other rows are times."""
    sample = numbers[:_SAMPLE]
    first = sample[0].item()
    if first in {-(2**63), 2**63 - 1, 2**63} or (first == 0 and len(sample) == 1):
        return "stands for a missing time"
    if len(sample) > 2 and first in {0, 1} and (np.diff(sample) == 1).all():
        return "looks like a row number"
    written = next((f"a date written as a number, {layout}" for layout in WRITTEN if _is_written(sample, layout)), None)
    counted = [unit for unit, (least, most) in COUNTED.items() if (sample >= least).all() and (sample <= most).all()]
    if len(counted) > 1 and counted[1].startswith("days") and len(sample) > 1 and _is_daily(sample):
        counted.reverse()
    guesses = [written] if written else counted[:2]
    return (
        f"looks like {' or '.join(guesses)}" if guesses else "is no time from 1980 to 2070 in s, ms, us or ns since 1970 (write earlier ones as text)"
    )


def describe_disguised_counts(numbers: Ints | Floats, per_count: Ints, *, doubles: bool) -> str | None:
    """Describe plausible times that are none by what they look like; None where nothing speaks against them. `doubles`: stored as doubles."""
    if (per_count == 1).all() and _DOTNET_TICKS[0] <= numbers.min() and numbers.max() < _DOTNET_TICKS[1]:
        return "looks like steps of 100 ns since the year 1, as in .NET"
    sample = numbers[:_SAMPLE]
    # Real seconds over hours have, in the digits of the hour and the minute, numbers up to 99 too.
    if (per_count == 10**9).all() and len(sample) >= 5 and np.ptp(sample) > 10_000 and _is_written(sample, "YYMMDDHHMM"):
        return "looks like a date written as a number, YYMMDDHHMM"
    if (per_count == 10**9).all() and _is_cut(sample):
        return "looks like ms or us cut to 32 bits"
    if doubles and (per_count < 10**9).all() and len(sample) > 1 and (np.diff(sample) == 0).any() and _is_rounded(sample):
        return "is rounded, as a spreadsheet does (1.70407E+12): export it again from its source"
    return None


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
    if not any(is_text(kind) for is_text in _TEXT_CHECKS):
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
    """The number of rows at the start that lie before 1980 and are continued within a month in the one unit of all others; fills in their unit."""
    start = int(np.argmax(per_count != 0))
    unit = int(per_count[start])
    if start == 0 or unit == 0 or (per_count[start:] != unit).any():
        return 0
    steps = np.diff(raw[: start + 1])
    if (raw[:start] < EARLIEST_BEFORE * SECOND // unit).any() or (steps < 0).any() or (steps > MAX_STEP // unit).any():
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
    if times.any() and times.min() >= 0 and times.max() < MAX_STEP:
        raise BadRecording(
            f"{file}: all of its ts lie in January 1970, the first at {np.datetime64(int(raw[0]), unit)}: "
            "counts of s, ms or us were taken for a smaller unit, so make them anew with their own"
        )
    return times


def _from_text(file: Path, column: pa.ChunkedArray) -> Ints:
    """Times of texts in ISO 8601 as pyarrow reads it; texts of digits alone are counts."""
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
    """The first row that is no time, or that has a zone where the first has none or the reverse."""
    readable = [_count_readable(text, kind) for kind in _TEXT_KINDS]
    row = max(readable)
    value = column[row].as_py()
    if row > 0 and any(_count_readable(text.slice(row, 1), kind) for kind in _TEXT_KINDS):
        has, had = ("no zone", "one") if readable[0] else ("a zone", "none")
        return f"row {row + 1} has the ts {value!r} with {has}, row 1 has {had}: write all of them with Z or with their offset"
    return f"row {row + 1} has the ts {value!r}: {REMEDY}"


def _count_readable(text: pa.ChunkedArray, kind: pa.DataType) -> int:
    """The number of rows that can be read before the first that cannot."""
    low, high = 0, len(text) + 1  # rows before low are read, not all before high are
    while high - low > 1:
        middle = (low + high) // 2
        try:
            pc.cast(text.slice(low, middle - low), kind)
            low = middle
        except pa.ArrowException:
            high = middle
    return low


def _remedy_of_zone(second: datetime) -> str:
    return f"write ts in UTC or with its offset, as {second.isoformat()}"


def _is_written(numbers: Ints | Floats, layout: str) -> bool:
    form, length = WRITTEN[layout]
    try:
        for number in numbers.tolist():
            text = f"{number:.0f}" if number == int(number) else ""
            if len(text) != length or not 1900 <= datetime.strptime(text, form).replace(tzinfo=UTC).year < 2100:
                return False
    except ValueError:
        return False
    return True


def _is_cut(numbers: Ints | Floats) -> bool:
    """Whether seconds are the low 32 bits of ms or us: most of their steps are no length of bars in seconds, but are one in ms or us."""
    if len(numbers) < _MIN_CUT_ROWS:
        return False
    steps, counts = np.unique(np.diff(numbers), return_counts=True)
    step = int(steps[np.argmax(counts)])
    if step < _MIN_CUT_STEP or counts.max() * 2 < len(numbers) or _is_length(step):
        return False
    return any(step % factor == 0 and _is_length(step // factor) for factor in (10**3, 10**6))


def _is_length(seconds: int) -> bool:
    """Whether bars are commonly of this length: a part of a day, or whole days."""
    day = DAY // SECOND
    return day % seconds == 0 or seconds % day == 0


def _is_daily(numbers: Ints | Floats) -> bool:
    steps = np.diff(numbers)
    return bool((numbers % 1 == 0).all() and (steps >= 1).all() and (steps <= _MAX_DAILY_STEP).all())


def _is_rounded(numbers: Ints | Floats) -> bool:
    """Whether all numbers have six significant digits at most."""
    unit = 10.0 ** (np.floor(np.log10(numbers.max())) - 5)
    return bool((numbers % unit == 0).all())
