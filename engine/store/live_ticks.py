"""Tells live ticks from warm-up ticks, which are decided over history and count in no figure of current performance."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from engine.evidence.shares import wilson
from engine.store.reader import fetch_scalar, told_all
from engine.store.status_query import session_ends

DAY = 86_400_000_000_000  # ns
Spans = tuple[tuple[int, int], ...]  # first and last tick of each range, oldest first
_WARM = """
    SELECT min(tick) AS first, max(tick) AS last FROM
        (SELECT tick, tick - row_number() OVER (ORDER BY tick) AS stretch FROM ticks WHERE warm = 1 AND tick >= :first AND tick <= :last)
    GROUP BY stretch ORDER BY first"""


@dataclass(frozen=True, slots=True)
class Counted:
    """Numbers of live and of warm-up ticks."""

    live: int
    warm: int


@dataclass(frozen=True, slots=True)
class CleanTicks:
    """Stored live ticks of the last 30 days of wall time, and how many of them were degraded."""

    ticks: int
    broken: int  # in which a phase fell back

    @property
    def band(self) -> tuple[float, float] | None:
        """95 % interval of the share of clean ticks; None while there are too few."""
        return wilson(1.0 - self.broken / self.ticks, self.ticks) if self.ticks else None


def live(connection: Connection, first: int, last: int) -> Spans:
    """The ranges of live ticks from `first` to `last`."""
    ranges = []
    for begin, end in warm(connection, first, last):
        if begin > first:
            ranges.append((first, begin - 1))
        first = end + 1
    return (*ranges, (first, last)) if first <= last else tuple(ranges)


def warm(connection: Connection, first: int, last: int) -> Spans:
    """The ranges of warm-up ticks from `first` to `last`."""
    return tuple((int(row["first"]), int(row["last"])) for row in told_all(connection, _WARM, first=first, last=last))


def spaced(first: int, last: int, points: int) -> list[int]:
    """At most so many evenly spaced ticks, ascending, `last` among them."""
    return sorted(range(last, first - 1, -max(1, -(-(last - first + 1) // points))))


def ticks_in(spans: Spans) -> int:
    return sum(last - first + 1 for first, last in spans)


def count_degraded(connection: Connection, spans: Spans) -> int:
    """How many of these ticks had a phase fall back. Only those are read."""
    sql = "SELECT count(*) FROM ticks WHERE degraded <> '[]' AND tick >= :first AND tick <= :last"
    return sum(int(fetch_scalar(connection, sql, first=first, last=last)) for first, last in spans)


def since(connection: Connection, wall: int) -> tuple[int, int] | None:
    """The first tick decided at or after this wall time (ns UTC), and the newest tick; None without one."""
    first = fetch_scalar(connection, "SELECT tick FROM ticks WHERE wall >= :wall ORDER BY wall LIMIT 1", wall=wall)
    return None if first is None else (int(first), int(fetch_scalar(connection, "SELECT max(tick) FROM ticks")))


def clean_ticks(connection: Connection, now: int) -> CleanTicks:
    """Count the live ticks of the last 30 days and the degraded ones among them."""
    ends = since(connection, now - 30 * DAY)
    spans = () if ends is None else live(connection, *ends)
    return CleanTicks(ticks_in(spans), count_degraded(connection, spans))


def of_session(connection: Connection) -> Counted:
    """Count the stored ticks of the newest session."""
    ends = session_ends(connection)
    if ends is None:
        return Counted(0, 0)
    decided = ticks_in(warm(connection, *ends))
    return Counted(ends[1] - ends[0] + 1 - decided, decided)
