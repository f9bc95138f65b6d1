"""Hosts the engine: takes the store's lease, drives the engine by jobs, and lets go; without the lease it waits for its turn."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from threading import Event, Lock

from engine.domain.ports import Clock, Feed, FeedKind
from engine.health import ClockStep, describe_clock_step
from engine.plugins import discover_plugins
from engine.resilience.circuit_breaker import Backoff, CircuitBreaker
from engine.service.caches import ClearableCache
from engine.service.clock import StepDetector, WallClock
from engine.service.lease import Lease
from engine.service.logging import LOG, close_log, open_log
from engine.service.scheduler import JobScheduler, describe_error
from engine.service.service import JOB_NAMES, EngineService
from engine.settings import Settings
from engine.store.errors import LeaseLost, StoreError, StoreMoved

RETRY_SECONDS, MAX_RETRY_SECONDS, BEAT_SECONDS = 3.0, 120.0, 2.0


def open_configured_feed(settings: Settings) -> Feed:
    """The feed the settings name; raises ValueError in one line where it cannot be opened."""
    kinds: tuple[FeedKind, ...] = discover_plugins("engine.feeds", "FEED")
    for kind in kinds:
        if kind.name == settings.feed:
            return kind.open(settings)
    raise ValueError(f"there is no feed {settings.feed!r}: there are {', '.join(kind.name for kind in kinds)}")


class Supervisor:
    """One process's engine, or its wish to be one: one engine a store, whatever the number of servers."""

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
        self._taking = Lock()
        self._lease: Lease | None = None
        self._desk: EngineService | None = None
        self._stopping = Event()
        self._steps = StepDetector(self._clock)
        self._step = 0.0  # s by which the wall clock was set, until it is written
        self._circuit = CircuitBreaker(
            Backoff(RETRY_SECONDS, MAX_RETRY_SECONDS)
        )  # of the start: a feed that cannot be opened is left alone for a while
        self._broke: tuple[float, str] | None = None  # when the start first failed (s, monotonic), and why
        self.ended = Event()  # nothing more will be decided here
        self.error: str | None = None  # why no engine runs here, or what of the host's own fails
        self._former: str | None = None  # the claim on a file that was deleted or replaced
        self._moved: tuple[int, str] | None = None  # when that was noticed, and what was done, until a store has taken it down
        self._failing: tuple[str, str] | None = None  # the job of the host's own that the trouble is of
        self.ticks_decided = 0
        self.data_notes: tuple[str, ...] = ()  # what was not read of a recording

    def open(self) -> None:
        """Takes the store and sits down at it. Raises StoreFailed (also where another engine holds it) or ValueError, having let go again."""
        with self._taking:
            if self._desk is not None or self._stopping.is_set():
                return
            self._lease = lease = Lease(self._settings.database_url)
            try:
                self._take(lease)
                reopen = None if self._feed is not None else partial(open_configured_feed, self._settings)
                feed = open_configured_feed(self._settings) if self._feed is None else self._feed
                left = None if self._ticks is None else max(1, self._ticks - self.ticks_decided)
                self._desk = EngineService(self._settings, feed, self._clock, lease.holder_id, ticks=left, caches=self._caches, reopen=reopen)
            finally:
                if self._desk is None:
                    self._leave()
            self.ended.clear()
            self.data_notes = self._desk.data_notes
            self._desk.ended = self.ended
            self.error = None
            if self._moved is not None:
                self._desk.report_moved_store(*self._moved)
                self._moved = None

    def _take(self, lease: Lease) -> None:
        if not lease.acquire_or_watch(self._clock, self._stopping, self._former):
            other = lease.read_holder()
            who = f"the engine of process {other.pid} on {other.host}" if other else "another engine"
            raise LeaseLost(f"{who} holds the store {self._settings.database_url}: stop it, or set PODIUM_HOME to another folder")

    def start(self) -> None:
        """Starts the jobs and returns at once; the store is taken, or asked for again and again, in the background."""
        self._jobs.start()
        if self._desk is None:
            self._jobs.run_every(RETRY_SECONDS, "engine", "take up", self._take_up, self)
        else:
            self._sit_down(self._desk)

    def _take_up(self) -> None:
        if not self._circuit.allows_attempt(self._clock.tick()):
            return
        try:
            self.open()
        except StoreError as error:  # as where another engine holds it: asking again costs nothing
            self._circuit.record_success()
            self._wait(error)
            return
        except (ValueError, OSError) as error:
            pause = self._circuit.record_failure(self._clock.tick())
            self._broke = self._broke or (self._clock.tick(), describe_error(error))
            self._wait(error)
            LOG.debug("tried again in %.0f s", pause)
            return
        if self._desk is not None:
            if self._broke is not None:
                begun, fault = self._broke
                self._desk.failures.record_past_failure(
                    "engine", "start", self._clock.tick() - begun, fault, tries=self._circuit.record_success() + 1
                )
                self._broke = None
            self._jobs.remove("take up")
            self._sit_down(self._desk)

    def _wait(self, error: Exception) -> None:
        moved = "" if self._moved is None else f"{self._moved[1]}; the engine does not go on: "
        self._report(f"{moved}{describe_error(error)}")

    def _report(self, words: str) -> None:
        """Why no engine runs here, once."""
        if words != self.error:
            LOG.warning("no engine runs here: %s", words)
        self.error = words

    def _sit_down(self, desk: EngineService) -> None:
        LOG.info("the engine runs: %s", self._settings)
        self._jobs.run_every(BEAT_SECONDS, "engine", "heartbeat", self._beat, self)
        desk.schedule_jobs(self._jobs)

    def _beat(self) -> None:
        lease = self._lease
        if lease is None:
            return
        step = self._steps.measure_step()
        if step:
            LOG.warning("%s; deciding goes on", describe_clock_step(ClockStep(self._clock.now(), step)))
        self._step += step
        try:
            lease.renew(self._clock.now(), self._step)
            self._step = 0.0
        except LeaseLost as error:
            self._give_up(error)
        except StoreMoved as error:
            self._start_over(lease, error)

    def _start_over(self, lease: Lease, error: StoreMoved) -> None:
        """Nobody can see the file any more: what it held is kept, and the engine goes on in one that can be seen, or stops.

        Until there is room to keep it, nothing is decided, and the next heartbeat tries again: the lease alone still sees what the file held.
        """
        if self._desk is not None:
            LOG.error("%s", error)
            self._jobs.remove(*JOB_NAMES)
            self._lease = None  # it is not closed
            self._leave()
            self._lease = lease
        try:
            kept = lease.rescue_store(self._clock.now())
        except StoreError as failed:
            self._report(f"{error}; nothing is decided until what it held can be kept, so do not end this process: {failed}")
            return
        LOG.error("%s", kept)
        self._lease, self._former, self._moved = None, lease.holder_id, (self._clock.now(), f"{error}; {kept}")
        lease.close()
        self._jobs.remove("heartbeat")
        self._go_on()

    def _go_on(self) -> None:
        try:
            self.open()
        except (StoreError, ValueError, OSError) as failed:
            self._wait(failed)
            self.ended.set()
        if self._desk is not None:
            self._sit_down(self._desk)
        else:
            self._jobs.run_every(RETRY_SECONDS, "engine", "take up", self._take_up, self)

    def _give_up(self, error: LeaseLost) -> None:
        """Another engine has the store now: this server only shows it, and asks again."""
        LOG.error("the store was lost: %s", error)
        self.error = str(error)
        self._jobs.remove("heartbeat", *JOB_NAMES)
        self._leave()
        self.ended.set()
        self._jobs.run_every(RETRY_SECONDS, "engine", "take up", self._take_up, self)

    def stop(self, timeout: float) -> bool:
        """Ends after the tick in hand and gives the store up; False when something was still running after `timeout` seconds."""
        self._stopping.set()
        desk = self._desk
        if desk is not None:
            desk.stop()
        clean = self._jobs.stop(timeout)
        if not clean:
            LOG.error("a job was still running %s s after the stop", timeout)
        with self._taking:
            self._leave()
        LOG.info("stopped after %s ticks", self.ticks_decided)
        close_log(self._log)
        return clean

    def _leave(self) -> None:
        desk, self._desk = self._desk, None
        lease, self._lease = self._lease, None
        if desk is not None:
            self.ticks_decided += desk.ticks_decided
            desk.close()
        if lease is not None:
            try:
                lease.release()
            except StoreError as error:
                LOG.warning("the lease was not given up, it runs out by itself: %s", error)
            lease.close()

    def on_failure(self, component: str, job: str, error: str) -> None:
        """A job of the host's own failed: it has been logged, and is tried again."""
        self.error, self._failing = f"{component}, {job}: {error}", (component, job)

    def on_success(self, component: str, job: str) -> None:
        """What it had failed with is over."""
        if self._failing == (component, job):
            self.error = self._failing = None
