"""What the page Resources shows: its tiles, whose limits hold, and which small charts there are on this machine."""

from __future__ import annotations

import pandas as pd

from engine.store import machine_queries
from pages.parts import ages, glance, units
from pages.parts.charts_machine import Panel, Series
from pages.parts.widgets import Tile

RANGES = {"15 min": 900, "1 h": 3_600, "6 h": 21_600, "1 d": 86_400, "7 d": 604_800, "30 d": 2_592_000, "1 y": 31_536_000}
REFRESH = {"15 min": 5, "1 h": 10, "6 h": 30}  # s between two looks; any longer range is looked at once a minute
KINDS = ("cpu", "memory", "io")
OWNERS = {"host": "the host's, no container limit is lower", "container": "the container's (cgroup v2)"}


def refresh(span: str) -> int:
    """Seconds after which a range is drawn again: a point of a long one takes longer to change than that."""
    return REFRESH.get(span, 60)


def tiles(now: pd.DataFrame, clock: int) -> list[Tile]:
    load, available, free = (glance.value(now, "host", name) for name in ("load_1m", "memory_available_bytes", "disk_free_bytes"))
    waited = ", ".join(f"{kind} {glance.shown(now, 'host', f'{kind}_pressure_percent')}" for kind in KINDS)
    told = glance.value(now, "host", "cpu_pressure_percent") is not None
    return [
        Tile("CPU, host", glance.shown(now, "host", "cpu_percent"), f"load {units.number(load, 2)} over 1 min"),
        Tile("CPU, this process", glance.shown(now, "process", "cpu_percent"), "100 % is one processor"),
        Tile("Memory", glance.shown(now, *glance.memory(now)), f"{units.data(available)} available on the host"),
        Tile("Disk free", units.data(free, missing=units.NOT_MEASURED), f"{glance.shown(now, 'host', 'disk_percent')} used"),
        Tile(
            "Waited, last 10 s",
            glance.shown(now, "host", "cpu_pressure_percent") if told else "not told",
            waited if told else "no PSI in this kernel",
        ),
        Tile("Open files", glance.shown(now, "process", "open_files"), f"{glance.shown(now, 'process', 'threads')} threads"),
        Tile("Readings", f"{ages.since(int(now['at'].max()), clock)} old", f"{len(now)} in each sample"),
    ]


def limits(now: pd.DataFrame) -> str:
    """Whose limits hold, and whether there is a graphics card."""
    memory, cpu = glance.value(now, None, "memory_limit_bytes"), glance.value(now, None, "cpu_limit")
    cards = _cards(now)
    card = f"Graphics cards read: {', '.join(cards)}." if cards else "No GPU found."
    if memory is None or cpu is None:
        return f"Limits: not measured yet. {card}"
    whose, cores = OWNERS.get(glance.source(now, "memory_limit_bytes"), ""), OWNERS.get(glance.source(now, "cpu_limit"), "")
    return f"Memory limit {units.data(memory)}: {whose}. Processor limit {units.number(cpu, 1)}: {cores}. {card}"


def resolution(seconds: int) -> str:
    """What a point of the lines is."""
    step = machine_queries.step_of(seconds)
    return f"A point is the mean of {units.age(step)}, the band its lowest and highest reading. Times in UTC; drag to zoom, double click to go back."


def panels(now: pd.DataFrame) -> list[Panel]:
    """The small charts, without those this machine cannot have."""
    there = set(zip(now["source"], now["name"], strict=True))
    container = [Series("container", "cpu_percent", "container")] if ("container", "cpu_percent") in there else []
    whose = "container" if ("container", "memory_used_bytes") in there else "host"
    limit = glance.source(now, "memory_limit_bytes")
    return [
        Panel("CPU", (Series("host", "cpu_percent", "host", band=True), Series("process", "cpu_percent", "this process", band=True), *container)),
        *_pressure(there),
        Panel(
            "Memory",
            (
                Series(whose, "memory_used_bytes", f"used, {whose}", band=True),
                Series("process", "rss_bytes", "this process", band=True),
                Series(limit, "memory_limit_bytes", f"limit, {limit}'s"),
            ),
        ),
        Panel("Disk space", (Series("host", "disk_percent", "in use", band=True),)),
        Panel("Disk traffic", (Series("host", "disk_read_bytes_per_s", "read"), Series("host", "disk_write_bytes_per_s", "written", band=True))),
        Panel("Network", (Series("host", "network_in_bytes_per_s", "in", band=True), Series("host", "network_out_bytes_per_s", "out", band=True))),
        *_graphics(now),
        Panel("Tick, last 500", (Series("engine", "tick_p50_ms", "p50"), Series("engine", "tick_p99_ms", "p99", band=True))),
        Panel("Throughput", (Series("engine", "decisions_per_s", "decisions", band=True),)),
        Panel("Errors, fallbacks", (Series("engine", "errors_last_minute", "errors a minute"), Series("engine", "fallbacks", "fell back"))),
        Panel("Data age", (Series("engine", "data_age_ms", "since the last tick", band=True),)),
        Panel("Threads, files", (Series("process", "threads", "threads"), Series("process", "open_files", "open files"))),
        Panel(
            "Store", (Series("engine", "store_bytes", "store"), Series("engine", "temp_bytes", "temporary"), Series("engine", "log_bytes", "logs"))
        ),
        Panel("Pauses", (Series("process", "gc_pause_ms_per_s", "garbage, a second", band=True), Series("engine", "store_write_ms", "a write"))),
    ]


def _pressure(there: set[tuple[str, str]]) -> list[Panel]:
    told = [kind for kind in KINDS if ("host", f"{kind}_pressure_percent") in there]
    names = {"cpu": "CPU", "memory": "memory", "io": "disk"}
    return [Panel("Waited for", tuple(Series("host", f"{kind}_pressure_percent", names[kind], band=True) for kind in told))] if told else []


def _cards(now: pd.DataFrame) -> list[str]:
    return sorted({str(source) for source in now["source"] if str(source).startswith("gpu")})


def _graphics(now: pd.DataFrame) -> list[Panel]:
    """Use, memory and heat of every card; nothing without one."""
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
