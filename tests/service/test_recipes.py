"""A version is what its recipe says: model, parameters, columns and window; its bytes, its name and its row in the store say the same."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.domain.model import Hyperparameter, Model, TrainingSet
from engine.domain.recipe import Recipe
from engine.domain.record import Floats
from engine.plugins import discover_plugins
from engine.service import training
from engine.store.read.history import TickHistory
from engine.store.write.writer import Writer
from tests.makers import Inline
from tests.store.made import WALL, Market, begin, empty

MODELS: tuple[Model, ...] = discover_plugins("engine.models", "MODEL")
BY_NAME = {model.name: model for model in MODELS}
EVERY = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
SLOW = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
COLUMNS = tuple(f"family.c{index}" for index in range(10))
UNTIL = 199


@cache
def rows(seed: int = 1) -> TrainingSet:
    """200 ticks of 4 symbols; two columns count, one of them only together with a third."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(800, len(COLUMNS)))
    y = np.stack([0.4 * x[:, 2] + 0.4 * x[:, 5] * x[:, 7] + draw.normal(size=800) for _ in range(2)], axis=1)
    x[draw.random(x.shape) < 0.02] = np.nan
    tick = np.repeat(np.arange(UNTIL + 1), 4)
    y[tick > UNTIL - 3, 1] = np.nan
    return TrainingSet(COLUMNS, (1, 3), x.astype(np.float32), y, tick, UNTIL)


def live() -> Floats:
    return np.asarray(rows(2).x[:8], dtype=np.float64)


def bytes_of_model(data: bytes) -> bytes:
    """The model's own bytes, of an artifact's."""
    with np.load(io.BytesIO(data)) as archive:
        return bytes(archive["model"].tobytes())


@EVERY
def test_named_defaults_give_the_bytes_of_no_parameters(model: Model) -> None:
    assert model.parameters
    defaults = {parameter.name: parameter.default for parameter in model.parameters}
    assert model.fit(rows(), 7, **defaults) == model.fit(rows(), 7)


@EVERY
def test_each_parameter_changes_what_is_fitted(model: Model) -> None:
    default = model.fit(rows(), 7)
    for parameter in model.parameters:
        values = (parameter.low, parameter.high) if parameter.name != "steps" else (parameter.low,)
        assert any(model.fit(rows(), 7, **{parameter.name: value}) != default for value in values), parameter.name


def value_of(parameter: Hyperparameter) -> st.SearchStrategy[float]:
    high = min(parameter.high, 400.0) if parameter.name == "steps" else parameter.high  # of the neural network: quick enough
    if parameter.integer:
        return st.integers(int(parameter.low), int(high)).map(float)
    return st.floats(parameter.low, high)


@EVERY
@SLOW
@given(data=st.data())
def test_any_parameters_within_their_bounds_fit_load_and_predict(model: Model, data: st.DataObject) -> None:
    values = tuple(sorted((parameter.name, data.draw(value_of(parameter), parameter.name)) for parameter in model.parameters))
    columns = tuple(data.draw(st.lists(st.sampled_from(COLUMNS), min_size=1, unique=True), "columns"))
    recipe = Recipe(model.name, values, columns, data.draw(st.sampled_from([0, 60, 150, 9_999]), "bars"))
    served = training.load_model(training.fit_model("place", recipe, rows(), 7, 212))
    forecasts = served.predict(live(), None, 0)
    assert forecasts.shape == (2, 8)
    assert np.isfinite(forecasts).all()


@EVERY
def test_parameters_out_of_bounds_are_refused_in_one_line(model: Model) -> None:
    for parameter in model.parameters:
        wrong = [parameter.low - 1e-6, parameter.high * 1.001, float("nan"), float("inf")]
        wrong += [parameter.low + 0.5] if parameter.integer else []
        for value in wrong:
            with pytest.raises(ValueError, match=rf"^{parameter.name} is [^\n]*: it has to be [^\n]*$"):
                model.fit(rows(), 7, **{parameter.name: value})
    with pytest.raises(ValueError, match=r"^there is no parameter 'depth': there are [^\n]*$"):
        model.fit(rows(), 7, depth=3.0)


