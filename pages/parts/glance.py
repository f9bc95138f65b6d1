"""Tiles of the engine, the account and the machine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from engine.store.component_queries import Honesty, Latency
from engine.store.live_ticks import Counted
from engine.store.status_query import LastTick, Status
from pages.parts import ages, skill_words, units, venue
from pages.parts.widgets import Tile

STALE = 20.0  # s after which readings are no longer current
TRENDS = (
    ("host", "cpu_percent"),
    ("host", "memory_percent"),
    ("container", "memory_percent"),
    ("process", "rss_bytes"),
    ("host", "disk_percent"),
    ("engine", "tick_p99_ms"),
)


def engine(
    status: Status, positions: pd.DataFrame, skill: pd.DataFrame, session_ticks: Counted, honest: Honesty, halflife: float | None
) -> list[Tile]:
    """Build the tiles of the live decisions; those of the warm-up are not counted."""
    last, session, standing = status.last, status.session, skill_words.standing(status, skill)
    if last is None or session is None or standing is None:
        return []
    acting = positions[positions["action"] != "hold"]["symbol"].tolist()
    held = int((positions["units"].fillna(0.0) != 0.0).sum())
    capital, symbols = session.settings.get("capital"), len(session.symbols)
    return [
        Tile(
            "Decisions, this session",
            f"{session_ticks.live * symbols:,}",
            f"live, {symbols} per tick; {session_ticks.warm * symbols:,} warm-up decisions not counted",
        ),
        honest_rate(honest),
        Tile(
            "Trading now",
            f"{len(acting)} of {len(positions)} symbols",
            ", ".join(acting[:4]) or f"no buy or sell now; {units.count(held, 'position')} held",
        ),
        Tile(
            "Equity",
            units.percent(_gain(last.equity, capital), 2, signed=True),
            f"since the start, {skill_words.WARM}; benchmark {units.percent(_gain(last.naive, capital), 2, signed=True)}",
        ),
        drawdown(last),
        *skill_words.tiles(skill, standing.horizon, halflife),
    ]


def honest_rate(rate: Honesty) -> Tile:
    """Build the tile of the clean rate, the same on every page."""
    label, degraded = "Clean decisions, 30 d", f"{rate.broken:,} of {units.count(rate.ticks, 'live tick')} with a fallback"
    if not rate.ticks:
        return Tile(label, units.NOT_MEASURED, "no live tick yet; the warm-up does not count")
    if rate.low is None or rate.high is None:
        return Tile(label, units.NOT_ENOUGH, degraded)
    band = units.interval(rate.low * 100, rate.high * 100, 2, "%")
    return Tile(label, units.percent(1 - rate.broken / rate.ticks, 2), f"95 %: {band}; {degraded}")


def drawdown(last: LastTick) -> Tile:
    """Build the tile of the current drawdown and the largest one."""
    now, largest = (None if value is None else -abs(value) for value in (last.drawdown, last.largest_drawdown))
    return Tile("Drawdown", units.percent(now, 2), f"largest this session {units.percent(largest, 2)}, {skill_words.WARM}")


def account(status: Status) -> list[Tile]:
    last, session = status.last, status.session
    if last is None or session is None:
        return []
    capital = session.settings.get("capital")
    return [
        Tile(
            "Equity",
            units.money(last.equity),
            f"{units.percent(_gain(last.equity, capital), 2, signed=True)} since the start, after costs, {skill_words.WARM}",
        ),
        Tile("Cash", units.money(last.cash), f"started with {units.money(capital)}"),
        Tile(
            "Benchmark",
            units.percent(_gain(last.naive, capital), 2, signed=True),
            f"{units.money(last.naive)}; equal-weight buy and hold, without costs",
        ),
        drawdown(last),
        Tile("Borrow and funding", *venue.carry(last.borrow, last.funding)),
        Tile("Gross exposure", units.percent(last.gross), "of equity: long plus short"),
        Tile("Net exposure", units.percent(last.net, signed=True), "of equity: long minus short"),
    ]


def costs(status: Status, knobs: dict[str, Any]) -> str:
    """Return the settings behind every net figure, in words."""
    if not knobs or status.last is None or status.session is None:
        return ""
    symbols = len(status.session.symbols)
    return (
        f"Paper money. {venue.fee_in_words(knobs, symbols)}. Spread: from {venue.sources_in_words(status.last.spread_sources)}, "
        f"{units.bps(knobs['spread_bps'])} where none is known. "
        f"Impact: {units.number(knobs['impact'], 2)} bar volatilities for an order of a whole bar's volume. "
        f"Latency: {units.number(knobs['latency_ms'], 0, 'ms')}. "
        "Orders fill against the order book after the latency or, without books, at the next open for up to "
        f"{units.percent(knobs.get('participation'), 0)} of that bar's volume. The rest stays unfilled. No order fills at the price of its decision. "
        f"A passive order rests at the touch for {units.count(int(knobs.get('passive_bars', 0)), 'bar')} and then takes. "
        f"An order that is large for its book is sliced over {units.count(int(knobs.get('slice_bars', 0)), 'bar')}."
    )


def machine(now: pd.DataFrame, trend: pd.DataFrame, latency: Latency | None, clock: int) -> list[Tile]:
    """Build six tiles of the machine, each with its last 15 minutes."""
    limit = value(now, None, "memory_limit_bytes")
    whose = source(now, "memory_limit_bytes")
    return [
        _tile(now, trend, "CPU", "host", "cpu_percent", f"{units.number(value(now, 'host', 'processors'))} processors"),
        _tile(now, trend, "Memory", *memory(now), f"limit {units.data(limit)} ({whose})" if limit else ""),
        _tile(now, trend, "Process memory", "process", "rss_bytes", f"{units.number(value(now, 'process', 'threads'))} threads"),
        _tile(now, trend, "Disk", "host", "disk_percent", f"{units.data(value(now, 'host', 'disk_free_bytes'))} free"),
        replace(tick_p99(latency), trend=_line(trend, "engine", "tick_p99_ms")),
        Tile("Data age", _data_age(now, clock), f"{units.number(value(now, 'engine', 'decisions_per_s'), 1)} decisions/s"),
    ]


def tick_p99(latency: Latency | None) -> Tile:
    """Build the tile of the 99th percentile of tick times, the same on every page."""
    if latency is None:
        return Tile("Tick p99", units.NOT_MEASURED, "no tick yet")
    whole = latency.phases[0]
    return Tile("Tick p99", units.ms(whole.p99), f"p50 {units.ms(whole.p50)}, {latency.window}")


def freshness(now: pd.DataFrame, clock: int) -> str:
    """Say whether the readings are current."""
    at = int(now["at"].max())
    return "now and over the last 15 min" if (clock - at) / units.SECOND < STALE else f"last reading {ages.since(at, clock)} ago"


def memory(now: pd.DataFrame) -> tuple[str, str]:
    """Return source and name of the reading that counts: the container's where it sets the limit."""
    return (source(now, "memory_limit_bytes") if value(now, "container", "memory_percent") is not None else "host", "memory_percent")


