"""Versions are compared on the newest rows: known answers, and any version may be missing or fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from engine.domain.model import Model, ServingModel
from engine.domain.record import Floats
from engine.domain.state import State
from engine.domain.tick import TrainingRow
from engine.phases import learning
from engine.service import version_comparison
from engine.service.windows import TrainingRows

MODELS, HORIZONS, SYMBOLS, TICKS = ("one", "two"), (1, 3), 3, 400
Predict = Callable[[Floats], Floats]


def served(version: str, *times: float, predict: Predict | None = None) -> ServingModel:
    """A version that says the first column times a number, each horizon its own."""

    def constant(x: Floats) -> Floats:
        return np.outer(times, x[:, 0])

    model = Model(version.partition("-")[0], "made", lambda *_: b"", lambda _: None, lambda _, x: (predict or constant)(x))
    wide = np.ones(2)
    return ServingModel(model, version, version, None, -wide, wide, 0, wide)


def rows(symbols: int = SYMBOLS, ticks: int = TICKS) -> TrainingRows:
    draw = np.random.default_rng(3)
    made = TrainingRows(symbols, ("a.b", "a.c"), ticks)
    for tick in range(ticks):
        made.append(TrainingRow(tick, draw.standard_normal((symbols, 2)).astype(np.float32), np.ones(symbols), np.ones(symbols)))
    return made


def state(*record: str, weights: tuple[float, float] = (1.0, 1.0)) -> State:
    blank = learning.blank_state(SYMBOLS, MODELS, HORIZONS)
    named = replace(blank.succession, record_versions=(record, record))
    return replace(blank, succession=named, weights=np.repeat(np.array(weights)[:, None], 2, axis=1))


OLD = (served("one-1", 1.0, 1.0), served("two-1", 1.0, 1.0))


def nowhere(version: str) -> None:
    return None


def test_the_ensemble_is_weighed_as_the_models_are_weighed_now() -> None:
    flipped = (served("one-2", -1.0, 1.0), served("two-2", 1.0, 1.0))
    for weights, expected in (((3.0, 1.0), -1.0), ((1.0, 3.0), 1.0)):
        agreement = version_comparison.compare_versions(OLD, flipped, state("one-1", "two-1", weights=weights), rows(), nowhere)
        assert agreement is not None
        np.testing.assert_allclose(agreement.with_record, [expected, 1.0])
        np.testing.assert_allclose(agreement.with_previous, [expected, 1.0])
        assert [(version, values.tolist()) for version, values in agreement.models] == [("one-2", [-1.0, 1.0]), ("two-2", [1.0, 1.0])]


def test_versions_are_compared_with_those_of_record_and_with_those_before() -> None:
    flipped, again = (tuple(served(f"{name}-{number}", -1.0, -1.0) for name in MODELS) for number in (2, 3))
    agreement = version_comparison.compare_versions(flipped, again, state("one-1", "two-1"), rows(), {model.version: model for model in OLD}.get)
    assert agreement is not None
    np.testing.assert_allclose(agreement.with_record, -1.0)
    np.testing.assert_allclose(agreement.with_previous, 1.0)


def test_there_is_nothing_to_compare_for_versions_of_record_and_for_the_first_of_a_model() -> None:
    assert version_comparison.compare_versions((None, None), OLD, state("", ""), rows(), nowhere) is None
    assert version_comparison.compare_versions(OLD, OLD, state("one-1", "two-1"), rows(), nowhere) is None
    assert version_comparison.compare_versions(OLD, (OLD[0], None), state("one-1", "two-1"), rows(), nowhere) is None
    assert version_comparison.compare_versions((OLD[0], None), OLD, state("one-1", ""), rows(), nowhere) is None


def test_a_model_without_an_earlier_version_is_left_out_of_both() -> None:
    new = (served("one-2", 1.0, 1.0), served("two-2", -9.0, -9.0))
    agreement = version_comparison.compare_versions((OLD[0], None), new, state("one-1", ""), rows(), nowhere)
    assert agreement is not None
    np.testing.assert_allclose(agreement.with_record, 1.0)
    assert np.isnan(agreement.models[1][1]).all()


def broken(x: Floats) -> Floats:
    raise RuntimeError("no answer")


@pytest.mark.parametrize("predict", [broken, lambda x: np.full((2, len(x)), np.nan)])
def test_a_model_that_cannot_be_asked_is_left_out_and_nothing_is_compared_where_none_is_left(predict: Predict) -> None:
    """Its version fails on old rows, it failed while it served, or the version of record is not kept any more."""
    mute, turned = served("one-1", predict=predict), served("one-2", -9.0, -9.0)
    cases = ((OLD, served("one-2", predict=predict)), ((mute, OLD[1]), turned), ((None, OLD[1]), turned))
    for before, new in cases:
        agreement = version_comparison.compare_versions(before, (new, served("two-2", 1.0, 1.0)), state("one-1", "two-1"), rows(), nowhere)
        assert agreement is not None
        np.testing.assert_allclose(agreement.with_record, 1.0)
        assert np.isnan(agreement.models[0][1]).all()
        assert version_comparison.compare_versions(before, (new, None), state("one-1", "two-1"), rows(), nowhere) is None


@pytest.mark.parametrize(
    ("symbols", "ticks", "expected"), [(3, 400, 288 * 3), (3, 50, 150), (8, 400, 144 * 8), (50, 400, 24 * 50), (500, 400, 8 * 500)]
)
def test_the_rows_lie_in_the_last_288_ticks_and_are_few_however_many_symbols(symbols: int, ticks: int, expected: int) -> None:
    x = rows(symbols, ticks).newest_features(version_comparison.RECENT_TICKS, version_comparison.MAX_ROWS, version_comparison.MIN_TICKS)
    assert x.shape == (expected, 2)
    newest = rows(symbols, ticks).training_set(ticks, (1,), 0).x[-symbols:]
    np.testing.assert_array_equal(x[-symbols:], newest)