@EVERY
def test_a_recipe_of_some_columns_is_a_training_on_those_columns_alone(model: Model) -> None:
    recipe = Recipe(model.name, columns=("family.c7", "family.c2", "family.c5"))
    places = [7, 2, 5]
    artifact = training.fit_model(model.name, recipe, rows(), 7, 212)
    alone = replace(rows(), columns=recipe.columns, x=np.ascontiguousarray(rows().x[:, places]))
    assert bytes_of_model(artifact.data) == model.fit(alone, 7)
    served = training.load_model(artifact)
    np.testing.assert_array_equal(served.predict(live()), model.predict(model.load(model.fit(alone, 7)), np.ascontiguousarray(live()[:, places])))
    unused = np.setdiff1d(np.arange(len(COLUMNS)), places)
    assert (served.feature_low[unused] == -np.inf).all()
    assert (served.feature_high[unused] == np.inf).all()
    assert (served.reliance[unused] == 0.0).all()
    assert np.isfinite(served.feature_low[places]).all()
    full = training.load_model(training.fit_model(model.name, Recipe(model.name), rows(), 7, 212))
    np.testing.assert_array_equal(served.feature_low[places], full.feature_low[places])
    blank = live()
    blank[:, unused] = np.nan
    np.testing.assert_array_equal(served.predict(blank), served.predict(live()))


@pytest.mark.parametrize(("bars", "first"), [(0, 0), (50, 150), (200, 0), (5_000, 0)])
def test_a_window_is_the_last_bars_as_many_as_there_are(bars: int, first: int) -> None:
    artifact = training.fit_model("ridge", Recipe("ridge", window_bars=bars), rows(), 7, 212)
    late = rows().tick >= first
    alone = replace(rows(), x=rows().x[late], y=rows().y[late], tick=rows().tick[late])
    assert bytes_of_model(artifact.data) == BY_NAME["ridge"].fit(alone, 7)
    assert (artifact.trained_from, artifact.trained_to, artifact.rows) == (first, UNTIL, int(late.sum()))


def test_a_window_without_a_row_is_refused() -> None:
    with pytest.raises(ValueError, match="no row to learn from"):
        training.fit_model("ridge", Recipe("ridge", window_bars=5), replace(rows(), until=UNTIL + 50), 7, 300)


@EVERY
def test_the_default_recipe_has_the_bytes_of_artifacts_before_there_were_recipes(model: Model) -> None:
    artifact = training.fit_model(model.name, Recipe(model.name), rows(), 7, 212)
    with np.load(io.BytesIO(artifact.data)) as archive:
        assert archive.files == ["low", "high", "reliance", "model"]
    assert artifact.version == f"{model.name}-{UNTIL}"
    assert artifact.columns == COLUMNS
    older = replace(artifact, recipe=Recipe(""))
    assert older.recipe == Recipe(model.name)
    assert training.load_model(older).recipe == Recipe(model.name)


def test_a_version_is_named_after_its_place_its_tick_and_its_recipe() -> None:
    longer = Recipe("ridge", window_bars=500)
    assert training.name_version("ridge", Recipe("ridge"), 8) == "ridge-8"
    assert training.name_version("ridge", Recipe("ridge", parent=longer.id), 8) == "ridge-8"
    assert training.name_version("ridge", longer, 8) == f"ridge-8-{longer.id[:6]}"
    other = Recipe("interactions")
    assert training.name_version("ridge", other, 8) == f"ridge-8-{other.id[:6]}"


def test_a_version_knows_its_place_which_need_not_be_its_model() -> None:
    recipe = Recipe("interactions", (("products", 4.0),))
    artifact = training.fit_model("neural", recipe, rows(), 7, 212)
    served = training.load_model(artifact)
    assert (artifact.model, served.place, served.model.name, served.recipe) == ("neural", "neural", "interactions", recipe)
    assert training.recipes_in_service(("neural", "ridge"), (served, None)) == (("neural", recipe), ("ridge", Recipe("ridge")))


