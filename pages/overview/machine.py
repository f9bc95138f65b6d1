"""The machine on Overview: six tiles, each with its last 15 minutes."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from engine import units
from engine.store.read.components import LatencyStats
from pages.ui import ages, cache, live, tiles, updates, widgets
from pages.ui.shared import build_every
from pages.ui.updates import PageParts
from pages.ui.widgets import Tile
from pages.ui.wire import Payload

STALE_SECONDS = 20.0  # s after which readings are no longer current
TRENDS = (
    ("host", "cpu_percent"),
    ("host", "memory_percent"),
    ("container", "memory_percent"),
    ("process", "rss_bytes"),
    ("host", "disk_percent"),
    ("engine", "tick_p99_ms"),
)
AGEING = 10.0  # s after which the latency is read again


def show_machine(page: PageParts) -> None:
    if page.parts["machine_heading"].value:
        updates.show_markup(page, "machine_heading")
        live.show_live_table(page.parts["machine"], key="machine", label="Figures of the machine", part=True)
        return
    widgets.show_heading("Machine")
    if cache.past_tick() is not None:
        widgets.show_empty("single readings from that time are no longer stored; Resources shows their means")
    else:
        widgets.show_waiting("the first readings of the machine")


def build_machine() -> tuple[str, Payload]:
    """Build the heading with the words on how current the readings are, and the tiles of the machine; "" before the first reading."""
    now, clock = cache.fetch_readings(), cache.current_time()
    if now.empty:
        return "", live.prepare_table("")
    now = _as_objects(now)
    latency = build_every("overview: latency", cache.fetch_latency, seconds=AGEING)
    trends = build_every("overview: machine trends", lambda: _as_objects(cache.fetch_reading_series(TRENDS, 900, points=90)), seconds=AGEING)
    shown = widgets.render_tiles(build_machine_tiles(now, trends, latency, clock), detail_lines=2)
    return widgets.render_heading("Machine", describe_freshness(now, clock)), live.prepare_table(shown)


def build_machine_tiles(now: pd.DataFrame, trend: pd.DataFrame, latency: LatencyStats | None, clock: int) -> list[Tile]:
    """Build six tiles of the machine, each with its last 15 minutes."""
    limit = tiles.get_reading(now, None, "memory_limit_bytes")
    free, pace = tiles.get_reading(now, "host", "disk_free_bytes"), tiles.get_reading(now, "engine", "decisions_per_s")
    source_of_limit = tiles.get_reading_source(now, "memory_limit_bytes")
    return [
        _build_reading_tile(now, trend, "CPU", "host", "cpu_percent", tiles.count_reading(now, "host", "processors")),
        _build_reading_tile(
            now, trend, "Memory", *tiles.choose_memory_reading(now), f"limit {units.format_bytes(limit)} ({source_of_limit})" if limit else ""
        ),
        _build_reading_tile(now, trend, "Process memory", "process", "rss_bytes", tiles.count_reading(now, "process", "threads")),
        _build_reading_tile(now, trend, "Disk", "host", "disk_percent", "" if free is None else f"{units.format_bytes(free)} free"),
        replace(tiles.build_tick_p99_tile(latency), trend=_reading_trend(trend, "engine", "tick_p99_ms")),
        Tile("Data age", _format_data_age(now, clock), "" if pace is None else f"{units.format_number(pace, 1)} decisions/s"),
    ]


def describe_freshness(now: pd.DataFrame, clock: int) -> str:
    """Say whether the readings are current."""
    at = int(now["at"].max())
    return "now and over the last 15 min" if (clock - at) / units.SECOND < STALE_SECONDS else f"last reading {ages.ticking_age(at, clock)} ago"


def _build_reading_tile(now: pd.DataFrame, trend: pd.DataFrame, label: str, source: str, name: str, small: str) -> Tile:
    return Tile(label, tiles.format_reading(now, source, name), small, trend=_reading_trend(trend, source, name))


def _as_objects(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with its texts as Python's, since each tile searches them: Arrow lists are slow."""
    return frame.astype({"source": object, "name": object})


def _reading_trend(trend: pd.DataFrame, source: str, name: str) -> tuple[float | None, ...]:
    if not len(trend):
        return ()
    rows = zip(trend["source"].tolist(), trend["name"].tolist(), trend["mean"].tolist(), strict=True)
    return tuple(mean for given, shown, mean in rows if given == source and shown == name)


def _format_data_age(now: pd.DataFrame, clock: int) -> str:
    """Return the age of the data: the age at the reading plus the time since."""
    age = tiles.get_reading(now, "engine", "data_age_ms")
    return units.NOT_MEASURED if age is None else ages.ticking_age(int(now["at"].max()) - round(age * units.MS), clock)
