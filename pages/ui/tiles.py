"""What is seen at a glance: tiles for the engine, the account and the machine."""

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

STALE_SECONDS = 20.0  # s after which readings are no longer of now
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
    """What is decided now, apart from what the warm-up decided over history."""
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
            f"live, {symbols} a tick; {session_ticks.warm * symbols:,} in the warm-up not counted",
        ),
        build_clean_rate_tile(honest),
        Tile("Trading now", f"{len(acting)} of {len(positions)} symbols", ", ".join(acting[:4]) or f"nothing bought or sold now; {held} held"),
        Tile(
            "Equity",
            units.format_percent(_gain(last.equity, capital), 2, signed=True),
            f"since the start, {ui_skill.WARM}; buy and hold {units.format_percent(_gain(last.benchmark, capital), 2, signed=True)}",
        ),
        build_drawdown_tile(last),
        *ui_skill.build_skill_tiles(skill, standing.horizon, halflife),
    ]


def build_clean_rate_tile(told: CleanRate) -> Tile:
    """The share of live ticks without a fallback: the one figure of it on every page."""
    label, fell = "Honest decisions, 30 d", f"{told.degraded:,} of {units.format_count(told.ticks, 'live tick')} fell back"
    if not told.ticks:
        return Tile(label, units.NOT_MEASURED, "no live tick yet; the warm-up is not counted")
    if told.low is None or told.high is None:
        return Tile(label, units.NOT_ENOUGH, fell)
    band = units.format_interval(told.low * 100, told.high * 100, 2, "%")
    return Tile(label, units.format_percent(1 - told.degraded / told.ticks, 2), f"95 %: {band}; {fell}")


def build_drawdown_tile(last: LastTick) -> Tile:
    """The fall from the peak now, beside the largest."""
    now, largest = (None if value is None else -abs(value) for value in (last.drawdown, last.largest_drawdown))
    return Tile("Drawdown now", units.format_percent(now, 2), f"largest {units.format_percent(largest, 2)} this session, {ui_skill.WARM}")


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
            "Buy and hold",
            units.format_percent(_gain(last.benchmark, capital), 2, signed=True),
            f"{units.format_money(last.benchmark)}, no costs taken",
        ),
        build_drawdown_tile(last),
        Tile("Borrow and funding", *trading_rules.describe_carry(last.borrow, last.funding)),
        Tile("Gross exposure", units.format_percent(last.gross), "of equity, long plus short"),
        Tile("Net exposure", units.format_percent(last.net, signed=True), "of equity, long less short"),
    ]


def describe_cost_settings(status: EngineStatus, knobs: dict[str, Any]) -> str:
    """The settings behind every net figure."""
    if not knobs or status.last is None or status.session is None:
        return ""
    symbols = len(status.session.symbols)
    return (
        f"Paper money. {trading_rules.describe_fees(knobs, symbols)}, spread from {trading_rules.describe_spread_sources(status.last.spread_sources)}; "
        f"{units.format_bps(knobs['spread_bps'])} is set for where none is known. "
        f"Impact {units.format_number(knobs['impact'], 2)} bar volatilities for an order as large as the bar's volume, "
        f"latency {units.format_number(knobs['latency_ms'], 0, 'ms')}. "
        "Orders are filled by the book that stands after the latency; without books at the next open, up to "
        f"{units.format_percent(knobs.get('participation'), 0)} of that bar's volume. What cannot be filled stays unfilled; never at the price decided on. "
        f"An order that rests waits {units.format_count(int(knobs.get('passive_bars', 0)), 'bar')} at the touch and then takes; "
        f"one that is large for its book is spread over {units.format_count(int(knobs.get('slice_bars', 0)), 'bar')}."
    )


def build_machine_tiles(now: pd.DataFrame, trend: pd.DataFrame, latency: LatencyStats | None, clock: int) -> list[Tile]:
    """The machine in six tiles, each with its last 15 minutes."""
    limit = get_reading(now, None, "memory_limit_bytes")
    whose = get_reading_source(now, "memory_limit_bytes")
    return [
        _tile(now, trend, "CPU", "host", "cpu_percent", f"{units.format_number(get_reading(now, 'host', 'processors'))} processors"),
        _tile(now, trend, "Memory", *choose_memory_reading(now), f"limit {units.format_bytes(limit)} ({whose})" if limit else ""),
        _tile(now, trend, "This process", "process", "rss_bytes", f"{units.format_number(get_reading(now, 'process', 'threads'))} threads"),
        _tile(now, trend, "Disk", "host", "disk_percent", f"{units.format_bytes(get_reading(now, 'host', 'disk_free_bytes'))} free"),
        replace(build_tick_p99_tile(latency), trend=_line(trend, "engine", "tick_p99_ms")),
        Tile("Data age", _data_age(now, clock), f"{units.format_number(get_reading(now, 'engine', 'decisions_per_s'), 1)} decisions/s"),
    ]


def build_tick_p99_tile(latency: LatencyStats | None) -> Tile:
    """How long the slowest tick in a hundred took: the one figure of it on every page."""
    if latency is None:
        return Tile("Tick p99", units.NOT_MEASURED, "no tick yet")
    whole = latency.phases[0]
    return Tile("Tick p99", units.format_ms(whole.p99), f"p50 {units.format_ms(whole.p50)}, {latency.window}")


def describe_freshness(now: pd.DataFrame, clock: int) -> str:
    """Whether the readings are of now."""
    at = int(now["at"].max())
    return "now, and over the last 15 minutes" if (clock - at) / units.SECOND < STALE_SECONDS else f"as last read, {ages.ticking_age(at, clock)} ago"


def choose_memory_reading(now: pd.DataFrame) -> tuple[str, str]:
    """Whose memory counts: the container's where it limits."""
    return (
        get_reading_source(now, "memory_limit_bytes") if get_reading(now, "container", "memory_percent") is not None else "host",
        "memory_percent",
    )


def _tile(now: pd.DataFrame, trend: pd.DataFrame, label: str, source: str, name: str, small: str) -> Tile:
    return Tile(label, format_reading(now, source, name), small, trend=_line(trend, source, name))


def _line(trend: pd.DataFrame, source: str, name: str) -> tuple[float | None, ...]:
    return tuple(trend[(trend["source"] == source) & (trend["name"] == name)]["mean"].tolist()) if len(trend) else ()


def format_reading(now: pd.DataFrame, source: str, name: str) -> str:
    found = now[(now["source"] == source) & (now["name"] == name)]
    return units.NOT_MEASURED if found.empty else units.format_reading(float(found["value"].iloc[0]), str(found["unit"].iloc[0]), units.NOT_MEASURED)


def get_reading(now: pd.DataFrame, source: str | None, name: str) -> float | None:
    found = now[now["name"] == name] if source is None else now[(now["source"] == source) & (now["name"] == name)]
    return None if found.empty else float(found["value"].iloc[0])


def get_reading_source(now: pd.DataFrame, name: str) -> str:
    found = now[now["name"] == name]
    return "host" if found.empty else str(found["source"].iloc[0])


def _data_age(now: pd.DataFrame, clock: int) -> str:
    """The age of the data: what it was at the reading, and what has passed since."""
    age = get_reading(now, "engine", "data_age_ms")
    return units.NOT_MEASURED if age is None else ages.ticking_age(int(now["at"].max()) - round(age * units.MS), clock)


def _gain(value: float | None, capital: Any) -> float | None:
    return None if value is None or not capital else value / float(capital) - 1
