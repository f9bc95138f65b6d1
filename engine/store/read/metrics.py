"""The figures of a metrics scrape, read in one snapshot at a cost that does not grow with the history."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, RowMapping

from engine.store.read import live_ticks
from engine.store.read.reader import Reader, fetch_all, fetch_first, fetch_scalar

LATENCY_TICKS = 200  # ticks over which quantiles of phases are taken
MAX_ROWS = 2_000  # rows of one kind at most
READING_MAX_AGE = 60 * 10**9  # ns: older readings are out of date
# The newest of each series: SQLite takes the other columns from the row of max(at). Probes that read every 15 s or more often are included.
NEWEST_READINGS = """
    SELECT max(at) AS at, source, name, value, unit FROM readings_raw
    WHERE at >= :since AND at > (SELECT max(at) FROM readings_raw) - 15000000000 AND value IS NOT NULL
    GROUP BY source, name ORDER BY source, name LIMIT :limit"""
_POSITIONS = "SELECT symbol, position, target FROM decisions WHERE tick = :tick ORDER BY symbol LIMIT :limit"
_SKILL = "SELECT scope, model, horizon, r2, low, high, n_effective FROM skill WHERE regime = 'all' ORDER BY scope, model, horizon LIMIT :limit"
_JUDGEMENTS = "SELECT action, metric, unit, treated, placebos, effect, low, high FROM judgements ORDER BY action, metric LIMIT :limit"
_STREAMS = """
    SELECT symbol, stream, state, last_at, messages, messages_per_second, reconnects, gaps, late_trades, revised_candles, filled_bars,
           latency_p50_ms, latency_p99_ms FROM stream_status ORDER BY symbol, stream LIMIT :limit"""
_BOTS = """
    SELECT name, equity, log_e_better, log_threshold, intents, late, refused FROM bots
    WHERE session = (SELECT max(id) FROM sessions) AND state = 'active' ORDER BY id LIMIT :limit"""
_QUEUED = "SELECT count(*) FROM (SELECT 1 FROM commands WHERE status = 'queued' LIMIT :limit)"
_ALERTS = "SELECT severity, count(*) AS n FROM (SELECT severity FROM alerts WHERE state = 'open' LIMIT :limit) GROUP BY severity ORDER BY severity"

_WEBHOOKS = """
    SELECT target, sum(status = 'waiting') AS waiting, sum(status = 'failed') AS dead FROM deliveries
    WHERE event IS NOT NULL GROUP BY target ORDER BY target LIMIT :limit"""
_EVOLUTIONS = "SELECT state, count(*) AS n FROM evolutions WHERE session = (SELECT max(id) FROM sessions) GROUP BY state ORDER BY state LIMIT :limit"
_CONTESTS = """
    SELECT number, model, strategy, evidence, threshold FROM evolutions
    WHERE session = (SELECT max(id) FROM sessions) AND state = 'racing' ORDER BY number LIMIT :limit"""


@dataclass(frozen=True, slots=True)
class NewestTick:
    """The newest tick; None for what it could not measure."""

    tick: int
    at: int  # ns UTC, market time
    wall: int  # ns UTC
    equity: float | None
    benchmark: float | None
    drawdown: float | None
    gross: float | None
    net: float | None


@dataclass(frozen=True, slots=True)
class SkillSample:
    """Skill of one model at one horizon; None while there is not enough data."""

    scope: str
    model: str
    horizon: int  # bars
    r2: float | None
    low: float | None
    high: float | None
    n_effective: float | None


@dataclass(frozen=True, slots=True)
class JudgementSample:
    """The effect of an action on a metric, judged over all its windows."""

    action: str
    metric: str
    unit: str
    treated: int
    placebos: int
    effect: float | None  # in `unit`
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class StreamSample:
    """One stream of a live market, since its engine started."""

    symbol: str
    stream: str
    state: str
    last_at: int | None  # ns UTC
    messages: int
    messages_per_second: float | None
    reconnects: int
    gaps: int
    late_trades: int
    revised_candles: int
    filled_bars: int
    latency_p50_ms: float | None
    latency_p99_ms: float | None


@dataclass(frozen=True, slots=True)
class BotSample:
    """An outside bot of the newest session; None before its first tick."""

    name: str
    equity: float | None
    log_e_better: float | None
    log_threshold: float | None
    intents: int  # that count
    late: int
    refused: int


@dataclass(frozen=True, slots=True)
class MetricsSnapshot:
    """All figures of a scrape. Times are ns UTC, None for never."""

    last: NewestTick | None
    feed: tuple[str, str, bool] | None  # name, label, simulated
    positions: tuple[tuple[str, float | None, float | None], ...]  # symbol, current and target share of equity
    counters: tuple[tuple[str, str, str, float], ...]  # kind, name, detail, value
    phases: tuple[tuple[str, float, float], ...]  # phase, p50 and p99 in ms, over the last 200 ticks
    clean_ticks: tuple[int, int, int]  # stored live ticks of the last 30 days; of these, with a fallback, and without data only
    clean_band: tuple[float, float] | None
    queued: int  # commands
    skill: tuple[SkillSample, ...]
    declined: tuple[tuple[str, float | None], ...]  # gate, mean bps
    actions: tuple[tuple[str, str, str], ...]  # action, mode, licence
    judgements: tuple[JudgementSample, ...]
    alerts: tuple[tuple[str, int], ...]  # severity, open
    components: tuple[tuple[str, str], ...]  # component, state
    readings: tuple[tuple[int, str, str, float, str], ...]  # at, source, name, value, unit; of the last minute
    store_bytes: int
    evolutions: tuple[tuple[str, int], ...] = ()  # of the newest session: state, count
    streams: tuple[StreamSample, ...] = ()  # of a live market
    contests: tuple[tuple[int, str, str, float | None, float | None], ...] = ()  # that run: number, model, strategy, e-value, threshold
    webhooks: tuple[tuple[str, int, int], ...] = ()  # target, events that wait, dead letters
    bots: tuple[BotSample, ...] = ()


def read_metrics(reader: Reader, now: int) -> MetricsSnapshot:
    """The figures at `now` (ns UTC); raises StoreUnreadable."""
    with reader.reading() as connection:
        last = _last(connection)
        clean = live_ticks.count_clean_ticks(connection, now)
        return MetricsSnapshot(
            last=last,
            feed=_feed(connection),
            positions=_tuples(connection, _POSITIONS, tick=last.tick if last else -1),
            counters=_tuples(connection, "SELECT kind, name, detail, value FROM counters ORDER BY kind, name, detail LIMIT :limit"),
            phases=_phases(connection),
            clean_ticks=(clean.ticks, clean.degraded, clean.no_data),
            clean_band=clean.band,
            queued=int(fetch_scalar(connection, _QUEUED, limit=MAX_ROWS)),
            skill=tuple(SkillSample(**row) for row in _rows(connection, _SKILL)),
            declined=_tuples(connection, "SELECT gate, mean_bps FROM declined ORDER BY gate LIMIT :limit"),
            actions=_tuples(connection, "SELECT action, mode, licence FROM actions ORDER BY action LIMIT :limit"),
            judgements=tuple(JudgementSample(**row) for row in _rows(connection, _JUDGEMENTS)),
            alerts=_tuples(connection, _ALERTS),
            components=_tuples(connection, "SELECT component, state FROM components ORDER BY component LIMIT :limit"),
            readings=_tuples(connection, NEWEST_READINGS, since=now - READING_MAX_AGE),
            store_bytes=sum(path.stat().st_size for path in (reader.path, reader.path.with_name(reader.path.name + "-wal")) if path.exists()),
            evolutions=_tuples(connection, _EVOLUTIONS),
            streams=tuple(StreamSample(**row) for row in _rows(connection, _STREAMS)),
            contests=_tuples(connection, _CONTESTS),
            webhooks=_tuples(connection, _WEBHOOKS),
            bots=tuple(BotSample(**row) for row in _rows(connection, _BOTS)),
        )


def _rows(connection: Connection, sql: str, **params: int) -> Sequence[RowMapping]:
    return fetch_all(connection, sql, limit=MAX_ROWS, **params)


def _tuples(connection: Connection, sql: str, **params: int) -> tuple[Any, ...]:
    """The rows as tuples in the order of the query's columns."""
    return tuple(tuple(row.values()) for row in _rows(connection, sql, **params))


