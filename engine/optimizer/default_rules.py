"""The default rules."""

from __future__ import annotations

from collections.abc import Iterable

from engine.domain.rules import ERROR, PERFORMANCE, SCHEDULE, THRESHOLD, Rule

_MEMORY = ("collect_garbage", "clear_caches", "compact_data")
_CPU = ("resize_threads", "slow_polling", "cheaper_models")
_DISK = ("delete_temp", "compress_logs", "trim_cache", "tune_database")
_STORE = ("tune_database", "tune_batch")
_MB = 1e6

DEFAULT_RULES: tuple[Rule, ...] = (
    Rule("host_memory", THRESHOLD, "host.memory_percent", _MEMORY, "The host is running out of memory.", level=90.0, recovery=80.0),
    Rule("container_memory", THRESHOLD, "container.memory_percent", _MEMORY, "The container nears its memory limit.", level=85.0, recovery=75.0),
    Rule(
        "memory_growth", THRESHOLD, "process.rss_bytes", _MEMORY, "This process keeps growing.",
        level=200.0 * _MB, recovery=50.0 * _MB, growth=True, span=1_800.0, hold=120.0, cooldown=1_800.0,
    ),
    Rule("host_cpu", THRESHOLD, "host.cpu_percent", _CPU, "The host's processors are busy.", level=90.0, recovery=70.0, hold=60.0),
    Rule("container_cpu", THRESHOLD, "container.cpu_percent", _CPU, "The container nears its processor limit.", level=90.0, recovery=70.0, hold=60.0),
    Rule(
        "container_throttled", THRESHOLD, "container.cpu_throttled_percent", _CPU, "The container is throttled at its processor limit.",
        level=20.0, recovery=5.0,
    ),
    Rule("disk_full", THRESHOLD, "host.disk_percent", _DISK, "The store's disk is filling up.", level=90.0, recovery=85.0, cooldown=900.0),
    Rule("cpu_pressure", THRESHOLD, "host.cpu_pressure_percent", _CPU, "Tasks are waiting for a processor.", level=40.0, recovery=20.0),
    Rule("memory_pressure", THRESHOLD, "host.memory_pressure_percent", _MEMORY, "Tasks are waiting for memory.", level=10.0, recovery=2.0, hold=10.0),
    Rule("io_pressure", THRESHOLD, "host.io_pressure_percent", _STORE, "Tasks are waiting for the disk.", level=30.0, recovery=10.0),
    Rule(
        "tick_slower", PERFORMANCE, "engine.tick_ms", (*_CPU, "collect_garbage", "compact_data", "tune_batch"),
        "Ticks take longer than before.", cooldown=600.0,
    ),
    Rule(
        "tick_p99", THRESHOLD, "engine.tick_p99_ms", (*_CPU, "collect_garbage"), "The slowest tick in a hundred takes too long.",
        level=1_000.0, recovery=500.0, hold=60.0, cooldown=900.0,
    ),
    Rule(
        "saving_slower", PERFORMANCE, "engine.store_write_ms", _STORE, "The store takes longer to write than before.", cooldown=600.0,
    ),
    Rule(
        "tick_errors", ERROR, "engine.errors_last_minute", ("recover_component",), "Ticks fail.",
        level=0.5, recovery=0.0, span=60.0, hold=0.0,
    ),
    Rule(
        "fallbacks", ERROR, "engine.degraded_percent", ("recover_component", "cheaper_models"), "Phases fall back.",
        level=1.0, recovery=0.2, span=60.0, hold=0.0, cooldown=900.0,
    ),
    Rule("store_size", THRESHOLD, "engine.store_bytes", _STORE, "The store is large.", level=1_900.0 * _MB, recovery=1_700.0 * _MB, cooldown=3_600.0),
    Rule("temp_folder", THRESHOLD, "engine.temp_bytes", ("delete_temp",), "The temporary folder is large.", level=200.0 * _MB, recovery=100.0 * _MB,
         missing=300.0, hold=60.0, cooldown=900.0),
    Rule("log_folder", THRESHOLD, "engine.log_bytes", ("compress_logs",), "The log folder is large.", level=100.0 * _MB, recovery=50.0 * _MB,
         missing=300.0, hold=60.0, cooldown=900.0),
    Rule("nightly", SCHEDULE, "", ("tune_database", "trim_cache", "compress_logs", "delete_temp"), "Housekeeping at night.", cron="30 3 * * *"),
)  # fmt: skip


def merge_rules(*changes: Iterable[Rule]) -> tuple[Rule, ...]:
    """The default rules, with changed rules in the place of those of the same name (later changes win) and new rules added."""
    rules = {rule.name: rule for rule in DEFAULT_RULES}
    for changed in changes:
        rules |= {rule.name: rule for rule in changed}
    return tuple(rules.values())
