"""What a scrape tells, read in one snapshot: nothing here costs more as the history grows."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection

from engine.evidence.proportions import wilson_interval
from engine.store.read import live_ticks
from engine.store.read.reader import Reader, fetch_all, fetch_first

LATENCY_TICKS = 200  # ticks that quantiles of phases are taken over
MAX_ROWS = 2_000  # rows of one kind told at most
READING_MAX_AGE = 60 * 10**9  # ns: an older reading says nothing about now
# The newest of each series: max(at) brings its whole row with it in SQLite. Whatever is read once in 15 s is among them.
NEWEST_READINGS = """
    SELECT max(at) AS at, source, name, value, unit FROM readings_raw
    WHERE at >= :since AND at > (SELECT max(at) FROM readings_raw) - 15000000000 AND value IS NOT NULL
    GROUP BY source, name ORDER BY source, name LIMIT :limit"""
_POSITIONS = "SELECT symbol, position, target FROM decisions WHERE tick = :tick ORDER BY symbol LIMIT :limit"
_SKILL = "SELECT scope, model, horizon, r2, low, high, n_effective FROM skill WHERE regime = 'all' ORDER BY scope, model, horizon LIMIT :limit"
_JUDGEMENTS = "SELECT action, metric, unit, treated, placebos, effect, low, high FROM judgements ORDER BY action, metric LIMIT :limit"
_ALERTS = "SELECT severity, count(*) FROM (SELECT severity FROM alerts WHERE state = 'open' LIMIT :limit) GROUP BY severity ORDER BY severity"


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
    """How well one model foresees one horizon; None while there is not enough data."""

    scope: str
    model: str
    horizon: int  # bars
    r2: float | None
    low: float | None
    high: float | None
    n_effective: float | None


@dataclass(frozen=True, slots=True)
class JudgementSample:
    """What all windows of an action say of a metric."""

    action: str
    metric: str
    unit: str
    treated: int
    placebos: int
    effect: float | None  # in `unit`
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class MetricsSnapshot:
    """Everything a scrape tells. Times are ns UTC, None for never."""

    last: NewestTick | None
    feed: tuple[str, str, bool] | None  # name, label, simulated
    positions: tuple[tuple[str, float | None, float | None], ...]  # symbol, held and wanted, shares of equity
    counters: tuple[tuple[str, str, str, float], ...]  # kind, by what, and by what else
    phases: tuple[tuple[str, float, float], ...]  # phase, p50 and p99 in ms, over the last 200 ticks
    clean_ticks: tuple[int, int]  # live ticks of the last 30 days of those kept, and how many of them had a phase fall back
    clean_band: tuple[float, float] | None
    queued: int  # commands
    skill: tuple[SkillSample, ...]
    declined: tuple[tuple[str, float | None], ...]  # gate, mean bps
    actions: tuple[tuple[str, str, str], ...]  # action, mode, licence
    judgements: tuple[JudgementSample, ...]
    alerts: tuple[tuple[str, int], ...]  # severity, open
    components: tuple[tuple[str, str], ...]  # component, state
    readings: tuple[tuple[int, str, str, float, str], ...]  # at, source, name, value, unit: of the last minute
    store_bytes: int


def read_metrics(reader: Reader, now: int) -> MetricsSnapshot:
    """What the store says at `now`; raises StoreUnreadable."""
    with reader.reading() as connection:
        last = _last(connection)
        clean = live_ticks.count_clean_ticks(connection, now)
        return MetricsSnapshot(
            last=last,
            feed=_feed(connection),
            positions=_rows(connection, _POSITIONS, tick=last.tick if last else -1),
            counters=_rows(connection, "SELECT kind, one, two, value FROM totals ORDER BY kind, one, two LIMIT :limit"),
            phases=_phases(connection),
            clean_ticks=(clean.ticks, clean.degraded),
            clean_band=wilson_interval(1.0 - clean.degraded / clean.ticks, clean.ticks) if clean.ticks else None,
            queued=int(_rows(connection, "SELECT count(*) FROM (SELECT 1 FROM commands WHERE status = 'queued' LIMIT :limit)")[0][0]),
            skill=tuple(SkillSample(*row) for row in _rows(connection, _SKILL)),
            declined=_rows(connection, "SELECT gate, mean_bps FROM regret ORDER BY gate LIMIT :limit"),
            actions=_rows(connection, "SELECT action, mode, licence FROM actions ORDER BY action LIMIT :limit"),
            judgements=tuple(JudgementSample(*row) for row in _rows(connection, _JUDGEMENTS)),
            alerts=_rows(connection, _ALERTS),
            components=_rows(connection, "SELECT component, state FROM components ORDER BY component LIMIT :limit"),
            readings=_rows(connection, NEWEST_READINGS, since=now - READING_MAX_AGE),
            store_bytes=sum(path.stat().st_size for path in (reader.path, reader.path.with_name(reader.path.name + "-wal")) if path.exists()),
        )


def _rows(connection: Connection, sql: str, **params: int) -> tuple[Any, ...]:
    return tuple(fetch_all(connection, sql, limit=MAX_ROWS, **params))


def _last(connection: Connection) -> NewestTick | None:
    told = fetch_first(connection, "SELECT tick, at, wall, equity, naive, drawdown, gross, net FROM ticks ORDER BY tick DESC LIMIT 1")
    return None if told is None else NewestTick(*told)


def _feed(connection: Connection) -> tuple[str, str, bool] | None:
    told = fetch_first(connection, "SELECT feed, label, simulated FROM sessions ORDER BY id DESC LIMIT 1")
    return None if told is None else (str(told[0]), str(told[1]), bool(told[2]))


def _phases(connection: Connection) -> tuple[tuple[str, float, float], ...]:
    """The p50 and p99 of each phase, each a value that was measured (the nearest rank)."""
    took: dict[str, list[float]] = defaultdict(list)
    for (spans,) in fetch_all(connection, "SELECT spans FROM ticks ORDER BY tick DESC LIMIT :recent", recent=LATENCY_TICKS):
        for span in orjson.loads(spans):
            if span[2] is not None:
                took[str(span[0])].append(float(span[2]))
    return tuple((phase, *_quantiles(sorted(ms))) for phase, ms in took.items())


def _quantiles(ordered: list[float]) -> tuple[float, float]:
    p50, p99 = (ordered[max(0, math.ceil(share * len(ordered)) - 1)] for share in (0.5, 0.99))
    return p50, p99
