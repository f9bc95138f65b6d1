"""The engine's own work, tick by tick."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.domain.optimization import Reading
from engine.probes.engine import EngineProbe

SECOND = 1_000_000_000


def values(work: EngineProbe, at: int) -> dict[str, float]:
    return {reading.name: reading.value for reading in work.read(at, at / SECOND)}


def test_before_the_first_tick_there_are_no_figures() -> None:
    work = EngineProbe()
    assert work.read(5 * SECOND, 0.0) == (Reading(5 * SECOND, "engine", "errors_last_minute", 0.0, "count"),)
    assert work.note() == "waiting for the first tick"


def test_latency_is_a_latency_that_was_measured() -> None:
    work = EngineProbe()
    for tick in range(100):
        work.record_tick(float(tick + 1), 8, 0, float(tick))
    readings = values(work, 100 * SECOND)
    assert (readings["tick_p50_ms"], readings["tick_p99_ms"]) == (50.0, 99.0)


def test_throughput_counts_the_last_minute_up_to_now_so_a_standstill_shows() -> None:
    work = EngineProbe()
    for tick in range(0, 100, 2):
        work.record_tick(1.0, 8, 0, float(tick))
    assert values(work, 98 * SECOND)["decisions_per_s"] == pytest.approx(4.0)
    assert values(work, 128 * SECOND)["decisions_per_s"] == pytest.approx(2.0)
    assert values(work, 1_000 * SECOND)["decisions_per_s"] == 0.0


def test_one_tick_gives_no_throughput() -> None:
    work = EngineProbe()
    work.record_tick(1.0, 8, 0, 1.0)
    assert "decisions_per_s" not in values(work, 60 * SECOND)


def test_fallbacks_errors_and_the_age_of_data() -> None:
    work = EngineProbe()
    work.record_tick(1.0, 8, 0, 1.0)
    work.record_tick(1.0, 8, 2, 2.0, save_ms=0.7)
    work.record_error(3.0)
    readings = values(work, 5 * SECOND)
    assert (readings["fallbacks"], readings["degraded_percent"], readings["errors_last_minute"]) == (2.0, 50.0, 1.0)
    assert readings["data_age_ms"] == pytest.approx(3_000.0)
    assert readings["save_p50_ms"] == 0.7
    assert values(work, 100 * SECOND)["errors_last_minute"] == 0.0


def test_what_is_remembered_is_bounded() -> None:
    work = EngineProbe(ticks=10)
    for tick in range(1_000):
        work.record_tick(float(tick), 8, 0, float(tick))
        work.record_error(float(tick))
    assert values(work, 1_000 * SECOND)["tick_p50_ms"] == 994.0


def test_the_store_is_weighed_with_its_log(tmp_path: Path) -> None:
    store = tmp_path / "podium.db"
    work = EngineProbe(store)
    assert "store_bytes" not in values(work, SECOND)
    store.write_bytes(b"x" * 1_000)
    (tmp_path / "podium.db-wal").write_bytes(b"x" * 500)
    assert values(work, SECOND)["store_bytes"] == 1_500.0


def test_the_newest_tick_is_reported_by_phase_while_it_is_recent() -> None:
    work = EngineProbe()
    work.record_tick(3.0, 8, 0, 1.0, phases=(("market", 1.5), ("risk", 0.5)))
    assert {name: value for name, value in values(work, 2 * SECOND).items() if name == "tick_ms" or name.startswith("phase_")} == {
        "tick_ms": 3.0,
        "phase_market_ms": 1.5,
        "phase_risk_ms": 0.5,
    }
    assert "tick_ms" not in values(work, 100 * SECOND)


def test_waiting_commands_and_the_time_of_a_write_are_reported_once_known() -> None:
    work = EngineProbe()
    assert not {"commands_waiting", "store_write_ms"} & set(values(work, SECOND))
    work.record_waiting(3)
    work.record_write(1.25)
    assert (values(work, SECOND)["commands_waiting"], values(work, SECOND)["store_write_ms"]) == (3.0, 1.25)
