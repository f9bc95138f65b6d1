"""Remedies by component while ticks are decided: for the feed, the store, the workers, the models and the probes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from engine.domain.ports import Feed
from engine.domain.tick import Artifact, Tick
from engine.domain.tuning import Reading
from engine.probes.probes import Source
from engine.shell.circuits import FAULTS
from engine.shell.engine import Engine
from engine.shell.logs import LOG
from engine.shell.recovery import Recovery
from engine.shell.turns import Turns
from engine.shell.workers import Workers
from engine.store.history import History
from engine.store.store import Store

REOPEN = 3  # failures in a row before the feed itself is reopened, not only its bars
SAVE, SLICES, SERVE = ("store", "save"), ("feed", "slices"), ("models", "serving")


class Mending:
    """Keeps the ticks of one engine going. For the thread that holds the priority lock, except for the remedies."""

    def __init__(
        self, recovery: Recovery, engine: Engine, turns: Turns, workers: Workers, store: Store, history: History, session: int,
        reopen: Callable[[], Feed] | None,
    ) -> None:  # fmt: skip
        self._recovery, self._engine, self._turns, self._store, self._reopen = recovery, engine, turns, store, reopen
        engine.bench.spare = partial(_spare, history, engine, session)
        recovery.teach("feed", self._open_feed)
        recovery.teach("store", self._connect)
        recovery.teach("trainer", workers.rebuild)
        recovery.teach("engine", self._change_models)

    @property
    def rests(self) -> bool:
        """Whether the feed or the store has just failed and is left alone for a while."""
        return self._recovery.rests(*SAVE) or self._recovery.rests(*SLICES)

    def store_failed(self, error: Exception) -> None:
        """Record that a tick was not saved; the next attempt saves it first."""
        self._recovery.failed(*SAVE, str(error))

    def feed_failed(self, error: Exception) -> None:
        """Record that the feed failed; nothing is lost, because bars are requested again after the last one decided on."""
        self._recovery.failed(*SLICES, str(error))
        if self._reopen is not None and self._recovery.failures(*SLICES) % REOPEN == 0:
            try:
                self._engine.reopen(self._reopen())
            except FAULTS as trouble:
                LOG.warning("the feed could not be reopened: %s", trouble)

    def decided(self, tick: Tick) -> None:
        """Record that a tick was decided and stored."""
        self._recovery.went_well(*SAVE)
        self._recovery.went_well(*SLICES)
        if not tick.outcome.degraded:
            serving = {served.model.name: served.version for served in self._engine.catalog.serving if served is not None}
            for model in self._recovery.standing("models"):
                if model in serving:  # a model without a sound version recovers with its next training
                    self._recovery.mended("models", model, f"{serving[model]} serves")
        replacements, self._engine.bench.replaced = self._engine.bench.replaced, ()
        for replacement in replacements:
            LOG.warning("%s: %s; %s", replacement.model, replacement.fault, replacement.how)
            self._recovery.broke("models", replacement.model, f"{replacement.fault}; {replacement.how}")

    def _open_feed(self) -> str:
        if self._reopen is None:
            raise ValueError("this feed cannot be reopened; its bars are requested again")
        feed = self._reopen()
        with self._turns.command():
            self._engine.reopen(feed)
        return "it was reopened after the last bar"

    def _connect(self) -> str:
        self._store.reconnect()
        return "the store was reconnected"

    def _change_models(self) -> str:
        with self._turns.command():
            replacements = self._engine.stand_in()
        if not replacements:
            raise ValueError("every model gives sound forecasts: there is none to replace; the next tick is tried at once")
        return "; ".join(f"{replacement.model}: {replacement.how}" for replacement in replacements)


class Rested:
    """A source of readings that is read less and less often while it fails."""

    def __init__(self, source: Source, recovery: Recovery) -> None:
        self._source, self._recovery = source, recovery
        self._error = ""

    @property
    def source(self) -> str:
        return self._source.source

    def note(self) -> str:
        return self._source.note()

    def read(self, at: int, tick: float) -> tuple[Reading, ...]:
        """Read the source; during a pause its last error is raised again without a read."""
        circuit = self._recovery.circuit("probes", self.source)
        if not circuit.may_try(tick):
            raise RuntimeError(self._error)
        try:
            readings = self._source.read(at, tick)
        except FAULTS as error:
            pause = circuit.failed(tick)
            self._error = f"{type(error).__name__}: {error}" + (f"; it is read again in {pause:.0f} s" if pause else "")
            self._recovery.broke("probes", self.source, self._error)
            raise
        if circuit.went_well():
            self._recovery.mended("probes", self.source)
        return readings


def _spare(history: History, engine: Engine, session: int, model: str, version: str) -> Artifact | None:
    return history.artifact_before(session, model, version, engine.tick)
