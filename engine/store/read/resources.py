"""Readings of the machine, what was done with it and commands, for the pages that operate the engine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from sqlalchemy import Connection

from engine.domain.optimization import describe_trial
from engine.store.read.reader import Reader, fetch_all, fetch_first, fetch_frame

SECOND = 1_000_000_000  # ns
MAX_POINTS = 360  # of a line at most
MetricName = tuple[str, str]  # source, name


@dataclass(frozen=True, slots=True)
class Resolution:
    """Which tiers a span is read from: fine enough for its points, and few rows however long it is."""

    max_seconds: int  # s, spans up to this
    bucket_seconds: int  # s, of a bucket of the first tier
    tables: tuple[str, ...]  # each has what no bucket of the one before it is closed over yet; the last as it was read


RAW, TEN, MINUTE, HOUR = "readings_raw", "readings_ten", "readings_minute", "readings_hour"
BUCKET_SECONDS = {TEN: 10, MINUTE: 60, HOUR: 3_600}  # s
RESOLUTIONS = (
    Resolution(1_200, 1, (RAW,)),
    Resolution(3 * 3_600, 10, (TEN, RAW)),
    Resolution(8 * 86_400, 60, (MINUTE, RAW)),
    Resolution(10**9, 3_600, (HOUR, MINUTE, RAW)),
)
_SERIES = "SELECT s.id, s.source, s.name, s.unit FROM json_each(:names) w JOIN series s ON s.source || '.' || s.name = w.value"
_ROLLED = """
    SELECT w.id, (t.at / :step) * :step AS step, t.low AS low, t.mean AS mean, t.high AS high, t.n AS n
    FROM wanted w CROSS JOIN {table} t ON t.series = w.id AND t.at >= {since} AND t.at <= :until"""
_NEWEST = "SELECT max((SELECT max(t.at) FROM {table} t WHERE t.series = s.id)) FROM series s"
_RAW = """
    SELECT w.id, (r.at / :step) * :step AS step, r.value AS low, r.value AS mean, r.value AS high, 1 AS n
    FROM readings_raw r CROSS JOIN wanted w ON w.source = r.source AND w.name = r.name WHERE r.at >= {since} AND r.at <= :until"""
_LINES = """
    WITH wanted AS MATERIALIZED ({series}), found AS ({parts}),
         steps AS (SELECT id, step, min(low) AS low, sum(mean * n) / sum(n) AS mean, max(high) AS high FROM found GROUP BY id, step)
    SELECT w.source, w.name, w.unit, f.step AS at, f.low, f.mean, f.high
    FROM wanted w JOIN steps f ON f.id = w.id ORDER BY w.source, w.name, f.step"""


def read_current(reader: Reader) -> pd.DataFrame:
    """The newest sample of every reading: at, source, name, value, unit."""
    return reader.frame("SELECT at, source, name, value, unit FROM readings_raw WHERE at = (SELECT max(at) FROM readings_raw) ORDER BY source, name")


def choose_resolution(seconds: int) -> Resolution:
    """The tier a span is read from."""
    return next(one for one in RESOLUTIONS if seconds <= one.max_seconds)


def choose_step(seconds: int, points: int = MAX_POINTS) -> int:
    """Seconds between the points of a line over a span."""
    width = choose_resolution(seconds * MAX_POINTS // points).bucket_seconds
    return max(width, -(-seconds // (points * width)) * width)


def read_series(reader: Reader, wanted: Sequence[MetricName], since: int, until: int, points: int = MAX_POINTS) -> pd.DataFrame:
    """Readings over a span of wall time in at most points + 1 steps: source, name, unit, at (start of the step), low, mean, high.

    Fewer points than usual come from a coarser tier, and cost less. A step without a reading has no row. What no bucket of the tier is closed over
    yet comes from a finer one.
    """
    seconds = (until - since) // SECOND
    tier, step = choose_resolution(seconds * MAX_POINTS // points), choose_step(seconds, points) * SECOND
    names = json.dumps([f"{source}.{name}" for source, name in wanted])
    params: dict[str, int | float | str | None] = {"names": names, "until": until, "step": step}
    parts: list[str] = []
    with reader.reading() as connection:
        for table in tier.tables:
            if table == RAW:
                parts.append(_RAW.format(since=since))
                break
            parts.append(_ROLLED.format(table=table, since=since))
            newest = fetch_first(connection, _NEWEST.format(table=table))
            since = since if newest is None or newest[0] is None else max(since, int(newest[0]) + BUCKET_SECONDS[table] * SECOND)
        return fetch_frame(connection, _LINES.format(series=_SERIES, parts=" UNION ALL ".join(parts)), params)


# One look into the index of decisions acted on for each of at most so many pieces of the range.
SEARCH_BUCKETS = 120
_ACTED = """
    SELECT t.wall, f.tick FROM (
        SELECT (SELECT d.tick FROM decisions d WHERE d.action <> 'hold' AND d.tick >= p.low AND d.tick < p.high ORDER BY d.tick LIMIT 1) AS tick
        FROM (SELECT value AS low, lead(value, 1, :last + 1) OVER (ORDER BY value) AS high FROM json_each(:bounds)) p) f
    JOIN ticks t ON t.tick = f.tick"""
_RUNS = """
    SELECT at, action, verdict, mode FROM (SELECT * FROM trials WHERE at >= :since AND at <= :until ORDER BY at DESC LIMIT 1000)
    WHERE placebo = 0 ORDER BY at DESC LIMIT 200"""
_FAULTS = "SELECT session, since, kind, symbol FROM incidents ORDER BY id DESC LIMIT 200"
_AT = "SELECT at, wall FROM ticks WHERE tick = :tick"
_SESSIONS = """
    SELECT session, max(first, :first), coalesce(lead(first) OVER (ORDER BY session) - 1, :last)
    FROM (SELECT session, min(first_tick) AS first FROM runs GROUP BY session)"""


def _faults(connection: Connection, first: int, last: int) -> list[tuple[int, str]]:
    """When faults of the data began (ns UTC, wall), and what they were, of those that began with a tick from `first` to `last`."""
    spans = {int(session): (int(low), min(int(high), last)) for session, low, high in fetch_all(connection, _SESSIONS, first=first, last=last)}
    found = []
    for session, since, kind, symbol in fetch_all(connection, _FAULTS):
        low, high = spans.get(int(session), (1, 0))
        tick = _tick_at(connection, low, high, int(since)) if low <= high else None
        if tick is not None:
            found.append((tick, f"{kind.replace('_', ' ')} {'everywhere' if symbol == '*' else symbol}"))
    return found


def _tick_at(connection: Connection, low: int, high: int, at: int) -> int | None:
    """The wall time of the first tick of a session with that market time or a later one, by halving: market times overlap between sessions.

    None where it is not among the ticks from `low` to `high`.
    """
    ends = [fetch_first(connection, _AT, tick=tick) for tick in (low, high)]
    if ends[0] is None or ends[1] is None or not ends[0][0] <= at <= ends[1][0]:
        return None
    while low < high:
        middle = (low + high) // 2
        told = fetch_first(connection, _AT, tick=middle)
        if told is None:
            return None
        low, high = (middle + 1, high) if told[0] < at else (low, middle)
    told = fetch_first(connection, _AT, tick=low)
    return None if told is None else int(told[1])


def read_events(reader: Reader, since: int, until: int) -> pd.DataFrame:
    """What happened over a span of wall time: kind (acted, optimized, incident), at (ns UTC), detail; oldest first, a few hundred at most."""
    with reader.reading() as connection:
        found = [
            ("optimized", int(at), describe_trial(action, verdict, mode))
            for at, action, verdict, mode in fetch_all(connection, _RUNS, since=since, until=until)
        ]
        found += [
            ("incident", int(at), f"alert: {rule}")
            for at, rule in fetch_all(
                connection, "SELECT at, rule FROM alerts WHERE at >= :since AND at <= :until ORDER BY at DESC LIMIT 200", since=since, until=until
            )
        ]
        ends = fetch_first(
            connection, "SELECT tick, (SELECT max(tick) FROM ticks) FROM ticks WHERE wall >= :since ORDER BY wall LIMIT 1", since=since
        )
        if ends is not None:
            first, last = int(ends[0]), int(ends[1])
            found += [("incident", at, what) for at, what in _faults(connection, first, last) if at <= until]
            bounds = json.dumps(sorted({first + (last + 1 - first) * piece // SEARCH_BUCKETS for piece in range(SEARCH_BUCKETS)}))
            found += [
                ("acted", int(wall), f"bought or sold at tick {tick:,}") for wall, tick in fetch_all(connection, _ACTED, bounds=bounds, last=last)
            ]
    return pd.DataFrame(found, columns=["kind", "at", "detail"]).astype({"at": "int64"}).sort_values("at", kind="stable").reset_index(drop=True)


def read_commands(reader: Reader, *, limit: int, name: str | None = None) -> pd.DataFrame:
    """The newest commands, newest first."""
    where = "" if name is None else "WHERE name = :name"
    params: dict[str, int | float | str | None] = {"limit": limit} | ({} if name is None else {"name": name})
    return reader.frame(
        'SELECT id, at, name, args, "by", reason, status, result, started_at, finished_at, progress, note '
        f"FROM commands {where} ORDER BY id DESC LIMIT :limit",
        params,
    )


def read_last_training(reader: Reader) -> tuple[int, float | None, int, str] | None:
    """When the newest artifact was trained (ns UTC), how long it took in s, rows, version; None before the first."""
    with reader.reading() as connection:
        found = fetch_first(connection, "SELECT trained_at, seconds, rows, version FROM artifacts ORDER BY id DESC LIMIT 1")
    return None if found is None else (int(found[0]), found[1], int(found[2]), str(found[3]))
