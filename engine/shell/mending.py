"""What is done by component when it breaks while ticks are decided: the feed, the store, the workers, the models, the probes' sources."""

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

REOPEN = 3  # failures in a row after which the feed itself is opened anew, and not only its bars
SAVE, SLICES, SERVE = ("store", "save"), ("feed", "slices"), ("models", "serving")


class Mending:
    """Keeps ticks going on one engine. Only the thread whose turn it is calls it, but for the remedies."""

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
        """The tick that was not saved is saved first, by the next try."""
        self._recovery.failed(*SAVE, str(error))

    def feed_failed(self, error: Exception) -> None:
        """Nothing was taken, so nothing is lost: the bars are asked for again after the last one that was decided on."""
        self._recovery.failed(*SLICES, str(error))
        if self._reopen is not None and self._recovery.failures(*SLICES) % REOPEN == 0:
            try:
                self._engine.reopen(self._reopen())
            except FAULTS as trouble:
                LOG.warning("the feed could not be opened anew: %s", trouble)

    def decided(self, tick: Tick) -> None:
        """A tick was decided and kept."""
        self._recovery.went_well(*SAVE)
        self._recovery.went_well(*SLICES)
        if not tick.outcome.degraded:
            serving = {one.model.name: one.version for one in self._engine.catalog.serving if one is not None}
            for model in self._recovery.standing("models"):
                if model in serving:  # one that stands aside is well again when it has been trained again
                    self._recovery.mended("models", model, f"{serving[model]} serves")
        found, self._engine.bench.replaced = self._engine.bench.replaced, ()
        for one in found:
            LOG.warning("%s: %s; %s", one.model, one.fault, one.how)
            self._recovery.broke("models", one.model, f"{one.fault}; {one.how}")

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
            found = self._engine.stand_in()
        if not found:
            raise ValueError("every model gives sound forecasts: there is none to replace; the next tick is tried at once")
        return "; ".join(f"{one.model}: {one.how}" for one in found)


class Rested:
    """A source of readings that is asked less and less often while it fails. What it is, is asked as ever."""

    def __init__(self, source: Source, recovery: Recovery) -> None:
        self._source, self._recovery = source, recovery
        self._said = ""

    @property
    def source(self) -> str:
        return self._source.source

    def note(self) -> str:
        return self._source.note()

    def read(self, at: int, tick: float) -> tuple[Reading, ...]:
        """As the source; while it rests what it failed with last is raised again, and it is not asked."""
        circuit = self._recovery.circuit("probes", self.source)
        if not circuit.may_try(tick):
            raise RuntimeError(self._said)
        try:
            found = self._source.read(at, tick)
        except FAULTS as error:
            pause = circuit.failed(tick)
            self._said = f"{type(error).__name__}: {error}" + (f"; it is asked again in {pause:.0f} s" if pause else "")
            self._recovery.broke("probes", self.source, self._said)
            raise
        if circuit.went_well():
            self._recovery.mended("probes", self.source)
        return found


def _spare(history: History, engine: Engine, session: int, model: str, version: str) -> Artifact | None:
    return history.artifact_before(session, model, version, engine.tick)
