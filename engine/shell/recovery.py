"""What breaks and how it comes back by itself: failing jobs are tried less and less often, and every fault is kept with the time to its recovery."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from threading import Lock
from typing import Protocol

from sqlalchemy import Connection

from engine.domain.alerting import Recovered
from engine.domain.ports import Clock
from engine.domain.tuning import Measured
from engine.shell.circuits import Backoff, Circuit
from engine.shell.logs import LOG
from engine.store import alert_rows
from engine.store.errors import StoreFailed

LONGEST = 200  # letters of a fault that are kept
MOST = 500  # faults that wait for the store to be writable again
RETRY = "tried again"
BACKOFFS = {  # by component: the first pause after a failure and the longest, s
    "feed": Backoff(1.0, 60.0), "store": Backoff(0.5, 15.0), "probes": Backoff(2.0, 120.0), "optimizer": Backoff(5.0, 300.0),
    "alerts": Backoff(5.0, 300.0), "engine": Backoff(0.5, 10.0),
}  # fmt: skip
PATIENCE = {"engine": 3, "feed": 1, "store": 1}  # failures in a row before the first pause; others 2

Remedy = Callable[[], str]  # restarts, reconnects or resets; says what was done, raises ValueError where nothing can be


class Watch(Protocol):
    """Who is told how the jobs of a component go."""

    def failed(self, component: str, job: str, error: str) -> None: ...

    def went_well(self, component: str, job: str) -> None: ...


class Ledger(Protocol):
    """The part of the store's writer that is used here."""

    def write(self) -> AbstractContextManager[Connection]: ...


@dataclass(eq=False, slots=True)
class Fault:
    """A fault as it stands, and its number in the store once it has one."""

    told: Recovered
    begun: float = 0.0  # s of the monotonic clock
    number: int | None = None


