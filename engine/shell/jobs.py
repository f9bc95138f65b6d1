"""Runs the shell's jobs on a schedule of the monotonic clock; a job that fails is logged, marks its component and goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition, RLock, Thread  # noqa: TID251 - the one thread of the scheduler
from typing import Protocol

from engine.domain.ports import Clock
from engine.domain.texts import on_one_line
from engine.shell.logs import LOG

THREADS = 8
WORKERS = ("default", "by hand", "trials", "drill")  # each but the first has one thread, for what takes long


class Watch(Protocol):
    """Who is told how the jobs of a component go."""

    def failed(self, component: str, job: str, error: str) -> None: ...

    def went_well(self, component: str, job: str) -> None: ...


@dataclass(slots=True)
class Repeated:
    """A job that is run again and again. Times are seconds of the monotonic clock."""

    seconds: float
    due: float
    run: Callable[[], None]


class Jobs:
    """A schedule that neither a wall clock that is set nor a machine that slept disturbs: late runs are not dropped, runs never pile up, and
    stopping is bounded."""

    def __init__(self, clock: Clock, workers: Mapping[str, Executor] | None = None) -> None:
        """`workers` by the names of WORKERS; threads of its own where none are given."""
        self._clock = clock
        self._repeated: dict[str, Repeated] = {}
        self._waiting: list[tuple[str, Callable[[], None]]] = []  # workers, and what each is to run once
        self._in_hand: set[str] = set()  # repeated jobs that run now
        self._running = 0
        self._stopping = False
        lock = RLock()
        self._changed, self._idle = Condition(lock), Condition(lock)  # what is scheduled, and what runs
        self._workers = workers or {name: ThreadPoolExecutor(THREADS if name == "default" else 1, thread_name_prefix=name) for name in WORKERS}
        self._timer: Thread | None = None

    def start(self) -> None:
        self._timer = Thread(target=self._keep_time, name="jobs", daemon=True)
        self._timer.start()

    def every(self, seconds: float, component: str, name: str, work: Callable[[], None], watch: Watch) -> None:
        """Runs `work` now and then every so many seconds; a run that takes longer delays the next, which then follows at once."""
        with self._changed:
            self._repeated[name] = Repeated(seconds, self._clock.tick(), lambda: self._run(component, name, work, watch))
            self._changed.notify_all()

    def once(self, component: str, name: str, work: Callable[[], None], watch: Watch, *, worker: str = "default") -> None:
        """Runs `work` as soon as a thread is free; the workers "by hand" and "trials" have one of their own each, for what takes long."""
        with self._changed:
            self._waiting.append((worker, lambda: self._run(component, name, work, watch)))
            self._changed.notify_all()

    def pace(self, name: str, seconds: float) -> None:
        """Runs a job every so many seconds from now on; raises ValueError where there is none of that name."""
        with self._changed:
            if name not in self._repeated:
                raise ValueError(f"there is no job {name} to pace")
            job = self._repeated[name]
            job.seconds, job.due = seconds, self._clock.tick() + seconds
            self._changed.notify_all()

    def drop(self, *names: str) -> None:
        """Ends jobs after the run in hand; names not scheduled are passed over."""
        with self._changed:
            for name in names:
                if self._repeated.pop(name, None) is None:
                    LOG.debug("no job %s to drop", name)

    def run_due(self) -> float | None:
        """Starts every job whose time has come, once however many times were missed; gives the seconds until the next, None without one."""
        with self._changed:
            if self._stopping:
                return None
            while self._waiting:
                worker, run = self._waiting.pop(0)
                self._workers[worker].submit(run)
            now = self._clock.tick()
            for name, job in tuple(self._repeated.items()):
                if job.due <= now and name not in self._in_hand:
                    job.due += job.seconds * ((now - job.due) // job.seconds + 1.0)
                    self._in_hand.add(name)
                    self._workers["default"].submit(self._repeat, name, job.run)
            return min((max(0.0, job.due - now) for name, job in self._repeated.items() if name not in self._in_hand), default=None)

    def stop(self, timeout: float) -> bool:
        """Starts nothing more and waits for the runs in hand; False when one was still running after `timeout` seconds."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for worker in self._workers.values():
            worker.shutdown(wait=False)
        with self._idle:
            return self._idle.wait_for(lambda: self._running == 0, timeout)

    def _keep_time(self) -> None:
        with self._changed:
            try:
                while not self._stopping:
                    self._changed.wait(self.run_due())
            except RuntimeError as error:  # the process ends without having stopped the jobs: no worker begins anything any more
                LOG.info("nothing is run any more: %s", error)

    def _repeat(self, name: str, run: Callable[[], None]) -> None:
        try:
            run()
        finally:
            with self._changed:
                self._in_hand.discard(name)
                self._changed.notify_all()

    def _run(self, component: str, name: str, work: Callable[[], None], watch: Watch) -> None:
        with self._counted() as allowed:
            if not allowed:
                return
            try:
                work()
            except Exception as error:
                LOG.exception("job %s of %s failed", name, component)
                self._tell(watch.failed, component, name, in_one_line(error))
            else:
                self._tell(watch.went_well, component, name)

    def _tell(self, told: Callable[..., None], *what: str) -> None:
        try:
            told(*what)
        except Exception:
            LOG.exception("could not report on %s", what[0])

    @contextmanager
    def _counted(self) -> Iterator[bool]:
        with self._idle:
            allowed = not self._stopping
            self._running += 1
        try:
            yield allowed
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()


def in_one_line(error: BaseException) -> str:
    """An error as a page or a terminal shows it."""
    said = on_one_line(str(error))
    ours = isinstance(error, ValueError | OSError) or type(error).__module__.startswith("engine.")
    return (said if said and ours else f"{type(error).__name__}: {said}")[:300]
