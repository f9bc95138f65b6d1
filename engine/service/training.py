"""Training outside the tick: every model is fitted in a worker process, on rows that depend on data only."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from engine.domain.model import PLUGIN_ERRORS, Model, ServingModel, TrainingSet
from engine.domain.ports import Feed
from engine.domain.recipe import Recipe
from engine.domain.record import Floats, Ints
from engine.domain.tick import Artifact
from engine.evidence import linear
from engine.plugins import discover_plugins
from engine.service import training_spool
from engine.settings import Settings

PlacedRecipes = Sequence[tuple[str, Recipe]]  # places on the model axis with the recipe that each is trained by
_UNUSED = {"low": -np.inf, "high": np.inf, "reliance": 0.0}  # of a column that a recipe does not name
RELIANCE_ROWS = 64  # rows on which the reliance of a model on each column is measured


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """A training under way: one future per recipe, to be adopted together."""

    until: int  # the last tick whose bar the rows may contain
    serves_from: int
    futures: tuple[Future[Artifact], ...]
    recipes: PlacedRecipes = ()  # of the futures, in their order

    def is_done(self) -> bool:
        return all(future.done() for future in self.futures)

    def wait_for_results(self) -> tuple[Artifact | str, ...]:
        """Wait for every fit; the artifacts in the order of the recipes, or in one line why a fit failed."""
        return tuple(_outcome(future) for future in self.futures)


def _outcome(future: Future[Artifact]) -> Artifact | str:
    if future.cancelled():
        return "it was not fitted: the workers were closed"
    error = future.exception()
    return future.result() if error is None else f"{type(error).__name__}: {error}"


def select_models(names: tuple[str, ...] = ()) -> tuple[Model, ...]:
    """The models that serve by default, or the named ones of all; raises ValueError with the known names."""
    models_found: tuple[Model, ...] = discover_plugins("engine.models", "MODEL")
    known = {model.name: model for model in models_found}
    for name in names:
        if name not in known:
            raise ValueError(f"there is no model {name!r}: there are {', '.join(known)}")
    return tuple(known[name] for name in names) if names else tuple(model for model in models_found if model.serves_by_default)


def count_training_bars(settings: Settings, feed: Feed) -> int:
    """The length of the training window in bars."""
    return max(1, int(settings.train_days * 86_400 * 10**9 / feed.info.interval))


def recipes_in_service(names: tuple[str, ...], fitted: Sequence[ServingModel | None]) -> PlacedRecipes:
    """The recipe of each place on the model axis: that of the version there, else the default one of the model that the place is named after."""
    return tuple((name, Recipe(name) if served is None else served.recipe) for name, served in zip(names, fitted, strict=True))


def submit_training(executor: Executor, training: TrainingSet, recipes: PlacedRecipes, seed: int, serves_from: int, home: str) -> TrainingJob:
    """Submit a fit by each recipe to the executor; raises OSError or ValueError where the rows cannot be written or no process can be started."""
    rows, file = training_spool.spool_training(training, home)
    futures: list[Future[Artifact]] = []
    try:
        futures += [executor.submit(_fit, place, recipe, rows, seed, serves_from) for place, recipe in recipes]
    finally:
        if len(futures) < len(recipes):
            file.delete()
    training_spool.delete_when_done(file, futures)
    return TrainingJob(training.until, serves_from, tuple(futures), tuple(recipes))


def _fit(place: str, recipe: Recipe, rows: training_spool.SpooledTraining, seed: int, serves_from: int) -> Artifact:
    return fit_model(place, recipe, training_spool.read_spooled_training(rows), seed, serves_from)


def fit_model(place: str, recipe: Recipe, training: TrainingSet, seed: int, serves_from: int) -> Artifact:
    """Fit a version of the model at a place on the model axis by a recipe, in the worker.

    The bytes hold the model and, for each of the F columns of the training, its range in the rows trained on and the model's reliance on it: infinite
    and 0 for a column that the recipe does not name. Raises ValueError, in one line, for an unknown model, parameter or column, and for no row.
    """
    (model,) = select_models((recipe.model,))
    begun = time.perf_counter()
    places = find_columns(recipe, training.columns)
    rows = select_rows(recipe, training, places)
    with threadpool_limits(1):  # sums differ in bits with the number of threads
        low, high = linear.training_bounds(rows.x)
        own = model.fit(rows, seed, **dict(recipe.parameters))
        shares = measure_reliance(model, own, rows)
        arrays: dict[str, NDArray[Any]] = {"low": low, "high": high, "reliance": shares}
        if places is not None:
            arrays = {name: _over_all(arrays[name], places, training, blank) for name, blank in _UNUSED.items()}
        if not is_place_default(place, recipe):
            arrays["recipe"] = _to_array(_recipe_mark(place, recipe))  # two recipes may give the same fit, not the same digest
        arrays["model"] = _to_array(own)
        data = linear.arrays_to_bytes(**arrays)
    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
    seconds = time.perf_counter() - begun
    first = int(rows.tick[0]) if len(rows.tick) else training.until
    version = name_version(place, recipe, training.until)
    return Artifact(digest, place, version, data, first, training.until, len(rows.tick), seconds, training.columns, serves_from, recipe)


def load_model(artifact: Artifact) -> ServingModel:
    """A model that serves, from its artifact; raises ValueError, in one line, where the bytes have changed or its recipe cannot be followed."""
    if hashlib.blake2b(artifact.data, digest_size=16).hexdigest() != artifact.data_digest:
        raise ValueError(f"the stored model {artifact.version} is corrupt: its digest is not {artifact.data_digest}; retrain")
    recipe = artifact.recipe
    (model,) = select_models((recipe.model,))
    columns = find_columns(recipe, artifact.columns)
    try:  # a digest detects damage, not tampering
        parts = linear.arrays_from_bytes(artifact.data, "low", "high", "reliance", "model")
        mark = parts["recipe"].tobytes() if "recipe" in parts else b""
        if mark != (b"" if is_place_default(artifact.model, recipe) else _recipe_mark(artifact.model, recipe)):
            raise ValueError("its bytes are of another recipe")
        fitted = model.load(parts["model"].tobytes())
    except PLUGIN_ERRORS as error:
        raise ValueError(f"the stored model {artifact.version} cannot be loaded: {' '.join(str(error).split())}; retrain") from error
    return ServingModel(
        model, artifact.version, artifact.data_digest, fitted, parts["low"], parts["high"], artifact.trained_to, parts["reliance"],
        artifact.model, recipe, columns,
    )  # fmt: skip


def name_version(place: str, recipe: Recipe, until: int) -> str:
    """The name of a version trained on data up to a tick: PLACE-TICK for the default recipe of the place, else PLACE-TICK-RECIPE."""
    return f"{place}-{until}" if is_place_default(place, recipe) else f"{place}-{until}-{recipe.id[:6]}"


def is_place_default(place: str, recipe: Recipe) -> bool:
    """Whether it is the default recipe of the model that the place is named after."""
    return recipe.model == place and recipe.is_default


def find_columns(recipe: Recipe, columns: tuple[str, ...]) -> Ints | None:
    """(K,) places of the recipe's columns among all, None where it has all of them. Raises ValueError for an unknown or repeated one."""
    if not recipe.columns:
        return None
    place_of = {name: place for place, name in enumerate(columns)}
    unknown = [name for name in recipe.columns if name not in place_of]
    if unknown:
        raise ValueError(f"there is no column {unknown[0]!r} among the {len(columns)} of the catalog: the recipe {recipe.id} cannot be followed")
    if len(set(recipe.columns)) < len(recipe.columns):
        raise ValueError(f"the recipe {recipe.id} names a column twice")
    return np.array([place_of[name] for name in recipe.columns], dtype=np.int64)


def select_rows(recipe: Recipe, training: TrainingSet, places: Ints | None = None) -> TrainingSet:
    """The rows of the recipe's window, as many as there are, with the columns at these places (None: all)."""
    first = max(recipe.since, training.until + 1 - recipe.window_bars if recipe.window_bars else 0)
    start = int(np.searchsorted(training.tick, first))  # ticks ascend
    if start == 0 and places is None:
        return training
    columns, x = training.columns, training.x[start:]
    if places is not None:
        columns, x = tuple(columns[place] for place in places), np.ascontiguousarray(x[:, places])
    return replace(training, columns=columns, x=x, y=training.y[start:], tick=training.tick[start:])


def _over_all(values: Floats, places: Ints, training: TrainingSet, blank: float) -> Floats:
    """(F,) the (K,) values at their places, and `blank` elsewhere."""
    spread = np.full(len(training.columns), blank)
    spread[places] = values
    return spread


def _recipe_mark(place: str, recipe: Recipe) -> bytes:
    return f"{place} {recipe.id}".encode()


def _to_array(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, dtype=np.uint8)


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
