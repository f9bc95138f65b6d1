"""Schedules of five fields, in UTC: minute, hour, day of the month, month, day of the week."""

from __future__ import annotations

from functools import lru_cache

MINUTE = 60_000_000_000  # ns
GRACE_MINUTES = 10  # minutes after which a missed time is skipped
_BOUNDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
Fields = tuple[frozenset[int], frozenset[int], frozenset[int], frozenset[int], frozenset[int], bool]


@lru_cache(64)
def parse_schedule(text: str) -> Fields:
    """The minutes, hours, days, months and weekdays (0 is Sunday) of a schedule, and whether a match of either kind of day is enough.

    As in cron, either is enough where both are restricted. Raises ValueError in one line.
    """
    parts = text.split()
    if len(parts) != len(_BOUNDS):
        raise ValueError(f"{text!r} is not a schedule: give minute hour day month weekday, such as 30 3 * * *")
    minutes, hours, days, months, weekdays = (
        _field(part, name, low, high, text) for part, (name, low, high) in zip(parts, _BOUNDS, strict=True)
    )  # fmt: skip
    either = not parts[2].startswith("*") and not parts[4].startswith("*")
    return minutes, hours, days, months, frozenset(day % 7 for day in weekdays), either


def is_due(text: str, minute: int) -> bool:
    """Whether the schedule includes the minute, counted since 1970 UTC."""
    minutes, hours, days, months, weekdays, either = parse_schedule(text)
    day, within = divmod(minute, 24 * 60)
    if within % 60 not in minutes or within // 60 not in hours:
        return False
    month, of_month = _civil(day)
    by_day, by_weekday = of_month in days, (day + 4) % 7 in weekdays  # 1970 began on a Thursday
    return month in months and ((by_day or by_weekday) if either else (by_day and by_weekday))


def last_due(text: str, at: int) -> int | None:
    """The schedule's newest time at or before `at`, both in ns UTC; None where there is none within the grace period."""
    now = at // MINUTE
    return next((minute * MINUTE for minute in range(now, now - GRACE_MINUTES, -1) if is_due(text, minute)), None)


def _field(part: str, name: str, low: int, high: int, text: str) -> frozenset[int]:
    values: set[int] = set()
    for item in part.lower().split(","):
        span, _, step = item.partition("/")
        first, dash, last = span.partition("-")
        try:
            every = int(step) if step else 1
            begin = low if span == "*" else _number(first, name)
            open_end = span == "*" or (bool(step) and not dash)
            end = (6 if name == "weekday" else high) if open_end else _number(last if dash else first, name)
        except ValueError:
            raise ValueError(f"{text!r} is not a schedule: its {name} is {part!r}; give numbers, *, a-b, */n or a,b") from None
        if every < 1 or not low <= begin <= end <= high or (not step and item.endswith("/")):
            raise ValueError(f"{text!r} is not a schedule: its {name} is {part!r}; give {low} to {high}")
        values.update(range(begin, end + 1, every))
    return frozenset(values)


def _number(word: str, name: str) -> int:
    names = {"month": _MONTHS, "weekday": _DAYS}.get(name, ())
    if word in names:
        return names.index(word) + (1 if name == "month" else 0)
    if not word.isascii() or not word.isdigit():
        raise ValueError(word)
    return int(word)


def _civil(day: int) -> tuple[int, int]:
    """Month and day of the month of a day counted since 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms")."""
    day += 719_468
    within = day - day // 146_097 * 146_097
    year = (within - within // 1_460 + within // 36_524 - within // 146_096) // 365
    of_year = within - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    return (shifted + 3 if shifted < 10 else shifted - 9), of_year - (153 * shifted + 2) // 5 + 1
