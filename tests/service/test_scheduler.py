"""Jobs: a failing one is logged, reported and goes on; stopping waits for the current run, within bounds."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from apscheduler.events import EVENT_JOB_MAX_INSTANCES, JobSubmissionEvent

from engine.domain.ports import Clock
from engine.service.clock import WallClock
from engine.service.logging import LOG, close_log, open_log
from engine.service.scheduler import JobScheduler, MonotonicScheduler, describe_error
from engine.store.errors import StoreError
from tests.makers import SetClock

DUE = datetime(2030, 1, 1, tzinfo=UTC)


class Watching:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.failures: list[tuple[str, str, str]] = []
        self.failure, self.success = Event(), Event()

    def on_failure(self, component: str, job: str, error: str) -> None:
        self.failures.append((component, job, error))
        self.failure.set()

    def on_success(self, component: str, job: str) -> None:
        self.success.set()


def test_a_job_that_fails_is_named_logged_and_run_again(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    runs: list[int] = []

    def work() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise ZeroDivisionError("no\nsuch luck")

    watch, jobs = Watching(), JobScheduler(WallClock())
    jobs.start()
    jobs.run_every(0.05, "probes", "work", work, watch)
    assert watch.failure.wait(300.0)
    assert watch.success.wait(300.0)
    assert jobs.stop(300.0)
    close_log(log)
    assert watch.failures[0] == ("probes", "work", "ZeroDivisionError: no such luck")
    assert "Traceback" in (tmp_path / "logs" / "podium.log").read_text(encoding="utf-8")


def test_stopping_waits_for_the_run_in_hand(tmp_path: Path) -> None:
    begun, go_on, ended = Event(), Event(), Event()

    def work() -> None:
        begun.set()
        go_on.wait(300.0)
        ended.set()

    jobs = JobScheduler(WallClock())
    jobs.start()
    jobs.run_once("engine", "work", work, Watching())
    assert begun.wait(300.0)
    assert not jobs.stop(0.05)
    go_on.set()
    assert jobs.stop(300.0)
    assert ended.is_set()


def test_a_watch_that_fails_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    ran = Event()

    class Broken(Watching):
        def on_success(self, component: str, job: str) -> None:
            ran.set()
            raise StoreError("the store is locked")

    jobs = JobScheduler(WallClock())
    jobs.start()
    jobs.run_once("engine", "work", lambda: None, Broken())
    assert ran.wait(300.0)
    ran.clear()
    jobs.run_once("engine", "work", lambda: None, Broken())
    assert ran.wait(300.0)
    assert jobs.stop(300.0)


def test_the_log_is_opened_once_however_often_it_is_asked_for(tmp_path: Path) -> None:
    first, second = open_log(tmp_path), open_log(tmp_path)
    assert first is second
    assert LOG.handlers.count(first) == 1
    close_log(first)
    assert first not in logging.getLogger("sqlalchemy").handlers


def test_errors_are_told_in_one_line() -> None:
    assert describe_error(ValueError("a\n  b")) == "a b"
    assert describe_error(StoreError("the store is locked")) == "the store is locked"
    assert describe_error(ZeroDivisionError("x")) == "ZeroDivisionError: x"
    assert describe_error(ValueError()) == "ValueError: "


def paused(clock: Clock) -> MonotonicScheduler:
    """A scheduler that runs nothing, with a job due in 60 s and one that is not scheduled."""
    scheduler = MonotonicScheduler(clock, timezone=UTC)
    scheduler.start(paused=True)
    scheduler.add_job(print, "interval", seconds=60, id="work", next_run_time=DUE)
    scheduler.add_job(print, "interval", seconds=60, id="held", next_run_time=None)
    return scheduler


@pytest.mark.parametrize("step", [-4 * 3_600.0, -10.0, 10.0, 4 * 3_600.0])
def test_when_the_wall_clock_is_set_every_job_moves_along(step: float) -> None:
    clock = SetClock()
    scheduler = paused(clock)
    clock.seconds += 7.0
    clock.wall += step
    for _ in range(2):  # a step is followed once
        scheduler.follow_clock()
        assert scheduler.get_job("work").next_run_time == DUE + timedelta(seconds=step)
        assert scheduler.get_job("held").next_run_time is None
    clock.wall -= step
    scheduler.follow_clock()
    assert scheduler.get_job("work").next_run_time == DUE
    scheduler.shutdown(wait=False)


def test_a_clock_that_is_slewed_is_followed_once_it_has_come_far() -> None:
    clock = SetClock()
    scheduler = paused(clock)
    moved = []
    for _ in range(10):
        clock.wall += 0.0625
        scheduler.follow_clock()
        moved.append((scheduler.get_job("work").next_run_time - DUE).total_seconds())
    assert moved == [0.0] * 7 + [0.5] * 3
    scheduler.shutdown(wait=False)


def test_a_scheduler_follows_the_clock_at_every_round() -> None:
    """With a clock that is set before the only round: the job, an hour off by the wall clock, has become due."""
    clock, ran = SetClock(), Event()
    scheduler = MonotonicScheduler(clock, timezone=UTC)
    scheduler.start(paused=True)
    scheduler.add_job(ran.set, "interval", seconds=3_600, misfire_grace_time=None)
    clock.wall -= 3_601.0
    scheduler.resume()
    assert ran.wait(300.0)
    scheduler.shutdown()


def test_a_run_that_is_late_follows_at_once() -> None:
    """The second run begins while the scheduler, 60 s a round, has nothing due: it is the one that was missed during the first."""
    jobs, runs, again = JobScheduler(WallClock()), list[int](), Event()
    begun, missed = Event(), Event()

    def work() -> None:
        runs.append(1)
        begun.set()
        if len(runs) == 1:
            assert missed.wait(300.0)
        else:
            again.set()

    jobs.start()
    jobs.run_every(60.0, "engine", "work", work, Watching())
    assert begun.wait(300.0)
    jobs._note_late(JobSubmissionEvent(EVENT_JOB_MAX_INSTANCES, "work", "default", []))
    missed.set()
    assert again.wait(300.0)
    assert jobs.stop(300.0)
    assert len(runs) == 2
