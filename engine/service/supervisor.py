"""Runs the engine of one process: acquires the store's lease, drives the engine by jobs, and releases it; without the lease it waits."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from threading import Event, Lock

from engine.domain.ports import Clock, Feed
from engine.health import ClockStep, describe_clock_step
from engine.live.event_loops import interrupt_requests
from engine.resilience.circuit_breaker import Backoff, CircuitBreaker
from engine.service.bootstrap import build_service
from engine.service.caches import ClearableCache
from engine.service.clock import StepDetector, WallClock
from engine.service.feeds import open_configured_feed
from engine.service.lease import Lease
from engine.service.logging import LOG, close_log, open_log
from engine.service.scheduler import JobScheduler, describe_error
from engine.service.service import JOB_NAMES, EngineService
from engine.settings import Settings
from engine.store.errors import LeaseLost, StoreError, StoreMoved

RETRY_SECONDS, MAX_RETRY_SECONDS, BEAT_SECONDS = 3.0, 30.0, 2.0
INTERRUPTS = 50  # of a start, 0.1 s apart


class Supervisor:
    """The engine of one process, running or waiting for the lease: one engine per store, whatever the number of servers."""

    def __init__(
        self,
        settings: Settings,
        *,
        feed: Feed | None = None,
        clock: Clock | None = None,
        ticks: int | None = None,
        caches: tuple[ClearableCache, ...] = (),
    ) -> None:
        self._settings = settings
        self._feed = feed
        self._clock = clock or WallClock()
        self._ticks = ticks
        self._caches = caches
        self._log = open_log(Path(settings.home))
        self._jobs = JobScheduler(self._clock)
        self._opening = Lock()
        self._lease: Lease | None = None
        self._service: EngineService | None = None
        self._stopping = Event()
        self._step_detector = StepDetector(self._clock)
        self._step = 0.0  # s by which the wall clock was set, until it is written
        self._circuit = CircuitBreaker(Backoff(RETRY_SECONDS, MAX_RETRY_SECONDS))  # of the start
        self._first_failure: tuple[float, str] | None = None  # of the start: s of the monotonic clock, and the error
        self.ended = Event()  # nothing more is decided here
        self.error: str | None = None  # why no engine runs here, or which of its own jobs fails
        self._former: str | None = None  # the lease on a file that was deleted or replaced
        self._moved: tuple[int, str] | None = None  # the time and the message of such an event, until they are in a store
        self._failing: tuple[str, str] | None = None  # the own job that fails
        self.ticks_decided = 0
        self.data_notes: tuple[str, ...] = ()  # on the data that a recording leaves out

    def open(self) -> None:
        """Acquire the store and create the engine. Raises StoreError (also where another engine holds it) or ValueError, and releases the store."""
        with self._opening:
            if self._service is not None or self._stopping.is_set():
                return
            self._lease = lease = Lease(self._settings.database_url)
            try:
                self._acquire(lease)
                reopen = None if self._feed is not None else partial(open_configured_feed, self._settings)
                feed = open_configured_feed(self._settings) if self._feed is None else self._feed
                left = None if self._ticks is None else max(1, self._ticks - self.ticks_decided)
                self._service = build_service(
                    self._settings, feed, self._clock, lease.holder_id, ticks=left, ended=self.ended, caches=self._caches, reopen=reopen
                )
            finally:
                if self._service is None:
                    self._release()
            self.ended.clear()
            self.data_notes = self._service.data_notes
            self.error = None
            if self._moved is not None:
                self._service.report_moved_store(*self._moved)
                self._moved = None

    def _acquire(self, lease: Lease) -> None:
        if not lease.acquire_or_watch(self._clock, self._stopping, self._former):
            other = lease.read_holder()
            who = f"the engine of process {other.pid} on {other.host}" if other else "another engine"
            raise LeaseLost(f"{who} holds the store {self._settings.database_url}: stop it, or set PODIUM_HOME to another folder")

    @property
    def feed(self) -> Feed | None:
        """The feed of the engine that runs here; None where none does."""
        service = self._service
        return None if service is None else service.feed

    def start(self) -> None:
        """Start the jobs and return at once; the store is acquired in the background, as soon as it is free."""
        self._jobs.start()
        if self._service is None:
            self._jobs.run_every(RETRY_SECONDS, "engine", "start", self._try_start, self)
        else:
            self._schedule(self._service)

    def _try_start(self) -> None:
        if not self._circuit.allows_attempt(self._clock.tick()):
            return
        try:
            self.open()
        except StoreError as error:  # another engine holds it: a retry costs nothing
            self._circuit.record_success()
            self._wait(error)
            return
        except (ValueError, OSError) as error:
            pause = self._circuit.record_failure(self._clock.tick())
            self._first_failure = self._first_failure or (self._clock.tick(), describe_error(error))
            if self._stopping.is_set():
                return
            self._wait(error)
            LOG.debug("tried again in %.0f s", pause)
            return
        if self._service is not None:
            if self._first_failure is not None:
                begun, fault = self._first_failure
                self._service.failures.record_past_failure(
                    "engine", "start", self._clock.tick() - begun, fault, tries=self._circuit.record_success() + 1
                )
                self._first_failure = None
            self._jobs.remove("start")
            self._schedule(self._service)

    def _wait(self, error: Exception) -> None:
        moved = "" if self._moved is None else f"{self._moved[1]}; the engine does not go on: "
        self.report_absence(f"{moved}{describe_error(error)}")

    def report_absence(self, message: str) -> None:
        """Report once why no engine runs here."""
        if message != self.error:
            LOG.warning("no engine runs here: %s", message)
        self.error = message

    def _schedule(self, service: EngineService) -> None:
        LOG.info("the engine runs: %s", self._settings)
        self._jobs.run_every(BEAT_SECONDS, "engine", "heartbeat", self._beat, self)
        service.schedule_jobs(self._jobs)

    def _beat(self) -> None:
        lease = self._lease
        if lease is None:
            return
        if self._service is not None and self._service.is_restart_due:
            self._restart()
            return
        step = self._step_detector.measure_step()
        if step:
            LOG.warning("%s; decisions go on", describe_clock_step(ClockStep(self._clock.now(), step)))
        self._step += step
        try:
            lease.renew(self._clock.now(), self._step)
            self._step = 0.0
        except LeaseLost as error:
            self._give_up(error)
        except StoreMoved as error:
            self._start_over(lease, error)

    def _restart(self) -> None:
        """Start the engine again on the same store, without the files that look ahead."""
        LOG.warning("the engine starts again without the files that look ahead")
        self._jobs.remove("heartbeat", *JOB_NAMES)
        self._release()
        self._continue()

    def _start_over(self, lease: Lease, error: StoreMoved) -> None:
        """Rescue a store whose file is no longer visible, and continue in a visible one, or stop.

        Nothing is decided until there is room for a copy; each heartbeat tries again, because only the lease can still read the file.
        """
        if self._service is not None:
            LOG.error("%s", error)
            self._jobs.remove(*JOB_NAMES)
            self._lease = None  # it stays open
            self._release()
            self._lease = lease
        try:
            rescue = lease.rescue_store(self._clock.now())
        except StoreError as failed:
            self.report_absence(f"{error}; nothing is decided until its contents can be saved, so do not end this process: {failed}")
            return
        LOG.error("%s", rescue)
        self._lease, self._former, self._moved = None, lease.holder_id, (self._clock.now(), f"{error}; {rescue}")
        lease.close()
        self._jobs.remove("heartbeat")
        self._continue()

    def _continue(self) -> None:
        try:
            self.open()
        except (StoreError, ValueError, OSError) as failed:
            self._wait(failed)
            self.ended.set()
        if self._service is not None:
            self._schedule(self._service)
        else:
            self._jobs.run_every(RETRY_SECONDS, "engine", "start", self._try_start, self)

    def _give_up(self, error: LeaseLost) -> None:
        """Stop deciding because another engine has the store; this server shows the store and waits for it."""
        LOG.error("the store was lost: %s", error)
        self.error = str(error)
        self._jobs.remove("heartbeat", *JOB_NAMES)
        self._release()
        self.ended.set()
        self._jobs.run_every(RETRY_SECONDS, "engine", "start", self._try_start, self)

    def stop(self, timeout: float) -> bool:
        """End after the current tick and release the store; False where something was still running after `timeout` seconds."""
        self._stopping.set()
        self._interrupt_opening()
        service = self._service
        if service is not None:
            service.stop()
        clean = self._jobs.stop(timeout)
        if not clean:
            LOG.error("a job was still running %s s after the stop", timeout)
        with self._opening:
            self._release()
        LOG.info("stopped after %s ticks", self.ticks_decided)
        close_log(self._log)
        return clean

    def _interrupt_opening(self) -> None:
        """End a start that waits for an exchange; nothing is opened afterwards. Returns after 5 s where it waits for something else."""
        for _ in range(INTERRUPTS):
            if self._opening.acquire(timeout=0.1):
                self._opening.release()
                return
            interrupt_requests()

    def _release(self) -> None:
        service, self._service = self._service, None
        lease, self._lease = self._lease, None
        if service is not None:
            self.ticks_decided += service.ticks_decided
            service.close()
        if lease is not None:
            try:
                lease.release()
            except StoreError as error:
                LOG.warning("the lease was not released, it expires: %s", error)
            lease.close()

    def on_failure(self, component: str, job: str, error: str) -> None:
        """Record that one of its own jobs failed; it is logged already and retried."""
        self.error, self._failing = f"{component}, {job}: {error}", (component, job)

    def on_success(self, component: str, job: str) -> None:
        """Record that the job succeeds again."""
        if self._failing == (component, job):
            self.error = self._failing = None
