"""How the parts of the engine are, as the store has it: signs of life, time by phase, fallbacks, honesty and incidents."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pandas as pd
from numpy.typing import NDArray

from engine.domain.record import Floats
from engine.evidence.proportions import wilson_interval
from engine.evidence.quantiles import quantile_ranks
from engine.store.read import live_ticks
from engine.store.read.live_ticks import DAY
from engine.store.read.reader import Reader, fetch_all, fetch_first

LATENCY_TICKS = 500  # that latencies are taken over
TREND_POINTS = 25  # of a line through them
MAX_DEGRADED_TICKS = 1_000  # degraded ticks counted at most
MAX_DECISIONS = 2_000  # decisions looked at for stale bars at most
_NEWEST = "SELECT tick, wall, ms, spans, events, warm FROM ticks ORDER BY tick DESC LIMIT :ticks"


@dataclass(frozen=True, slots=True)
class PhaseLatency:
    """How long one phase took over the last ticks, in ms; `name` is "whole tick" for all of them with what lies between."""

    name: str
    n: int
    p50: float
    p99: float
    low: float | None  # 95 % interval of the p99, None while there is not enough data
    high: float | None
    longest: float
    share: float  # of the time of all phases; 0 for the whole tick
    fallbacks: int
    trend: tuple[float, ...]  # p50 of each piece, oldest first


@dataclass(frozen=True, slots=True)
class LatencyStats:
    """Times of the live ticks among the last 500; of those of the warm-up while there is no live one."""

    phases: tuple[PhaseLatency, ...]  # the whole tick first
    series: pd.DataFrame  # tick and wall (ns) of the last of a piece, p50, longest, fallbacks: of whole ticks
    bucket_ticks: int  # ticks in a piece
    events: tuple[tuple[str, int, int], ...]  # kind, how often, last tick
    warm: bool = False  # of the warm-up

    @property
    def window(self) -> str:
        """What the figures are taken over, in words."""
        n = self.phases[0].n
        return f"the last {n:,} {'warm-up' if self.warm else 'live'} tick{'' if n == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class CleanRate:
    """Live ticks decided without a fallback, and decisions made on a bar that was there; those of the warm-up are not counted."""

    ticks: int  # live, of the last 30 days, of those kept
    degraded: int
    low: float | None  # 95 % interval of the honest share, None while there is not enough data
    high: float | None
    decisions: int  # the newest, at most 2,000
    stale: int  # of them, those whose bar was missing or stale


@dataclass(frozen=True, slots=True)
class Liveness:
    """When each part last showed that it lives: ns UTC, None for never."""

    heartbeat: int | None
    readings: int | None
    commands_waiting: int
    trained: tuple[int, str, float | None, int, int] | None  # when, version, seconds, rows, serves from which tick
    models_waiting: int  # trained and not serving yet
    checkpoint: int | None  # tick
    first_tick: int | None  # kept
    stale_now: tuple[str, ...]  # symbols without a bar at the newest tick


def read_latency(reader: Reader, ticks: int = LATENCY_TICKS) -> LatencyStats | None:
    """Times by phase over the last ticks; None before the first."""
    with reader.reading() as connection:
        told = fetch_all(connection, _NEWEST, ticks=min(ticks, LATENCY_TICKS))[::-1]
    if not told:
        return None
    live = [row for row in told if not row[5]]
    warm, told = not live, live or told
    spans = [{str(one[0]): one for one in orjson.loads(row[3])} for row in told]
    whole = np.array([row[2] for row in told], dtype=float)
    piece = max(1, len(told) // TREND_POINTS)
    fallen = np.array([sum(bool(one[3]) for one in tick.values()) for tick in spans])
    phases = [_phase("whole tick", whole, 0.0, int((fallen > 0).sum()), piece)]
    spent = sum(float(one[2]) for tick in spans for one in tick.values())
    for name in dict.fromkeys(name for tick in reversed(spans) for name in tick):
        ms = np.array([tick[name][2] if name in tick else None for tick in spans], dtype=float)
        phases.append(_phase(name, ms, spent, sum(bool(tick[name][3]) for tick in spans if name in tick), piece))
    ends = np.array([row[:2] for row in told])
    last = _pieces(ends, piece)[:, -1]
    line = pd.DataFrame(
        {"tick": last[:, 0], "wall": last[:, 1], "p50": np.median(_pieces(whole, piece), axis=1), "longest": _pieces(whole, piece).max(axis=1),
         "fallbacks": _pieces(fallen, piece).sum(axis=1)}
    )  # fmt: skip
    return LatencyStats(tuple(phases), line, piece, _events(told), warm)


def read_fallbacks(reader: Reader, *, limit: int) -> pd.DataFrame:
    """The newest phases that fell back, newest first: tick, at, wall, phase, error, symbol (any of the tick's, to open it by)."""
    with reader.reading() as connection:
        told = fetch_all(
            connection,
            "SELECT t.tick, t.at, t.wall, t.spans, (SELECT symbol FROM decisions d WHERE d.tick = t.tick ORDER BY symbol LIMIT 1) "
            "FROM ticks t WHERE t.degraded <> '[]' ORDER BY t.tick DESC LIMIT :limit",
            limit=limit,
        )
    found = [(tick, at, wall, one[0], one[4], symbol) for tick, at, wall, spans, symbol in told for one in orjson.loads(spans) if one[3]]
    return pd.DataFrame(found, columns=["tick", "at", "wall", "phase", "error", "symbol"])


def count_fallbacks(reader: Reader, now: int) -> pd.DataFrame:
    """How often each phase fell back in the last 30 days, of the newest 1,000 degraded ticks: phase, n, tick (the last)."""
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
    """The honest-decision rate with its interval."""
    with reader.reading() as connection:
        clean = live_ticks.count_clean_ticks(connection, now)
        told = fetch_first(
            connection,
            "SELECT count(*), coalesce(sum(d.fresh = 0), 0) FROM (SELECT tick, fresh FROM decisions ORDER BY tick DESC LIMIT :most) d "
            "WHERE d.tick NOT IN (SELECT tick FROM ticks WHERE warm = 1)",
            most=MAX_DECISIONS,
        )
    band = wilson_interval(1 - clean.degraded / clean.ticks, clean.ticks) if clean.ticks else None
    counted, stale = told or (0, 0)
    low, high = band or (None, None)
    return CleanRate(clean.ticks, clean.degraded, low, high, int(counted), int(stale))


def read_liveness(reader: Reader) -> Liveness:
    """Signs of life of every part."""
    with reader.reading() as connection:
        beats = fetch_first(connection, "SELECT max(beat), (SELECT max(at) FROM readings_raw) FROM components") or (None, None)
        waiting = fetch_first(connection, "SELECT count(*) FROM commands WHERE status = 'queued'") or (0,)
        ends = fetch_first(
            connection, "SELECT (SELECT max(tick) FROM ticks), (SELECT min(tick) FROM ticks), (SELECT max(tick) FROM checkpoints)"
        ) or (
            None,
            None,
            None,
        )
        trained = fetch_first(connection, "SELECT trained_at, version, seconds, rows, serves_from FROM artifacts ORDER BY id DESC LIMIT 1")
        later = fetch_first(
            connection, "SELECT count(*) FROM (SELECT serves_from FROM artifacts ORDER BY id DESC LIMIT 50) WHERE serves_from > :last", last=ends[0]
        ) or (0,)
        stale = fetch_all(connection, "SELECT symbol FROM decisions WHERE tick = :last AND fresh = 0 ORDER BY symbol", last=ends[0])
    newest = None if trained is None else (int(trained[0]), str(trained[1]), trained[2], int(trained[3]), int(trained[4]))
    return Liveness(
        beats[0], beats[1], int(waiting[0]), newest,
        int(later[0]), ends[2], ends[1], tuple(str(symbol) for (symbol,) in stale),
    )  # fmt: skip


def read_incidents(reader: Reader, *, limit: int) -> pd.DataFrame:
    """Incidents in the data, those that last first, then the newest; among the newest 2,000."""
    return reader.frame(
        "SELECT id, kind, symbol, since, until, detail FROM (SELECT * FROM incidents ORDER BY id DESC LIMIT 2000) "
        "ORDER BY until IS NULL DESC, id DESC LIMIT :limit",
        {"limit": limit},
    )


def _phase(name: str, ms: Floats, spent: float, fallbacks: int, piece: int) -> PhaseLatency:
    """Quantiles are values that were measured (the nearest rank)."""
    known = np.sort(ms[np.isfinite(ms)])
    n = len(known)
    p50, p99 = (float(known[max(0, math.ceil(share * n) - 1)]) for share in (0.5, 0.99))
    at = quantile_ranks(0.99, n)
    low, high = (None, None) if at is None else (float(known[at[0]]), float(known[at[1]]))
    trend = np.median(_pieces(ms, piece), axis=1)
    return PhaseLatency(
        name, n, p50, p99, low, high, float(known[-1]), float(known.sum()) / spent if spent else 0.0, fallbacks, tuple(trend.tolist())
    )


def _pieces(values: NDArray[Any], piece: int) -> NDArray[Any]:
    """(pieces, piece, ...) counted back from the newest; what is left over of the oldest is left out."""
    return values[len(values) % piece :].reshape(-1, piece, *values.shape[1:])


def _events(told: list[tuple[object, ...]]) -> tuple[tuple[str, int, int], ...]:
    """What happened to the last ticks from outside, by kind: commands, models adopted, trainings late or failed."""
    count: Counter[str] = Counter()
    last: dict[str, int] = {}
    for tick, _, _, _, events, _ in told:
        for kind, *_ in json.loads(str(events)):
            count[kind] += 1
            last[kind] = int(str(tick))
    return tuple((kind, n, last[kind]) for kind, n in count.most_common())
