"""Which ticks were decided live: those of the warm-up, decided over history, are in no figure of how the engine does now."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from engine.store.read.reader import fetch_all, fetch_first
from engine.store.read.status import find_session_range

DAY = 86_400_000_000_000  # ns
TickRanges = tuple[tuple[int, int], ...]  # first and last tick, oldest first
_WARM = """
    SELECT min(tick), max(tick) FROM
        (SELECT tick, tick - row_number() OVER (ORDER BY tick) AS stretch FROM ticks WHERE warm = 1 AND tick >= :first AND tick <= :last)
    GROUP BY stretch ORDER BY 1"""


@dataclass(frozen=True, slots=True)
class TickCounts:
    """Ticks decided live and in the warm-up."""

    live: int
    warm: int


@dataclass(frozen=True, slots=True)
class CleanTicks:
    """Live ticks of the last 30 days of wall time, of those kept, and how many of them had a phase fall back."""

    ticks: int
    degraded: int


def find_live_ranges(connection: Connection, first: int, last: int) -> TickRanges:
    """The stretches of live ticks from `first` to `last`."""
    spans = []
    for begin, end in find_warmup_ranges(connection, first, last):
        if begin > first:
            spans.append((first, begin - 1))
        first = end + 1
    return (*spans, (first, last)) if first <= last else tuple(spans)


def find_warmup_ranges(connection: Connection, first: int, last: int) -> TickRanges:
    """The stretches of ticks that the warm-up decided."""
    return tuple((int(begin), int(end)) for begin, end in fetch_all(connection, _WARM, first=first, last=last))


def count_ticks(spans: TickRanges) -> int:
    return sum(last - first + 1 for first, last in spans)


def find_ticks_since(connection: Connection, wall: int) -> tuple[int, int] | None:
    """The first tick decided at or after this wall time (ns UTC), and the newest; None where there is none."""
    first = fetch_first(connection, "SELECT tick FROM ticks WHERE wall >= :wall ORDER BY wall LIMIT 1", wall=wall)
    last = fetch_first(connection, "SELECT max(tick) FROM ticks")
    return None if first is None or last is None else (int(first[0]), int(last[0]))


def count_clean_ticks(connection: Connection, now: int) -> CleanTicks:
    """How many live ticks there are and how many fell back: ticks are numbered in order, so only those that fell back are read."""
    ends = find_ticks_since(connection, now - 30 * DAY)
    spans = () if ends is None else find_live_ranges(connection, *ends)
    sql = "SELECT count(*) FROM ticks WHERE degraded <> '[]' AND tick >= :first AND tick <= :last"
    return CleanTicks(count_ticks(spans), sum(int((fetch_first(connection, sql, first=first, last=last) or (0,))[0]) for first, last in spans))


def count_session_ticks(connection: Connection) -> TickCounts:
    """The ticks of the newest session that are kept."""
    ends = find_session_range(connection)
    if ends is None:
        return TickCounts(0, 0)
    decided = count_ticks(find_warmup_ranges(connection, *ends))
    return TickCounts(ends[1] - ends[0] + 1 - decided, decided)
