"""What breaks and how it comes back by itself: failing jobs are tried less and less often, and every fault is kept with the time to its recovery."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from threading import Lock
from typing import Protocol

from sqlalchemy import Connection

from engine.domain.alerting import FaultRecovery
from engine.domain.optimization import ActionResult
from engine.domain.ports import Clock
from engine.resilience.circuit_breaker import Backoff, CircuitBreaker
from engine.service.logging import LOG
from engine.store.errors import StoreError
from engine.store.write import alerts

MAX_TEXT = 200  # letters of a fault that are kept
MAX_PENDING = 500  # faults that wait for the store to be writable again
RETRY = "tried again"
BACKOFFS = {  # by component: the first pause after a failure and the longest, s
    "feed": Backoff(1.0, 60.0), "store": Backoff(0.5, 15.0), "probes": Backoff(2.0, 120.0), "optimizer": Backoff(5.0, 300.0),
    "alerts": Backoff(5.0, 300.0), "engine": Backoff(0.5, 10.0),
}  # fmt: skip
FAILURE_THRESHOLDS = {"engine": 3, "feed": 1, "store": 1}  # failures in a row before the first pause; others 2

Remedy = Callable[[], str]  # restarts, reconnects or resets; says what was done, raises ValueError where nothing can be


class ComponentObserver(Protocol):
    """Who is told how the jobs of a component go."""

    def on_failure(self, component: str, job: str, error: str) -> None: ...

    def on_success(self, component: str, job: str) -> None: ...


class WriteTransactions(Protocol):
    """The part of the store's writer that is used here."""

    def write(self) -> AbstractContextManager[Connection]: ...


@dataclass(eq=False, slots=True)
class OpenFailure:
    """A fault as it stands, and its number in the store once it has one."""

    record: FaultRecovery
    begun: float = 0.0  # s of the monotonic clock
    number: int | None = None