class Recovery:
    """The circuits of one engine and the faults that are open. Stands between the jobs and the board. Safe from any thread."""

    def __init__(self, ledger: Ledger, watch: Watch, clock: Clock) -> None:
        self._ledger, self._watch, self._clock = ledger, watch, clock
        self._lock = Lock()
        self._circuits: dict[str, Circuit] = {}
        self._resting: set[str] = set()  # jobs whose last run was left out
        self._open: dict[str, Fault] = {}  # by what broke
        self._unsaved: list[Fault] = []  # what changed since it was written
        self._writing = Lock()
        self._remedies: dict[str, Remedy] = {}

    def teach(self, component: str, remedy: Remedy) -> None:
        """What `recover` is to do for a component, besides trying again at once."""
        self._remedies[component] = remedy

    def paced(self, component: str, job: str, work: Callable[[], None]) -> Callable[[], None]:
        """The work, left out while its circuit is open."""

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
        """Whether it is to be left alone now; for what only one thread does, and that asks before every try."""
        return self.circuit(component, job).left(self._clock.tick()) > 0.0

    def failures(self, component: str, job: str) -> int:
        """In a row."""
        return self.circuit(component, job).failures

    def standing(self, component: str) -> tuple[str, ...]:
        """What of a component is broken."""
        with self._lock:
            return tuple(key.split(" ", 1)[1] for key in self._open if key.split(" ", 1)[0] == component)

    def failed(self, component: str, job: str, error: str) -> None:
        """A job failed: it rests for a while, the fault is kept, and the board is told."""
        pause = self.circuit(component, job).failed(self._clock.tick())
        self.broke(component, job, error)
        if pause >= 1.0:
            LOG.info("%s of %s is tried again in %.1f s", job, component, pause)
        try:
            self._watch.failed(component, job, error)
        except StoreFailed as trouble:
            LOG.info("the board could not be told of %s: %s", component, trouble)

    def went_well(self, component: str, job: str) -> None:
        """It ran and did not fail, or it was left out, which says nothing."""
        with self._lock:
            if job in self._resting:
                return
        self.circuit(component, job).went_well()
        self.mended(component, job)
        self._watch.went_well(component, job)

    def broke(self, component: str, what: str, fault: str) -> None:
        """A fault begins, or another try of its cure has failed. Nothing is written here: a tick may be waiting."""
        key, said = f"{component} {what}", " ".join(fault.split())[:LONGEST]
        with self._lock:
            known = self._open.get(key)
            if known is not None:
                known.told = replace(known.told, tries=known.told.tries + 1)
                self._unsaved = [*self._unsaved, known] if known not in self._unsaved else self._unsaved
            elif len(self._open) < MOST:
                self._open[key] = known = Fault(Recovered(self._clock.now(), component, said, None, 0, None), self._clock.tick())
                self._unsaved.append(known)

    def mended(self, component: str, what: str, how: str = RETRY) -> None:
        """It works again."""
        with self._lock:
            known = self._open.pop(f"{component} {what}", None)
            if known is None:
                return
            now, lasted = self._clock.now(), self._clock.tick() - known.begun
            known.told = replace(known.told, at=_ago(now, lasted), how=how, tries=known.told.tries + 1, recovered_at=now)
            self._unsaved = [*self._unsaved[-MOST:], known]
        LOG.info("%s is well again after %.1f s: %s", component, lasted, how)

    def was_broken(self, component: str, what: str, seconds: float, fault: str, *, tries: int, how: str | None = None) -> None:
        """A fault from before this engine ran, mended by its start after so many seconds."""
        said, now = " ".join(fault.split())[:LONGEST], self._clock.now()
        LOG.warning("%s: %s; %s", component, said, how or f"{what} {RETRY}")
        with self._lock:
            self._unsaved.append(Fault(Recovered(_ago(now, seconds), component, said, how or f"{what} {RETRY}", tries, now)))

    def settle(self) -> None:
        """Writes what happened since; what the store does not take now waits for the next time. Raises StoreFailed."""
        with self._writing:
            with self._lock:
                waiting, self._unsaved = self._unsaved, []
            try:
                self._write(waiting)
            except StoreFailed:
                with self._lock:
                    self._unsaved = [*waiting, *self._unsaved]
                raise

    def _write(self, waiting: list[Fault]) -> None:
        if not waiting:
            return
        with self._ledger.write() as connection:
            numbers = [(fault, alert_rows.save_recovery(connection, fault.told, fault.number)) for fault in dict.fromkeys(waiting)]
        for fault, number in numbers:
            fault.number = number

    def failing(self) -> tuple[str, ...]:
        """The components with a fault that is open."""
        with self._lock:
            return tuple(dict.fromkeys(fault.told.component for fault in self._open.values()))

    def recover(self, component: str) -> Measured:
        """Restarts, reconnects or resets one by hand or by the optimizer: its remedy, and every circuit of it is tried at once."""
        with self._lock:
            mine = [circuit for key, circuit in self._circuits.items() if key.split(" ", 1)[0] == component]
        hurried = sum(circuit.hurry() for circuit in mine)
        said = []
        if component in self._remedies:
            try:
                said.append(self._remedies[component]())
            except (ValueError, OSError, RuntimeError, StoreFailed) as error:
                return Measured(0.0, "components", f"{component}: {' '.join(str(error).split())}", done=False)
        if hurried:
            said.append(f"{hurried} resting job{'s are' if hurried > 1 else ' is'} tried at once")
        if not said:
            return Measured(0.0, "components", f"{component}: nothing of it rests and there is nothing to restart", done=False)
        return Measured(1.0, "components", f"{component}: {'; '.join(said)}")

    def circuit(self, component: str, job: str) -> Circuit:
        """That of one job or part, made when it is first asked for."""
        key = f"{component} {job}"
        with self._lock:
            if key not in self._circuits:
                backoff = BACKOFFS.get(component, Backoff())
                self._circuits[key] = Circuit(backoff, seed=zlib.crc32(key.encode()), patience=PATIENCE.get(component, 2))
            return self._circuits[key]


def _ago(now: int, seconds: float) -> int:
    """When a fault that lasted so long began, by the wall clock as it is now (ns UTC): it may have been set since."""
    return now - round(seconds * 1e9)
