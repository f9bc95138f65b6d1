"""Training outside the tick: every model is fitted in a worker process, on rows that depend on data only."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import Executor, Future
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from engine.domain.model import Model, ServingModel, TrainingSet
from engine.domain.ports import Feed
from engine.domain.record import Floats
from engine.domain.tick import Artifact
from engine.evidence import linear
from engine.plugins import PLUGIN_ERRORS, discover_plugins
from engine.service import training_spool
from engine.settings import Settings

RELIANCE_ROWS = 64  # rows on which the reliance of a model on each column is measured


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """A training under way: one future per model, to be adopted together."""

    until: int  # the last tick whose bar the rows may contain
    serves_from: int
    futures: tuple[Future[Artifact], ...]

    def is_done(self) -> bool:
        return all(future.done() for future in self.futures)

    def wait_for_results(self) -> tuple[Artifact | str, ...]:
        """Wait for every fit; the artifacts in the order of the models, or in one line why a fit failed."""
        return tuple(_outcome(future) for future in self.futures)


def _outcome(future: Future[Artifact]) -> Artifact | str:
    if future.cancelled():
        return "it was not fitted: the workers were closed"
    error = future.exception()
    return future.result() if error is None else f"{type(error).__name__}: {error}"


def select_models(names: tuple[str, ...] = ()) -> tuple[Model, ...]:
    """All models, or the named ones; raises ValueError with the known names."""
    models_found: tuple[Model, ...] = discover_plugins("engine.models", "MODEL")
    known = {model.name: model for model in models_found}
    for name in names:
        if name not in known:
            raise ValueError(f"there is no model {name!r}: there are {', '.join(known)}")
    return tuple(known[name] for name in names) if names else models_found


def count_training_bars(settings: Settings, feed: Feed) -> int:
    """The length of the training window in bars."""
    return max(1, int(settings.train_days * 86_400 * 10**9 / feed.info.interval))


def submit_training(executor: Executor, training: TrainingSet, named: tuple[str, ...], seed: int, serves_from: int, home: str) -> TrainingJob:
    """Submit one fit per model to the executor; raises OSError or ValueError where the rows cannot be written or no process can be started."""
    rows, file = training_spool.spool_training(training, home)
    futures: list[Future[Artifact]] = []
    try:
        futures += [executor.submit(_fit, name, rows, seed, serves_from) for name in named]
    finally:
        if len(futures) < len(named):
            file.delete()
    training_spool.delete_when_done(file, futures)
    return TrainingJob(training.until, serves_from, tuple(futures))


def _fit(name: str, rows: training_spool.SpooledTraining, seed: int, serves_from: int) -> Artifact:
    return fit_model(name, training_spool.read_spooled_training(rows), seed, serves_from)


def fit_model(name: str, training: TrainingSet, seed: int, serves_from: int) -> Artifact:
    """Fit one model, in the worker. The bytes hold the model and, for each feature, its range and the model's reliance on it."""
    (model,) = select_models((name,))
    begun = time.perf_counter()
    with threadpool_limits(1):  # sums differ in bits with the number of threads
        low, high = linear.training_bounds(training.x)
        own = model.fit(training, seed)
        shares = measure_reliance(model, own, training)
        data = linear.arrays_to_bytes(low=low, high=high, reliance=shares, model=np.frombuffer(own, dtype=np.uint8))
    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
    seconds = time.perf_counter() - begun
    first = int(training.tick[0]) if len(training.tick) else training.until
    return Artifact(digest, name, f"{name}-{training.until}", data, first, training.until, len(training.tick), seconds, training.columns, serves_from)


def load_model(artifact: Artifact) -> ServingModel:
    """A model that serves, from its artifact; raises ValueError where the bytes have changed."""
    if hashlib.blake2b(artifact.data, digest_size=16).hexdigest() != artifact.data_digest:
        raise ValueError(f"the stored model {artifact.version} is corrupt: its digest is not {artifact.data_digest}; retrain")
    (model,) = select_models((artifact.model,))
    try:  # a digest detects damage, not tampering
        parts = linear.arrays_from_bytes(artifact.data, "low", "high", "reliance", "model")
        fitted = model.load(parts["model"].tobytes())
    except PLUGIN_ERRORS as error:
        raise ValueError(f"the stored model {artifact.version} cannot be loaded: {' '.join(str(error).split())}; retrain") from error
    return ServingModel(model, artifact.version, artifact.data_digest, fitted, parts["low"], parts["high"], artifact.trained_to, parts["reliance"])


def measure_reliance(model: Model, data: bytes, training: TrainingSet) -> Floats:
    """(F,) the model's reliance on each column, summing to 1: how far forecasts move, on a sample, when that column alone is blank."""
    sample = training.x[:: max(1, len(training.x) // RELIANCE_ROWS)][-RELIANCE_ROWS:].astype(np.float64)
    rows, columns = sample.shape
    blanks = np.repeat(sample[None], columns + 1, axis=0)  # the last with none blank
    blanks[np.arange(columns), :, np.arange(columns)] = np.nan
    forecasts = np.asarray(model.predict(model.load(data), blanks.reshape(-1, columns))).reshape(-1, columns + 1, rows)
    moved: Floats = np.abs(forecasts[:, :-1] - forecasts[:, -1:]).sum(axis=(0, 2))
    total = float(moved.sum())
    return moved / total if total > 0 else moved
