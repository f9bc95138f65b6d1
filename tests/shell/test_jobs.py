"""Jobs: a failing one is logged, named and goes on; stopping waits for the run in hand and is bounded."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from engine.shell.clock import WallClock
from engine.shell.jobs import WORKERS, Jobs, in_one_line
from engine.shell.logs import LOG, close_log, open_log
from engine.store.errors import StoreFailed
from tests.makers import SetClock


class Watching:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.failures: list[tuple[str, str, str]] = []
        self.failure, self.success = Event(), Event()

    def failed(self, component: str, job: str, error: str) -> None:
        self.failures.append((component, job, error))
        self.failure.set()

    def went_well(self, component: str, job: str) -> None:
        self.success.set()


def test_a_job_that_fails_is_named_logged_and_run_again(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    runs: list[int] = []

    def work() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise ZeroDivisionError("no\nsuch luck")

    watch, jobs = Watching(), Jobs(WallClock())
    jobs.start()
    jobs.every(0.05, "probes", "work", work, watch)
    assert watch.failure.wait(10)
    assert watch.success.wait(10)
    assert jobs.stop(5.0)
    close_log(log)
    assert watch.failures[0] == ("probes", "work", "ZeroDivisionError: no such luck")
    assert "Traceback" in (tmp_path / "logs" / "podium.log").read_text(encoding="utf-8")


def test_stopping_waits_for_the_run_in_hand(tmp_path: Path) -> None:
    begun, go_on, ended = Event(), Event(), Event()

    def work() -> None:
        begun.set()
        go_on.wait(10)
        ended.set()

    jobs = Jobs(WallClock())
    jobs.start()
    jobs.once("engine", "work", work, Watching())
    assert begun.wait(10)
    assert not jobs.stop(0.05)
    go_on.set()
    assert jobs.stop(10.0)
    assert ended.is_set()


def test_a_watch_that_fails_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    ran = Event()

    class Broken(Watching):
        def went_well(self, component: str, job: str) -> None:
            ran.set()
            raise StoreFailed("the store is locked")

    jobs = Jobs(WallClock())
    jobs.start()
    jobs.once("engine", "work", lambda: None, Broken())
    assert ran.wait(10)
    ran.clear()
    jobs.once("engine", "work", lambda: None, Broken())
    assert ran.wait(10)
    assert jobs.stop(5.0)


def test_the_log_is_opened_once_however_often_it_is_asked_for(tmp_path: Path) -> None:
    first, second = open_log(tmp_path), open_log(tmp_path)
    assert first is second
    assert LOG.handlers.count(first) == 1
    close_log(first)
    assert first not in logging.getLogger("sqlalchemy").handlers


def test_errors_are_told_in_one_line() -> None:
    assert in_one_line(ValueError("a\n  b")) == "a b"
    assert in_one_line(StoreFailed("the store is locked")) == "the store is locked"
    assert in_one_line(ZeroDivisionError("x")) == "ZeroDivisionError: x"
    assert in_one_line(ValueError()) == "ValueError: "


class Inline(Executor):
    """Runs what it is given at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        fn(*args, **kwargs)
        return Future()


def scheduled(seconds: float) -> tuple[SetClock, Jobs, list[float]]:
    """A clock that is moved by hand, a schedule with one job, and when the job ran, by the monotonic clock."""
    clock, ran = SetClock(), []
    jobs = Jobs(clock, dict.fromkeys(WORKERS, Inline()))
    jobs.every(seconds, "engine", "work", lambda: ran.append(clock.tick()), Watching())
    return clock, jobs, ran


@pytest.mark.parametrize("step", [-4 * 3_600.0, -10.0, 10.0, 4 * 3_600.0])
def test_a_wall_clock_that_is_set_neither_stops_nor_hurries_a_job(step: float) -> None:
    clock, jobs, ran = scheduled(2.0)
    for second in range(20):
        if second == 9:
            clock.wall += step
        jobs.run_due()
        clock.seconds += 1.0
    assert ran == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0]


def test_runs_that_were_missed_are_made_up_for_once_and_the_pace_goes_on() -> None:
    clock, jobs, ran = scheduled(2.0)
    assert jobs.run_due() == 2.0
    clock.seconds = 101.0
    assert jobs.run_due() == 1.0
    jobs.pace("work", 5.0)
    assert jobs.run_due() == 5.0
    assert ran == [0.0, 101.0]
    jobs.drop("work")
    assert jobs.run_due() is None
    with pytest.raises(ValueError, match="no job work"):
        jobs.pace("work", 1.0)


def test_a_job_that_takes_longer_than_its_pace_is_never_run_twice_at_once() -> None:
    clock, depth = SetClock(), [0, 0]
    jobs = Jobs(clock, dict.fromkeys(WORKERS, Inline()))

    def work() -> None:
        depth[0] += 1
        depth[1] = max(depth)
        clock.seconds += 3.0
        jobs.run_due()
        depth[0] -= 1

    jobs.every(1.0, "engine", "work", work, Watching())
    for _ in range(3):
        jobs.run_due()
        clock.seconds += 1.0
    assert depth == [0, 1]


def test_a_run_that_took_longer_is_followed_at_once_by_the_one_it_delayed() -> None:
    clock, ran, slow = SetClock(), [], [0.0, 1.2, 0.0, 3.5, 0.0, 0.0]
    jobs = Jobs(clock, dict.fromkeys(WORKERS, Inline()))

    def work() -> None:
        ran.append(round(clock.seconds, 3))
        clock.seconds += slow[len(ran) - 1]

    jobs.every(1.0, "engine", "work", work, Watching())
    while len(ran) < len(slow):
        before, wait = len(ran), jobs.run_due()
        clock.seconds += wait or 0.0 if len(ran) == before else 0.0
    assert ran == [0.0, 1.0, 2.2, 3.0, 6.5, 7.0]
