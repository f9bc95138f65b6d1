"""Failures of components: failing jobs are retried with growing pauses, and every failure is logged with the time to its recovery."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock

from engine.domain.alerting import Recovered
from engine.domain.ports import Clock
from engine.domain.tuning import Measured
from engine.shell.circuits import Backoff, Circuit
from engine.shell.jobs import Watch
from engine.shell.logs import LOG
from engine.shell.outbox import Outbox
from engine.store import alert_rows
from engine.store.errors import StoreFailed
from engine.store.writer import Writer

LONGEST = 200  # letters of a description
MOST = 500  # failures that wait for the store
RETRY = "tried again"
BACKOFFS = {  # by component: the first pause after a failure and the longest, s
    "feed": Backoff(1.0, 60.0), "store": Backoff(0.5, 15.0), "probes": Backoff(2.0, 120.0), "optimizer": Backoff(5.0, 300.0),
    "alerts": Backoff(5.0, 300.0), "engine": Backoff(0.5, 10.0),
}  # fmt: skip
PATIENCE = {"engine": 3, "feed": 1, "store": 1}  # failures in a row before the first pause; others 2

Remedy = Callable[[], str]  # restarts, reconnects or resets; returns what was done, raises ValueError where it cannot


@dataclass(eq=False, slots=True)
class Fault:
    """A failure as it stands, and its number in the store once it has one."""

    told: Recovered
    begun: float = 0.0  # s of the monotonic clock
    number: int | None = None


class Recovery:
    """The circuit breakers of one engine and its open failures. Stands between the jobs and the component status. Safe from any thread."""

    def __init__(self, writer: Writer, watch: Watch, clock: Clock) -> None:
        self._writer, self._watch, self._clock = writer, watch, clock
        self._lock = Lock()
        self._circuits: dict[str, Circuit] = {}
        self._resting: set[str] = set()  # jobs whose last run was skipped
        self._open: dict[str, Fault] = {}  # by component and part
        self._outbox: Outbox[Fault] = Outbox("failures of components", self._write, capacity=MOST)  # those that changed since they were written
        self._remedies: dict[str, Remedy] = {}

    def teach(self, component: str, remedy: Remedy) -> None:
        """Set what `recover` does for a component in addition to an immediate retry."""
        self._remedies[component] = remedy

    def paced(self, component: str, job: str, work: Callable[[], None]) -> Callable[[], None]:
        """The work, skipped while its circuit breaker is open."""

        def run() -> None:
            if not self.may_try(component, job):
                with self._lock:
                    self._resting.add(job)
                return
            with self._lock:
                self._resting.discard(job)
            work()

        return run

    def may_try(self, component: str, job: str) -> bool:
        return self.circuit(component, job).may_try(self._clock.tick())

    def rests(self, component: str, job: str) -> bool:
        """Whether its circuit breaker is open now; for work of one thread that checks before every attempt."""
        return self.circuit(component, job).left(self._clock.tick()) > 0.0

    def failures(self, component: str, job: str) -> int:
        """Failures in a row."""
        return self.circuit(component, job).failures

    def standing(self, component: str) -> tuple[str, ...]:
        """The parts of a component that fail."""
        with self._lock:
            return tuple(key.split(" ", 1)[1] for key in self._open if key.split(" ", 1)[0] == component)

    def failed(self, component: str, job: str, error: str) -> None:
        """Record that a job failed: it pauses, and the failure is logged and reported to the component status."""
        pause = self.circuit(component, job).failed(self._clock.tick())
        self.broke(component, job, error)
        if pause >= 1.0:
            LOG.info("%s of %s is tried again in %.1f s", job, component, pause)
        try:
            self._watch.failed(component, job, error)
        except StoreFailed as trouble:
            LOG.info("the status of %s was not stored: %s", component, trouble)

    def went_well(self, component: str, job: str) -> None:
        """Record a run without failure; a run that was skipped proves nothing and changes nothing."""
        with self._lock:
            if job in self._resting:
                return
        self.circuit(component, job).went_well()
        self.mended(component, job)
        self._watch.went_well(component, job)

    def broke(self, component: str, what: str, fault: str) -> None:
        """Open a failure, or count another failed attempt. Nothing is written here: a tick may be waiting."""
        key, words = f"{component} {what}", _shorten(fault)
        with self._lock:
            known = self._open.get(key)
            if known is not None:
                known.told = replace(known.told, tries=known.told.tries + 1)
            elif len(self._open) < MOST:
                self._open[key] = known = Fault(Recovered(self._clock.now(), component, words, None, 0, None), self._clock.tick())
        if known is not None:
            self._outbox.put(known)

    def mended(self, component: str, what: str, how: str = RETRY) -> None:
        """Close a failure: the part works again."""
        with self._lock:
            known = self._open.pop(f"{component} {what}", None)
            if known is None:
                return
            now, lasted = self._clock.now(), self._clock.tick() - known.begun
            known.told = replace(known.told, at=_ago(now, lasted), how=how, tries=known.told.tries + 1, recovered_at=now)
        self._outbox.put(known)
        LOG.info("%s is well again after %.1f s: %s", component, lasted, how)

    def was_broken(self, component: str, what: str, seconds: float, fault: str, *, tries: int, how: str | None = None) -> None:
        """Log a failure from before this engine ran, which its start has ended after so many seconds."""
        words, remedy, now = _shorten(fault), how or f"{what} {RETRY}", self._clock.now()
        LOG.warning("%s: %s; %s", component, words, remedy)
        self._outbox.put(Fault(Recovered(_ago(now, seconds), component, words, remedy, tries, now)))

    def settle(self) -> None:
        """Write every change since the last call. Raises StoreFailed; the next call writes what was refused."""
        self._outbox.flush()

    def _write(self, faults: Sequence[Fault]) -> None:
        with self._writer.write() as connection:
            numbers = [(fault, alert_rows.save_recovery(connection, fault.told, fault.number)) for fault in faults]
        for fault, number in numbers:
            fault.number = number

    def failing(self) -> tuple[str, ...]:
        """The components with an open failure."""
        with self._lock:
            return tuple(dict.fromkeys(fault.told.component for fault in self._open.values()))

    def recover(self, component: str) -> Measured:
        """Apply a component's remedy and retry every paused job of it at once, for a person or the optimizer."""
        with self._lock:
            mine = [circuit for key, circuit in self._circuits.items() if key.split(" ", 1)[0] == component]
        hurried = sum(circuit.hurry() for circuit in mine)
        steps = []
        if component in self._remedies:
            try:
                steps.append(self._remedies[component]())
            except (ValueError, OSError, RuntimeError, StoreFailed) as error:
                return Measured(0.0, "components", f"{component}: {' '.join(str(error).split())}", done=False)
        if hurried:
            steps.append(f"{hurried} resting job{'s are' if hurried > 1 else ' is'} tried at once")
        if not steps:
            return Measured(0.0, "components", f"{component}: nothing of it rests and there is nothing to restart", done=False)
        return Measured(1.0, "components", f"{component}: {'; '.join(steps)}")

    def circuit(self, component: str, job: str) -> Circuit:
        """The circuit breaker of a job or part."""
        key = f"{component} {job}"
        with self._lock:
            if key not in self._circuits:
                backoff = BACKOFFS.get(component, Backoff())
                self._circuits[key] = Circuit(backoff, seed=zlib.crc32(key.encode()), patience=PATIENCE.get(component, 2))
            return self._circuits[key]


def _shorten(text: str) -> str:
    return " ".join(text.split())[:LONGEST]


def _ago(now: int, seconds: float) -> int:
    """The beginning (ns UTC) of a failure that lasted so long, by the wall clock as it is now: it may have been set since."""
    return now - round(seconds * 1e9)
