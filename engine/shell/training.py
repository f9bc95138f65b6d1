"""Training outside the tick: every model fitted in a worker process, on rows that depend on data only."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import Executor, Future
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from engine.discover import discover
from engine.domain.model import Model, Serving, Training
from engine.domain.ports import Feed
from engine.domain.record import Floats
from engine.domain.tick import Artifact
from engine.evidence import linear
from engine.settings import Settings
from engine.shell import parcel
from engine.shell.circuits import FAULTS

PROBED = 64  # rows that a model's reliance on each column is measured on


@dataclass(frozen=True, slots=True)
class Job:
    """A training under way: a future a model, to be adopted together."""

    until: int  # the last tick whose bar the rows may know
    serves_from: int
    futures: tuple[Future[Artifact], ...]

    def ready(self) -> bool:
        return all(future.done() for future in self.futures)

    def outcomes(self) -> tuple[Artifact | str, ...]:
        """Waits for every fit; what was fitted, in the order of the models, or in one line why it failed."""
        return tuple(_outcome(future) for future in self.futures)


def _outcome(future: Future[Artifact]) -> Artifact | str:
    if future.cancelled():
        return "it was not fitted: the workers were closed"
    error = future.exception()
    return future.result() if error is None else f"{type(error).__name__}: {error}"


def models(names: tuple[str, ...] = ()) -> tuple[Model, ...]:
    """The models discovered, or those named of them; raises ValueError with the names there are."""
    found: tuple[Model, ...] = discover("engine.models", "MODEL")
    known = {model.name: model for model in found}
    for name in names:
        if name not in known:
            raise ValueError(f"there is no model {name!r}: there are {', '.join(known)}")
    return tuple(known[name] for name in names) if names else found


def bars(settings: Settings, feed: Feed) -> int:
    """Bars of the training window."""
    return max(1, int(settings.train_days * 86_400 * 10**9 / feed.info.interval))


def submit(executor: Executor, training: Training, named: tuple[str, ...], seed: int, serves_from: int, home: str) -> Job:
    """Hands the rows to the executor, a fit a model; raises OSError or ValueError where they cannot be written or no process can be had."""
    rows, file = parcel.wrap(training, home)
    futures: list[Future[Artifact]] = []
    try:
        futures += [executor.submit(_fit, name, rows, seed, serves_from) for name in named]
    finally:
        if len(futures) < len(named):
            file.delete()
    parcel.delete_after(file, futures)
    return Job(training.until, serves_from, tuple(futures))


def _fit(name: str, rows: parcel.Parcel, seed: int, serves_from: int) -> Artifact:
    return fit(name, parcel.unwrap(rows), seed, serves_from)


def fit(name: str, training: Training, seed: int, serves_from: int) -> Artifact:
    """Fits one model; runs in the worker. The bytes hold the range of each feature, and how far the model relies on it, beside the model's own."""
    (model,) = models((name,))
    begun = time.perf_counter()
    with threadpool_limits(1):  # sums differ in bits with the number of threads
        low, high = linear.bounds(training.x)
        own = model.fit(training, seed)
        relied = reliance(model, own, training)
        data = linear.to_bytes(low=low, high=high, reliance=relied, model=np.frombuffer(own, dtype=np.uint8))
    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
    seconds = time.perf_counter() - begun
    first = int(training.tick[0]) if len(training.tick) else training.until
    return Artifact(digest, name, f"{name}-{training.until}", data, first, training.until, len(training.tick), seconds, training.columns, serves_from)


def load(artifact: Artifact) -> Serving:
    """A model that serves, from what was fitted; raises ValueError when the bytes are not what they were."""
    if hashlib.blake2b(artifact.data, digest_size=16).hexdigest() != artifact.data_digest:
        raise ValueError(f"the stored model {artifact.version} is corrupt: its digest is not {artifact.data_digest}; retrain")
    (model,) = models((artifact.model,))
    try:  # a digest vouches for damage only: whoever writes into a store can write another digest too
        parts = linear.from_bytes(artifact.data, "low", "high", "reliance", "model")
        fitted = model.load(parts["model"].tobytes())
    except FAULTS as error:
        raise ValueError(f"the stored model {artifact.version} cannot be loaded: {' '.join(str(error).split())}; retrain") from error
    return Serving(model, artifact.version, artifact.data_digest, fitted, parts["low"], parts["high"], artifact.trained_to, parts["reliance"])


def reliance(model: Model, data: bytes, training: Training) -> Floats:
    """(F,) share of a model's forecasts that goes with each column, summing to 1: how far they move, on a sample, when it alone is blank."""
    sample = training.x[:: max(1, len(training.x) // PROBED)][-PROBED:].astype(np.float64)
    rows, columns = sample.shape
    blanks = np.repeat(sample[None], columns + 1, axis=0)  # the last with none blank
    blanks[np.arange(columns), :, np.arange(columns)] = np.nan
    said = np.asarray(model.predict(model.load(data), blanks.reshape(-1, columns))).reshape(-1, columns + 1, rows)
    moved: Floats = np.abs(said[:, :-1] - said[:, -1:]).sum(axis=(0, 2))
    total = float(moved.sum())
    return moved / total if total > 0 else moved
