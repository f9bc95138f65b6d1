"""What is done by component when it breaks while ticks are decided: the feed, the store, the workers, the models, the probes' sources."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from engine.domain.optimization import Reading
from engine.domain.ports import Feed
from engine.domain.tick import Artifact, Tick
from engine.probes.probes import Probe
from engine.resilience.circuit_breaker import PLUGIN_ERRORS
from engine.resilience.failure_log import FailureLog
from engine.service.engine import Engine
from engine.service.logging import LOG
from engine.service.priority_lock import PriorityLock
from engine.service.worker_pool import WorkerPool
from engine.store.connection import Store
from engine.store.read.history import TickHistory

REOPEN_AFTER = 3  # failures in a row after which the feed itself is opened anew, and not only its bars
SAVE, SLICES, SERVE = ("store", "save"), ("feed", "slices"), ("models", "serving")


class ComponentRemedies:
    """Keeps ticks going on one engine. Only the thread whose turn it is calls it, but for the remedies."""

    def __init__(
        self, recovery: FailureLog, engine: Engine, turns: PriorityLock, workers: WorkerPool, store: Store, history: TickHistory, session: int,
        reopen: Callable[[], Feed] | None,
    ) -> None:  # fmt: skip
        self._recovery, self._engine, self._turns, self._store, self._reopen = recovery, engine, turns, store, reopen
        engine.registry.find_artifact = partial(_spare, history, engine, session)
        recovery.register_remedy("feed", self._open_feed)
        recovery.register_remedy("store", self._connect)
        recovery.register_remedy("trainer", workers.reopen)
        recovery.register_remedy("engine", self._change_models)

    @property
    def is_backing_off(self) -> bool:
        """Whether the feed or the store has just failed and is left alone for a while."""
        return self._recovery.is_backing_off(*SAVE) or self._recovery.is_backing_off(*SLICES)

    def on_store_failure(self, error: Exception) -> None:
        """The tick that was not saved is saved first, by the next try."""
        self._recovery.on_failure(*SAVE, str(error))

    def on_feed_failure(self, error: Exception) -> None:
        """Nothing was taken, so nothing is lost: the bars are asked for again after the last one that was decided on."""
        self._recovery.on_failure(*SLICES, str(error))
        if self._reopen is not None and self._recovery.count_failures(*SLICES) % REOPEN_AFTER == 0:
            try:
                self._engine.reopen(self._reopen())
            except PLUGIN_ERRORS as trouble:
                LOG.warning("the feed could not be opened anew: %s", trouble)

    def on_tick(self, tick: Tick) -> None:
        """A tick was decided and kept."""
        self._recovery.on_success(*SAVE)
        self._recovery.on_success(*SLICES)
        if not tick.outcome.degraded:
            serving = {one.model.name: one.version for one in self._engine.catalog.serving if one is not None}
            for model in self._recovery.open_failures("models"):
                if model in serving:  # one that stands aside is well again when it has been trained again
                    self._recovery.record_recovery("models", model, f"{serving[model]} serves")
        found, self._engine.registry.replacements = self._engine.registry.replacements, ()
        for one in found:
            LOG.warning("%s: %s; %s", one.model, one.fault, one.how)
            self._recovery.record_failure("models", one.model, f"{one.fault}; {one.how}")

    def _open_feed(self) -> str:
        if self._reopen is None:
            raise ValueError("the feed was handed in and cannot be opened anew; its bars are asked for again")
        feed = self._reopen()
        with self._turns.command():
            self._engine.reopen(feed)
        return "it was opened anew after the last bar"

    def _connect(self) -> str:
        self._store.reconnect()
        return "the store was connected to anew"

    def _change_models(self) -> str:
        with self._turns.command():
            found = self._engine.replace_failing_models()
        if not found:
            raise ValueError("every model gives sound forecasts: there is none to replace; the next tick is tried at once")
        return "; ".join(f"{one.model}: {one.how}" for one in found)


class ThrottledSource:
    """A source of readings that is asked less and less often while it fails. What it is, is asked as ever."""

    def __init__(self, source: Probe, recovery: FailureLog) -> None:
        self._source, self._recovery = source, recovery
        self._said = ""

    @property
    def source(self) -> str:
        return self._source.source

    def note(self) -> str:
        return self._source.note()

    def read(self, at: int, tick: float) -> tuple[Reading, ...]:
        """As the source; while it rests what it failed with last is raised again, and it is not asked."""
        circuit = self._recovery.breaker("probes", self.source)
        if not circuit.allows_attempt(tick):
            raise RuntimeError(self._said)
        try:
            found = self._source.read(at, tick)
        except PLUGIN_ERRORS as error:
            pause = circuit.record_failure(tick)
            self._said = f"{type(error).__name__}: {error}" + (f"; it is asked again in {pause:.0f} s" if pause else "")
            self._recovery.record_failure("probes", self.source, self._said)
            raise
        if circuit.record_success():
            self._recovery.record_recovery("probes", self.source)
        return found


def _spare(history: TickHistory, engine: Engine, session: int, model: str, version: str) -> Artifact | None:
    return history.artifact_before(session, model, version, engine.tick)
