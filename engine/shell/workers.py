"""The worker process that models are trained in: one, at low priority, that never outlives the engine."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from threading import Lock
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
_LOWER = 5  # nice: training gives way to ticks
P = ParamSpec("P")
T = TypeVar("T")


class Workers(Executor):
    """A pool of fresh processes (nothing is forked from a process with threads) that is opened anew when one was killed."""

    def __init__(self, count: int = 1) -> None:
        self._count = count
        self._pool: ProcessPoolExecutor | None = None
        self._lock = Lock()
        self.trouble: str | None = None  # why the last work failed, None when it went well

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Hands work to a worker; raises RuntimeError only after `close`."""
        with self._lock, _nothing_to_run_again():
            try:
                future = self._open().submit(fn, *args, **kwargs)
            except BrokenProcessPool:
                self._pool = None
                future = self._open().submit(fn, *args, **kwargs)
        future.add_done_callback(self._look)
        return future

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

    def close(self) -> None:
        """Ends the workers at once: what was in training is asked for again at the next start."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is None:
            return
        processes = list((getattr(pool, "_processes", None) or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(5.0)

    def _open(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._count, mp_context=context, initializer=_settle, initargs=(os.getpid(),))
        return self._pool

    def _look(self, future: Future[Any]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        self.trouble = None if error is None else f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


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
    os.nice(_LOWER)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
