"""Runs jobs on a schedule of the monotonic clock; a failure is logged and reported, and the job goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Condition
from typing import Any, Protocol

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, JobSubmissionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers import SchedulerNotRunningError
from apscheduler.schedulers.background import BackgroundScheduler

from engine.domain.ports import Clock
from engine.domain.texts import on_one_line
from engine.service.logging import LOG

THREADS = 8
MIN_STEP_SECONDS = 0.5  # s by which the wall clock must have been set for jobs to be moved
EXECUTORS = ("default", "optimize", "trials", "drill", "backtests")  # all but the first have one thread, for long work


class JobObserver(Protocol):
    """Observes the runs of a component's jobs."""

    def on_failure(self, component: str, job: str, error: str) -> None: ...

    def on_success(self, component: str, job: str) -> None: ...


class MonotonicScheduler(BackgroundScheduler):  # type: ignore[misc]  # APScheduler has no types
    """APScheduler made independent of the wall clock: when that clock is set, every job moves with it.

    Between two rounds the scheduler waits by the monotonic clock, so intervals are monotonic time whatever happens to the wall clock.
    """

    def __init__(self, clock: Clock, **options: Any) -> None:
        super().__init__(**options)
        self._clock = clock
        self._offset = self._measure_offset()

    def follow_clock(self) -> None:
        """Move every job by as much as the wall clock was set since the last call."""
        with self._jobstores_lock:
            step = self._measure_offset() - self._offset
            if abs(step) < MIN_STEP_SECONDS:
                return
            self._offset += step
            for job in self.get_jobs():
                if getattr(job, "next_run_time", None) is not None:  # a job added before the start has none yet
                    job.modify(next_run_time=job.next_run_time + timedelta(seconds=step))

    def _process_jobs(self) -> Any:
        self.follow_clock()
        return super()._process_jobs()

    def _measure_offset(self) -> float:
        return self._clock.now() / 1e9 - self._clock.tick()


class JobScheduler:
    """APScheduler configured so that late runs are not dropped, runs never pile up, and stopping is bounded in time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._running = 0
        self._stopping = False
        self._idle = Condition()
        self._late: set[str] = set()  # repeated jobs that fell due while they ran
        self._scheduler = MonotonicScheduler(
            clock,
            timezone=UTC,
            executors={name: ThreadPoolExecutor(THREADS if name == "default" else 1) for name in EXECUTORS},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._scheduler.add_listener(self._note_late, EVENT_JOB_MAX_INSTANCES)

    def start(self) -> None:
        self._scheduler.start()

    def run_every(self, seconds: float, component: str, name: str, work: Callable[[], None], watch: JobObserver) -> None:
        """Run `work` now and every `seconds`; a run that takes longer delays the next, which then follows at once."""
        self._scheduler.follow_clock()
        begin = datetime.fromtimestamp(self._clock.now() / 1e9, UTC)
        self._scheduler.add_job(
            lambda: self._repeat(component, name, work, watch), "interval", seconds=seconds, id=name, replace_existing=True, next_run_time=begin
        )

    def run_once(self, component: str, name: str, work: Callable[[], None], watch: JobObserver, *, executor: str = "default") -> None:
        """Run `work` as soon as a thread of its executor is free."""
        self._scheduler.follow_clock()
        self._scheduler.add_job(lambda: self._run(component, name, work, watch), name=name, misfire_grace_time=None, executor=executor)

    def reschedule(self, name: str, seconds: float) -> None:
        """Run a job every `seconds` from now on; raises ValueError where there is none of that name."""
        self._scheduler.follow_clock()
        try:
            self._scheduler.reschedule_job(name, trigger="interval", seconds=seconds)
        except JobLookupError:
            raise ValueError(f"there is no job {name} to reschedule") from None

    def remove(self, *names: str) -> None:
        """Remove jobs, which end after the current run; ignores names that are not scheduled."""
        for name in names:
            self._late.discard(name)
            try:
                self._scheduler.remove_job(name)
            except JobLookupError:
                LOG.debug("no job %s to drop", name)

    def stop(self, timeout: float) -> bool:
        """Start nothing more and wait for the current runs; False where one was still running after `timeout` seconds."""
        with self._idle:
            self._stopping = True
        try:
            self._scheduler.pause()
            self._scheduler.get_jobs()  # waits for the current round of scheduling: a shutdown within it would break it
            self._scheduler.shutdown(wait=False)
        except SchedulerNotRunningError:
            LOG.debug("the scheduler was not running")
        with self._idle:
            return self._idle.wait_for(lambda: self._running == 0, timeout)

    def _note_late(self, event: JobSubmissionEvent) -> None:
        self._late.add(event.job_id)

    def _repeat(self, component: str, name: str, work: Callable[[], None], watch: JobObserver) -> None:
        self._late.discard(name)
        self._run(component, name, work, watch)
        while name in self._late:
            self._late.discard(name)
            self._run(component, name, work, watch)

    def _run(self, component: str, name: str, work: Callable[[], None], watch: JobObserver) -> None:
        with self._counted() as allowed:
            if not allowed:
                return
            try:
                work()
            except Exception as error:
                LOG.exception("job %s of %s failed", name, component)
                self._report(watch.on_failure, component, name, describe_error(error))
            else:
                self._report(watch.on_success, component, name)

    def _report(self, observe: Callable[..., None], *run: str) -> None:
        try:
            observe(*run)
        except Exception:
            LOG.exception("could not report on %s", run[0])

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


def describe_error(error: BaseException) -> str:
    """An error in one line, for a page or a terminal."""
    text = on_one_line(str(error))
    ours = isinstance(error, ValueError | OSError) or type(error).__module__.startswith("engine.")
    return (text if text and ours else f"{type(error).__name__}: {text}")[:300]
