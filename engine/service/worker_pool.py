"""The worker processes in which models are trained: low priority, and they never outlive the engine."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.process import BaseProcess
from threading import RLock
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

from engine.service import process_memory

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
MAX_DEATHS = 2  # of its workers, the last one alone, before work is given up
_LOWER = 5  # nice: training gives way to ticks
P = ParamSpec("P")
T = TypeVar("T")


def _ignore(_: str) -> None:
    """No observer."""


@dataclass(eq=False, slots=True)
class _Work:
    """Submitted work, and how many workers died of it."""

    run: Callable[[], Any]
    future: Future[Any] = field(default_factory=Future)
    deaths: int = 0


class WorkerPool(Executor):
    """A pool of fresh processes (nothing is forked from a process with threads) that is reopened when one was killed.

    The interrupted work is then repeated one by one, so that work that kills its worker is identified: it fails, and the rest is done.
    """

    def __init__(self, count: int = 1, *, on_failure: Callable[[str], None] = _ignore, on_recovery: Callable[[str], None] = _ignore) -> None:
        self._count = count
        self._pool: ProcessPoolExecutor | None = None
        self._outgoing: list[BaseProcess] = []  # of former pools, with work under way
        self._aftermath = ThreadPoolExecutor(1, "broken pool")  # has no thread without work
        self._lock = RLock()
        self._on_failure, self._on_recovery = on_failure, on_recovery
        self._suspects: deque[_Work] = deque()
        self._alone: _Work | None = None  # the suspect that runs now
        self._closed = False
        self.last_error: str | None = None  # of the last work, None where it succeeded

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Submit work to a worker; raises RuntimeError only after `close`."""
        if self._closed:
            raise RuntimeError("the workers are closed")
        work = _Work(partial(fn, *args, **kwargs))
        self._start(work)
        return work.future

    @property
    def count(self) -> int:
        """The number of parallel processes."""
        return self._count

    def resize(self, count: int) -> None:
        """Change the number of processes for new work; work under way ends in its process."""
        if count != self._count:
            self._replace_pool(count)

    def reopen(self) -> str:
        """Open a new pool for new work; work under way ends in the old one."""
        self.last_error = None
        self._replace_pool(self._count)
        return "its worker processes are reopened"

    def close(self) -> None:
        """Terminate the workers at once, those of former pools too; the next start repeats an interrupted training."""
        with self._lock:
            self._closed = True
            pool, self._pool = self._pool, None
            processes, self._outgoing = self._outgoing + _find_processes(pool), []
            left, self._suspects = list(self._suspects), deque()
        for work in left:
            work.future.cancel()
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(5.0)

    def _replace_pool(self, count: int) -> None:
        """Let the next work open a pool of so many processes; remember those of the old pool, which forgets them."""
        with self._lock:
            pool, self._pool = self._pool, None
            self._count = count
            self._outgoing = [process for process in self._outgoing if process.is_alive()] + _find_processes(pool)
        if pool is not None:
            pool.shutdown(wait=False)

    def _start(self, work: _Work) -> None:
        with self._lock, _nothing_to_run_again():
            if self._closed:
                work.future.cancel()
                return
            try:
                inner = self._open().submit(work.run)
            except BrokenProcessPool:
                self._pool = None
                inner = self._open().submit(work.run)
        inner.add_done_callback(partial(self._on_done, work))

    def _open(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._count, mp_context=context, initializer=_settle, initargs=(os.getpid(),))
        return self._pool

    def _on_done(self, work: _Work, inner: Future[Any]) -> None:
        """Handle a broken pool in another thread: from Python 3.12 on, this one holds the pool's lock, for which submitters wait."""
        if self._closed or inner.cancelled() or not isinstance(inner.exception(), BrokenProcessPool):
            self._ended(work, inner)
        else:
            self._aftermath.submit(self._ended, work, inner)

    def _ended(self, work: _Work, inner: Future[Any]) -> None:
        if inner.cancelled():
            work.future.cancel()
            return
        error = inner.exception()
        if isinstance(error, BrokenProcessPool) and self._again(work, error):
            return
        if not isinstance(error, BrokenProcessPool) and not self._suspects and self._alone in {None, work}:
            again = "the work was done again" if work.deaths else "they work again"
            self._on_recovery(f"the worker processes were reopened and {again}")
        self._answer(work, inner, error)
        self._next_suspect(work)

    def _answer(self, work: _Work, inner: Future[Any], error: BaseException | None) -> None:
        self.last_error = None if error is None else f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
        if work.future.set_running_or_notify_cancel():
            if error is None:
                work.future.set_result(inner.result())
            else:
                work.future.set_exception(error)

    def _again(self, work: _Work, error: BaseException) -> bool:
        """Whether to repeat the work: not where it killed its worker while alone, nor after `close`."""
        with self._lock:
            work.deaths += 1
            guilty = self._alone is work and work.deaths > MAX_DEATHS
            if self._closed or guilty:
                return False
            if self._alone is work:
                self._alone = None
            self._suspects.append(work)
        self._on_failure(f"a worker process ended: {error}")
        self._next_suspect(None)
        return True

    def _next_suspect(self, done: _Work | None) -> None:
        """Repeat the next interrupted work, once the previous one has ended."""
        with self._lock:
            if done is not None and self._alone is done:
                self._alone = None
            if self._alone is not None or not self._suspects or self._closed:
                return
            self._alone = work = self._suspects.popleft()
        self._start(work)


def _find_processes(pool: ProcessPoolExecutor | None) -> list[BaseProcess]:
    """The processes of a pool that is open."""
    return list((getattr(pool, "_processes", None) or {}).values())


@contextmanager
def _nothing_to_run_again() -> Iterator[None]:
    """Hide the main module: a fresh process would run it again, and in a dashboard that is the page drawn last."""
    main, blank = sys.modules["__main__"], ModuleType("__main__")
    sys.modules["__main__"] = blank
    try:
        yield
    finally:
        if sys.modules["__main__"] is blank:
            sys.modules["__main__"] = main


def _settle(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C concerns the engine, which ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    process_memory.lower_priority(_LOWER)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
