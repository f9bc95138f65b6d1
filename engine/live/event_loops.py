"""Event loops that a stop ends at once, though an exchange or a resolver of names never answers."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from engine.domain.model import PLUGIN_ERRORS

MAX_THREADS = 6  # that resolve names at once
T = TypeVar("T")


class DaemonThreads(ThreadPoolExecutor):
    """Threads for a loop's default executor, which the end of the loop and of the process does not wait for.

    asyncio resolves names there: a call of getaddrinfo cannot be interrupted, and may last for as long as a resolver gives no answer. A thread ends
    when there is no more work.
    """

    def __init__(self) -> None:
        super().__init__(MAX_THREADS)
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._count, self._guard = 0, threading.Lock()

    def submit(self, fn: Callable[..., T], /, *arguments: Any, **named: Any) -> Future[T]:
        """Call `fn` in a thread, as soon as one is free."""
        future: Future[T] = Future()
        with self._guard:
            self._waiting.append((future, partial(fn, *arguments, **named)))
            is_new = self._count < MAX_THREADS
            self._count += is_new
        if is_new:
            self._start_thread()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 - as the base class has it
        """Forget the work that has not begun; the threads are not waited for, whatever is wanted."""
        with self._guard:
            waiting, self._waiting = self._waiting, deque()
        for future, _ in waiting:
            future.cancel()

    def _start_thread(self) -> None:
        threading.Thread(target=self._work, name="names", daemon=True).start()  # noqa: TID251 - an executor's threads are joined at the end

    def _work(self) -> None:
        is_over = False
        try:
            while (work := self._take()) is not None:
                _carry_out(*work)
            is_over = True
        finally:
            if not is_over:
                self._replace_thread()

    def _take(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        """The next work; None where there is none, and the thread counts no longer."""
        with self._guard:
            if self._waiting:
                return self._waiting.popleft()
            self._count -= 1
            return None

    def _replace_thread(self) -> None:
        """After an error that has ended a thread: let another do what waits."""
        with self._guard:
            is_needed = bool(self._waiting)
            self._count -= not is_needed
        if is_needed:
            self._start_thread()


def _carry_out(future: Future[Any], call: Callable[[], Any]) -> None:
    """Call, and give the result to the future, which ends in any case."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(call())
    except PLUGIN_ERRORS as error:
        future.set_exception(error)
    finally:
        if not future.done():
            future.set_exception(RuntimeError("the thread ended before the call did"))


class RequestInterrupted(ValueError):
    """A stop has ended a request."""


_RUNNING: set[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = set()
_GUARD = threading.Lock()


def run_interruptibly(work: Coroutine[Any, Any, T]) -> T:
    """Run in an event loop of this thread, or of another where this thread's is running; a signal ends the former at once.

    Raises RequestInterrupted after `interrupt_requests`.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run(work)
    with ThreadPoolExecutor(1, thread_name_prefix="markets") as pool:
        return pool.submit(_run, work).result()


def interrupt_requests() -> None:
    """End what `run_interruptibly` runs now, in any thread."""
    with _GUARD:
        running = list(_RUNNING)
        _RUNNING.clear()  # a second cancellation would end what a task does to close its connections
    for loop, task in running:
        with contextlib.suppress(RuntimeError):  # it has ended
            loop.call_soon_threadsafe(task.cancel)


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(_register(work))
    except asyncio.CancelledError:
        raise RequestInterrupted("a stop has ended the request") from None


async def _register(work: Coroutine[Any, Any, T]) -> T:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    loop.set_default_executor(DaemonThreads())
    with _GUARD:
        _RUNNING.add((loop, task))
    try:
        return await work
    finally:
        with _GUARD:
            _RUNNING.discard((loop, task))
