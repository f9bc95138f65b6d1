"""Threads that resolve names outlive errors, and a request that is interrupted again and again still closes its connections."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.live.event_loops import MAX_THREADS, DaemonThreads, RequestInterrupted, interrupt_requests, run_interruptibly

LONGEST = 300.0  # s that a test waits for something


class Fatal(BaseException):
    """An error that no plug-in raises."""


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the end of a thread by an error from being a warning."""
    monkeypatch.setattr(threading, "excepthook", lambda _: None)


@pytest.mark.usefixtures("no_report")
def test_calls_that_end_their_threads_end_their_futures_and_leave_threads_for_others() -> None:
    def fail() -> None:
        raise Fatal

    threads = DaemonThreads()
    failing = [threads.submit(fail) for _ in range(3 * MAX_THREADS)]
    for future in failing:
        with pytest.raises(RuntimeError, match="the thread ended before the call did"):
            future.result(LONGEST)
    assert [threads.submit(int, str(number)).result(LONGEST) for number in range(2 * MAX_THREADS)] == list(range(2 * MAX_THREADS))


def test_an_error_of_a_call_is_that_of_its_future() -> None:
    threads = DaemonThreads()
    with pytest.raises(ValueError, match="invalid literal"):
        threads.submit(int, "x").result(LONGEST)
    assert threads.submit(int, "7").result(LONGEST) == 7


def test_a_request_that_is_interrupted_again_and_again_closes_its_connections() -> None:
    begun, closing, go_on, states = threading.Event(), threading.Event(), threading.Event(), list[str]()

    async def request() -> None:
        try:
            begun.set()
            await asyncio.sleep(LONGEST)
        finally:
            closing.set()
            await asyncio.get_running_loop().run_in_executor(None, go_on.wait, LONGEST)
            states.append("closed")

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_interruptibly, request())
        assert begun.wait(LONGEST)
        interrupt_requests()
        assert closing.wait(LONGEST)
        for _ in range(5):
            interrupt_requests()
        go_on.set()
        with pytest.raises(RequestInterrupted):
            running.result(LONGEST)
    assert states == ["closed"]
