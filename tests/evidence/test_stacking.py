"""Stacking weights: those of constrained least squares, none for noise, the true ones with enough evidence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from engine.domain.record import Floats
from engine.evidence import stacking


def sums(forecasts: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """gram (1, M, M), moment (1, M) and rows (1, M) of (N, M) forecasts."""
    return (forecasts.T @ forecasts)[None], (forecasts.T @ y)[None], np.full((1, forecasts.shape[1]), float(len(y)))


def oracle(forecasts: Floats, y: Floats, prior_rows: float) -> Floats:
    """Non-negative least squares with a ridge of prior_rows / N of each column's own power, as extra rows."""
    power = np.sqrt((forecasts**2).sum(axis=0) * prior_rows / len(y))
    return np.asarray(nnls(np.vstack((forecasts, np.diag(power))), np.concatenate((y, np.zeros(len(power)))))[0])


@given(st.integers(0, 10_000), st.sampled_from([0.0, 100.0, 4_000.0]))
@settings(max_examples=60, deadline=None)
def test_weights_are_those_of_constrained_least_squares(seed: int, prior: float) -> None:
    draw = np.random.default_rng(seed)
    mixed = draw.normal(size=(300, 4)) @ (np.eye(4) + 0.4 * draw.random((4, 4)))
    y = mixed @ draw.normal(0.1, 0.3, 4) + draw.normal(0, 1.0, 300)
    weights = stacking.stacking_weights(*sums(mixed, y), prior)[:, 0]
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights, oracle(mixed, y, prior), atol=2e-3)


def test_noise_earns_next_to_nothing() -> None:
    draw = np.random.default_rng(2)
    forecasts, y = draw.normal(0, 0.2, (20_000, 4)), draw.normal(size=20_000)
    assert stacking.stacking_weights(*sums(forecasts, y), 4_000.0).max() < 0.08
    assert (stacking.stacking_weights(*sums(forecasts[:100], y[:100]), 4_000.0) < 0.03).all()


def test_with_enough_evidence_the_true_weights_are_found() -> None:
    draw = np.random.default_rng(4)
    forecasts = draw.normal(0, 0.3, (400_000, 3))
    y = forecasts @ np.array([0.8, 0.0, 0.3]) + draw.normal(size=400_000)
    np.testing.assert_allclose(stacking.stacking_weights(*sums(forecasts, y), 4_000.0)[:, 0], [0.8, 0.0, 0.3], atol=0.03)


@pytest.mark.parametrize("rows", [10, 1_000, 100_000])
def test_a_forecast_twice_too_bold_is_halved_as_evidence_grows(rows: int) -> None:
    f = np.random.default_rng(6).normal(0, 0.5, (rows, 1))
    weight = float(stacking.stacking_weights(*sums(2.0 * f, f[:, 0]), 4_000.0)[0, 0])
    assert weight == pytest.approx(0.5 * rows / (rows + 4_000.0), rel=1e-9)


def test_a_model_without_forecasts_has_no_weight() -> None:
    draw = np.random.default_rng(8)
    forecasts = draw.normal(size=(500, 3))
    forecasts[:, 1] = 0.0
    weights = stacking.stacking_weights(*sums(forecasts, forecasts[:, 0]), 10.0)[:, 0]
    assert weights[1] == 0.0
    assert weights[0] > 0.9


def test_before_any_evidence_there_are_no_weights() -> None:
    assert (stacking.stacking_weights(np.zeros((3, 4, 4)), np.zeros((3, 4)), np.zeros((3, 4)), 4_000.0) == 0).all()


def test_a_single_models_weight_is_the_slope_of_the_target_on_its_forecast() -> None:
    f = np.random.default_rng(6).normal(0, 0.5, (50_000, 1))
    gram, moment, rows = sums(np.concatenate((2.0 * f, -f), axis=1), f[:, 0])
    slopes = stacking.single_model_weights(gram, moment, rows, 4_000.0)[:, 0]
    np.testing.assert_allclose(slopes, [0.5 * 50_000 / 54_000, 0.0], rtol=1e-9)
    assert (stacking.single_model_weights(np.zeros((3, 4, 4)), np.zeros((3, 4)), np.zeros((3, 4)), 4_000.0) == 0).all()


@pytest.mark.parametrize(("rows", "counted"), [(0.0, 1.0), (0.5, 1.0), (1.0, 1.0), (1.5, 1.5), (50.0, 50.0)])
def test_a_single_models_weight_by_hand(rows: float, counted: float) -> None:
    """Power 2 and product 1 give a slope of a half, shrunk by 100 prior rows to each that is known, at least one."""
    gram, moment = np.array([[[2.0]]]), np.array([[1.0]])
    shrunk = 0.5 / (1.0 + 100.0 / counted)
    assert stacking.stacking_weights(gram, moment, np.array([[rows]]), 100.0)[0, 0] == pytest.approx(shrunk, rel=1e-12)
    assert stacking.single_model_weights(gram, moment, np.array([[rows]]), 100.0)[0, 0] == pytest.approx(shrunk, rel=1e-12)
    assert stacking.single_model_weights(gram, -moment, np.array([[rows]]), 100.0)[0, 0] == 0.0


@pytest.mark.parametrize(("prior", "weights"), [(0.0, (340.0 / 2_400.0, 700.0 / 2_400.0)), (50.0, (590.0 / 5_525.0, 1_100.0 / 5_525.0))])
def test_a_model_with_fewer_rows_is_weighed_by_hand(prior: float, weights: tuple[float, float]) -> None:
    """100 rows of the first, 25 of the second and of both: in the equation of the first 5 of product count as 20, 100 w + 20 v = 20.

    That of the second is 5 w + 25 v = 8. A prior of half as many rows makes the squares 150 and 37.5.
    """
    gram, moment, rows = np.array([[[100.0, 5.0], [5.0, 25.0]]]), np.array([[20.0, 8.0]]), np.array([[100.0, 25.0]])
    np.testing.assert_allclose(stacking.stacking_weights(gram, moment, rows, prior)[:, 0], weights, rtol=1e-9)
    mirrored = stacking.stacking_weights(gram[:, ::-1, ::-1], moment[:, ::-1], rows[:, ::-1], prior)[::-1, 0]
    np.testing.assert_allclose(mirrored, weights, rtol=1e-9)
    alone = stacking.stacking_weights(gram, moment, np.array([[100.0, 0.0]]), prior)  # a model with no row counts as one with one
    scaled = stacking.stacking_weights(gram, moment, np.array([[100.0, 1.0]]), prior)
    np.testing.assert_array_equal(alone, scaled)
