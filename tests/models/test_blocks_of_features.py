"""Forecasts of a block: every bar has the bits of its own call, by every kind of model that takes blocks."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from engine.domain.model import Model, ServingModel, TrainingSet
from engine.domain.record import Floats
from engine.plugins import discover_plugins
from engine.service.block_predictions import BlockPredictions

MODELS: tuple[Model, ...] = discover_plugins("engine.models", "MODEL")
COLUMNS, HORIZONS = 23, (1, 3, 12)
BLOCKED = [model for model in MODELS if model.takes_blocks]


def draw_features(bars: int, symbols: int, seed: int) -> Floats:
    """(B, S, F) features, some blank and some beyond the trained range."""
    draw = np.random.default_rng([seed, bars, symbols])
    features = draw.standard_normal((bars, symbols, COLUMNS)) * draw.uniform(0.5, 3.0, COLUMNS)
    features[draw.random(features.shape) < 0.05] = np.nan
    return features


@cache
def fitted(model: Model) -> ServingModel:
    rows = 600
    x = draw_features(rows, 1, 1)[:, 0].astype(np.float32)
    signal = np.nan_to_num(x[:, :3]).sum(axis=1)
    y = np.stack([np.tanh(signal) / horizon for horizon in HORIZONS], axis=1)
    training = TrainingSet(tuple(f"f{column}" for column in range(COLUMNS)), HORIZONS, x, y, np.arange(rows), rows)
    bound = np.full(COLUMNS, np.inf)
    return ServingModel(model, f"{model.name}-1", model.name, model.load(model.fit(training, 3)), -bound, bound, 1, np.zeros(COLUMNS))


def test_all_but_models_with_a_memory_or_of_searches_take_blocks() -> None:
    assert {model.name for model in MODELS} - {model.name for model in BLOCKED} == {"interactions", "online"}


@pytest.mark.parametrize("model", BLOCKED, ids=lambda model: model.name)
def test_each_bar_of_a_block_has_the_bits_of_its_own_call(model: Model) -> None:
    served = fitted(model)
    for bars, symbols in ((1, 1), (2, 3), (7, 20), (64, 1), (64, 8), (128, 2), (1, 500)):
        features = draw_features(bars, symbols, 2)
        alone = np.array([served.predict(bar.copy()) for bar in features])
        assert served.predict(features).tobytes() == alone.tobytes(), (bars, symbols)


@pytest.mark.parametrize("model", BLOCKED, ids=lambda model: model.name)
def test_a_version_trained_on_some_columns_predicts_a_block_too(model: Model) -> None:
    some = np.arange(COLUMNS)[::-1].copy()
    served, features = replace(fitted(model), columns=some), draw_features(9, 3, 4)
    assert served.predict(features).tobytes() == np.array([served.predict(bar) for bar in features]).tobytes()


def test_a_prepared_forecast_is_that_of_the_same_features_and_of_no_others() -> None:
    served, features, predictions = fitted(BLOCKED[0]), draw_features(5, 2, 5), BlockPredictions()
    assert predictions.find(served, features[0]) is None
    predictions.set_features(features)
    for place in (1, 4, 2):  # first asked for at the second bar: the one before it is over
        prepared = predictions.find(served, features[place].copy())
        assert prepared is not None
        assert prepared.tobytes() == served.predict(features[place]).tobytes()
    changed = features[3].copy()
    changed[0, 0] = np.nextafter(changed[0, 0], 9.0)
    assert predictions.find(served, changed) is None
    assert predictions.find(served, features[0]) is None
    predictions.set_features(None)
    assert predictions.find(served, features[1]) is None


def test_versions_of_the_same_bytes_have_forecasts_of_their_own() -> None:
    columns = np.arange(COLUMNS)
    version, features, predictions = fitted(BLOCKED[0]), draw_features(4, 2, 7), BlockPredictions()
    versions = [
        version,
        replace(version, place="elsewhere", columns=columns[::-1].copy()),
        replace(version, version="v-2", columns=np.roll(columns, 1)),
    ]
    predictions.set_features(features)
    for bar in features[1:]:
        prepared = [predictions.find(each, bar) for each in versions]
        assert [None if forecast is None else forecast.tobytes() for forecast in prepared] == [each.predict(bar).tobytes() for each in versions]


@pytest.mark.parametrize("takes_blocks", [True, False])
def test_a_model_that_fails_on_a_block_or_does_not_take_any_predicts_bar_by_bar(takes_blocks: bool) -> None:
    def predict(_: object, x: Floats) -> Floats:
        if x.ndim > 2:
            raise ValueError("one bar only")
        return np.zeros((len(HORIZONS), len(x)))

    served = fitted(BLOCKED[0])
    served = replace(served, model=replace(served.model, predict=predict, takes_blocks=takes_blocks))
    features, predictions = draw_features(3, 2, 6), BlockPredictions()
    predictions.set_features(features)
    assert [predictions.find(served, bar) for bar in features] == [None] * 3
