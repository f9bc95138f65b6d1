"""Searches in worker processes: the same result in any process, one line for whatever goes wrong, and no file left behind."""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.domain.model import TrainingSet
from engine.domain.recipe import Recipe
from engine.files.owned_folders import TEMPORARY
from engine.plugins import discover_plugins
from engine.service import search, training
from engine.service.search import SearchJob, SearchRequest, SearchResult
from engine.service.worker_pool import WorkerPool
from tests.makers import Inline
from tests.search.markets import linear, make_training

CHAMPION = Recipe("ridge", columns=("family_3.column_15",))  # which has nothing to do with the returns
REQUEST = SearchRequest(4, "ridge", CHAMPION, "column selection", 5, 700, 400, frozenset({"online"}))


def rows() -> TrainingSet:
    return make_training(5, linear(0.3), bars=600)


def left(home: Path) -> list[Path]:
    return sorted((home / TEMPORARY.name).glob("rows-*"))


def find(result: SearchResult | str) -> SearchResult:
    assert isinstance(result, SearchResult), result
    return result


def test_a_search_gives_a_recipe_and_the_same_model_in_this_process_and_in_another(tmp_path: Path) -> None:
    tuning = replace(REQUEST, strategy="tuning", champion=Recipe("random_fourier_features", (("features", 16.0), ("length_scale", 9.0))))
    requests, workers = (REQUEST, tuning), WorkerPool()
    here, tuned_here = (find(search.submit_search(Inline(), rows(), each, str(tmp_path)).wait_for_result()) for each in requests)
    try:
        job, other = (search.submit_search(workers, rows(), each, str(tmp_path)) for each in requests)
        other.future.result(300.0)
    finally:
        workers.close()
    there, tuned_there = find(job.wait_for_result()), find(other.wait_for_result())
    assert (job.number, job.until, job.serves_from, job.is_done()) == (4, 599, 700, True)
    assert here.recipe is not None
    assert here.artifacts is not None
    (found_there,), (found_here,) = there.artifacts, here.artifacts
    assert there.recipe == here.recipe
    assert found_there.data == found_here.data
    assert replace(there.report, seconds=0.0) == replace(here.report, seconds=0.0)
    assert there.report.seconds > 0.0
    assert replace(tuned_there.report, seconds=0.0) == replace(tuned_here.report, seconds=0.0)
    assert tuned_here.report.trials > 10
    assert left(tmp_path) == []


def test_the_model_of_a_challenger_is_the_one_that_a_training_by_its_recipe_gives() -> None:
    result = search.run_search(REQUEST, rows(), discover_plugins("engine.models", "MODEL"))
    assert result.recipe is not None
    (artifact,) = result.artifacts
    assert (result.place, result.strategy, result.recipe.parent) == ("ridge", "column selection", CHAMPION.id)
    newest = training.select_rows(replace(result.recipe, window_bars=400, columns=()), rows())
    assert int(newest.tick[0]) == 200  # the window of recipes that name none
    again = training.fit_model("ridge", result.recipe, newest, 5, 700)
    assert artifact.data_digest == again.data_digest
    assert (artifact.trained_from, artifact.trained_to, artifact.serves_from) == (200, 599, 700)
    served = training.load_model(artifact)
    assert served.recipe == result.recipe


def test_a_window_for_all_places_gives_a_version_of_each() -> None:
    request = replace(REQUEST, strategy="shorter window", together=(("neural", Recipe("neural")),))
    result = search.run_search(request, rows(), discover_plugins("engine.models", "MODEL"))
    if result.recipe is None:
        assert result.artifacts == ()
        return
    assert [artifact.model for artifact in result.artifacts] == ["ridge", "neural"]
    assert {artifact.recipe.window_bars for artifact in result.artifacts} == {result.recipe.window_bars}


def test_nothing_better_is_no_challenger_and_one_reason() -> None:
    request = replace(REQUEST, strategy="longer window", window_bars=10_000)
    result = search.run_search(request, rows(), discover_plugins("engine.models", "MODEL"))
    assert (result.recipe, result.artifacts) == (None, ())
    assert result.report.reason == "there are no rows beyond the present window"
    assert result.report.fits == 5


def test_a_champion_without_a_name_is_the_default_recipe_of_its_place() -> None:
    request = replace(REQUEST, strategy="longer window", champion=Recipe(""), window_bars=10_000)
    assert search.run_search(request, rows(), discover_plugins("engine.models", "MODEL")).report.fits == 5


def test_rows_of_the_contest_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rows up to tick 599 would reach into the contest, which begins at 599"):
        search.submit_search(Inline(), rows(), replace(REQUEST, serves_from=599), str(tmp_path))
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strategy": "refresh"}, "ValueError: there is no search 'refresh'"),
        ({"champion": Recipe("oracle")}, "ValueError: there is no kind of model 'oracle'"),
    ],
)
def test_a_search_that_fails_is_one_line(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    result = search.submit_search(Inline(), rows(), replace(REQUEST, **changes), str(tmp_path)).wait_for_result()
    assert isinstance(result, str)
    assert result.startswith(words)
    few = search.submit_search(Inline(), make_training(1, bars=100), REQUEST, str(tmp_path)).wait_for_result()
    assert few == "ValueError: there are too few rows to search on: 600 in 100 bars; 1,000 in 400 are needed"
    assert left(tmp_path) == []


def test_without_optuna_a_search_is_one_line_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)  # import optuna raises ImportError
    result = search.submit_search(Inline(), rows(), replace(REQUEST, strategy="tuning"), str(tmp_path)).wait_for_result()
    assert isinstance(result, str)
    assert result.startswith("LibraryError: the library optuna cannot be loaded")
    assert "pip install -r requirements.txt" in result


class NoProcess(Inline):
    def submit(self, *_: object, **__: object) -> Future[Any]:
        raise OSError(11, "Resource temporarily unavailable")


class Killing(Inline):
    """Hands the work to a worker that is killed as soon as it has begun."""

    def __init__(self, workers: WorkerPool) -> None:
        self.workers = workers

    def submit(self, *_: object, **__: object) -> Future[Any]:
        return self.workers.submit(die)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_is_killed_or_never_begins_is_reported_and_leaves_no_file(tmp_path: Path) -> None:
    workers = WorkerPool()
    try:
        job = search.submit_search(Killing(workers), rows(), REQUEST, str(tmp_path))
        assert job.future.exception(120) is not None
    finally:
        workers.close()
    reason = job.wait_for_result()
    assert isinstance(reason, str)
    assert reason.startswith("BrokenProcessPool: ")
    assert "\n" not in reason
    with pytest.raises(OSError, match="unavailable"):
        search.submit_search(NoProcess(), rows(), REQUEST, str(tmp_path))
    assert left(tmp_path) == []


def test_a_search_whose_workers_were_closed_is_one_line() -> None:
    future: Future[SearchResult] = Future()
    future.cancel()
    assert SearchJob(1, 599, 700, future).wait_for_result() == "it was not searched: the workers were closed"
