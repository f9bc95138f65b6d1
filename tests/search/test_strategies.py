"""Strategies: each finds what it is for, and proposes nothing that is no better, has lost before or was tried already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.domain.model import Hyperparameter, Model, TrainingSet
from engine.domain.recipe import Recipe
from engine.domain.record import Floats
from engine.models import fourier_features, interactions, ridge
from engine.search import strategies
from engine.search.evaluation import Forecast, Gain
from engine.search.strategies import SearchReport, SearchSpace
from engine.service.search import forecast_with
from tests.search.markets import flipped, linear, make_training, nothing, product

KINDS = (ridge.MODEL, fourier_features.MODEL)
RIDGE = Recipe("ridge")
SPACE = SearchSpace("shorter window", RIDGE, KINDS, frozenset(), frozenset(), 10_000, 1)


def search(training: TrainingSet, strategy: str, **changes: object) -> tuple[Recipe | None, SearchReport]:
    space = replace(SPACE, strategy=strategy, **changes)  # type: ignore[arg-type]
    recipe, report = strategies.search_recipe(training, space, forecast_with(space.kinds, space.seed))
    assert (recipe is None) == bool(report.reason)
    assert "\n" not in report.reason
    return recipe, report


def test_a_shorter_window_is_found_where_only_the_last_quarter_matters() -> None:
    recipe, report = search(make_training(4, flipped(0.3, 0.75)), "shorter window")
    assert recipe is not None
    assert recipe.window_bars < 800
    assert (recipe.parent, recipe.model) == (RIDGE.id, "ridge")
    assert report.trials == 3
    assert report.outer_gain is not None
    assert report.outer_gain > SPACE.margin


def test_a_longer_window_is_found_where_there_are_more_rows_of_the_same_relation() -> None:
    recipe, report = search(make_training(2, linear(0.2), columns=40), "longer window", window_bars=200)
    assert recipe is not None
    assert recipe.window_bars > 200
    assert report.trials == 3
    recipe, report = search(make_training(2, linear(0.2), bars=500), "longer window")
    assert report.reason == "there are no rows beyond the present window"
    assert (report.trials, report.inner_gain, report.outer_gain) == (0, None, None)


def test_columns_that_matter_are_selected_from_many_that_do_not() -> None:
    recipe, report = search(make_training(5, linear(0.25), columns=60), "column selection")
    assert recipe is not None
    assert {f"family_{place // 5}.column_{place}" for place in range(6)} <= set(recipe.columns)
    assert len(recipe.columns) < 30
    assert list(recipe.columns) == [name for name in make_training(4, bars=400, columns=60).columns if name in recipe.columns]
    assert report.trials <= 3


def test_all_columns_are_tried_where_the_champion_has_too_few() -> None:
    champion = replace(RIDGE, columns=("family_3.column_15",))
    recipe, _ = search(make_training(5, linear(0.3)), "column selection", champion=champion)
    assert recipe is not None
    assert recipe.parent == champion.id
    assert recipe.columns != champion.columns


def test_an_interaction_is_found_by_the_structure_search_where_the_champion_has_no_skill() -> None:
    training = make_training(6, product(0.3), persistence=0.8)
    kinds, serving = (*KINDS, interactions.MODEL), frozenset({"random_fourier_features"})
    recipe, report = search(training, "structure search", kinds=kinds, serving=serving)
    assert recipe == Recipe("interactions", parent=RIDGE.id)
    assert report.trials == 1 + len(strategies.RECENT)  # by window; ridge has no structural parameter, and the other kind serves in another place
    recipe, report = search(training, "structure search", kinds=kinds)
    assert recipe is not None
    assert recipe.model == "interactions"
    assert report.trials == 2 * (1 + len(strategies.RECENT))
    assert search(training, "structure search", serving=serving)[1].trials == 0


def stubborn(training: TrainingSet, seed: int, *, scale: float = 0.001, depth: float = 1) -> bytes:
    """A ridge regression whose forecasts are mixed with noise that falls with `scale`."""
    del training, seed
    return np.array([scale, depth]).tobytes()


def seen_through(fitted: Floats, x: Floats) -> Floats:
    noise = np.random.default_rng(len(x)).normal(size=len(x)) / fitted[0] / fitted[1]
    return np.tile(x[:, 0] + noise, (3, 1))


STUBBORN = Model(
    "stubborn", "stub", stubborn, np.frombuffer, seen_through,
    parameters=(Hyperparameter("scale", 0.001, 0.0001, 10.0, log=True), Hyperparameter("depth", 1, 1, 900, integer=True, log=True, structural=True)),
)  # fmt: skip


@pytest.mark.parametrize(("strategy", "searched"), [("tuning", "scale"), ("structure search", "depth")])
def test_parameters_are_searched_by_their_own_strategy(strategy: str, searched: str) -> None:
    training = make_training(7, linear(0.3, 1), bars=600)
    other = {"tuning": "depth", "structure search": "scale"}[strategy]
    champion = Recipe("stubborn", ((other, 1.5),) if other == "scale" else ((other, 2.0),))
    recipe, report = search(training, strategy, champion=champion, kinds=(STUBBORN,))
    assert recipe is not None
    values = dict(recipe.parameters)
    assert values[other] == dict(champion.parameters)[other]
    assert values[searched] > 2.0 * {"scale": 0.001, "depth": 1}[searched]
    assert report.trials <= {"tuning": strategies.TUNING_TRIALS, "structure search": strategies.STRUCTURE_TRIALS}[strategy]
    assert report.fits < (report.trials + 1) * 5 + 2  # some were stopped


def test_recipes_that_have_lost_are_not_tried_again() -> None:
    training = make_training(4, flipped(0.3, 0.75))
    recipe, first = search(training, "shorter window")
    assert recipe is not None
    again, second = search(training, "shorter window", tried=frozenset({recipe.id}))
    assert second.trials == first.trials - 1
    assert again is None or again.id != recipe.id
    windows = frozenset(replace(RIDGE, window_bars=bars).id for bars in range(10, 1_500, 10))
    _, third = search(training, "shorter window", tried=windows)
    assert (third.trials, third.fits) == (0, 5)
    assert third.reason == "a shorter window has too few rows, or has lost before"


def test_the_same_search_gives_the_same_and_another_seed_may_not() -> None:
    training = make_training(8, linear(0.2), bars=500, symbols=3)
    space = {"champion": Recipe("random_fourier_features", (("features", 16.0), ("length_scale", 9.0))), "seed": 5}
    first, again = (search(training, "tuning", **space) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_blanks_are_survived(share: float) -> None:
    training = make_training(9, linear(0.3), bars=500)
    random = np.random.default_rng(1)
    x = np.where(random.random(training.x.shape) < share, np.nan, training.x).astype(np.float32)
    y = np.where(random.random(training.y.shape) < 0.3, np.nan, training.y)
    for strategy in ("shorter window", "column selection", "structure search"):
        search(replace(training, x=x, y=y), strategy)
    unknown = replace(training, y=np.full_like(y, np.nan))
    assert search(unknown, "column selection")[0] is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strategy": "refresh"}, "there is no search 'refresh'"),
        ({"champion": Recipe("oracle")}, "there is no kind of model 'oracle': there are ridge, random_fourier_features"),
        ({"champion": replace(RIDGE, columns=("no.column",))}, "the champion's recipe, ridge, cannot be fitted"),
    ],
)
def test_what_cannot_be_searched_is_one_line(changes: dict[str, object], words: str) -> None:
    space = {"strategy": "shorter window", **changes}
    with pytest.raises(ValueError, match=words):
        search(make_training(1, bars=500), **space)  # type: ignore[arg-type]


def test_candidates_that_cannot_be_fitted_are_no_challengers() -> None:
    def only_the_champion(recipe: Recipe, _: TrainingSet, x: NDArray[np.float32]) -> Floats | None:
        return None if recipe.window_bars < 500 else np.zeros((3, len(x)))

    forecast: Forecast = only_the_champion
    space = replace(SPACE, window_bars=500)
    _, report = strategies.search_recipe(make_training(1, bars=800), space, forecast)
    assert report.reason == "no candidate could be fitted, of 1"


def test_the_rule_worked_by_hand() -> None:
    worth: Callable[..., bool] = strategies.is_worth_a_contest
    assert worth(Gain(0.001, 0.002), Gain(0.001, 0.0015), 0.0005)  # 0.5 + 0.67 standard errors
    assert not worth(Gain(0.001, 0.002), Gain(0.001, 0.0025), 0.0005)  # 0.5 + 0.4
    assert not worth(Gain(0.002, 0.001), Gain(0.0004, 0.0001), 0.0005)  # within the margin
    assert not worth(Gain(-0.0001, 0.001), Gain(0.01, 0.001), 0.0005)


def test_noise_seldom_brings_a_challenger() -> None:
    """Over 20 seeds; the rates of every strategy and kind are in docs/decisions/0040-search.md."""
    challengers = sum(search(make_training(seed, nothing, bars=600), "shorter window", seed=seed)[0] is not None for seed in range(20))
    assert challengers <= 5
