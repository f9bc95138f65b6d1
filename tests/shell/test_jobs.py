"""Jobs: a failing one is logged, named and goes on; stopping waits for the run in hand and is bounded."""

from __future__ import annotations

import logging
from pathlib import Path
from threading import Event

import pytest

from engine.shell.clock import WallClock
from engine.shell.jobs import Jobs, in_one_line
from engine.shell.logs import LOG, close_log, open_log
from engine.store.errors import StoreFailed


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
    assert first not in logging.getLogger("apscheduler").handlers


def test_errors_are_told_in_one_line() -> None:
    assert in_one_line(ValueError("a\n  b")) == "a b"
    assert in_one_line(StoreFailed("the store is locked")) == "the store is locked"
    assert in_one_line(ZeroDivisionError("x")) == "ZeroDivisionError: x"
    assert in_one_line(ValueError()) == "ValueError: "
