"""A period that a table of history is limited to: the last days up to the newest tick, or days from one to another, as text in an address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

DAY = 86_400_000_000_000  # ns
MAX_DAYS = 3_660
OLDEST, NEWEST = date(1970, 1, 1), date(2199, 12, 31)  # times after it are no 64-bit nanoseconds


@dataclass(frozen=True, slots=True)
class Period:
    """The last `days`, or the days from `first` to `last` inclusive, UTC; None for an open end."""

    days: int | None = None
    first: str | None = None  # such as 2026-11-20, so that a query can be hashed and compared as text
    last: str | None = None

    def find_bounds(self, newest: int) -> tuple[int | None, int | None]:
        """Return the first time in the period and the first after it, ns UTC; `newest` is the time that the last days count back from."""
        if self.days is not None:
            return newest - self.days * DAY, None
        ends = [None if text is None else _to_ns(date.fromisoformat(text)) for text in (self.first, self.last)]
        return ends[0], None if ends[1] is None else ends[1] + DAY

    def to_text(self) -> str:
        """Return "7d", or "2026-11-20/2026-11-27"; `parse_period` inverts it."""
        return f"{self.days}d" if self.days is not None else f"{self.first or ''}/{self.last or ''}"


def parse_period(text: str) -> Period | None:
    """Return the period that a text names; None for a text that names none."""
    count = text.removesuffix("d")
    if count != text:
        return Period(int(count)) if count.isascii() and count.isdigit() and 0 < int(count[:9]) <= MAX_DAYS and len(count) <= 9 else None
    first, slash, last = text[:40].partition("/")
    if not slash or not (first or last):
        return None
    try:
        days = [date.fromisoformat(end) if end else None for end in (first, last)]
    except ValueError:
        return None
    if any(day is not None and not OLDEST <= day <= NEWEST for day in days):
        return None
    if days[0] is not None and days[1] is not None and days[0] > days[1]:
        days.reverse()
    return Period(None, *(None if day is None else day.isoformat() for day in days))


def describe_period(period: Period) -> str:
    """Describe a period as "in the last 7 days", or "from 2026-11-20 to 2026-11-27"."""
    if period.days is not None:
        return "in the last day" if period.days == 1 else f"in the last {period.days:,} days"
    if period.first == period.last:
        return f"on {period.first}"
    return " ".join(f"{word} {day}" for word, day in (("from", period.first), ("to", period.last)) if day is not None)


def label_period(period: Period) -> str:
    """Return the name of a period in a list of choices, such as "Last 7 days"."""
    return describe_period(period).removeprefix("in the ").removeprefix("on ").removeprefix("from ").capitalize()


def _to_ns(day: date) -> int:
    return (datetime(day.year, day.month, day.day, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1_000
