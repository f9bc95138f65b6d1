"""The state of the engine's components: heartbeats, latency by phase, fallbacks, clean-decision rate and incidents."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import RowMapping

from engine.domain.record import Floats
from engine.evidence.proportions import quantile_ranks
from engine.store.read import live_ticks
from engine.store.read.live_ticks import DAY
from engine.store.read.reader import Reader, fetch_all, fetch_first, fetch_scalar

LATENCY_TICKS = 500  # over which latencies are measured
TREND_POINTS = 25  # of the latency chart
MAX_DEGRADED_TICKS = 1_000  # degraded ticks counted at most
MAX_DECISIONS = 2_000  # decisions searched for stale bars at most
_NEWEST = "SELECT tick, wall, ms, spans, events, warm FROM ticks ORDER BY tick DESC LIMIT :ticks"


@dataclass(frozen=True, slots=True)
class PhaseLatency:
    """Latency of one phase over the last ticks, in ms; `name` is "whole tick" for all phases together with the time between them."""

    name: str
    n: int
    p50: float
    p99: float
    low: float | None  # 95 % interval of the p99, None while there is not enough data
    high: float | None
    longest: float
    share: float  # of the total time of all phases; 0 for the whole tick
    fallbacks: int
    trend: tuple[float, ...]  # p50 of each bucket of ticks, oldest first


@dataclass(frozen=True, slots=True)
class LatencyStats:
    """Latencies of the live ticks among the last 500; of the warm-up ticks as long as there is no live one."""

    phases: tuple[PhaseLatency, ...]  # the whole tick first
    series: pd.DataFrame  # a row per bucket: tick and wall (ns) of its last tick; p50, longest and fallbacks of whole ticks
    bucket_ticks: int  # ticks per bucket
    events: tuple[tuple[str, int, int], ...]  # kind, count, last tick
    warm: bool = False  # measured on warm-up ticks

    @property
    def window(self) -> str:
        """The ticks that the figures are based on, in words."""
        n = self.phases[0].n
        return f"the last {n:,} {'warm-up' if self.warm else 'live'} tick{'' if n == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class CleanRate:
    """Live ticks that were not clean, by cause, and decisions on stale bars; warm-up ticks do not count."""

    ticks: int  # stored live ticks of the last 30 days
    degraded: int  # ticks in which a phase fell back
    low: float | None  # 95 % interval of the clean share, None while there is not enough data
    high: float | None
    decisions: int  # newest decisions, at most 2,000
    stale: int  # of these, decisions whose bar was missing or stale
    no_data: int = 0  # of the ticks, those without a fallback for which a live market had no bar in time

    @property
    def rate(self) -> float | None:
        """The share of clean ticks; None without a tick."""
        return 1.0 - (self.degraded + self.no_data) / self.ticks if self.ticks else None


@dataclass(frozen=True, slots=True)
class Liveness:
    """The last sign of life of each component: ns UTC, None for never."""

    heartbeat: int | None
    readings: int | None
    commands_waiting: int
    trained: tuple[int, str, float | None, int, int] | None  # trained at, version, seconds, rows, first tick served
    models_waiting: int  # trained, not serving yet
    checkpoint: int | None  # tick
    first_tick: int | None  # oldest stored
    stale_now: tuple[str, ...]  # symbols without a bar at the newest tick


def read_latency(reader: Reader, ticks: int = LATENCY_TICKS) -> LatencyStats | None:
    """Latency by phase over the last ticks; None before the first tick."""
    with reader.reading() as connection:
        newest = fetch_all(connection, _NEWEST, ticks=min(ticks, LATENCY_TICKS))[::-1]
    if not newest:
        return None
    live = [row for row in newest if not row["warm"]]
    rows = live or newest
    spans = [{str(span[0]): span for span in orjson.loads(row["spans"])} for row in rows]
    whole = np.array([row["ms"] for row in rows], dtype=np.float64)
    piece = max(1, len(rows) // TREND_POINTS)
    fallen = np.array([sum(bool(span[3]) for span in tick.values()) for tick in spans])
    phases = [_phase("whole tick", whole, 0.0, int((fallen > 0).sum()), piece)]
    spent = sum(float(span[2]) for tick in spans for span in tick.values())
    for name in dict.fromkeys(name for tick in reversed(spans) for name in tick):
        ms = np.array([tick[name][2] if name in tick else None for tick in spans], dtype=np.float64)
        phases.append(_phase(name, ms, spent, sum(bool(tick[name][3]) for tick in spans if name in tick), piece))
    last = _pieces(np.array([(row["tick"], row["wall"]) for row in rows]), piece)[:, -1]
    line = pd.DataFrame(
        {"tick": last[:, 0], "wall": last[:, 1], "p50": np.median(_pieces(whole, piece), axis=1), "longest": _pieces(whole, piece).max(axis=1),
         "fallbacks": _pieces(fallen, piece).sum(axis=1)}
    )  # fmt: skip
    return LatencyStats(tuple(phases), line, piece, _events(rows), not live)


def read_fallbacks(reader: Reader, *, limit: int) -> pd.DataFrame:
    """The newest phase fallbacks, newest first: tick, at, wall, phase, error, symbol (any of the tick's, to open the tick by)."""
    with reader.reading() as connection:
        ticks = fetch_all(
            connection,
            "SELECT t.tick, t.at, t.wall, t.spans, (SELECT symbol FROM decisions d WHERE d.tick = t.tick ORDER BY symbol LIMIT 1) AS symbol "
            "FROM ticks t WHERE t.degraded <> '[]' ORDER BY t.tick DESC LIMIT :limit",
            limit=limit,
        )
    rows = [
        (row["tick"], row["at"], row["wall"], phase, error, row["symbol"])
        for row in ticks
        for phase, _, _, fallback, error, *_ in orjson.loads(row["spans"])
        if fallback
    ]
    return pd.DataFrame(rows, columns=["tick", "at", "wall", "phase", "error", "symbol"])


def count_fallbacks(reader: Reader, now: int) -> pd.DataFrame:
    """Fallbacks by phase over the last 30 days, among the newest 1,000 degraded ticks: phase, n, tick (the last)."""
    return reader.frame(
        """
        SELECT j.value AS phase, count(*) AS n, max(t.tick) AS tick
        FROM (SELECT tick, degraded FROM ticks WHERE degraded <> '[]'
              AND tick >= coalesce((SELECT tick FROM ticks WHERE wall >= :since ORDER BY wall LIMIT 1), 9223372036854775807)
              ORDER BY tick DESC LIMIT :counted) t
        CROSS JOIN json_each(t.degraded) j GROUP BY j.value ORDER BY n DESC, phase""",
        {"since": now - 30 * DAY, "counted": MAX_DEGRADED_TICKS},
    )


def read_clean_rate(reader: Reader, now: int) -> CleanRate:
    """The clean-decision rate with its interval."""
    with reader.reading() as connection:
        clean = live_ticks.count_clean_ticks(connection, now)
        bars = fetch_first(
            connection,
            "SELECT count(*) AS n, coalesce(sum(d.fresh = 0), 0) AS stale "
            "FROM (SELECT tick, fresh FROM decisions ORDER BY tick DESC LIMIT :most) d "
            "WHERE d.tick NOT IN (SELECT tick FROM ticks WHERE warm = 1)",
            most=MAX_DECISIONS,
        )
    assert bars is not None  # an aggregate always gives a row
    low, high = clean.band or (None, None)
    return CleanRate(clean.ticks, clean.degraded, low, high, int(bars["n"]), int(bars["stale"]), clean.no_data)


def read_liveness(reader: Reader) -> Liveness:
    """The last sign of life of every component."""
    with reader.reading() as connection:
        row = fetch_first(
            connection,
            """
            SELECT (SELECT max(beat) FROM components) AS components, (SELECT max(at) FROM readings_raw) AS readings,
                   (SELECT count(*) FROM commands WHERE status = 'queued') AS commands_waiting,
                   (SELECT max(tick) FROM checkpoints) AS checkpoint, (SELECT min(tick) FROM ticks) AS first_tick,
                   (SELECT max(tick) FROM ticks) AS last_tick""",
        )
        assert row is not None  # the query always gives a row
        last = row["last_tick"]
        trained = fetch_first(connection, "SELECT trained_at, version, seconds, rows, serves_from FROM artifacts ORDER BY id DESC LIMIT 1")
        waiting = fetch_scalar(
            connection, "SELECT count(*) FROM (SELECT serves_from FROM artifacts ORDER BY id DESC LIMIT 50) WHERE serves_from > :last", last=last
        )
        stale = fetch_all(connection, "SELECT symbol FROM decisions WHERE tick = :last AND fresh = 0 ORDER BY symbol", last=last)
    return Liveness(
        heartbeat=row["components"], readings=row["readings"], commands_waiting=int(row["commands_waiting"]),
        trained=None if trained is None else (
            int(trained["trained_at"]), str(trained["version"]), trained["seconds"], int(trained["rows"]), int(trained["serves_from"])
        ),
        models_waiting=int(waiting), checkpoint=row["checkpoint"], first_tick=row["first_tick"],
        stale_now=tuple(str(bar["symbol"]) for bar in stale),
    )  # fmt: skip


def read_incidents(reader: Reader, *, limit: int) -> pd.DataFrame:
    """Data incidents, open ones first, then the newest; among the newest 2,000."""
    return reader.frame(
        "SELECT id, kind, symbol, since, until, detail FROM (SELECT * FROM incidents ORDER BY id DESC LIMIT 2000) "
        "ORDER BY until IS NULL DESC, id DESC LIMIT :limit",
        {"limit": limit},
    )


def _phase(name: str, ms: Floats, spent: float, fallbacks: int, piece: int) -> PhaseLatency:
    """Quantiles are measured values (nearest rank)."""
    known = np.sort(ms[np.isfinite(ms)])
    n = len(known)
    p50, p99 = (float(known[max(0, math.ceil(share * n) - 1)]) for share in (0.5, 0.99))
    ranks = quantile_ranks(0.99, n)
    low, high = (None, None) if ranks is None else (float(known[ranks[0]]), float(known[ranks[1]]))
    trend = np.median(_pieces(ms, piece), axis=1)
    return PhaseLatency(
        name, n, p50, p99, low, high, float(known[-1]), float(known.sum()) / spent if spent else 0.0, fallbacks, tuple(trend.tolist())
    )


def _pieces(values: NDArray[Any], piece: int) -> NDArray[Any]:
    """(buckets, piece, ...) counted back from the newest value; the remainder of the oldest is left out."""
    return values[len(values) % piece :].reshape(-1, piece, *values.shape[1:])


def _events(rows: Sequence[RowMapping]) -> tuple[tuple[str, int, int], ...]:
    """External events of the last ticks by kind: commands, models adopted, trainings late or failed."""
    count: Counter[str] = Counter()
    last: dict[str, int] = {}
    for row in rows:
        for kind, *_ in orjson.loads(row["events"]):
            count[kind] += 1
            last[kind] = int(row["tick"])
    return tuple((kind, n, last[kind]) for kind, n in count.most_common())
