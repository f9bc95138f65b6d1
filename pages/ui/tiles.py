"""Tiles of the engine, the account and the machine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from engine import units
from engine.store.read.components import CleanRate, LatencyStats
from engine.store.read.live_ticks import TickCounts
from engine.store.read.status import EngineStatus, LastTick
from pages.ui import ages, trading_rules
from pages.ui import skill as ui_skill
from pages.ui.widgets import Tile

STALE_SECONDS = 20.0  # s after which readings are no longer current
TRENDS = (
    ("host", "cpu_percent"),
    ("host", "memory_percent"),
    ("container", "memory_percent"),
    ("process", "rss_bytes"),
    ("host", "disk_percent"),
    ("engine", "tick_p99_ms"),
)


def build_engine_tiles(
    status: EngineStatus, positions: pd.DataFrame, skill: pd.DataFrame, session_ticks: TickCounts, honest: CleanRate, halflife: float | None
) -> list[Tile]:
    """Build the tiles of the live decisions; those of the warm-up are not counted."""
    last, session, standing = status.last, status.session, ui_skill.judge_current_skill(status, skill)
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
        build_clean_rate_tile(honest),
        Tile(
            "Trading now",
            f"{len(acting)} of {len(positions)} symbols",
            ", ".join(acting[:4]) or f"no buy or sell now; {units.format_count(held, 'position')} held",
        ),
        Tile(
            "Equity",
            units.format_percent(_gain(last.equity, capital), 2, signed=True),
            f"since the start, {ui_skill.WARM}; benchmark {units.format_percent(_gain(last.benchmark, capital), 2, signed=True)}",
        ),
        build_drawdown_tile(last),
        *ui_skill.build_skill_tiles(skill, standing.horizon, halflife),
    ]


def build_clean_rate_tile(rate: CleanRate) -> Tile:
    """Build the tile of the clean rate, the same on every page."""
    label, degraded = "Clean decisions, 30 d", f"{rate.degraded:,} of {units.format_count(rate.ticks, 'live tick')} with a fallback"
    if not rate.ticks:
        return Tile(label, units.NOT_MEASURED, "no live tick yet; the warm-up does not count")
    if rate.low is None or rate.high is None:
        return Tile(label, units.NOT_ENOUGH, degraded)
    band = units.format_interval(rate.low * 100, rate.high * 100, 2, "%")
    return Tile(label, units.format_percent(1 - rate.degraded / rate.ticks, 2), f"95 %: {band}; {degraded}")


def build_drawdown_tile(last: LastTick) -> Tile:
    """Build the tile of the current drawdown and the largest one."""
    now, largest = (None if value is None else -abs(value) for value in (last.drawdown, last.largest_drawdown))
    return Tile("Drawdown", units.format_percent(now, 2), f"largest this session {units.format_percent(largest, 2)}, {ui_skill.WARM}")


def build_account_tiles(status: EngineStatus) -> list[Tile]:
    last, session = status.last, status.session
    if last is None or session is None:
        return []
    capital = session.settings.get("capital")
    return [
        Tile(
            "Equity",
            units.format_money(last.equity),
            f"{units.format_percent(_gain(last.equity, capital), 2, signed=True)} since the start, after costs, {ui_skill.WARM}",
        ),
        Tile("Cash", units.format_money(last.cash), f"started with {units.format_money(capital)}"),
        Tile(
            "Benchmark",
            units.format_percent(_gain(last.benchmark, capital), 2, signed=True),
            f"{units.format_money(last.benchmark)}; equal-weight buy and hold, without costs",
        ),
        build_drawdown_tile(last),
        Tile("Borrow and funding", *trading_rules.describe_carry(last.borrow, last.funding)),
        Tile("Gross exposure", units.format_percent(last.gross), "of equity: long plus short"),
        Tile("Net exposure", units.format_percent(last.net, signed=True), "of equity: long minus short"),
    ]


def describe_cost_settings(status: EngineStatus, knobs: dict[str, Any]) -> str:
    """Return the settings behind every net figure, in words."""
    if not knobs or status.last is None or status.session is None:
        return ""
    symbols = len(status.session.symbols)
    return (
        f"Paper money. {trading_rules.describe_fees(knobs, symbols)}. Spread: from {trading_rules.describe_spread_sources(status.last.spread_sources)}, "
        f"{units.format_bps(knobs['spread_bps'])} where none is known. "
        f"Impact: {units.format_number(knobs.get('impact_coefficient'), 2)} bar volatilities for an order of a whole bar's volume. "
        f"Latency: {units.format_number(knobs['latency_ms'], 0, 'ms')}. "
        "Orders fill against the order book after the latency or, without books, at the next open for up to "
        f"{units.format_percent(knobs.get('participation'), 0)} of that bar's volume. The rest stays unfilled. No order fills at the price of its decision. "
        f"A passive order rests at the touch for {units.format_count(int(knobs.get('passive_bars', 0)), 'bar')} and then takes. "
        f"An order that is large for its book is sliced over {units.format_count(int(knobs.get('slice_bars', 0)), 'bar')}."
    )


def build_machine_tiles(now: pd.DataFrame, trend: pd.DataFrame, latency: LatencyStats | None, clock: int) -> list[Tile]:
    """Build six tiles of the machine, each with its last 15 minutes."""
    limit = get_reading(now, None, "memory_limit_bytes")
    whose = get_reading_source(now, "memory_limit_bytes")
    return [
        _tile(now, trend, "CPU", "host", "cpu_percent", f"{units.format_number(get_reading(now, 'host', 'processors'))} processors"),
        _tile(now, trend, "Memory", *choose_memory_reading(now), f"limit {units.format_bytes(limit)} ({whose})" if limit else ""),
        _tile(now, trend, "Process memory", "process", "rss_bytes", f"{units.format_number(get_reading(now, 'process', 'threads'))} threads"),
        _tile(now, trend, "Disk", "host", "disk_percent", f"{units.format_bytes(get_reading(now, 'host', 'disk_free_bytes'))} free"),
        replace(build_tick_p99_tile(latency), trend=_line(trend, "engine", "tick_p99_ms")),
        Tile("Data age", _data_age(now, clock), f"{units.format_number(get_reading(now, 'engine', 'decisions_per_s'), 1)} decisions/s"),
    ]


def build_tick_p99_tile(latency: LatencyStats | None) -> Tile:
    """Build the tile of the 99th percentile of tick times, the same on every page."""
    if latency is None:
        return Tile("Tick p99", units.NOT_MEASURED, "no tick yet")
    whole = latency.phases[0]
    return Tile("Tick p99", units.format_ms(whole.p99), f"p50 {units.format_ms(whole.p50)}, {latency.window}")


def describe_freshness(now: pd.DataFrame, clock: int) -> str:
    """Say whether the readings are current."""
    at = int(now["at"].max())
    return "now and over the last 15 min" if (clock - at) / units.SECOND < STALE_SECONDS else f"last reading {ages.ticking_age(at, clock)} ago"


def choose_memory_reading(now: pd.DataFrame) -> tuple[str, str]:
    """Return source and name of the reading that counts: the container's where it sets the limit."""
    return (
        get_reading_source(now, "memory_limit_bytes") if get_reading(now, "container", "memory_percent") is not None else "host",
        "memory_percent",
    )


