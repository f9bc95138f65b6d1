"""Remedies by component while ticks are decided: for the feed, the store, the workers, the models and the probes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from engine import units
from engine.domain.model import PLUGIN_ERRORS
from engine.domain.optimization import Reading
from engine.domain.ports import Feed
from engine.domain.tick import Artifact, Tick
from engine.probes.probes import Probe
from engine.resilience.failure_log import FailureLog
from engine.service.engine import Engine
from engine.service.logging import LOG
from engine.service.priority_lock import PriorityLock
from engine.service.worker_pool import WorkerPool
from engine.store.connection import Store
from engine.store.read.history import TickHistory

REOPEN_AFTER = 3  # failures in a row before the feed itself is reopened, not only its bars
SAVE, SLICES, SERVE = ("store", "save"), ("feed", "slices"), ("models", "serving")


class ComponentRemedies:
    """Keeps the ticks of one engine going. For the thread that holds the priority lock, except for the remedies."""

    def __init__(
        self, failures: FailureLog, engine: Engine, lock: PriorityLock, workers: WorkerPool, store: Store, history: TickHistory, session: int,
        reopen: Callable[[], Feed] | None,
    ) -> None:  # fmt: skip
        self._failures, self._engine, self._lock, self._store, self._reopen = failures, engine, lock, store, reopen
        engine.registry.find_artifact = partial(_spare, history, engine, session)
        failures.register_remedy("feed", self._open_feed)
        failures.register_remedy("store", self._connect)
        failures.register_remedy("trainer", workers.reopen)
        failures.register_remedy("engine", self._change_models)

    @property
    def is_backing_off(self) -> bool:
        """Whether the feed or the store has just failed and is left alone for a while."""
        return self._failures.is_backing_off(*SAVE) or self._failures.is_backing_off(*SLICES)

    def on_store_failure(self, error: Exception) -> None:
        """Record that a tick was not saved; the next attempt saves it first."""
        self._failures.on_failure(*SAVE, str(error))

    def on_feed_failure(self, error: Exception) -> None:
        """Record that the feed failed; nothing is lost, because bars are requested again after the last one decided on."""
        self._failures.on_failure(*SLICES, str(error))
        if self._reopen is not None and self._failures.count_failures(*SLICES) % REOPEN_AFTER == 0:
            try:
                self._engine.reopen(self._reopen())
            except PLUGIN_ERRORS as trouble:
                LOG.warning("the feed could not be reopened: %s", trouble)

    def on_tick(self, tick: Tick) -> None:
        """Record that a tick was decided and stored."""
        self._failures.on_success(*SAVE)
        self._failures.on_success(*SLICES)
        if not tick.outcome.degraded:
            serving = {served.place: served.version for served in self._engine.catalog.serving if served is not None}
            for model in self._failures.open_failures("models"):
                if model in serving:  # a model without a sound version recovers with its next training
                    self._failures.record_recovery("models", model, f"{serving[model]} serves")
        replacements, self._engine.registry.replacements = self._engine.registry.replacements, ()
        for replacement in replacements:
            LOG.warning("%s: %s; %s", replacement.model, replacement.fault, replacement.how)
            self._failures.record_failure("models", replacement.model, f"{replacement.fault}; {replacement.how}")

    def _open_feed(self) -> str:
        if self._reopen is None:
            raise ValueError("this feed cannot be reopened; its bars are requested again")
        feed = self._reopen()
        with self._lock.command():
            self._engine.reopen(feed)
        return "it was reopened after the last bar"

    def _connect(self) -> str:
        self._store.reconnect()
        return "the store was reconnected"

    def _change_models(self) -> str:
        with self._lock.command():
            replacements = self._engine.replace_failing_models()
        if not replacements:
            raise ValueError("every model gives sound forecasts: there is none to replace; the next tick is tried at once")
        return "; ".join(f"{replacement.model}: {replacement.how}" for replacement in replacements)


class ThrottledSource:
    """A source of readings that is read less and less often while it fails."""

    def __init__(self, source: Probe, failures: FailureLog) -> None:
        self._source, self._failures = source, failures
        self._error = ""

    @property
    def source(self) -> str:
        return self._source.source

    def note(self) -> str:
        return self._source.note()

    def read(self, at: int, tick: float) -> tuple[Reading, ...]:
        """Read the source; during a pause its last error is raised again without a read."""
        circuit = self._failures.breaker("probes", self.source)
        if not circuit.allows_attempt(tick):
            raise RuntimeError(self._error)
        try:
            readings = self._source.read(at, tick)
        except PLUGIN_ERRORS as error:
            pause = circuit.record_failure(tick)
            self._error = f"{type(error).__name__}: {error}" + (f"; it is read again in {units.format_duration(pause)}" if pause else "")
            self._failures.record_failure("probes", self.source, self._error)
            raise
        if circuit.record_success():
            self._failures.record_recovery("probes", self.source)
        return readings


def _spare(history: TickHistory, engine: Engine, session: int, model: str, version: str) -> Artifact | None:
    return history.artifact_before(session, model, version, engine.tick)
