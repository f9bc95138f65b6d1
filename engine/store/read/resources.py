"""Machine readings, events and commands for the pages that operate the engine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from sqlalchemy import Connection

from engine.domain.optimization import describe_trial
from engine.store.read import live_ticks
from engine.store.read.reader import Reader, fetch_all, fetch_first, fetch_frame, fetch_scalar
from engine.store.read.timeline import describe_incident, event_frame

SECOND = 1_000_000_000  # ns
MAX_POINTS = 360  # of a series at most
MetricName = tuple[str, str]  # source, name


@dataclass(frozen=True, slots=True)
class Resolution:
    """The tiers that a span of time is read from: fine enough for its points, with few rows however long it is."""

    max_seconds: int  # s, of the longest span
    bucket_seconds: int  # s, bucket of the first tier
    tables: tuple[str, ...]  # each supplies what the previous one has no closed bucket for yet; the last holds raw readings


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
    """The resolution at which a span is read."""
    return next(resolution for resolution in RESOLUTIONS if seconds <= resolution.max_seconds)


def choose_step(seconds: int, points: int = MAX_POINTS) -> int:
    """Seconds between the points of a series over a span."""
    width = choose_resolution(seconds * MAX_POINTS // points).bucket_seconds
    return max(width, -(-seconds // (points * width)) * width)


def read_series(reader: Reader, wanted: Sequence[MetricName], since: int, until: int, points: int = MAX_POINTS) -> pd.DataFrame:
    """Readings over a span of wall time in at most points + 1 steps: source, name, unit, at (start of the step), low, mean, high.

    Fewer points than the default are read from a coarser tier, at a lower cost. A step without a reading has no row. Where a tier has no closed
    bucket yet, a finer tier is read.
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
            newest = fetch_scalar(connection, _NEWEST.format(table=table))
            since = since if newest is None else max(since, int(newest) + BUCKET_SECONDS[table] * SECOND)
        return fetch_frame(connection, _LINES.format(series=_SERIES, parts=" UNION ALL ".join(parts)), params)


# One index look-up for decisions that acted per piece of the range; at most so many pieces.
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
_ALERTS = "SELECT at, rule FROM alerts WHERE at >= :since AND at <= :until ORDER BY at DESC LIMIT 200"
_AT = "SELECT at, wall FROM ticks WHERE tick = :tick"
_SESSIONS = """
    SELECT session, max(first, :first) AS first, coalesce(lead(first) OVER (ORDER BY session) - 1, :last) AS last
    FROM (SELECT session, min(first_tick) AS first FROM runs GROUP BY session)"""


def _incidents(connection: Connection, first: int, last: int) -> list[tuple[str, int, str]]:
    """Data incidents that began with a tick from `first` to `last`, as events: kind, at (ns UTC, wall), detail."""
    spans = {
        int(row["session"]): (int(row["first"]), min(int(row["last"]), last)) for row in fetch_all(connection, _SESSIONS, first=first, last=last)
    }
    events = []
    for incident in fetch_all(connection, _FAULTS):
        low, high = spans.get(int(incident["session"]), (1, 0))
        wall = _wall_at(connection, low, high, int(incident["since"])) if low <= high else None
        if wall is not None:
            events.append(("incident", wall, describe_incident(incident)))
    return events


def _wall_at(connection: Connection, low: int, high: int, at: int) -> int | None:
    """The wall time of a session's first tick at or after this market time, found by bisection: market times of sessions may overlap.

    None where it is not among the ticks from `low` to `high`.
    """
    ends = [fetch_first(connection, _AT, tick=tick) for tick in (low, high)]
    if ends[0] is None or ends[1] is None or not ends[0]["at"] <= at <= ends[1]["at"]:
        return None
    while low < high:
        middle = (low + high) // 2
        row = fetch_first(connection, _AT, tick=middle)
        if row is None:
            return None
        low, high = (middle + 1, high) if row["at"] < at else (low, middle)
    row = fetch_first(connection, _AT, tick=low)
    return None if row is None else int(row["wall"])


def read_events(reader: Reader, since: int, until: int) -> pd.DataFrame:
    """Events over a span of wall time: kind (acted, optimized, incident), at (ns UTC), detail; oldest first, a few hundred at most."""
    with reader.reading() as connection:
        runs = fetch_all(connection, _RUNS, since=since, until=until)
        alerts = fetch_all(connection, _ALERTS, since=since, until=until)
        events = [("optimized", int(run["at"]), describe_trial(run["action"], run["verdict"], run["mode"])) for run in runs]
        events += [("incident", int(alert["at"]), f"alert: {alert['rule']}") for alert in alerts]
        ends = live_ticks.find_ticks_since(connection, since)
        if ends is not None:
            first, last = ends
            events += [event for event in _incidents(connection, first, last) if event[1] <= until]
            bounds = json.dumps(sorted({first + (last + 1 - first) * piece // SEARCH_BUCKETS for piece in range(SEARCH_BUCKETS)}))
            acted = fetch_all(connection, _ACTED, bounds=bounds, last=last)
            events += [("acted", int(row["wall"]), f"bought or sold at tick {row['tick']:,}") for row in acted]
    return event_frame(events)


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
    """The newest artifact: trained at (ns UTC), seconds, rows, version; None before the first."""
    with reader.reading() as connection:
        row = fetch_first(connection, "SELECT trained_at, seconds, rows, version FROM artifacts ORDER BY id DESC LIMIT 1")
    return None if row is None else (int(row["trained_at"]), row["seconds"], int(row["rows"]), str(row["version"]))
