"""Versions by recipe in a decision: those that serve on some columns, and those in shadow, which learn online and change nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import NoReturn

import numpy as np
import pytest

from engine.domain.model import ServingModel, TrainingSet
from engine.domain.recipe import Recipe
from engine.evidence import recursive_least_squares
from engine.phases import validation
from engine.service import training
from tests.makers import Moment, decided, moment
from tests.phases.test_models_to_forecast import chosen


@cache
def rows(seed: int = 1) -> TrainingSet:
    """Made rows of the moment's columns."""
    at = moment()
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(900, len(at.catalog.columns))).astype(np.float32)
    y = np.stack([0.5 * x[:, index] + draw.normal(size=900) for index in range(3)], axis=1)
    return TrainingSet(at.catalog.columns, (1, 3, 12), x, y, np.repeat(np.arange(at.state.tick - 299, at.state.tick + 1), 3), at.state.tick)


@cache
def version(place: str, recipe: Recipe) -> ServingModel:
    return training.load_model(training.fit_model(place, recipe, rows(), 7, moment().state.tick + 1))


def with_shadows(*shadows: ServingModel) -> Moment:
    at = moment()
    return replace(at, catalog=replace(at.catalog, shadows=shadows))


def with_version(at: Moment, served: ServingModel) -> Moment:
    serving = list(at.catalog.serving)
    serving[at.catalog.names.index(served.place)] = served
    return replace(at, catalog=replace(at.catalog, serving=tuple(serving)))


HALFLIFE = Recipe("online", (("columns", 5.0), ("halflife", 500.0)))


def test_a_version_on_some_columns_votes_by_them_alone() -> None:
    at = moment()
    some = at.catalog.columns[3:9]
    served = version("neural", Recipe("ridge", columns=some))
    predictions = decided(with_version(at, served)).predictions
    index, values = at.catalog.names.index("neural"), decided(at).features.values
    np.testing.assert_array_equal(predictions.mean[index], served.model.predict(served.fitted, np.ascontiguousarray(values[:, 3:9])))
    others = np.arange(len(at.catalog.names)) != index
    np.testing.assert_array_equal(predictions.mean[others], decided(at).predictions.mean[others])


def test_what_lies_outside_the_range_of_training_is_judged_by_models_on_all_columns_first() -> None:
    at, plain = moment(), decided(moment())
    newer = replace(version("neural", Recipe("ridge", columns=at.catalog.columns[:4])), trained_to=at.state.tick)
    beside = validation.cross_check_models(chosen(at), plain.features, at.state, with_version(at, newer).catalog)
    np.testing.assert_array_equal(beside.out_of_distribution, plain.predictions.out_of_distribution)
    values = np.zeros_like(plain.features.values)
    values[:, 0], values[:, 5] = 1e9, 1e9
    alone = replace(at.catalog, serving=tuple(newer if name == "neural" else None for name in at.catalog.names))
    result = validation.cross_check_models(chosen(at), replace(plain.features, values=values), at.state, alone)
    np.testing.assert_allclose(result.out_of_distribution, 0.25)  # one of its four columns; the other is not its own


def test_a_shadow_changes_no_prediction_and_its_online_learner_gets_its_own_inputs() -> None:
    at = moment()
    shadow = version("online", HALFLIFE)
    plain, outcome = decided(at), decided(with_shadows(shadow, version("ridge", Recipe("ridge", window_bars=100))))
    before, after = (
        replace(result.predictions, online_inputs=(), shadow_digests=(), shadows=plain.predictions.shadows).digest() for result in (plain, outcome)
    )
    assert before == after
    assert outcome.decisions.digest() == plain.decisions.digest()
    served, seen = outcome.predictions.online_inputs
    assert served.digest() == plain.predictions.online_inputs[0].digest()
    assert (seen.model, seen.version, seen.decay) == (at.catalog.names.index("online"), shadow.version, 0.5 ** (1.0 / 500.0))
    assert seen.columns.shape == (8, 5)
    memories = outcome.state.online_memories
    assert [memory.version for memory in memories] == sorted((served.version, shadow.version))
    memory = recursive_least_squares.find_memory(memories, served.version)
    assert memory is not None
    earlier = recursive_least_squares.find_memory(plain.state.online_memories, served.version)
    assert earlier is not None
    assert memory.digest() == earlier.digest()


def test_a_shadow_at_the_place_of_another_kind_learns_online() -> None:
    shadow = version("ridge", HALFLIFE)
    outcome = decided(with_shadows(shadow))
    assert [inputs.model for inputs in outcome.predictions.online_inputs] == [moment().catalog.names.index(name) for name in ("online", "ridge")]


@pytest.mark.parametrize("error", [ValueError, MemoryError, KeyError])
def test_a_shadow_that_fails_concerns_no_decision(error: type[Exception]) -> None:
    def fail(*_: object) -> NoReturn:
        raise error("made to fail")

    shadow = version("online", HALFLIFE)
    assert shadow.model.online is not None
    broken = replace(shadow, model=replace(shadow.model, online=replace(shadow.model.online, select_columns=fail)))
    outcome = decided(with_shadows(broken))
    assert outcome.degraded == ()
    assert outcome.decisions.digest() == decided(moment()).decisions.digest()
    assert len(outcome.predictions.online_inputs) == 1


def test_a_plug_in_may_state_one_decay_for_all_its_versions() -> None:
    shadow = version("online", HALFLIFE)
    assert shadow.model.online is not None
    learner = replace(shadow.model.online, decay=0.97)
    inputs = replace(shadow, model=replace(shadow.model, online=learner)).online_inputs(0, decided(moment()).features.values)
    assert inputs is not None
    assert inputs.decay == 0.97
    assert version("ridge", Recipe("ridge")).online_inputs(0, decided(moment()).features.values) is None