def _tile(now: pd.DataFrame, trend: pd.DataFrame, label: str, source: str, name: str, small: str) -> Tile:
    return Tile(label, shown(now, source, name), small, trend=_line(trend, source, name))


def _line(trend: pd.DataFrame, source: str, name: str) -> tuple[float | None, ...]:
    return tuple(trend[(trend["source"] == source) & (trend["name"] == name)]["mean"].tolist()) if len(trend) else ()


def shown(now: pd.DataFrame, source: str, name: str) -> str:
    rows = now[(now["source"] == source) & (now["name"] == name)]
    return units.NOT_MEASURED if rows.empty else units.reading(float(rows["value"].iloc[0]), str(rows["unit"].iloc[0]), units.NOT_MEASURED)


def value(now: pd.DataFrame, source: str | None, name: str) -> float | None:
    rows = now[now["name"] == name] if source is None else now[(now["source"] == source) & (now["name"] == name)]
    return None if rows.empty else float(rows["value"].iloc[0])


def source(now: pd.DataFrame, name: str) -> str:
    rows = now[now["name"] == name]
    return "host" if rows.empty else str(rows["source"].iloc[0])


def _data_age(now: pd.DataFrame, clock: int) -> str:
    """Return the age of the data: the age at the reading plus the time since."""
    age = value(now, "engine", "data_age_ms")
    return units.NOT_MEASURED if age is None else ages.since(int(now["at"].max()) - round(age * units.MS), clock)


def _gain(value: float | None, capital: Any) -> float | None:
    return None if value is None or not capital else value / float(capital) - 1
