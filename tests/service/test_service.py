"""The engine service: commands between ticks, the progress that it reports, and the states that raise no alert."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from engine.domain.trading_config import Command
from engine.service.bootstrap import build_service
from engine.service.lease import Lease
from engine.service.scheduler import JobScheduler
from engine.settings import Settings
from engine.store.connection import Store
from engine.store.inbox import Inbox
from tests.makers import SetClock, simulated

BARS = 12


class Scene:
    """A service on a market of 12 bars, whose jobs are never started: it does what it is told to, by a clock that is moved by hand."""

    def __init__(self, home: Path) -> None:
        self.url = f"sqlite:///{home}/podium.db"
        self.clock = SetClock()
        self.settings = Settings(str(home), self.url, models=("ridge",), threads=0, tick_interval_seconds=2.0)
        self.lease = Lease(self.url)
        assert self.lease.acquire(self.clock.now(), 0.0)
        self.service = build_service(self.settings, simulated(BARS, symbols=2), self.clock, self.lease.holder_id)
        self.jobs = JobScheduler(self.clock)
        self.service.schedule_jobs(self.jobs)
        self.inbox = Inbox(self.url)
        self.store = Store(self.url, None)

    def submit(self, name: str, **args: str) -> int:
        return self.inbox.submit(name, args, "ann", "a test", self.clock.now())

    def status(self, number: int) -> str:
        record = self.inbox.get(number)
        assert record is not None
        return record.status

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.store.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def close(self) -> None:
        self.service.close()
        self.lease.release()
        self.lease.close()
        self.store.close()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.close()


def test_a_command_is_queued_until_the_tick_in_hand_is_over_and_what_needs_no_engine_is_not(scene: Scene) -> None:
    silence, pause = scene.submit("silence", rule="all", minutes="5"), scene.submit("pause")
    with ThreadPoolExecutor(1) as pool:
        with scene.service._lock.tick():
            running = pool.submit(scene.service.process_commands, scene.jobs)
            while scene.status(silence) != "done":
                sleep(0.001)
            assert scene.status(pause) == "queued", "it has not begun, so nobody is to be told that it runs"
        running.result(300.0)
    assert scene.status(pause) == "done"


def test_every_command_between_two_ticks_is_obeyed_the_oldest_first(scene: Scene) -> None:
    numbers = [scene.submit(name) for name in ("pause", "resume", "flatten", "resume", "pause")]
    scene.service.process_commands(scene.jobs)
    scene.service.run_ticks()
    assert [scene.status(number) for number in numbers] == ["done"] * 5
    ((events,),) = scene.rows("SELECT events FROM ticks")
    places = [events.index(word) for word in ('"pause"', '"resume"', '"flatten"')]
    assert places == sorted(places)


def test_progress_is_by_the_monotonic_clock(scene: Scene) -> None:
    scene.clock.seconds += 30.0
    scene.clock.wall -= 4 * 3_600.0
    before = scene.service._parts.tracker.progress()
    assert (before.up_seconds, before.silent_seconds, before.tick_interval_seconds) == (30.0, None, 2.0)
    scene.service.run_ticks()
    scene.clock.seconds += 3.0
    scene.clock.wall += 9 * 3_600.0
    after = scene.service._parts.tracker.progress()
    assert (after.up_seconds, after.silent_seconds, after.is_warming_up, after.is_training) == (33.0, 3.0, False, False)


def test_a_drill_before_the_first_tick_is_refused_and_proves_nothing_to_be_wrong(scene: Scene) -> None:
    answer = scene.service._alerting.handle_drill(Command(1, "drill", (), "ann", ""))
    assert str(answer["error"]).startswith("no tick has been decided yet")
    assert scene.rows("SELECT * FROM drills") == []


def test_a_recording_that_has_ended_is_no_alert(scene: Scene) -> None:
    for _ in range(BARS + 1):
        scene.service.run_ticks()
    assert scene.service.ended.is_set()
    scene.service.components.write_all()
    assert scene.rows("SELECT state FROM components WHERE component = 'feed'") == [("degraded",)]
    assert scene.rows("SELECT rule FROM alerts WHERE state = 'open'") == []
    scene.clock.seconds += 60.0
    scene.service._alerting.evaluate()
    assert scene.rows("SELECT rule FROM alerts WHERE state = 'open'") == []


def test_a_pause_is_no_alert(scene: Scene) -> None:
    scene.submit("pause")
    scene.service.process_commands(scene.jobs)
    scene.service.run_ticks()
    for _ in range(3):
        scene.clock.seconds += 2.0
        scene.service._alerting.evaluate()
    assert scene.rows("SELECT rule FROM alerts WHERE state = 'open'") == []
