"""The probability of the next move's direction is calibrated, and its slope is that of a logistic regression."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from engine.domain.record import Bools, Floats
from engine.domain.state import Direction
from engine.evidence import direction
from engine.evidence.scoring import ScoredForecasts


def scored(forecast: Floats, target: Floats, probability: Floats, known: Bools | None = None) -> ScoredForecasts:
    count = len(target)
    means = np.stack((forecast, forecast))[:, None, :]
    there = np.ones(count, dtype=bool) if known is None else known
    return ScoredForecasts(
        means, target[None], np.stack((there, there))[:, None, :], np.ones((1, 4, 2)), np.ones((1, count)), np.ones((1, count)), probability[None],
        np.zeros((1, count), dtype=np.int64), np.ones((1, 2, count)),
    )  # fmt: skip


def watched(strength: float, rows: int, *, flat: float = 0.0, spread: float = 0.3) -> tuple[Direction, Floats, Bools]:
    """What is known after `rows` rows, 20 a tick, of a true slope; with the forecasts and directions of all that moved."""
    draw = np.random.default_rng(3)
    state, forecasts, ups = direction.initial_direction(1), [], []
    for _ in range(rows // 20):
        f = draw.normal(0, spread, 20)
        up = draw.random(20) < 1 / (1 + np.exp(-strength * f))
        still = draw.random(20) < flat
        target = np.where(still, 0.0, np.where(up, 1.0, -1.0))
        state = direction.update_direction(state, scored(f, target, direction.probability_up(state, f[None])[0]))
        forecasts.append(f[~still])
        ups.append(up[~still])
    return state, np.concatenate(forecasts), np.concatenate(ups)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.6, 3.0])
def test_the_slope_equals_that_of_logistic_regression(strength: float) -> None:
    state, f, up = watched(strength, 60_000)
    oracle = LogisticRegression(C=1e9, fit_intercept=False).fit(f[:, None], up)
    assert state.slope[0] == pytest.approx(max(0.0, float(oracle.coef_[0, 0])), abs=0.08)


def test_unmoved_bars_do_not_count_for_direction() -> None:
    state, _, _ = watched(1.0, 40_000, flat=0.6)
    assert state.rows[0] == pytest.approx(16_000, rel=0.05)
    assert state.slope[0] == pytest.approx(1.0, abs=0.2)


def test_stated_probabilities_are_calibrated() -> None:
    state, _, _ = watched(3.0, 100_000, flat=0.3)
    for stated, observed, count in zip(state.stated[0], state.observed[0], state.counted[0], strict=True):
        if count > 500:
            assert stated / count == pytest.approx(observed / count, abs=4 * 0.5 / np.sqrt(count) + 0.005)
    assert state.brier[0] / state.rows[0] < 0.25


def test_stated_and_observed_moves_are_counted() -> None:
    target, stated = np.array([1.0, -1.0, 2.0, 0.0, 5.0]), np.full(5, 0.75)
    state = direction.update_direction(direction.initial_direction(1), scored(np.zeros(5), target, stated, np.array([True, True, True, True, False])))
    assert state.rows[0] == 3
    assert state.brier[0] == pytest.approx(0.25**2 * 2 + 0.75**2)
    assert (state.counted[0, 7], state.stated[0, 7], state.observed[0, 7]) == (3.0, 2.25, 2.0)
    assert state.slope[0] == direction.INITIAL_SLOPE


def test_one_step_worked_by_hand() -> None:
    """Two symbols, forecasts 0.5 and -0.2, odds 0.7 and 0.45, both went up."""
    forecast, stated = np.array([0.5, -0.2]), np.array([0.7, 0.45])
    state = direction.update_direction(direction.initial_direction(1), scored(forecast, np.array([1.0, 2.0]), stated))
    information = 0.25 + 0.25 * 0.7 * 0.3 + 0.04 * 0.45 * 0.55
    assert state.information[0] == pytest.approx(information, rel=1e-12)
    assert state.slope[0] == pytest.approx(1.6 + (0.5 * 0.3 - 0.2 * 0.55) / information, rel=1e-12)
    assert state.brier[0] == pytest.approx(0.3**2 + 0.55**2)
    assert state.counted[0].tolist() == [0, 0, 0, 0, 1, 0, 0, 1, 0, 0]
    assert state.observed[0].tolist() == [0, 0, 0, 0, 1, 0, 0, 1, 0, 0]
    np.testing.assert_allclose(state.stated[0, [4, 7]], [0.45, 0.7])
    twice = direction.update_direction(state, scored(forecast, np.array([-1.0, 2.0]), stated))
    assert (twice.rows[0], twice.observed[0, 7], twice.counted[0, 7]) == (4, 1, 2)
    assert twice.brier[0] == pytest.approx(state.brier[0] + 0.7**2 + 0.55**2)


def test_the_probability_is_the_logistic_of_slope_times_forecast_and_never_certain() -> None:
    state = direction.initial_direction(2)
    probabilities = direction.probability_up(state, np.array([[0.0, 0.5], [-0.5, 1e6]]))
    np.testing.assert_allclose(probabilities, [[0.5, 1 / (1 + np.exp(-0.8))], [1 / (1 + np.exp(0.8)), 1 / (1 + np.exp(-20.0))]])


def test_the_slope_stays_between_none_and_ten() -> None:
    sure = np.full(4, 0.5)
    state = direction.update_direction(direction.initial_direction(1), scored(np.full(4, 0.5), np.full(4, -1.0), sure))
    assert state.slope[0] == 0.0
    assert direction.update_direction(direction.initial_direction(1), scored(np.full(400, 0.05), np.ones(400), np.full(400, 1e-3))).slope[0] == 10.0


def test_a_certain_statement_counts_in_the_last_tenth() -> None:
    state = direction.update_direction(direction.initial_direction(1), scored(np.zeros(2), np.ones(2), np.array([1.0, 0.0])))
    assert state.counted[0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]


def test_a_tick_on_which_nothing_moved_changes_nothing() -> None:
    before = direction.initial_direction(1)
    assert direction.update_direction(before, scored(np.ones(2), np.zeros(2), np.full(2, 0.6))) is before
