"""Searches for a better recipe outside the tick: each runs in a worker process, on rows that depend on data only."""

from __future__ import annotations

import time
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from engine.domain.model import Model, TrainingSet
from engine.domain.recipe import Recipe
from engine.domain.record import Floats
from engine.domain.tick import Artifact
from engine.libraries import LibraryError, explain_import_error
from engine.plugins import discover_plugins
from engine.resilience.circuit_breaker import PLUGIN_ERRORS
from engine.search import strategies
from engine.search.evaluation import Forecast
from engine.search.strategies import SearchReport, SearchSpace
from engine.service import training as trainings
from engine.service import training_spool
from engine.service.training_spool import SpooledTraining


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A search to run. Its result depends on these, on the rows and on nothing else."""

    number: int  # of the evolution
    place: str  # on the model axis
    champion: Recipe  # of the version that serves there
    strategy: str  # of SEARCHES
    seed: int
    serves_from: int  # tick at which the contest begins; no row of it is known to the search
    window_bars: int  # training window of recipes that name none
    serving: frozenset[str]  # kinds of model that serve in other places
    tried: frozenset[str] = frozenset()  # ids of recipes that have lost
    margin: float = 0.0005  # of R2, within which a contest would find the recipes equivalent
    excluded: frozenset[str] = frozenset()  # kinds of model in quarantine
    together: tuple[tuple[str, Recipe], ...] = ()  # other places with their recipes, which take the training window that is found


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search has found: a recipe with a model trained on all rows, or neither and the reason in the report."""

    place: str
    strategy: str
    recipe: Recipe | None
    artifacts: tuple[Artifact, ...]  # of the place, then of the places that take the same window
    report: SearchReport


@dataclass(frozen=True, slots=True)
class SearchJob:
    """A search under way."""

    number: int  # of the evolution
    until: int  # the last tick whose bar the rows may contain
    serves_from: int
    future: Future[SearchResult]

    def is_done(self) -> bool:
        return self.future.done()

    def wait_for_result(self) -> SearchResult | str:
        """Wait for the search; its result, or in one line why it failed."""
        if self.future.cancelled():
            return "it was not searched: the workers were closed"
        error = self.future.exception()
        return self.future.result() if error is None else " ".join(f"{type(error).__name__}: {error}".split())[:300]


def submit_search(executor: Executor, training: TrainingSet, request: SearchRequest, home: str) -> SearchJob:
    """Submit a search to the executor. Raises ValueError for rows of the contest, OSError where the rows cannot be written or no process started."""
    if training.until >= request.serves_from:
        raise ValueError(f"rows up to tick {training.until} would reach into the contest, which begins at {request.serves_from}")
    rows, file = training_spool.spool_training(training, home)
    futures: list[Future[SearchResult]] = []
    try:
        futures.append(executor.submit(_search, request, rows))
    finally:
        if not futures:
            file.delete()
    training_spool.delete_when_done(file, futures)
    return SearchJob(request.number, training.until, request.serves_from, futures[0])


def _search(request: SearchRequest, rows: SpooledTraining) -> SearchResult:
    kinds = tuple(kind for kind in discover_plugins("engine.models", "MODEL") if kind.name not in request.excluded)
    return run_search(request, training_spool.read_spooled_training(rows), kinds)


def run_search(request: SearchRequest, training: TrainingSet, kinds: tuple[Model, ...]) -> SearchResult:
    """Search in this process, which is a worker's, on one thread: sums differ in bits with the number of threads.

    Raises ValueError, in one line, where nothing can be searched, and LibraryError where Optuna is missing.
    """
    begun = time.process_time()
    champion = replace(request.champion, model=request.champion.model or request.place)
    space = SearchSpace(request.strategy, champion, kinds, request.serving, request.tried, request.window_bars, request.seed, request.margin)
    artifacts: tuple[Artifact, ...] = ()
    with threadpool_limits(1):
        try:
            recipe, report = strategies.search_recipe(training, space, forecast_with(kinds, request.seed))
        except ImportError as error:
            line = explain_import_error(error)
            if line is None:
                raise
            raise LibraryError(line) from error
        if recipe is not None:
            recipe = anchor_window(recipe, champion, training.until)
            bars, since = recipe.window_bars, recipe.since
            others = tuple((place, replace(other, parent=other.id, window_bars=bars, since=since)) for place, other in request.together)
            artifacts = tuple(_fit(request, place, placed, training) for place, placed in ((request.place, recipe), *others))
    seconds = time.process_time() - begun
    return SearchResult(request.place, request.strategy, recipe, artifacts, replace(report, seconds=seconds, fits=report.fits + len(artifacts)))


def anchor_window(recipe: Recipe, champion: Recipe, until: int) -> Recipe:
    """The recipe with the first row of its window in place of its length, where it has another window than the champion.

    A window that a search has chosen begins after a change of the market, so it grows from there as time goes on.
    """
    if not recipe.window_bars or recipe.window_bars == champion.window_bars:
        return recipe
    return replace(recipe, window_bars=0, since=max(1, until + 1 - recipe.window_bars))


def _fit(request: SearchRequest, place: str, recipe: Recipe, training: TrainingSet) -> Artifact:
    rows = trainings.select_rows(replace(recipe, window_bars=recipe.window_bars or request.window_bars), training)
    return trainings.fit_model(place, recipe, rows, request.seed, request.serves_from)


def forecast_with(kinds: tuple[Model, ...], seed: int) -> Forecast:
    """Fits by a recipe and predicts; None where that fails."""

    def forecast(recipe: Recipe, training: TrainingSet, x: NDArray[np.float32]) -> Floats | None:
        kind = strategies.find_kind(kinds, recipe.model)
        try:
            places = trainings.find_columns(recipe, training.columns)
            fitted = kind.load(kind.fit(trainings.select_rows(recipe, training, places), seed, **dict(recipe.parameters)))
            return np.asarray(kind.predict(fitted, (x if places is None else x[:, places]).astype(np.float64)))
        except PLUGIN_ERRORS:  # values at the edge of the space may be too much for a kind
            return None

    return forecast