def test_two_recipes_with_the_same_fit_have_two_digests_and_bytes_under_another_recipe_are_refused() -> None:
    alike = [Recipe("ridge", window_bars=bars) for bars in (0, 300, 400)]
    artifacts = [training.fit_model("ridge", recipe, rows(), 7, 212) for recipe in alike]
    assert len({bytes_of_model(artifact.data) for artifact in artifacts}) == 1
    assert len({artifact.data_digest for artifact in artifacts}) == 3
    for wrong in (replace(artifacts[1], recipe=alike[2]), replace(artifacts[1], recipe=alike[0]), replace(artifacts[0], recipe=alike[1])):
        with pytest.raises(ValueError, match=r"^the stored model [^\n]* its bytes are of another recipe; retrain$"):
            training.load_model(wrong)
    with pytest.raises(ValueError, match="another recipe"):
        training.load_model(replace(artifacts[1], model="neural"))


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        (Recipe("oracle"), "there is no model 'oracle': there are "),
        (Recipe("ridge", columns=("family.c1", "family.gone")), "there is no column 'family.gone' among the 10 "),
        (Recipe("ridge", columns=("family.c1", "family.c1")), "names a column twice"),
        (Recipe("ridge", (("penalty_scale", 1e9),)), "penalty_scale is 1e\\+09: it has to be between 0.05 and 50"),
        (Recipe("ridge", (("depth", 3.0),)), "there is no parameter 'depth'"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused_in_one_line(recipe: Recipe, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as raised:
        training.fit_model("ridge", recipe, rows(), 7, 212)
    assert "\n" not in str(raised.value)


def test_an_artifact_whose_model_or_column_is_no_longer_there_is_refused_in_one_line() -> None:
    artifact = training.fit_model("ridge", Recipe("ridge", columns=("family.c1",)), rows(), 7, 212)
    for wrong in (replace(artifact, recipe=Recipe("oracle")), replace(artifact, columns=COLUMNS[2:])):
        with pytest.raises(ValueError, match=r"^there is no (model|column) [^\n]*$"):
            training.load_model(wrong)


def test_a_training_follows_the_recipe_of_each_place(tmp_path: Path) -> None:
    recipes = (("ridge", Recipe("ridge", window_bars=100)), ("neural", Recipe("interactions")), ("online", Recipe("oracle")))
    job = training.submit_training(Inline(), rows(), recipes, 7, 212, str(tmp_path))
    first, second, third = job.wait_for_results()
    assert job.recipes == recipes
    assert not isinstance(first, str)
    assert not isinstance(second, str)
    assert (first.model, first.recipe, first.serves_from) == ("ridge", recipes[0][1], 212)
    assert second.data == training.fit_model("neural", Recipe("interactions"), rows(), 7, 212).data
    assert isinstance(third, str)
    assert third.startswith("ValueError: there is no model 'oracle'")


def test_an_artifact_comes_back_from_the_store_with_its_recipe(tmp_path: Path) -> None:
    url = empty(tmp_path)
    recipe = Recipe("interactions", (("columns", 3.0), ("products", 4.0)), ("family.c5", "family.c7", "family.c2"), 150, 7, "0123456789ab")
    sent = [training.fit_model("neural", recipe, rows(), 7, 212), training.fit_model("ridge", Recipe("ridge"), rows(), 7, 212)]
    writer = Writer(url)
    session = begin(writer, Market())
    for artifact in sent:
        writer.save_artifact(artifact, session, WALL)
    history = TickHistory(url)
    for artifact in sent:
        stored = history.artifact(artifact.data_digest)
        assert stored.digest() == artifact.digest()
        np.testing.assert_array_equal(training.load_model(stored).predict(live()), training.load_model(artifact).predict(live()))
    with writer.write() as connection:  # as a migration leaves rows of before
        connection.exec_driver_sql("UPDATE artifacts SET recipe = '' WHERE model = 'ridge'")
    assert history.artifact(sent[1].data_digest).recipe == Recipe("ridge")
    history.close()
    writer.close()
