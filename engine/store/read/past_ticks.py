"""Finds the tick that a page travels to."""

from __future__ import annotations

from engine.store.read.past import PastTick
from engine.store.read.reader import Reader, fetch_first, fetch_scalar

_TICK = "SELECT tick, at, wall, session FROM ticks WHERE {} ORDER BY {} LIMIT 1"


def find_past_tick(reader: Reader, tick: int, *, knows_now: bool = False) -> PastTick | None:
    """Find the newest stored tick up to this one, else the oldest stored tick; None in an empty store."""
    with reader.reading() as connection:
        row = fetch_first(connection, _TICK.format("tick <= :tick", "tick DESC"), tick=tick)
        row = row or fetch_first(connection, _TICK.format("1", "tick"))
    return None if row is None else PastTick(**{name: int(row[name]) for name in ("tick", "at", "wall", "session")}, knows_now=knows_now)


def find_tick_by_time(reader: Reader, at: int) -> int | None:
    """Find the newest tick up to a market time, ns UTC; None where none is stored."""
    with reader.reading() as connection:
        tick = fetch_scalar(connection, "SELECT tick FROM ticks WHERE at <= :at ORDER BY at DESC, tick DESC LIMIT 1", at=at)
    return None if tick is None else int(tick)


def read_tick_range(reader: Reader) -> tuple[int, int] | None:
    """Read the oldest and the newest stored tick; None in an empty store."""
    with reader.reading() as connection:
        row = fetch_first(connection, "SELECT (SELECT min(tick) FROM ticks) AS first, (SELECT max(tick) FROM ticks) AS last")
    return None if row is None or row["last"] is None else (int(row["first"]), int(row["last"]))
