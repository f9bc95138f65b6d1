"""Tiles, limits and chart panels of the page Resources, as far as this machine has the readings."""

from __future__ import annotations

import pandas as pd

from engine import units
from engine.store.read import resources
from pages.resources.charts import ReadingPanel, ReadingSeries
from pages.ui import ages, tiles
from pages.ui.widgets import Tile

RANGES = {"15 min": 900, "1 h": 3_600, "6 h": 21_600, "1 d": 86_400, "7 d": 604_800, "30 d": 2_592_000, "1 y": 31_536_000}
REFRESH = {"15 min": 5, "1 h": 10, "6 h": 30}  # s between two refreshes; longer ranges refresh once per minute
KINDS = {"cpu": "CPU", "memory": "memory", "io": "disk"}  # of pressure
OWNERS = {"host": "set by the host; no container limit is lower", "container": "set by the container (cgroup v2)"}


def refresh_seconds(span: str) -> int:
    """Return the seconds between refreshes of a range; a point of a longer range takes longer to change."""
    return REFRESH.get(span, 60)


def build_resource_tiles(now: pd.DataFrame, clock: int) -> list[Tile]:
    load, available, free, used = (
        tiles.get_reading(now, "host", name) for name in ("load_1m", "memory_available_bytes", "disk_free_bytes", "disk_percent")
    )
    has_pressure = tiles.get_reading(now, "host", "cpu_pressure_percent") is not None
    pressure = tiles.format_reading(now, "host", "cpu_pressure_percent") if has_pressure else "not available"
    by_kind = ", ".join(f"{KINDS[kind]} {tiles.format_reading(now, 'host', f'{kind}_pressure_percent')}" for kind in KINDS)
    return [
        Tile("CPU, host", tiles.format_reading(now, "host", "cpu_percent"), _detail(load, f"load {units.format_number(load, 2)} over 1 min")),
        Tile("CPU, this process", tiles.format_reading(now, "process", "cpu_percent"), "100 % is one processor"),
        Tile(
            "Memory",
            tiles.format_reading(now, *tiles.choose_memory_reading(now)),
            _detail(available, f"{units.format_bytes(available)} available on the host"),
        ),
        Tile("Disk free", units.format_bytes(free, missing=units.NOT_MEASURED), _detail(used, f"{units.format_number(used, 1, '%')} used")),
        Tile("Pressure, last 10 s", pressure, by_kind if has_pressure else "no PSI in this kernel"),
        Tile("Open files", tiles.format_reading(now, "process", "open_files"), tiles.count_reading(now, "process", "threads")),
        Tile("Readings", f"{ages.ticking_age(int(now['at'].max()), clock)} old", f"{len(now)} in each sample"),
    ]


def _detail(value: float | None, words: str) -> str:
    """Return the words on a reading, "" where it is not measured."""
    return "" if value is None else words


def describe_limits(now: pd.DataFrame) -> str:
    """Describe the limits of memory and processors with their owner, and name the graphics cards."""
    memory, cpu = tiles.get_reading(now, None, "memory_limit_bytes"), tiles.get_reading(now, None, "cpu_limit")
    cards = _cards(now)
    gpu = f"Graphics cards: {', '.join(cards)}." if cards else "No GPU found."
    if memory is None or cpu is None:
        return f"Limits: {units.NOT_MEASURED}. {gpu}"
    memory_owner, cpu_owner = (OWNERS.get(tiles.get_reading_source(now, name), "") for name in ("memory_limit_bytes", "cpu_limit"))
    return f"Memory limit {units.format_bytes(memory)}, {memory_owner}. Processor limit {units.format_number(cpu, 1)}, {cpu_owner}. {gpu}"


def describe_resolution(seconds: int) -> str:
    """Describe the resolution of the lines."""
    step = units.format_age(resources.choose_step(seconds))
    return f"Each point is the mean of {step}, the band its lowest and highest reading. Times in UTC; drag to zoom, double-click to reset."


