"""The monitor of the machine: one sample per second, written every few seconds, and the newest available to each tick."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from engine.domain.optimization import Reading
from engine.probes.engine import EngineProbe
from engine.probes.gc_pauses import GcPauses
from engine.service.monitor import DECISION_READINGS, FRESH_SECONDS, MAX_PENDING_SAMPLES, WRITE_SECONDS, Monitor
from engine.store.errors import StoreError
from tests.makers import engine, play, simulated

SECOND = 1_000_000_000


@dataclass
class Scene:
    """A clock, a machine and a store moved by hand."""

    seconds: float = 1_000.0
    silent: bool = False
    locked: bool = False
    stored: list[Reading] = field(default_factory=list)
    writes: int = 0

    def __post_init__(self) -> None:
        self.pauses = GcPauses(self.tick)

    def now(self) -> int:
        return int(self.seconds * SECOND)

    def tick(self) -> float:
        return self.seconds

    def read(self) -> tuple[Reading, ...]:
        return (
            ()
            if self.silent
            else (Reading(self.now(), "host", "cpu_percent", self.seconds, "%"), Reading(self.now(), "process", "threads", 7.0, "count"))
        )

    def save_readings(self, readings: Sequence[Reading]) -> None:
        if self.locked:
            raise StoreError("locked")
        self.writes += 1
        self.stored += readings


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.pauses.close()


def watch(scene: Scene, work: EngineProbe | None = None) -> Monitor:
    return Monitor(scene, scene, scene, work or EngineProbe(), lambda: 4)


def seconds_of(readings: list[Reading]) -> list[float]:
    return [reading.value for reading in readings if reading.name == "cpu_percent"]


def test_every_sample_is_written_once_a_few_seconds_at_a_time_and_the_first_at_once(scene: Scene) -> None:
    monitor = watch(scene)
    monitor.sample()
    assert scene.writes == 1
    for _ in range(20):
        scene.seconds += 1
        monitor.sample()
    assert scene.writes == 1 + 20 / WRITE_SECONDS
    assert seconds_of(scene.stored) == [1_000.0 + second for second in range(21)]
    scene.seconds += 1
    monitor.sample()
    monitor.write()
    assert seconds_of(scene.stored)[-1] == scene.seconds, "what waits is written when it ends"


def test_what_a_locked_store_did_not_take_is_written_when_it_does_and_what_waits_is_bounded(scene: Scene) -> None:
    monitor = watch(scene)
    scene.locked = True
    failed = 0
    for _ in range(MAX_PENDING_SAMPLES + 50):
        scene.seconds += 1
        try:
            monitor.sample()
        except StoreError:
            failed += 1
    assert failed == pytest.approx((MAX_PENDING_SAMPLES + 50) / WRITE_SECONDS, abs=1)
    scene.locked = False
    monitor.write()
    assert seconds_of(scene.stored) == [scene.seconds - back for back in range(MAX_PENDING_SAMPLES - 1, -1, -1)]


def test_the_newest_sample_is_at_hand_before_it_is_written(scene: Scene) -> None:
    monitor = watch(scene)
    monitor.sample()
    scene.seconds += 1
    monitor.sample()
    assert monitor.newest["host.cpu_percent"].value == scene.seconds
    assert seconds_of(scene.stored) == [1_000.0]


def test_the_engines_work_learns_what_a_write_took_and_how_many_commands_wait(scene: Scene) -> None:
    work = EngineProbe()
    watch(scene, work).sample()
    assert {reading.name for reading in work.read(scene.now(), 0.0)} >= {"store_write_ms", "commands_waiting"}


def test_a_tick_is_told_the_machine_as_it_is_and_nothing_that_is_not_known(scene: Scene) -> None:
    gc.disable()
    work = EngineProbe()
    monitor = watch(scene, work)
    before = json.loads(monitor.machine_json())
    assert set(before) == {*DECISION_READINGS, "process.gc_pause_ms", "engine.data_age_ms"}
    assert [name for name, value in before.items() if value is not None] == ["process.gc_pause_ms"]
    monitor.sample()
    work.record_tick(1.0, 8, 0, scene.tick() - 2.0)
    values = json.loads(monitor.machine_json())
    assert (values["host.cpu_percent"], values["process.threads"], values["engine.data_age_ms"]) == (1_000.0, 7.0, 2_000.0)
    assert values["host.memory_pressure_percent"] is None
    assert values["process.gc_pause_ms"] == 0.0
    scene.pauses.total += 0.005
    assert json.loads(monitor.machine_json())["process.gc_pause_ms"] == pytest.approx(5.0)
    assert json.loads(monitor.machine_json())["process.gc_pause_ms"] == 0.0, "since the tick before"
    gc.enable()


def test_a_sample_that_is_too_old_is_not_told_as_the_machine_of_now(scene: Scene) -> None:
    monitor = watch(scene)
    monitor.sample()
    scene.silent = True  # every source fails from here on
    scene.seconds += FRESH_SECONDS + 1
    monitor.sample()
    assert json.loads(monitor.machine_json())["host.cpu_percent"] is None


def test_the_machine_is_kept_beside_a_tick_and_changes_nothing_that_is_decided(scene: Scene) -> None:
    plain, watched = engine(simulated(30, symbols=2)), engine(simulated(30, symbols=2))
    monitor = watch(scene)
    monitor.sample()
    watched.read_machine = monitor.machine_json
    pairs = list(zip(play(plain, 30), play(watched, 30), strict=True))
    assert len(pairs) == 30
    for first, second in pairs:
        assert first.machine is None
        assert json.loads(second.machine or "{}")["host.cpu_percent"] == 1_000.0
        assert first.decisions_digest == second.decisions_digest
        assert first.outcome.digest() == second.outcome.digest()
        assert first.inputs.digest() == second.inputs.digest()


def test_with_nothing_to_read_and_nowhere_to_write_ticks_go_on(scene: Scene) -> None:
    scene.silent = scene.locked = True
    monitor = watch(scene)
    watched = engine(simulated(10, symbols=2))
    watched.read_machine = monitor.machine_json
    for _ in range(10):
        scene.seconds += 1
        monitor.sample()
        tick = watched.step()
        assert tick is not None
        assert not tick.outcome.degraded
        assert json.loads(tick.machine or "{}")["host.cpu_percent"] is None