def _tile(now: pd.DataFrame, trend: pd.DataFrame, label: str, source: str, name: str, small: str) -> Tile:
    return Tile(label, format_reading(now, source, name), small, trend=_line(trend, source, name))


def _line(trend: pd.DataFrame, source: str, name: str) -> tuple[float | None, ...]:
    return tuple(trend[(trend["source"] == source) & (trend["name"] == name)]["mean"].tolist()) if len(trend) else ()


def format_reading(now: pd.DataFrame, source: str, name: str) -> str:
    rows = now[(now["source"] == source) & (now["name"] == name)]
    return units.NOT_MEASURED if rows.empty else units.format_reading(float(rows["value"].iloc[0]), str(rows["unit"].iloc[0]), units.NOT_MEASURED)


def get_reading(now: pd.DataFrame, source: str | None, name: str) -> float | None:
    rows = now[now["name"] == name] if source is None else now[(now["source"] == source) & (now["name"] == name)]
    return None if rows.empty else float(rows["value"].iloc[0])


def get_reading_source(now: pd.DataFrame, name: str) -> str:
    rows = now[now["name"] == name]
    return "host" if rows.empty else str(rows["source"].iloc[0])


def _data_age(now: pd.DataFrame, clock: int) -> str:
    """Return the age of the data: the age at the reading plus the time since."""
    age = get_reading(now, "engine", "data_age_ms")
    return units.NOT_MEASURED if age is None else ages.ticking_age(int(now["at"].max()) - round(age * units.MS), clock)


def _gain(value: float | None, capital: Any) -> float | None:
    return None if value is None or not capital else value / float(capital) - 1