def _last(connection: Connection) -> NewestTick | None:
    row = fetch_first(connection, "SELECT tick, at, wall, equity, benchmark, drawdown, gross, net FROM ticks ORDER BY tick DESC LIMIT 1")
    return None if row is None else NewestTick(**row)


def _feed(connection: Connection) -> tuple[str, str, bool] | None:
    row = fetch_first(connection, "SELECT feed, label, simulated FROM sessions ORDER BY id DESC LIMIT 1")
    return None if row is None else (str(row["feed"]), str(row["label"]), bool(row["simulated"]))


def _phases(connection: Connection) -> tuple[tuple[str, float, float], ...]:
    """The p50 and p99 of each phase; quantiles are measured values (nearest rank)."""
    durations: dict[str, list[float]] = defaultdict(list)
    for row in fetch_all(connection, "SELECT spans FROM ticks ORDER BY tick DESC LIMIT :recent", recent=LATENCY_TICKS):
        for phase, _, ms, *_ in orjson.loads(row["spans"]):
            if ms is not None:
                durations[str(phase)].append(float(ms))
    return tuple((phase, *_quantiles(sorted(ms))) for phase, ms in durations.items())


def _quantiles(ordered: list[float]) -> tuple[float, float]:
    p50, p99 = (ordered[max(0, math.ceil(share * len(ordered)) - 1)] for share in (0.5, 0.99))
    return p50, p99
