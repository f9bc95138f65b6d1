"""Says what numbers that are no times since 1970 look like, and why a file goes back in time."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from engine.domain.record import Floats, Ints

HOUR = 3_600 * 10**9  # ns
# Where clocks are set back by an hour or half of one; those of a country have the same day and hour.
ZONES = (
    "Europe/Berlin", "Europe/London", "America/New_York", "Europe/Helsinki", "America/Sao_Paulo", "America/Santiago", "Asia/Jerusalem",
    "Australia/Sydney", "Pacific/Auckland", "Australia/Lord_Howe",
)  # fmt: skip
_SAMPLE = 10_000  # numbers looked at
# Digits as strptime reads them, and how many there are.
WRITTEN = {
    "YYYYMMDD": ("%Y%m%d", 8), "YYYYMMDDHHMM": ("%Y%m%d%H%M", 12), "YYYYMMDDHHMMSS": ("%Y%m%d%H%M%S", 14),
    "YYYYMMDDHHMMSSmmm": ("%Y%m%d%H%M%S%f", 17), "YYMMDDHHMM": ("%y%m%d%H%M", 10), "YYMMDDHHMMSS": ("%y%m%d%H%M%S", 12), "YYMMDD": ("%y%m%d", 6),
}  # fmt: skip
# Least and most, both inclusive; those of 1980 to 2070 where they count from a year.
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
_MOSTLY_DAYS = 7  # longest step of daily rows


def describe_counts(numbers: Ints | Floats) -> str:
    """What numbers that are no times since 1970 look like; `numbers` is one of them where other rows are times."""
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
    """What numbers, stored as doubles or not, look like that are plausible times, and yet are none; None where nothing speaks against them."""
    if (per_count == 1).all() and _DOTNET_TICKS[0] <= numbers.min() and numbers.max() < _DOTNET_TICKS[1]:
        return "looks like steps of 100 ns since the year 1, as in .NET"
    sample = numbers[:_SAMPLE]
    # Real seconds over hours have, in the digits of the hour and the minute, numbers up to 99 too.
    if (per_count == 10**9).all() and len(sample) >= 5 and np.ptp(sample) > 10_000 and _is_written(sample, "YYMMDDHHMM"):
        return "looks like a date written as a number, YYMMDDHHMM"
    if doubles and (per_count < 10**9).all() and len(sample) > 1 and (np.diff(sample) == 0).any() and _is_rounded(sample):
        return "is rounded, as a spreadsheet does (1.70407E+12): export it again from its source"
    return None


def describe_backward_step(times: Ints, row: int) -> str:
    """From which time to which, why, and what to do."""
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


def describe_repeat(at: int) -> str:
    """What to do about two different bars for one time (ns)."""
    second = find_second_hour(at)
    return f"a clock in {second.tzinfo} has that hour twice, so {_remedy_of_zone(second)}" if second else "keep one of the two"


def find_second_hour(at: int) -> datetime | None:
    """The later of the two times of a zone whose clocks show this one (ns, as if UTC) twice, for they are set back; None where no zone's do."""
    local = datetime.fromtimestamp(at // 10**9, UTC).replace(tzinfo=None)
    for name in ZONES:
        first, second = (local.replace(tzinfo=ZoneInfo(name), fold=fold) for fold in (0, 1))
        if first.utctimetuple() < second.utctimetuple():
            return second
    return None


def format_time(at: np.int64) -> str:
    """ns UTC to the ms."""
    return f"{np.datetime_as_string(np.datetime64(int(at), 'ns'), unit='ms')}Z"


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


def _is_daily(numbers: Ints | Floats) -> bool:
    steps = np.diff(numbers)
    return bool((numbers % 1 == 0).all() and (steps >= 1).all() and (steps <= _MOSTLY_DAYS).all())


def _is_rounded(numbers: Ints | Floats) -> bool:
    """To six digits at most."""
    unit = 10.0 ** (np.floor(np.log10(numbers.max())) - 5)
    return bool((numbers % unit == 0).all())
