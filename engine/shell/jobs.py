"""Runs the shell's jobs on a schedule; a job that fails is logged, marks its component and goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Condition
from typing import Protocol

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers import SchedulerNotRunningError
from apscheduler.schedulers.background import BackgroundScheduler

from engine.domain.ports import Clock
from engine.domain.texts import on_one_line
from engine.shell.logs import LOG

THREADS = 8
WORKERS = ("default", "by hand", "trials", "drill")  # each but the first has one thread, for what takes long


class Watch(Protocol):
    """Who is told how the jobs of a component go."""

    def failed(self, component: str, job: str, error: str) -> None: ...

    def went_well(self, component: str, job: str) -> None: ...


class Jobs:
    """APScheduler with what its defaults would lose: late runs are not dropped, runs never pile up, and stopping is bounded."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._running = 0
        self._stopping = False
        self._idle = Condition()
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={name: ThreadPoolExecutor(THREADS if name == "default" else 1) for name in WORKERS},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def start(self) -> None:
        self._scheduler.start()

    def every(self, seconds: float, component: str, name: str, work: Callable[[], None], watch: Watch) -> None:
        """Runs `work` now and then every so many seconds; a run that takes longer delays the next."""
        begin = datetime.fromtimestamp(self._clock.now() / 1e9, UTC)
        self._scheduler.add_job(
            lambda: self._run(component, name, work, watch), "interval", seconds=seconds, id=name, replace_existing=True, next_run_time=begin
        )

    def once(self, component: str, name: str, work: Callable[[], None], watch: Watch, *, worker: str = "default") -> None:
        """Runs `work` as soon as a thread is free; the workers "by hand" and "trials" have one of their own each, for what takes long."""
        self._scheduler.add_job(lambda: self._run(component, name, work, watch), name=name, misfire_grace_time=None, executor=worker)

    def pace(self, name: str, seconds: float) -> None:
        """Runs a job every so many seconds from now on; raises ValueError where there is none of that name."""
        try:
            self._scheduler.reschedule_job(name, trigger="interval", seconds=seconds)
        except JobLookupError:
            raise ValueError(f"there is no job {name} to pace") from None

    def drop(self, *names: str) -> None:
        """Ends jobs after the run in hand; names not scheduled are passed over."""
        for name in names:
            try:
                self._scheduler.remove_job(name)
            except JobLookupError:
                LOG.debug("no job %s to drop", name)

    def stop(self, timeout: float) -> bool:
        """Starts nothing more and waits for the runs in hand; False when one was still running after `timeout` seconds."""
        with self._idle:
            self._stopping = True
        try:
            self._scheduler.pause()
            self._scheduler.get_jobs()  # waits until the round of scheduling in hand is over: shutting down within it would break it
            self._scheduler.shutdown(wait=False)
        except SchedulerNotRunningError:
            LOG.debug("the scheduler was not running")
        with self._idle:
            return self._idle.wait_for(lambda: self._running == 0, timeout)

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
