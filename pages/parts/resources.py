"""Tiles, limits and chart panels of the page Resources, as far as this machine has the readings."""

from __future__ import annotations

import pandas as pd

from engine.store import machine_queries
from pages.parts import ages, glance, units
from pages.parts.charts_machine import Panel, Series
from pages.parts.widgets import Tile

RANGES = {"15 min": 900, "1 h": 3_600, "6 h": 21_600, "1 d": 86_400, "7 d": 604_800, "30 d": 2_592_000, "1 y": 31_536_000}
REFRESH = {"15 min": 5, "1 h": 10, "6 h": 30}  # s between two refreshes; longer ranges refresh once per minute
KINDS = {"cpu": "CPU", "memory": "memory", "io": "disk"}  # of pressure
OWNERS = {"host": "set by the host; no container limit is lower", "container": "set by the container (cgroup v2)"}


def refresh(span: str) -> int:
    """Return the seconds between refreshes of a range; a point of a longer range takes longer to change."""
    return REFRESH.get(span, 60)


def tiles(now: pd.DataFrame, clock: int) -> list[Tile]:
    load, available, free = (glance.value(now, "host", name) for name in ("load_1m", "memory_available_bytes", "disk_free_bytes"))
    has_pressure = glance.value(now, "host", "cpu_pressure_percent") is not None
    pressure = glance.shown(now, "host", "cpu_pressure_percent") if has_pressure else "not available"
    by_kind = ", ".join(f"{KINDS[kind]} {glance.shown(now, 'host', f'{kind}_pressure_percent')}" for kind in KINDS)
    return [
        Tile("CPU, host", glance.shown(now, "host", "cpu_percent"), f"load {units.number(load, 2)} over 1 min"),
        Tile("CPU, this process", glance.shown(now, "process", "cpu_percent"), "100 % is one processor"),
        Tile("Memory", glance.shown(now, *glance.memory(now)), f"{units.data(available)} available on the host"),
        Tile("Disk free", units.data(free, missing=units.NOT_MEASURED), f"{glance.shown(now, 'host', 'disk_percent')} used"),
        Tile("Pressure, last 10 s", pressure, by_kind if has_pressure else "no PSI in this kernel"),
        Tile("Open files", glance.shown(now, "process", "open_files"), f"{glance.shown(now, 'process', 'threads')} threads"),
        Tile("Readings", f"{ages.since(int(now['at'].max()), clock)} old", f"{len(now)} in each sample"),
    ]


def limits(now: pd.DataFrame) -> str:
    """Describe the limits of memory and processors with their owner, and name the graphics cards."""
    memory, cpu = glance.value(now, None, "memory_limit_bytes"), glance.value(now, None, "cpu_limit")
    cards = _cards(now)
    gpu = f"Graphics cards: {', '.join(cards)}." if cards else "No GPU found."
    if memory is None or cpu is None:
        return f"Limits: {units.NOT_MEASURED}. {gpu}"
    memory_owner, cpu_owner = (OWNERS.get(glance.source(now, name), "") for name in ("memory_limit_bytes", "cpu_limit"))
    return f"Memory limit {units.data(memory)}, {memory_owner}. Processor limit {units.number(cpu, 1)}, {cpu_owner}. {gpu}"


def resolution(seconds: int) -> str:
    """Describe the resolution of the lines."""
    step = units.age(machine_queries.step_of(seconds))
    return f"Each point is the mean of {step}, the band its lowest and highest reading. Times in UTC; drag to zoom, double-click to reset."


def panels(now: pd.DataFrame) -> list[Panel]:
    """Return the chart panels, without those for which this machine has no readings."""
    available = set(zip(now["source"], now["name"], strict=True))
    container = [Series("container", "cpu_percent", "container")] if ("container", "cpu_percent") in available else []
    owner = "container" if ("container", "memory_used_bytes") in available else "host"
    limit = glance.source(now, "memory_limit_bytes")
    return [
        Panel("CPU", (Series("host", "cpu_percent", "host", band=True), Series("process", "cpu_percent", "this process", band=True), *container)),
        *_pressure(available),
        Panel(
            "Memory",
            (
                Series(owner, "memory_used_bytes", f"used, {owner}", band=True),
                Series("process", "rss_bytes", "this process", band=True),
                Series(limit, "memory_limit_bytes", f"limit, {limit}"),
            ),
        ),
        Panel("Disk space", (Series("host", "disk_percent", "in use", band=True),)),
        Panel("Disk traffic", (Series("host", "disk_read_bytes_per_s", "read"), Series("host", "disk_write_bytes_per_s", "written", band=True))),
        Panel("Network", (Series("host", "network_in_bytes_per_s", "in", band=True), Series("host", "network_out_bytes_per_s", "out", band=True))),
        *_graphics(now),
        Panel("Time per tick, last 500", (Series("engine", "tick_p50_ms", "p50"), Series("engine", "tick_p99_ms", "p99", band=True))),
        Panel("Throughput", (Series("engine", "decisions_per_s", "decisions", band=True),)),
        Panel("Errors and fallbacks", (Series("engine", "errors_last_minute", "errors per minute"), Series("engine", "fallbacks", "fallbacks"))),
        Panel("Data age", (Series("engine", "data_age_ms", "since the last tick", band=True),)),
        Panel("Threads and files", (Series("process", "threads", "threads"), Series("process", "open_files", "open files"))),
        Panel(
            "Store", (Series("engine", "store_bytes", "store"), Series("engine", "temp_bytes", "temporary"), Series("engine", "log_bytes", "logs"))
        ),
        Panel(
            "Pauses",
            (Series("process", "gc_pause_ms_per_s", "garbage collection per second", band=True), Series("engine", "store_write_ms", "store write")),
        ),
    ]


def _pressure(available: set[tuple[str, str]]) -> list[Panel]:
    kinds = [kind for kind in KINDS if ("host", f"{kind}_pressure_percent") in available]
    return [Panel("Pressure", tuple(Series("host", f"{kind}_pressure_percent", KINDS[kind], band=True) for kind in kinds))] if kinds else []


def _cards(now: pd.DataFrame) -> list[str]:
    return sorted({str(source) for source in now["source"] if str(source).startswith("gpu")})


def _graphics(now: pd.DataFrame) -> list[Panel]:
    """Return panels of the use and memory of every graphics card; none without one."""
    cards = _cards(now)
    if not cards:
        return []
    return [
        Panel("GPU", tuple(Series(card, "utilisation_percent", card, band=True) for card in cards)),
        Panel(
            "GPU memory",
            tuple(
                Series(card, name, f"{card} {word}")
                for card in cards
                for name, word in (("memory_used_bytes", "used"), ("process_memory_bytes", "ours"))
            ),
        ),
    ]
