"""The worker process that models are trained in: one, at low priority, that never outlives the engine."""

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
from threading import RLock
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

from engine.service import process_memory

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
MAX_DEATHS = 2  # of its worker, the last of them alone, after which work is given up
_LOWER = 5  # nice: training gives way to ticks
P = ParamSpec("P")
T = TypeVar("T")


def _unheard(_: str) -> None:
    """Nobody is told."""


@dataclass(eq=False, slots=True)
class _Asked:
    """Work that was handed over, and how often a worker died over it."""

    run: Callable[[], Any]
    future: Future[Any] = field(default_factory=Future)
    deaths: int = 0


class WorkerPool(Executor):
    """A pool of fresh processes (nothing is forked from a process with threads) that is opened anew when one was killed.

    What was under way then is done again, one at a time, so that work which kills its worker is found out: that fails, and the rest is done.
    """

    def __init__(self, count: int = 1, *, on_failure: Callable[[str], None] = _unheard, on_recovery: Callable[[str], None] = _unheard) -> None:
        self._count = count
        self._pool: ProcessPoolExecutor | None = None
        self._aftermath = ThreadPoolExecutor(1, "broken pool")  # has no thread before it has work
        self._lock = RLock()
        self._broke, self._mended = on_failure, on_recovery
        self._suspects: deque[_Asked] = deque()
        self._alone: _Asked | None = None  # the suspect that is done now
        self._closed = False
        self.last_error: str | None = None  # why the last work failed, None when it went well

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Hands work to a worker; raises RuntimeError only after `close`."""
        if self._closed:
            raise RuntimeError("the workers are closed")
        asked = _Asked(partial(fn, *args, **kwargs))
        self._hand_over(asked)
        return asked.future

    @property
    def count(self) -> int:
        """Processes that may work beside each other."""
        return self._count

    def resize(self, count: int) -> None:
        """For what is handed over from now on; what was handed over before ends where it began."""
        with self._lock:
            if count == self._count:
                return
            self._count = count
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)

    def reopen(self) -> str:
        """Opens the pool anew for what is handed over from now on; what is under way ends where it began."""
        with self._lock:
            pool, self._pool = self._pool, None
            self.last_error = None
        if pool is not None:
            pool.shutdown(wait=False)
        return "its worker processes are opened anew"

    def close(self) -> None:
        """Ends the workers at once: what was in training is asked for again at the next start."""
        with self._lock:
            self._closed = True
            pool, self._pool = self._pool, None
            left, self._suspects = list(self._suspects), deque()
        for asked in left:
            asked.future.cancel()
        if pool is None:
            return
        processes = list((getattr(pool, "_processes", None) or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(5.0)

    def _hand_over(self, asked: _Asked) -> None:
        with self._lock, _nothing_to_run_again():
            if self._closed:
                asked.future.cancel()
                return
            try:
                inner = self._open().submit(asked.run)
            except BrokenProcessPool:
                self._pool = None
                inner = self._open().submit(asked.run)
        inner.add_done_callback(partial(self._heard, asked))

    def _open(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._count, mp_context=context, initializer=_settle, initargs=(os.getpid(),))
        return self._pool

    def _heard(self, asked: _Asked, inner: Future[Any]) -> None:
        """Of a pool that broke, by another thread: from Python 3.12 on this one holds that pool's lock, which whoever hands work to it waits for."""
        if self._closed or inner.cancelled() or not isinstance(inner.exception(), BrokenProcessPool):
            self._ended(asked, inner)
        else:
            self._aftermath.submit(self._ended, asked, inner)

    def _ended(self, asked: _Asked, inner: Future[Any]) -> None:
        if inner.cancelled():
            asked.future.cancel()
            return
        error = inner.exception()
        if isinstance(error, BrokenProcessPool) and self._again(asked, error):
            return
        if not isinstance(error, BrokenProcessPool) and not self._suspects and self._alone in {None, asked}:
            again = "the work was done again" if asked.deaths else "they work again"
            self._mended(f"the worker processes were opened anew and {again}")
        self._answer(asked, inner, error)
        self._next_suspect(asked)

    def _answer(self, asked: _Asked, inner: Future[Any], error: BaseException | None) -> None:
        self.last_error = None if error is None else f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
        if asked.future.set_running_or_notify_cancel():
            if error is None:
                asked.future.set_result(inner.result())
            else:
                asked.future.set_exception(error)

    def _again(self, asked: _Asked, error: BaseException) -> bool:
        """Whether it is done again: not what has killed its worker while it was alone, nor anything once they are closed."""
        with self._lock:
            asked.deaths += 1
            guilty = self._alone is asked and asked.deaths > MAX_DEATHS
            if self._closed or guilty:
                return False
            if self._alone is asked:
                self._alone = None
            self._suspects.append(asked)
        self._broke(f"a worker process ended: {error}")
        self._next_suspect(None)
        return True

    def _next_suspect(self, done: _Asked | None) -> None:
        """The next one that is to be done again, once the one before is done."""
        with self._lock:
            if done is not None and self._alone is done:
                self._alone = None
            if self._alone is not None or not self._suspects or self._closed:
                return
            self._alone = asked = self._suspects.popleft()
        self._hand_over(asked)


@contextmanager
def _nothing_to_run_again() -> Iterator[None]:
    """A fresh process runs its parent's main module again, and in a dashboard that is whatever page was drawn last: it is shown none."""
    main, blank = sys.modules["__main__"], ModuleType("__main__")
    sys.modules["__main__"] = blank
    try:
        yield
    finally:
        if sys.modules["__main__"] is blank:
            sys.modules["__main__"] = main


def _settle(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the engine, which ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    process_memory.lower_priority(_LOWER)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
