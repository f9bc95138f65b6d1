"""One run of the engine over a copy of a part of a recording, as digests by tick."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from typing import ParamSpec, TypeVar

import numpy as np

from engine.domain.decision import Phase
from engine.domain.market import Inputs
from engine.domain.model import PLUGIN_ERRORS, ServingModel
from engine.domain.ports import Feed
from engine.domain.record import Floats
from engine.domain.tick import Artifact, Tick
from engine.service import training
from engine.service.engine import Engine
from engine.service.feeds import open_configured_feed
from engine.service.plugin_files import NO_QUARANTINE, Quarantine
from engine.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")
PATH_VARIABLE = "PODIUM_FEED_PATH"
STEPS = ("feed", "window", "account", "events", *(phase.value for phase in Phase), "training")  # of a tick, in order


@dataclass(frozen=True, slots=True)
class Schedule:
    """The two trainings of a run; the second uses the bars up to the last tick of the past."""

    first_training: int = 240  # bars decided before it
    retrain_every: int = 120  # ticks

    @property
    def last_tick(self) -> int:
        """The last tick of the past, counted from 0 in the run."""
        return self.first_training - 1 + self.retrain_every


@dataclass(frozen=True, slots=True)
class TickTrace:
    """The digests of one tick."""

    tick: int
    at: int  # ns UTC
    steps: tuple[str, ...]  # as STEPS without training
    columns: tuple[bytes, ...]  # of each column of the features
    predictions: tuple[bytes, ...]  # of each model
    fits: tuple[tuple[str, str], ...] = ()  # model and digest of each version trained on data up to this tick


@dataclass(frozen=True, slots=True)
class Trace:
    """A run, with the files that its parts stand in."""

    ticks: tuple[TickTrace, ...]
    symbols: int
    columns: tuple[str, ...]
    column_files: tuple[str, ...]  # of each column
    models: tuple[str, ...]
    model_files: tuple[str, ...]  # of each model
    feed_file: str


class StandingClock:
    """A clock that stands still, so that no deadline passes."""

    def now(self) -> int:
        return 0

    def tick(self) -> float:
        return 0.0


class InlineExecutor(Executor):
    """Carries out work where it is submitted, and holds the failures that say something about the machine, not about a model."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except PLUGIN_ERRORS as error:
            if isinstance(error, OSError | MemoryError):
                self.failures.append(f"{type(error).__name__}: {' '.join(str(error).split())}")
            future.set_exception(error)
        return future


@dataclass(slots=True)
class TraceStore:
    """Takes ticks as the store would, and holds their digests."""

    ticks: list[TickTrace] = field(default_factory=list)

    def save(self, tick: Tick) -> None:
        inputs, features, predictions = tick.inputs, tick.outcome.features.values, tick.outcome.predictions.mean
        steps = (tick.snapshot.digest(), _digest_window(inputs), inputs.account.digest(), _digest(*(event.digest() for event in inputs.events)))
        columns = tuple(_digest_array(features[:, column]) for column in range(features.shape[1]))
        models = tuple(_digest_array(own) for own in predictions)
        self.ticks.append(TickTrace(inputs.tick, inputs.at, (*steps, *tick.phase_digests), columns, models))

    def save_artifact(self, artifact: Artifact, session: int, now: int) -> None:
        del session, now
        self.add_fit(artifact)

    def remember(self, key: str, value: str) -> None:
        """Nothing is remembered between runs."""

    def add_fit(self, artifact: Artifact) -> None:
        """Add a trained version to the last tick whose data it was trained on."""
        trace = self.ticks[artifact.trained_to]
        self.ticks[artifact.trained_to] = replace(trace, fits=(*trace.fits, (artifact.model, artifact.data_digest)))


class TrialEngine(Engine):
    """An engine that holds every training that could not be submitted: the next adoption would overwrite the error."""

    def __init__(self, settings: Settings, feed: Feed, executor: InlineExecutor, store: TraceStore, quarantine: Quarantine) -> None:
        super().__init__(settings, feed, StandingClock(), training_pool=executor, store=store, quarantine=quarantine)
        self.failures = executor.failures

    def train(self, until: int, fitted: tuple[ServingModel | None, ...]) -> None:
        known = len(self._events)
        super().train(until, fitted)
        self.failures += [event.detail for event in self._events[known:] if event.kind == "training_failed"]


def configure_trial(settings: Settings, schedule: Schedule) -> Settings:
    """The settings of a run: no warm-up and no search, and trainings early enough for a short part of a recording."""
    trading = replace(
        settings.trading,
        first_training=schedule.first_training,
        retrain_every=schedule.retrain_every,
        evolution="refresh",
        flatten=False,
        paused=False,
    )
    return replace(settings, trading=trading, evolution="refresh", warmup_bars=0)


def trace_run(settings: Settings, path: str, until: int, quarantine: Quarantine = NO_QUARANTINE) -> Trace:
    """Decide every bar of the copy at `path` that closes by `until` (ns UTC), with models trained walk-forward, here and in this process.

    PODIUM_FEED_PATH is the copy's path meanwhile, so that code which looks the recording up finds the copy. Raises ValueError where the disk or the
    memory fails a training: the run would differ from others for a reason that is no look-ahead.
    """
    before = os.environ.get(PATH_VARIABLE)
    os.environ[PATH_VARIABLE] = path
    try:
        feed = open_configured_feed(replace(settings, feed_path=path))
        store = TraceStore()
        engine = TrialEngine(settings, feed, InlineExecutor(), store, quarantine)
        while (tick := engine.step()) is not None and tick.inputs.at < until and not engine.failures:
            pass
        if engine.failures:
            raise ValueError(f"a training of the check failed: {engine.failures[0]}")
        for job in engine.training_jobs:
            for artifact in job.wait_for_results():
                if isinstance(artifact, Artifact):
                    store.add_fit(artifact)
        return _describe(engine, store)
    finally:
        if before is None:
            del os.environ[PATH_VARIABLE]
        else:
            os.environ[PATH_VARIABLE] = before


def _describe(engine: Engine, store: TraceStore) -> Trace:
    families, models = engine.catalog.families, training.select_models(engine.settings.models)
    return Trace(
        ticks=tuple(store.ticks),
        symbols=len(engine.feed.info.symbols),
        columns=engine.catalog.columns,
        column_files=tuple(_file_of(family.build.__module__) for family in families for _ in family.columns),
        models=tuple(model.name for model in models),
        model_files=tuple(_file_of(model.fit.__module__) for model in models),
        feed_file=_file_of(type(engine.feed).__module__),
    )


def _file_of(module: str) -> str:
    return f"{module.replace('.', '/')}.py"


def _digest_window(inputs: Inputs) -> str:
    return _digest(*(part.digest() for part in (inputs.bars, inputs.books, inputs.flow, inputs.view)), inputs.fresh.tobytes().hex())


def _digest(*parts: str) -> str:
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:32]


def _digest_array(values: Floats) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=8).digest()
