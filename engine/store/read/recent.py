"""Figures of Overview on the present: gain of the day, recent course, exposure-matched benchmark, pace of the warm-up, and news since a time.

Each is found by index over a number of rows that does not grow with the history.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sqlalchemy import Connection

from engine.domain.market import Account
from engine.evidence.equal_exposure import scale_benchmark
from engine.evidence.skill import MIN_BLOCK_TICKS, MIN_BLOCKS
from engine.store import codec
from engine.store.read import live_ticks
from engine.store.read.reader import Reader, fetch_all, fetch_first, fetch_scalar
from engine.store.read.status import read_session, read_session_range
from engine.store.read.tick_rows import fetch_ticks

TREND_POINTS, EXPOSURE_POINTS = 60, 600
PACE_TICKS = 60  # newest ticks of a warm-up that its pace is measured on
MAX_COUNT = 1_000  # trades or alerts counted at most
SECOND = 1_000_000_000  # ns


@dataclass(frozen=True, slots=True)
class News:
    """What happened from a wall time on; None for what is not known."""

    ticks: int
    decisions: int | None  # None across sessions, whose symbols may differ
    trades: int  # MAX_COUNT for that many or more
    gain: float | None  # of equity, as a share of it then; None across sessions
    alerts: int  # MAX_COUNT for that many or more


def read_day_open(reader: Reader) -> float | None:
    """Read the equity with which the market's day (UTC) began; None before the first tick, and for an account of an older version."""
    with reader.reading() as connection:
        data = fetch_scalar(connection, "SELECT account FROM ticks ORDER BY tick DESC LIMIT 1")
    if data is None:
        return None
    try:
        return float(codec.unpack(Account, bytes(data)).day_open_equity) or None
    except ValueError:
        return None


def read_trends(reader: Reader) -> pd.DataFrame:
    """Read the session at up to 60 evenly spaced ticks: tick, equity, drawdown, gross, and estimate, the R2 by horizon as a tuple."""
    ends = read_session_range(reader)
    picked = [] if ends is None else live_ticks.spaced(*ends, TREND_POINTS)
    frame = fetch_ticks(reader, picked, ("tick", "equity", "drawdown", "gross", "skill"))
    frame["estimate"] = [tuple((json.loads(text) if text else {}).get("estimate") or ()) for text in frame["skill"]]
    return frame.drop(columns=["skill"])


def read_equal_exposure(reader: Reader) -> tuple[pd.DataFrame, int]:
    """Read the benchmark scaled by the engine's gross exposure: tick, at, value; and the ticks between two changes of its exposure.

    Its exposure is set at multiples of a power of two of ticks, 600 times at most, so that it is the same whenever it is read.
    """
    ends = read_session_range(reader)
    if ends is None:
        return pd.DataFrame(columns=["tick", "at", "value"]), 1
    first, last = ends
    step = 1
    while (last - first) // step >= EXPOSURE_POINTS:
        step *= 2
    picked = sorted({first, *range(-(-first // step) * step, last + 1, step), last})
    frame = fetch_ticks(reader, picked, ("tick", "at", "benchmark", "gross"))
    benchmark, gross = (frame[name].to_numpy(dtype=float) for name in ("benchmark", "gross"))
    is_known = (benchmark > 0) & ~np.isnan(gross)
    value = scale_benchmark(benchmark[is_known], gross[is_known]) if is_known.any() else np.empty(0)
    return pd.DataFrame({"tick": frame["tick"].to_numpy()[is_known], "at": frame["at"].to_numpy()[is_known], "value": value}), step


def read_warmup_pace(reader: Reader) -> float | None:
    """Measure the ticks per second over the newest 60 ticks of a warm-up; None outside one and before its second tick."""
    with reader.reading() as connection:
        ends = read_session_range(reader)
        if ends is None:
            return None
        sql = "SELECT tick, wall, warm FROM ticks WHERE tick >= :since ORDER BY tick"
        rows = fetch_all(connection, sql, since=max(ends[0], ends[1] - PACE_TICKS))
    if len(rows) < 2 or not all(row["warm"] for row in rows):
        return None
    seconds = (rows[-1]["wall"] - rows[0]["wall"]) / SECOND
    return (rows[-1]["tick"] - rows[0]["tick"]) / seconds if seconds > 0 else None


def read_news(reader: Reader, since: int) -> News | None:
    """Read what happened from `since` (ns UTC, wall time) on; None where nothing before it is stored, so that the count would be too small."""
    with reader.reading() as connection:
        before = fetch_first(connection, "SELECT tick, session, equity FROM ticks WHERE wall < :since ORDER BY wall DESC LIMIT 1", since=since)
        last = fetch_first(connection, "SELECT tick, session, equity FROM ticks ORDER BY tick DESC LIMIT 1")
        session = read_session(connection)
        if before is None or last is None or session is None:
            return None
        ticks = max(0, int(last["tick"]) - int(before["tick"]))
        is_same = before["session"] == last["session"]
        gain = last["equity"] / before["equity"] - 1 if is_same and before["equity"] and last["equity"] is not None else None
        decided = ticks * len(session.symbols) if is_same else None
        return News(ticks, decided, _count_trades(connection, int(before["tick"])), gain, _count_alerts(connection, since))


def fewest_outcomes(symbols: int, horizon: int) -> int:
    """Return the outcomes that a bound on skill rests on at least, at this horizon (bars) with so many symbols."""
    return MIN_BLOCKS * max(MIN_BLOCK_TICKS, horizon) * symbols


def _count_trades(connection: Connection, tick: int) -> int:
    sql = "SELECT count(*) FROM (SELECT 1 FROM fills WHERE tick > :tick AND size <> 0.0 LIMIT :most)"
    return int(fetch_scalar(connection, sql, tick=tick, most=MAX_COUNT))


def _count_alerts(connection: Connection, since: int) -> int:
    return int(fetch_scalar(connection, "SELECT count(*) FROM (SELECT 1 FROM alerts WHERE at >= :since LIMIT :most)", since=since, most=MAX_COUNT))
