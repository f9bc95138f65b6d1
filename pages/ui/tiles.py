"""Tiles that several pages show, and readings of the machine as their values."""

from __future__ import annotations

from typing import Any

import pandas as pd

from engine import units
from engine.domain.alerting import Drill
from engine.store.read.components import CleanRate, LatencyStats
from engine.store.read.status import LastTick
from pages.ui import ages, skill
from pages.ui.widgets import Tile

DRILLED = "kill switch, stop and alert path"


def build_clean_rate_tile(rate: CleanRate) -> Tile:
    """Build the tile of the clean rate, the same on every page."""
    label, degraded = "Clean decisions, 30 d", f"{rate.degraded:,} of {units.format_count(rate.ticks, 'live tick')} with a fallback"
    if rate.no_data:
        degraded += f"; {rate.no_data:,} without data"
    if not rate.ticks:
        return Tile(label, units.NOT_MEASURED, "no live tick yet; the warm-up does not count")
    if rate.low is None or rate.high is None:
        return Tile(label, units.NOT_ENOUGH, degraded)
    band = units.format_interval(rate.low * 100, rate.high * 100, 2, "%")
    return Tile(label, units.format_percent(rate.rate, 2), f"95 %: {band}; {degraded}")


def build_drawdown_tile(last: LastTick) -> Tile:
    """Build the tile of the current drawdown and the largest one."""
    now, largest = (None if value is None else -abs(value) for value in (last.drawdown, last.largest_drawdown))
    return Tile("Drawdown", units.format_percent(now, 2), f"largest this session {units.format_percent(largest, 2)}, {skill.WARM}")


def build_tick_p99_tile(latency: LatencyStats | None) -> Tile:
    """Build the tile of the 99th percentile of tick times, the same on every page."""
    if latency is None:
        return Tile("Tick p99", units.NOT_MEASURED, "no tick yet", term="p99")
    whole = latency.phases[0]
    return Tile("Tick p99", units.format_ms(whole.p99), f"p50 {units.format_ms(whole.p50)}, {latency.window}", term="p99")


def describe_drill(drill: Drill | None, now: int) -> tuple[str, str]:
    """Return when the newest drill passed or failed, and its checks."""
    if drill is None:
        return "not proven yet", DRILLED
    ago = f"{ages.ticking_age(drill.at, now)} ago"
    failed = ", ".join(proof.name for proof in drill.checks if not proof.passed)
    return (f"failed {ago}", failed) if failed else (f"proven {ago}", DRILLED)


def choose_memory_reading(now: pd.DataFrame) -> tuple[str, str]:
    """Return source and name of the reading that counts: the container's where it sets the limit."""
    return (
        get_reading_source(now, "memory_limit_bytes") if get_reading(now, "container", "memory_percent") is not None else "host",
        "memory_percent",
    )


def format_reading(now: pd.DataFrame, source: str, name: str) -> str:
    """Return a reading in its unit, or "not measured yet"."""
    place = _find_row(now, source, name)
    if place is None:
        return units.NOT_MEASURED
    return units.format_reading(float(now["value"].iloc[place]), str(now["unit"].iloc[place]), units.NOT_MEASURED)


def get_reading(now: pd.DataFrame, source: str | None, name: str) -> float | None:
    """Return a reading; of any source where `source` is None, None where there is none."""
    place = _find_row(now, source, name)
    return None if place is None else float(now["value"].iloc[place])


def count_reading(now: pd.DataFrame, source: str, name: str) -> str:
    """Return a reading that counts things as "9 threads", "" where there is none; its name is the plural of the thing."""
    count = get_reading(now, source, name)
    return "" if count is None else units.format_count(round(count), name.removesuffix("s"))


def get_reading_source(now: pd.DataFrame, name: str) -> str:
    """Return the source of a reading, "host" where there is none."""
    place = _find_row(now, None, name)
    return "host" if place is None else str(now["source"].iloc[place])


def describe_part(shown: int, total: int, thing: str) -> str:
    """Return ", 24 of 50 symbols" where only a part is shown, else ""."""
    return f", {shown:,} of {units.format_count(total, thing)}" if shown < total else ""


def _find_row(now: pd.DataFrame, source: str | None, name: str) -> int | None:
    """Return the place of the first reading of this name, of any source where `source` is None."""
    names = zip(now["source"].tolist(), now["name"].tolist(), strict=True)
    return next((place for place, (given, shown) in enumerate(names) if shown == name and source in {None, given}), None)


def compute_gain(value: float | None, capital: Any) -> float | None:
    """Return the gain over the starting capital as a share of it."""
    return None if value is None or not capital else value / float(capital) - 1