def build_panels(now: pd.DataFrame) -> list[ReadingPanel]:
    """Return the chart panels, without those for which this machine has no readings."""
    available = set(zip(now["source"], now["name"], strict=True))
    container = [ReadingSeries("container", "cpu_percent", "container")] if ("container", "cpu_percent") in available else []
    owner = "container" if ("container", "memory_used_bytes") in available else "host"
    limit = tiles.get_reading_source(now, "memory_limit_bytes")
    return [
        ReadingPanel(
            "CPU",
            (ReadingSeries("host", "cpu_percent", "host", band=True), ReadingSeries("process", "cpu_percent", "this process", band=True), *container),
        ),
        *_pressure(available),
        ReadingPanel(
            "Memory",
            (
                ReadingSeries(owner, "memory_used_bytes", f"used, {owner}", band=True),
                ReadingSeries("process", "rss_bytes", "this process", band=True),
                ReadingSeries(limit, "memory_limit_bytes", f"limit, {limit}"),
            ),
        ),
        ReadingPanel("Disk space", (ReadingSeries("host", "disk_percent", "in use", band=True),)),
        ReadingPanel(
            "Disk traffic",
            (ReadingSeries("host", "disk_read_bytes_per_s", "read"), ReadingSeries("host", "disk_write_bytes_per_s", "written", band=True)),
        ),
        ReadingPanel(
            "Network",
            (ReadingSeries("host", "network_in_bytes_per_s", "in", band=True), ReadingSeries("host", "network_out_bytes_per_s", "out", band=True)),
        ),
        *_graphics(now),
        ReadingPanel(
            "Time per tick, last 500", (ReadingSeries("engine", "tick_p50_ms", "p50"), ReadingSeries("engine", "tick_p99_ms", "p99", band=True))
        ),
        ReadingPanel("Throughput", (ReadingSeries("engine", "decisions_per_s", "decisions", band=True),)),
        ReadingPanel(
            "Errors and fallbacks",
            (ReadingSeries("engine", "errors_last_minute", "errors per minute"), ReadingSeries("engine", "fallbacks", "fallbacks")),
        ),
        ReadingPanel("Data age", (ReadingSeries("engine", "data_age_ms", "since the last tick", band=True),)),
        ReadingPanel("Threads and files", (ReadingSeries("process", "threads", "threads"), ReadingSeries("process", "open_files", "open files"))),
        ReadingPanel(
            "Store",
            (
                ReadingSeries("engine", "store_bytes", "store"),
                ReadingSeries("engine", "temp_bytes", "temporary"),
                ReadingSeries("engine", "log_bytes", "logs"),
            ),
        ),
        ReadingPanel(
            "Pauses",
            (
                ReadingSeries("process", "gc_pause_ms_per_s", "garbage collection per second", band=True),
                ReadingSeries("engine", "store_write_ms", "store write"),
            ),
        ),
    ]


def _pressure(available: set[tuple[str, str]]) -> list[ReadingPanel]:
    kinds = [kind for kind in KINDS if ("host", f"{kind}_pressure_percent") in available]
    return (
        [ReadingPanel("Pressure", tuple(ReadingSeries("host", f"{kind}_pressure_percent", KINDS[kind], band=True) for kind in kinds))]
        if kinds
        else []
    )


def _cards(now: pd.DataFrame) -> list[str]:
    return sorted({str(source) for source in now["source"] if str(source).startswith("gpu")})


def _graphics(now: pd.DataFrame) -> list[ReadingPanel]:
    """Return panels of the use and memory of every graphics card; none without one."""
    cards = _cards(now)
    if not cards:
        return []
    return [
        ReadingPanel("GPU", tuple(ReadingSeries(card, "utilisation_percent", card, band=True) for card in cards)),
        ReadingPanel(
            "GPU memory",
            tuple(
                ReadingSeries(card, name, f"{card} {word}")
                for card in cards
                for name, word in (("memory_used_bytes", "used"), ("process_memory_bytes", "ours"))
            ),
        ),
    ]