class FailureLog:
    """The circuits of one engine and the faults that are open. Stands between the jobs and the board. Safe from any thread."""

    def __init__(self, ledger: WriteTransactions, watch: ComponentObserver, clock: Clock) -> None:
        self._ledger, self._watch, self._clock = ledger, watch, clock
        self._lock = Lock()
        self._circuits: dict[str, CircuitBreaker] = {}
        self._resting: set[str] = set()  # jobs whose last run was left out
        self._open: dict[str, OpenFailure] = {}  # by what broke
        self._unsaved: list[OpenFailure] = []  # what changed since it was written
        self._writing = Lock()
        self._remedies: dict[str, Remedy] = {}

    def register_remedy(self, component: str, remedy: Remedy) -> None:
        """What `recover` is to do for a component, besides trying again at once."""
        self._remedies[component] = remedy

    def with_backoff(self, component: str, job: str, work: Callable[[], None]) -> Callable[[], None]:
        """The work, left out while its circuit is open."""

        def run() -> None:
            if not self.allows_attempt(component, job):
                with self._lock:
                    self._resting.add(job)
                return
            with self._lock:
                self._resting.discard(job)
            work()

        return run

    def allows_attempt(self, component: str, job: str) -> bool:
        return self.breaker(component, job).allows_attempt(self._clock.tick())

    def is_backing_off(self, component: str, job: str) -> bool:
        """Whether it is to be left alone now; for what only one thread does, and that asks before every try."""
        return self.breaker(component, job).seconds_left(self._clock.tick()) > 0.0

    def count_failures(self, component: str, job: str) -> int:
        """In a row."""
        return self.breaker(component, job).failures

    def open_failures(self, component: str) -> tuple[str, ...]:
        """What of a component is broken."""
        with self._lock:
            return tuple(key.split(" ", 1)[1] for key in self._open if key.split(" ", 1)[0] == component)

    def on_failure(self, component: str, job: str, error: str) -> None:
        """A job failed: it rests for a while, the fault is kept, and the board is told."""
        pause = self.breaker(component, job).record_failure(self._clock.tick())
        self.record_failure(component, job, error)
        if pause >= 1.0:
            LOG.info("%s of %s is tried again in %.1f s", job, component, pause)
        try:
            self._watch.on_failure(component, job, error)
        except StoreError as trouble:
            LOG.info("the board could not be told of %s: %s", component, trouble)

    def on_success(self, component: str, job: str) -> None:
        """It ran and did not fail, or it was left out, which says nothing."""
        with self._lock:
            if job in self._resting:
                return
        self.breaker(component, job).record_success()
        self.record_recovery(component, job)
        self._watch.on_success(component, job)

    def record_failure(self, component: str, what: str, fault: str) -> None:
        """A fault begins, or another try of its cure has failed. Nothing is written here: a tick may be waiting."""
        key, said = f"{component} {what}", " ".join(fault.split())[:MAX_TEXT]
        with self._lock:
            known = self._open.get(key)
            if known is not None:
                known.record = replace(known.record, tries=known.record.tries + 1)
                self._unsaved = [*self._unsaved, known] if known not in self._unsaved else self._unsaved
            elif len(self._open) < MAX_PENDING:
                self._open[key] = known = OpenFailure(FaultRecovery(self._clock.now(), component, said, None, 0, None), self._clock.tick())
                self._unsaved.append(known)

    def record_recovery(self, component: str, what: str, how: str = RETRY) -> None:
        """It works again."""
        with self._lock:
            known = self._open.pop(f"{component} {what}", None)
            if known is None:
                return
            now, lasted = self._clock.now(), self._clock.tick() - known.begun
            known.record = replace(known.record, at=_ago(now, lasted), how=how, tries=known.record.tries + 1, recovered_at=now)
            self._unsaved = [*self._unsaved[-MAX_PENDING:], known]
        LOG.info("%s is well again after %.1f s: %s", component, lasted, how)

    def record_past_failure(self, component: str, what: str, seconds: float, fault: str, *, tries: int, how: str | None = None) -> None:
        """A fault from before this engine ran, mended by its start after so many seconds."""
        said, now = " ".join(fault.split())[:MAX_TEXT], self._clock.now()
        LOG.warning("%s: %s; %s", component, said, how or f"{what} {RETRY}")
        with self._lock:
            self._unsaved.append(OpenFailure(FaultRecovery(_ago(now, seconds), component, said, how or f"{what} {RETRY}", tries, now)))

    def flush(self) -> None:
        """Writes what happened since; what the store does not take now waits for the next time. Raises StoreFailed."""
        with self._writing:
            with self._lock:
                waiting, self._unsaved = self._unsaved, []
            try:
                self._write(waiting)
            except StoreError:
                with self._lock:
                    self._unsaved = [*waiting, *self._unsaved]
                raise

    def _write(self, waiting: list[OpenFailure]) -> None:
        if not waiting:
            return
        with self._ledger.write() as connection:
            numbers = [(fault, alerts.save_recovery(connection, fault.record, fault.number)) for fault in dict.fromkeys(waiting)]
        for fault, number in numbers:
            fault.number = number

    def failing_components(self) -> tuple[str, ...]:
        """The components with a fault that is open."""
        with self._lock:
            return tuple(dict.fromkeys(fault.record.component for fault in self._open.values()))

    def recover(self, component: str) -> ActionResult:
        """Restarts, reconnects or resets one by hand or by the optimizer: its remedy, and every circuit of it is tried at once."""
        with self._lock:
            mine = [circuit for key, circuit in self._circuits.items() if key.split(" ", 1)[0] == component]
        hurried = sum(circuit.retry_now() for circuit in mine)
        said = []
        if component in self._remedies:
            try:
                said.append(self._remedies[component]())
            except (ValueError, OSError, RuntimeError, StoreError) as error:
                return ActionResult(0.0, "components", f"{component}: {' '.join(str(error).split())}", done=False)
        if hurried:
            said.append(f"{hurried} resting job{'s are' if hurried > 1 else ' is'} tried at once")
        if not said:
            return ActionResult(0.0, "components", f"{component}: nothing of it rests and there is nothing to restart", done=False)
        return ActionResult(1.0, "components", f"{component}: {'; '.join(said)}")

    def breaker(self, component: str, job: str) -> CircuitBreaker:
        """That of one job or part, made when it is first asked for."""
        key = f"{component} {job}"
        with self._lock:
            if key not in self._circuits:
                backoff = BACKOFFS.get(component, Backoff())
                self._circuits[key] = CircuitBreaker(backoff, seed=zlib.crc32(key.encode()), failure_threshold=FAILURE_THRESHOLDS.get(component, 2))
            return self._circuits[key]


def _ago(now: int, seconds: float) -> int:
    """When a fault that lasted so long began, by the wall clock as it is now (ns UTC): it may have been set since."""
    return now - round(seconds * 1e9)
