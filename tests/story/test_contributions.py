"""Contributions add up to the forecast to 1e-9, and are the Shapley values that a sum over all coalitions gives."""

from __future__ import annotations

import itertools
import json
import math
from types import ModuleType

import numpy as np
import pytest

from engine.__main__ import main
from engine.domain.model import TrainingSet
from engine.domain.record import Floats
from engine.models import fourier_features, interactions, lightgbm, online, ridge
from engine.store.errors import NotStored
from engine.store.read.history import TickHistory
from engine.story.contributions import NOT_EXACT, explain_forecast
from tests.story.decided import LAST, SERVED

WIDTH = 5
EXACT = {"interactions", "lightgbm", "online", "random_fourier_features", "ridge"}


def training(rows: int = 1200) -> TrainingSet:
    """Rows whose target depends on columns, a product and a kink."""
    random = np.random.default_rng(7)
    x = random.standard_normal((rows, WIDTH)).astype(np.float32)
    y = 0.4 * x[:, 0] - 0.2 * x[:, 1] + 0.8 * x[:, 2] * x[:, 3] + 0.3 * np.abs(x[:, 4]) + 0.5 * random.standard_normal(rows)
    names = tuple(f"column.{place}" for place in range(WIDTH))
    return TrainingSet(names, (1, 3), x, np.column_stack((y, -y)), np.arange(rows), rows)


def shapley_values(value: object, width: int) -> Floats:
    """(K,) by the definition: the mean gain of joining over all orders, as a sum over all coalitions."""
    gains = np.zeros(width)
    for place in range(width):
        others = [other for other in range(width) if other != place]
        for size in range(width):
            share = math.factorial(size) * math.factorial(width - size - 1) / math.factorial(width)
            for members in itertools.combinations(others, size):
                gains[place] += share * (value({*members, place}) - value(set(members)))  # type: ignore[operator]
    return gains


@pytest.mark.parametrize("model", [ridge, fourier_features, interactions])
def test_contributions_are_shapley_values_measured_from_the_training_mean(model: ModuleType) -> None:
    data = model.fit(training(), 3)
    point = np.array([[0.7, -1.1, 1.3, 0.9, math.nan]])
    parts = model.contribute(data, point)
    fitted = model.load(data)
    if model is interactions:
        assert len(fitted.terms.first)  # the product counts
    mean = np.full(WIDTH, math.nan)  # a blank column is the mean once standardised
    for row, horizon in enumerate(training().horizons):

        def value(members: set[int], row: int = row) -> float:
            mixed = np.where([place in members for place in range(WIDTH)], point[0], mean)
            return float(model.predict(fitted, mixed[None])[row, 0])

        np.testing.assert_allclose(parts[row, 0, :-1], shapley_values(value, WIDTH), atol=1e-12, err_msg=str(horizon))
        assert parts[row, 0, -1] == pytest.approx(value(set()), abs=1e-12)


@pytest.mark.parametrize("model", [ridge, fourier_features, interactions, lightgbm])
def test_base_and_contributions_add_up_to_the_forecast(model: ModuleType) -> None:
    data = model.fit(training(), 3)
    points = np.random.default_rng(1).standard_normal((9, WIDTH)) * 2.0
    points[3, 1] = math.nan
    np.testing.assert_allclose(model.contribute(data, points).sum(axis=2), model.predict(model.load(data), points), atol=1e-9)


def test_a_tree_ensemble_gives_the_known_answer_of_a_single_split() -> None:
    """One column matters: the base is the mean leaf by rows, the whole rest belongs to that column."""
    rows = 800
    x = np.random.default_rng(5).standard_normal((rows, WIDTH)).astype(np.float32)
    y = np.repeat(np.where(x[:, 2] > 0, 1.0, -1.0)[:, None], 2, axis=1)
    data = lightgbm.fit(TrainingSet(tuple("abcde"), (1, 3), x, y, np.arange(rows), rows), 1, num_leaves=2.0, feature_fraction=1.0)
    parts = lightgbm.contribute(data, x[:50].astype(float))
    forecast = lightgbm.predict(lightgbm.load(data), x[:50].astype(float))
    assert np.abs(parts[0, :, [0, 1, 3, 4]]).max() < 1e-12
    np.testing.assert_allclose(parts[0, :, 2] + parts[0, :, -1], forecast[0], atol=1e-9)
    assert (np.sign(parts[0, :, 2]) == np.sign(x[:50, 2])).all()


def test_what_an_online_model_learned_since_its_training_counts() -> None:
    fitted = online.load(online.fit(training(), 0, columns=3.0))
    point = np.array([[0.7, -1.1, 1.3, 0.9, 0.2]])
    parts = online.contribute_online(fitted, point, None, 40)
    np.testing.assert_allclose(parts.sum(axis=2), online.predict_online(fitted, online.select_columns(fitted, point), None, 40), atol=1e-12)
    assert set(np.flatnonzero(parts[0, 0])) <= set(fitted.columns.tolist())


@pytest.mark.parametrize("horizon", [None, 1, 3])
def test_a_stored_forecast_is_explained_whole(history: TickHistory, horizon: int | None) -> None:
    for symbol in history.session(1).symbols[:2]:
        answer = explain_forecast(history, LAST, symbol, horizon)
        assert abs(answer.forecast_bps) > 1e-3
        parts = [*answer.features, *answer.whole_models]
        assert answer.base_bps + math.fsum(part.bps for part in parts) == pytest.approx(answer.forecast_bps, abs=1e-9)
        for model in answer.models:
            assert (model.model in EXACT) == (not model.reason)
            if not model.reason:
                total = (model.base_bps or 0.0) + math.fsum(part.bps for part in model.features)
                assert total == pytest.approx(model.forecast_bps, abs=1e-9), model.model
            else:
                assert model.reason == NOT_EXACT
        assert {part.feature for part in answer.whole_models} == {"kmeans_prototypes", "neural"}
        sizes = [abs(part.bps) for part in answer.features]
        assert sizes == sorted(sizes, reverse=True)


def test_before_any_model_serves_the_forecast_is_nothing_and_so_is_every_part(history: TickHistory) -> None:
    answer = explain_forecast(history, SERVED - 5, history.session(1).symbols[0])
    assert (answer.forecast_bps, answer.base_bps, answer.features, answer.models) == (0.0, 0.0, (), ())


def test_what_is_not_stored_is_refused_in_one_line(history: TickHistory) -> None:
    with pytest.raises(NotStored, match="has no symbol 'NOBODY'"):
        explain_forecast(history, LAST, "NOBODY")
    with pytest.raises(ValueError, match="no horizon of 2 bars: there are 1, 3, 12"):
        explain_forecast(history, LAST, history.session(1).symbols[0], 2)


def test_the_command_prints_what_adds_up(decided_store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(LAST), "--symbol", "BRAVO", "--json", "--store", decided_store]) == 0
    answer = json.loads(capsys.readouterr().out)
    total = answer["base_bps"] + sum(part["bps"] for part in answer["features"] + answer["whole_models"])
    assert total == pytest.approx(answer["forecast_bps"], abs=1e-9)
