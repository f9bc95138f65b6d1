"""Tells live ticks from warm-up ticks, which are decided over history and count in no figure of current performance."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from engine.store.read.clean_rate import CleanTicks
from engine.store.read.reader import fetch_all, fetch_scalar
from engine.store.read.status import find_session_range

DAY = 86_400_000_000_000  # ns
TickRanges = tuple[tuple[int, int], ...]  # first and last tick of each range, oldest first
_WARM = """
    SELECT min(tick) AS first, max(tick) AS last FROM
        (SELECT tick, tick - row_number() OVER (ORDER BY tick) AS stretch FROM ticks WHERE warm = 1 AND tick >= :first AND tick <= :last)
    GROUP BY stretch ORDER BY first"""


@dataclass(frozen=True, slots=True)
class TickCounts:
    """Numbers of live and of warm-up ticks."""

    live: int
    warm: int


def find_live_ranges(connection: Connection, first: int, last: int) -> TickRanges:
    """The ranges of live ticks from `first` to `last`."""
    ranges = []
    for begin, end in find_warmup_ranges(connection, first, last):
        if begin > first:
            ranges.append((first, begin - 1))
        first = end + 1
    return (*ranges, (first, last)) if first <= last else tuple(ranges)


def find_warmup_ranges(connection: Connection, first: int, last: int) -> TickRanges:
    """The ranges of warm-up ticks from `first` to `last`."""
    return tuple((int(row["first"]), int(row["last"])) for row in fetch_all(connection, _WARM, first=first, last=last))


def clip_ranges(ranges: TickRanges, first: int, last: int) -> TickRanges:
    """The parts of these ranges from `first` to `last`."""
    return tuple((max(begin, first), min(end, last)) for begin, end in ranges if begin <= last and end >= first)


def join_ranges(ranges: TickRanges) -> TickRanges:
    """The same ticks with each range joined to the one that continues it."""
    joined: list[tuple[int, int]] = []
    for begin, end in ranges:
        if joined and joined[-1][1] == begin - 1:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return tuple(joined)


def spaced(first: int, last: int, points: int) -> list[int]:
    """At most so many evenly spaced ticks, ascending, and `last` after them.

    They are multiples of their distance, so that a later call chooses the same ones and a chart gains points without losing the others.
    """
    step = max(1, -(-(last - first + 1) // max(1, points - 1)))
    return [*range(-(-first // step) * step, last, step), last]


def count_ticks(spans: TickRanges) -> int:
    return sum(last - first + 1 for first, last in spans)


def count_degraded(connection: Connection, spans: TickRanges) -> int:
    """How many of these ticks had a phase fall back. Only those are read."""
    sql = "SELECT count(*) FROM ticks WHERE degraded <> '[]' AND tick >= :first AND tick <= :last"
    return sum(int(fetch_scalar(connection, sql, first=first, last=last)) for first, last in spans)


def count_without_data(connection: Connection, spans: TickRanges) -> int:
    """How many of these ticks of a live market had no bar in time, though no phase fell back."""
    sql = "SELECT count(*) FROM ticks WHERE no_data = 1 AND degraded = '[]' AND tick >= :first AND tick <= :last"
    return sum(int(fetch_scalar(connection, sql, first=first, last=last)) for first, last in spans)


def find_ticks_since(connection: Connection, wall: int) -> tuple[int, int] | None:
    """The first tick decided at or after this wall time (ns UTC), and the newest tick; None without one."""
    first = fetch_scalar(connection, "SELECT tick FROM ticks WHERE wall >= :wall ORDER BY wall LIMIT 1", wall=wall)
    return None if first is None else (int(first), int(fetch_scalar(connection, "SELECT max(tick) FROM ticks")))


def count_clean_ticks(connection: Connection, now: int) -> CleanTicks:
    """Count the live ticks of the last 30 days and those among them that were not clean."""
    ends = find_ticks_since(connection, now - 30 * DAY)
    spans = () if ends is None else find_live_ranges(connection, *ends)
    return CleanTicks(count_ticks(spans), count_degraded(connection, spans), count_without_data(connection, spans))


def count_session_ticks(connection: Connection) -> TickCounts:
    """Count the stored ticks of the newest session."""
    ends = find_session_range(connection)
    if ends is None:
        return TickCounts(0, 0)
    decided = count_ticks(find_warmup_ranges(connection, *ends))
    return TickCounts(ends[1] - ends[0] + 1 - decided, decided)
