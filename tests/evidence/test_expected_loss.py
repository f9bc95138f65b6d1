"""Expected loss: what the regression says by other people's code, what is scored and when, and that nothing is proved by chance."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from engine.domain.evidence import SkillSums
from engine.domain.evolution import ExpectedLossState
from engine.domain.record import Floats
from engine.evidence import expected_loss, skill
from tests.makers import having

HORIZONS = (1, 3)


def play(conditions: Floats, gain: Floats, horizons: tuple[int, ...] = HORIZONS, power: float = 1.0) -> ExpectedLossState:
    """After T ticks with conditions (T, C); `gain` (T, H) is that of the forecasts made at each tick, due when their horizon has passed."""
    state = expected_loss.empty_expected_loss(horizons, conditions.shape[1])
    for tick in range(len(conditions)):
        due = np.array([gain[tick - horizon, place] if tick >= horizon else np.nan for place, horizon in enumerate(horizons)])
        state = expected_loss.update_expected_loss(state, conditions[tick], due, np.full(len(due), power), np.isfinite(due), tick, horizons)
    return state


def test_the_expectation_is_that_of_a_ridge_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expected_loss, "MEMORY", 1.0)
    draw = np.random.default_rng(3)
    conditions = draw.standard_normal((408, 3)) * (1.0, 5.0, 0.1) + (0.0, 3.0, 1.0)
    gain = (0.05 - 0.2 * conditions[:, :1] + 0.02 * conditions[:, 1:2] + 0.1 * draw.standard_normal((408, 1))) * (1.0, 1.0)
    state = play(conditions, gain)
    for place, horizon in enumerate(HORIZONS):
        x, loss = conditions[: 408 - horizon], 1.0 - gain[: 408 - horizon, place]
        z = (x - x.mean(axis=0)) / x.std(axis=0)
        oracle = Ridge(alpha=500.0).fit(z, loss)
        present = np.clip((conditions[-1] - x.mean(axis=0)) / x.std(axis=0), -3.0, 3.0)
        np.testing.assert_allclose(state.slopes[place], (oracle.intercept_, *oracle.coef_), rtol=1e-6)
        np.testing.assert_allclose(state.waiting[0, :, place], (oracle.predict(present[None])[0], loss.mean()), rtol=1e-6)


def test_a_loss_is_one_less_the_gain_over_the_usual_power() -> None:
    """Gains of 0.1 over a power of 2 are an R2 of 5 %: the usual loss is 0.95, whatever the scale of the target."""
    conditions = np.random.default_rng(1).standard_normal((200, 2))
    figures = expected_loss.expected_loss_figures(play(conditions, np.full((200, 2), 0.1), power=2.0), HORIZONS)
    for row in figures:
        assert row.usual == pytest.approx(0.95)
        assert row.expected == pytest.approx(0.95)
        assert not row.proved


def test_nothing_is_expected_before_enough_ticks_or_without_conditions() -> None:
    conditions, gain = np.ones((100, 2)), np.full((100, 2), 0.1)
    early = expected_loss.expected_loss_figures(play(conditions, gain), HORIZONS)
    assert [(row.expected, row.usual, row.r2, row.n) for row in early] == [(None, None, None, 0)] * 2
    conditions, gain = np.ones((200, 2)), np.full((200, 2), 0.1)  # constant conditions explain nothing, and divide by nothing
    state = play(conditions, gain)
    assert expected_loss.expected_loss_figures(state, HORIZONS)[0].expected == pytest.approx(0.9)
    nothing, known = np.full(2, np.nan), np.zeros(2, dtype=bool)
    for tick in range(200, 203):
        state = expected_loss.update_expected_loss(state, nothing, nothing, nothing, known, tick, HORIZONS)
    assert [row.expected for row in expected_loss.expected_loss_figures(state, HORIZONS)] == [None, None]
    assert np.isfinite(state.moments).all()


def test_what_was_expected_is_scored_when_its_horizon_has_passed_and_not_before() -> None:
    draw = np.random.default_rng(2)
    conditions, gain = draw.standard_normal((200, 1)), draw.standard_normal((200, 2))
    state = play(conditions, gain, (1, 3))
    expected, usual = state.waiting[2, :, 1]  # of the forecast made two ticks ago, due next
    due = np.array([np.nan, 1.5])
    after = expected_loss.update_expected_loss(state, conditions[-1], due, np.ones(2), np.array([False, True]), 200, (1, 3))
    ticks = after.power[1]
    loss = 1.0 - 1.5 * ticks[1] / ticks[0]
    gained = after.skill.gain - state.skill.gain
    assert gained[0, :, 0] == pytest.approx([0.0, (loss - usual) ** 2 - (loss - expected) ** 2])
    assert (after.skill.rows - state.skill.rows)[0, :, 0].tolist() == [0.0, 1.0]


def persistent(draw: np.random.Generator, ticks: int, persistence: float = 0.95) -> Floats:
    values = np.zeros(ticks)
    for tick in range(1, ticks):
        values[tick] = persistence * values[tick - 1] + math.sqrt(1.0 - persistence**2) * draw.standard_normal()
    return values


def scaled_skill(state: ExpectedLossState, factor: float) -> SkillSums:
    """The skill with losses that are smaller by the root of the factor: the same share is gained, and it is as certain."""
    sums = {name: getattr(state.skill, name) * factor for name in ("gain", "power", "open_gain", "open_power", "last_residual")}
    squares = {name: getattr(state.skill, name) * factor**2 for name in ("gain_squared", "block_squared", "lag_products")}
    return having(state.skill, **sums, **squares)


@pytest.mark.parametrize("present", [2.5, -1.0])
def test_conditions_that_matter_are_proved_and_foresee_harm_or_none(present: float) -> None:
    """A condition that persists turns a gain of 0.1 into a loss where it is high."""
    draw = np.random.default_rng(5)
    condition = persistent(draw, 2_500)
    condition[-40:] = present
    gain = np.stack((0.1 - 0.25 * condition + 0.5 * draw.standard_normal(2_500),) * 2, axis=1)
    state = play(np.stack((condition, draw.standard_normal(2_500)), axis=1), gain)
    figures = expected_loss.expected_loss_figures(state, HORIZONS)
    assert expected_loss.is_proved(state)
    assert expected_loss.expects_harm(state, HORIZONS).tolist() == [present > 0.0] * 2
    assert expected_loss.expects_harm(replace(state, skill=scaled_skill(state, 1e-6)), HORIZONS).tolist() == [present > 0.0] * 2
    for row in figures:
        assert row.expected is not None
        assert row.expected == pytest.approx(0.9 + 0.25 * present, abs=0.2)  # the ridge shrinks
        assert row.low is not None
        assert row.r2 is not None
        assert row.high is not None
        assert 0.0 < row.low < row.r2 < row.high
        assert row.r2 == pytest.approx(0.2, abs=0.06)


def test_without_a_relation_nothing_is_proved() -> None:
    """200 runs of 1,500 ticks, five conditions that persist and gains with heavy tails whose size persists, watched at every twelfth tick."""
    runs, ticks, draw = 200, 1_500, np.random.default_rng(7)
    conditions = np.stack([persistent(draw, ticks) for _ in range(5)], axis=1)
    sizes = np.exp(0.5 * np.stack([persistent(draw, ticks) for _ in range(10)], axis=1))
    gain = 0.05 + 0.3 * np.tile(sizes, (1, runs // 10)) * draw.standard_t(4, (ticks, runs))
    state, ever, horizons = expected_loss.empty_expected_loss((1,) * runs, 5), np.zeros(runs, dtype=bool), (1,) * runs
    for tick in range(1, ticks):
        state = expected_loss.update_expected_loss(state, conditions[tick], gain[tick - 1], np.ones(runs), np.ones(runs, dtype=bool), tick, horizons)
        if tick % 12 == 11:
            r2, half_width, _ = skill.confidence_interval(state.skill, 2.0 * expected_loss.ALPHA)
            ever |= (r2 - half_width > 0.0)[0, :, 0]
    assert ever.mean() <= expected_loss.ALPHA
    assert not expected_loss.is_proved(state)
    assert not expected_loss.expects_harm(state, horizons).any()
