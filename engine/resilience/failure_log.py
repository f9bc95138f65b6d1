"""Failures of components: failing jobs are retried with growing pauses, and every failure is logged with the time to its recovery."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock

from engine.domain.alerting import FaultRecovery
from engine.domain.optimization import ActionResult
from engine.domain.ports import Clock
from engine.resilience.circuit_breaker import Backoff, CircuitBreaker
from engine.service.logging import LOG
from engine.service.outbox import Outbox
from engine.service.scheduler import JobObserver
from engine.store.errors import StoreError
from engine.store.write import alerts
from engine.store.write.writer import Writer

MAX_TEXT = 200  # letters of a description
MAX_PENDING = 500  # failures that wait for the store
RETRY = "tried again"
BACKOFFS = {  # by component: the first pause after a failure and the longest, s
    "feed": Backoff(1.0, 60.0), "store": Backoff(0.5, 15.0), "probes": Backoff(2.0, 120.0), "optimizer": Backoff(5.0, 300.0),
    "alerts": Backoff(5.0, 300.0), "engine": Backoff(0.5, 10.0),
}  # fmt: skip
FAILURE_THRESHOLDS = {"engine": 3, "feed": 1, "store": 1}  # failures in a row before the first pause; others 2

Remedy = Callable[[], str]  # restarts, reconnects or resets; returns what was done, raises ValueError where it cannot


@dataclass(eq=False, slots=True)
class OpenFailure:
    """A failure as it stands, and its number in the store once it has one."""

    record: FaultRecovery
    begun: float = 0.0  # s of the monotonic clock
    number: int | None = None


class FailureLog:
    """The circuit breakers of one engine and its open failures. Stands between the jobs and the component status. Safe from any thread."""

    def __init__(self, writer: Writer, watch: JobObserver, clock: Clock) -> None:
        self._writer, self._watch, self._clock = writer, watch, clock
        self._lock = Lock()
        self._breakers: dict[str, CircuitBreaker] = {}
        self._skipped: set[str] = set()  # jobs whose last run was skipped
        self._open: dict[str, OpenFailure] = {}  # by component and part
        self._outbox: Outbox[OpenFailure] = Outbox(
            "failures of components", self._write, capacity=MAX_PENDING
        )  # those that changed since they were written
        self._remedies: dict[str, Remedy] = {}

    def register_remedy(self, component: str, remedy: Remedy) -> None:
        """Set what `recover` does for a component in addition to an immediate retry."""
        self._remedies[component] = remedy

    def with_backoff(self, component: str, job: str, work: Callable[[], None]) -> Callable[[], None]:
        """The work, skipped while its circuit breaker is open."""

        def run() -> None:
            if not self.allows_attempt(component, job):
                with self._lock:
                    self._skipped.add(job)
                return
            with self._lock:
                self._skipped.discard(job)
            work()

        return run

    def allows_attempt(self, component: str, job: str) -> bool:
        return self.breaker(component, job).allows_attempt(self._clock.tick())

    def is_backing_off(self, component: str, job: str) -> bool:
        """Whether its circuit breaker is open now; for work of one thread that checks before every attempt."""
        return self.breaker(component, job).seconds_left(self._clock.tick()) > 0.0

    def count_failures(self, component: str, job: str) -> int:
        """Failures in a row."""
        return self.breaker(component, job).failures

    def open_failures(self, component: str) -> tuple[str, ...]:
        """The parts of a component that fail."""
        with self._lock:
            return tuple(key.split(" ", 1)[1] for key in self._open if key.split(" ", 1)[0] == component)

    def on_failure(self, component: str, job: str, error: str) -> None:
        """Record that a job failed: it pauses, and the failure is logged and reported to the component status."""
        pause = self.breaker(component, job).record_failure(self._clock.tick())
        self.record_failure(component, job, error)
        if pause >= 1.0:
            LOG.info("%s of %s is tried again in %.1f s", job, component, pause)
        try:
            self._watch.on_failure(component, job, error)
        except StoreError as trouble:
            LOG.info("the status of %s was not stored: %s", component, trouble)

    def on_success(self, component: str, job: str) -> None:
        """Record a run without failure; a run that was skipped proves nothing and changes nothing."""
        with self._lock:
            if job in self._skipped:
                return
        self.breaker(component, job).record_success()
        self.record_recovery(component, job)
        self._watch.on_success(component, job)

    def record_failure(self, component: str, part: str, fault: str) -> None:
        """Open a failure, or count another failed attempt. Nothing is written here: a tick may be waiting."""
        key, shown_fault = f"{component} {part}", _shorten(fault)
        with self._lock:
            failure = self._open.get(key)
            if failure is not None:
                failure.record = replace(failure.record, tries=failure.record.tries + 1)
            elif len(self._open) < MAX_PENDING:
                self._open[key] = failure = OpenFailure(FaultRecovery(self._clock.now(), component, shown_fault, None, 0, None), self._clock.tick())
        if failure is not None:
            self._outbox.put(failure)

    def record_recovery(self, component: str, part: str, how: str = RETRY) -> None:
        """Close a failure: the part works again."""
        with self._lock:
            failure = self._open.pop(f"{component} {part}", None)
            if failure is None:
                return
            now, lasted = self._clock.now(), self._clock.tick() - failure.begun
            failure.record = replace(failure.record, at=_ago(now, lasted), how=how, tries=failure.record.tries + 1, recovered_at=now)
        self._outbox.put(failure)
        LOG.info("%s recovered after %.1f s: %s", component, lasted, how)

    def record_past_failure(self, component: str, part: str, seconds: float, fault: str, *, tries: int, how: str | None = None) -> None:
        """Log a failure from before this engine ran, which its start has ended after so many seconds."""
        shown_fault, remedy, now = _shorten(fault), how or f"{part} {RETRY}", self._clock.now()
        LOG.warning("%s: %s; %s", component, shown_fault, remedy)
        self._outbox.put(OpenFailure(FaultRecovery(_ago(now, seconds), component, shown_fault, remedy, tries, now)))

    def flush(self) -> None:
        """Write every change since the last call. Raises StoreError; the next call writes what was refused."""
        self._outbox.flush()

    def _write(self, faults: Sequence[OpenFailure]) -> None:
        with self._writer.write() as connection:
            numbers = [(fault, alerts.save_recovery(connection, fault.record, fault.number)) for fault in faults]
        for fault, number in numbers:
            fault.number = number

    def failing_components(self) -> tuple[str, ...]:
        """The components with an open failure."""
        with self._lock:
            return tuple(dict.fromkeys(fault.record.component for fault in self._open.values()))

    def recover(self, component: str) -> ActionResult:
        """Apply a component's remedy and retry every paused job of it at once, for a person or the optimizer."""
        with self._lock:
            breakers = [breaker for key, breaker in self._breakers.items() if key.split(" ", 1)[0] == component]
        resumed = sum(breaker.retry_now() for breaker in breakers)
        steps = []
        if component in self._remedies:
            try:
                steps.append(self._remedies[component]())
            except (ValueError, OSError, RuntimeError, StoreError) as error:
                return ActionResult(0.0, "components", f"{component}: {' '.join(str(error).split())}", done=False)
        if resumed:
            steps.append(f"{resumed} resting job{'s are' if resumed > 1 else ' is'} tried at once")
        if not steps:
            return ActionResult(0.0, "components", f"{component}: nothing of it rests and there is nothing to restart", done=False)
        return ActionResult(1.0, "components", f"{component}: {'; '.join(steps)}")

    def breaker(self, component: str, job: str) -> CircuitBreaker:
        """The circuit breaker of a job or part."""
        key = f"{component} {job}"
        with self._lock:
            if key not in self._breakers:
                backoff = BACKOFFS.get(component, Backoff())
                self._breakers[key] = CircuitBreaker(backoff, seed=zlib.crc32(key.encode()), failure_threshold=FAILURE_THRESHOLDS.get(component, 2))
            return self._breakers[key]


def _shorten(text: str) -> str:
    return " ".join(text.split())[:MAX_TEXT]


def _ago(now: int, seconds: float) -> int:
    """The beginning (ns UTC) of a failure that lasted so long, by the wall clock as it is now: it may have been set since."""
    return now - round(seconds * 1e9)
