"""Finds the keys of a table of history by a tick, by a time and by a period.

Market time grows with the ticks of a session only: each simulated session begins at the same time. This machine's clock may be set back.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import Connection

from engine.store.read.history_tables import HistoryTable
from engine.store.read.period import Period
from engine.store.read.reader import fetch_first, fetch_scalar

LAST = 2**63 - 1  # of ticks and of times, ns UTC
MAX_SESSIONS = 32  # whose ticks are distinguished


@dataclass(frozen=True, slots=True)
class PeriodKeys:
    """The keys between which all rows of a period lie; `condition`, in SQL with `:since` and `:before`, tells them from others there."""

    low: int
    high: int  # less than `low` where there are none
    is_whole: bool  # whether every row from `low` to `high` lies in the period
    condition: str
    since: int  # ns UTC
    before: int


def find_period_keys(connection: Connection, table: HistoryTable, period: Period, as_of: int | None = None) -> PeriodKeys:
    """Find the keys of a period, whose last days end with the newest tick, or with the newest up to `as_of`."""
    bound = LAST if as_of is None else as_of
    latest = fetch_first(connection, "SELECT tick, at, wall FROM ticks WHERE tick <= :bound ORDER BY tick DESC LIMIT 1", bound=bound)
    since, before = period.find_bounds(0 if latest is None else int(latest["at" if table.clock == "market" else "wall"]))
    since, before = -LAST if since is None else since, LAST if before is None else before
    moment = _name_moment(table)
    if table.clock == "market":
        ranges, is_whole = ([], True) if latest is None else _find_tick_ranges(connection, int(latest["tick"]), since, before)
        low, high = (ranges[-1][0], ranges[0][1]) if ranges else (0, -1)
        if ranges and len(table.key) == 1:  # a row has an id, which grows with the tick
            earlier, last = (search_key_by_tick(connection, table, tick) for tick in (low - 1, high))
            low, high = 0 if earlier is None else earlier + 1, -1 if last is None else last
    else:  # such a table has few rows
        key = table.key[0]
        sql = f"SELECT min({key}) AS low, max({key}) AS high, count(*) AS n FROM {table.base} WHERE {moment} >= :since AND {moment} < :before"
        row = fetch_first(connection, sql, since=since, before=before)
        low, high, count = (0, -1, 0) if row is None or not row["n"] else (int(row["low"]), int(row["high"]), int(row["n"]))
        is_whole = high - low + 1 == count
    return PeriodKeys(low, high, is_whole, f"{moment} >= :since AND {moment} < :before", since, before)


def _find_tick_ranges(connection: Connection, last: int, since: int, before: int) -> tuple[list[tuple[int, int]], bool]:
    """Find the ticks of each session in a period, newest first, and whether no other ticks lie between them.

    Of a store with more than `MAX_SESSIONS`, the ticks of the older ones are a range as a whole.
    """
    oldest = int(fetch_scalar(connection, "SELECT min(tick) FROM ticks"))
    ranges: list[tuple[int, int]] = []
    for _ in range(MAX_SESSIONS):
        if last < oldest:
            break
        session = int(fetch_scalar(connection, "SELECT session FROM ticks WHERE tick <= :last ORDER BY tick DESC LIMIT 1", last=last))
        first = _bisect_ticks(connection, oldest, last, "session", session)
        part = _bisect_ticks(connection, first, last, "at", since), _bisect_ticks(connection, first, last, "at", before) - 1
        ranges += [part] if part[0] <= part[1] else []
        last = first - 1
    else:
        ranges += [(oldest, last)] if last >= oldest else []
    is_whole = last < oldest and all(newer[0] == older[1] + 1 for newer, older in pairwise(ranges))
    return ranges, is_whole


def _bisect_ticks(connection: Connection, low: int, high: int, column: str, value: int) -> int:
    """Find the first tick from `low` to `high` whose column has at least this value, `high` + 1 without one; it grows with these ticks."""
    sql = f"SELECT {column} FROM ticks WHERE tick >= :tick ORDER BY tick LIMIT 1"
    return bisect_left(range(high + 1), value, low, key=lambda tick: int(fetch_scalar(connection, sql, tick=tick)))


def search_key_by_time(connection: Connection, table: HistoryTable, at: int) -> int | None:
    """Find the newest key at or before a time, ns UTC, by the clock of the table; None where there is none."""
    if table.clock == "wall":
        return _search_key_by_wall(connection, table, at)
    tick = fetch_scalar(connection, "SELECT tick FROM ticks WHERE at <= :at ORDER BY at DESC, tick DESC LIMIT 1", at=at)
    return None if tick is None else search_key_by_tick(connection, table, int(tick))


def search_key_by_tick(connection: Connection, table: HistoryTable, tick: int) -> int | None:
    """Find the newest key that was stored by this tick; None where there is none."""
    if table.clock == "wall":
        wall = fetch_scalar(connection, "SELECT wall FROM ticks WHERE tick <= :tick ORDER BY tick DESC LIMIT 1", tick=tick)
        newest = None if wall is None else _search_key_by_wall(connection, table, int(wall))
    else:
        key, alias = table.key[0], table.base.split()[-1]
        key_of = f"SELECT {key} FROM {table.base} WHERE {alias}.tick <= :tick ORDER BY {alias}.tick DESC, {key} DESC LIMIT 1"
        newest = fetch_scalar(connection, key_of, tick=tick)
    return None if newest is None else int(newest)


def _search_key_by_wall(connection: Connection, table: HistoryTable, at: int) -> int | None:
    """Keys of such tables grow with this machine's clock, so the search ends at the first row that is old enough."""
    sql = f"SELECT {table.key[0]} FROM {table.base} WHERE {_name_moment(table)} <= :at ORDER BY {table.key[0]} DESC LIMIT 1"
    newest: int | None = fetch_scalar(connection, sql, at=at)
    return newest


def _name_moment(table: HistoryTable) -> str:
    """Return the column of the time of a row."""
    return f"{table.base.split()[-1]}.{'trained_at' if table.name == 'versions' else 'at'}"
