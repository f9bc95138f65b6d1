"""Sizing: costs make a band, skill scales, and every limit reduces the wish in a situation of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.decision import LIMITS
from engine.phases import risk
from tests.makers import decided, lesson, moment
from tests.phases.situations import Situation, situation

NUMBER = st.floats(-0.3, 0.3)


def crowd(count: int = 8) -> Situation:
    """Symbols that are all wanted, and a volatility target out of the way."""
    return situation(count).knobs(target_volatility=50.0)


MATTERS: dict[str, tuple[Situation, Callable[[Situation], Situation]]] = {
    "kelly fraction": (situation(), lambda one: one.knobs(kelly=1.0)),
    "proven skill": (situation(), lambda one: one.proven(0.04 - 1e-9, 0.04)),
    "cost": (situation(), lambda one: one.costs(cost_bps=np.zeros(1))),
    "position": (situation(), lambda one: one.knobs(max_position=1e9)),
    "volatility target": (situation(8), lambda one: one.knobs(target_volatility=1e9)),
    "gross exposure": (crowd().knobs(max_net=5.0), lambda one: one.knobs(max_gross=5.0)),
    "net exposure": (crowd(), lambda one: one.knobs(max_net=5.0)),
    "daily loss": (situation().account(day_open=105_000.0), lambda one: one.account(day_open=100_000.0)),
    "drawdown": (situation().account(peak=120_000.0), lambda one: one.account(peak=100_000.0)),
    "participation": (situation().costs(room=np.array([50.0])), lambda one: one.costs(room=np.array([1e6]))),
}


@pytest.mark.parametrize("name", LIMITS)
def test_each_limit_reduces_the_wish_where_it_applies_and_only_there(name: str) -> None:
    bound, free = MATTERS[name][0], MATTERS[name][1](MATTERS[name][0])
    row = LIMITS.index(name)
    before, after = np.abs(bound.sizes().steps[row]), np.abs(bound.sizes().steps[row + 1])
    assert (after < before - 1e-12).all()
    steps = np.abs(free.sizes().steps)
    np.testing.assert_allclose(steps[row + 1], steps[row], rtol=1e-6)
    assert bound.sizes().limits == LIMITS


def test_no_limit_ever_adds_to_a_wish_in_a_run() -> None:
    portfolio = LIMITS.index("volatility target")
    for outcome in lesson().outcomes.values():
        steps = np.abs(outcome.sizes.steps)
        assert (steps[portfolio + 1 :] <= steps[portfolio:-1] + 1e-12).all()
        assert (outcome.sizes.target == outcome.sizes.steps[-1]).all()


def test_without_proven_skill_there_is_no_size_and_what_is_held_is_closed() -> None:
    for one in (situation().proven(-0.0001, 0.04), replace(situation(), state=replace(situation().state, recent=crowd().state.skill))):
        assert one.sizes().target[0] == 0.0
        assert one.holding(0.1).sizes().target[0] == 0.0


def test_a_crowded_book_is_cut_to_its_limits_exactly() -> None:
    wide = crowd().knobs(max_gross=0.5, max_net=0.3)
    assert np.abs(wide.sizes().steps[LIMITS.index("gross exposure") + 1]).sum() == pytest.approx(0.5)
    assert wide.sizes().target.sum() == pytest.approx(0.3)
    both = wide.expecting(*([0.5] * 6), -0.5, -0.5)
    assert abs(both.sizes().target.sum()) == pytest.approx(0.25)
    assert np.abs(both.sizes().target).sum() == pytest.approx(0.5)


def test_the_target_volatility_is_met_with_one_correlation_for_all_pairs() -> None:
    one = situation(8)
    target = one.sizes().steps[LIMITS.index("volatility target") + 1]
    risks = target * one.mood.sigma
    covariance = np.outer(risks, risks) * (0.3 + 0.7 * np.eye(8))
    yearly = np.sqrt(covariance.sum() * 365 * 1440)
    assert yearly == pytest.approx(one.inputs.knobs.target_volatility)


def test_no_more_is_added_than_a_bar_may_fill_and_what_closes_is_wanted_whole() -> None:
    """Room for 50 of money, 0.0005 of the equity of 100,000, in each of five situations."""
    one = situation(5).costs(room=np.full(5, 50.0)).knobs(target_volatility=50.0, max_gross=9.0, max_net=9.0)
    target = one.expecting(0.5, 0.5, -0.5, 0.0, -0.5).holding(0.0, 0.004, 0.004, 0.004, 0.0).sizes().target
    assert target[0] == pytest.approx(0.0005)
    assert target[1] == pytest.approx(0.0045)
    assert target[2] == pytest.approx(-0.0005)  # the long is closed whole, and no more than room allows is sold short
    assert 0.0 <= target[3] <= 0.004
    assert target[4] == pytest.approx(-0.0005)
    assert (one.costs(room=np.zeros(5)).sizes().target == 0).all()  # no volume known: nothing is opened
    free = one.costs(room=np.full(5, np.nan)).sizes()  # a book decides what is filled
    np.testing.assert_array_equal(free.target, free.steps[-2])


def test_after_a_bad_day_positions_may_shrink_but_nothing_is_added_or_turned() -> None:
    bad = situation(3).account(day_open=105_000.0).holding(0.001, 0.15, -0.05)
    target = bad.sizes().target
    assert target[0] == pytest.approx(0.001)
    assert 0 <= target[1] <= 0.15
    assert target[2] == 0.0


def test_beyond_the_largest_drawdown_everything_is_closed() -> None:
    one = situation(2).account(peak=120_000.0).holding(0.1, -0.05)
    assert (one.sizes().target == 0).all()
    settled = one.settled()
    assert (settled.delta == -one.inputs.account.positions).all()


@given(NUMBER, st.floats(-100, 100), st.floats(0, 60), st.floats(0, 0.05))
@settings(max_examples=300, deadline=None)
def test_the_band_trades_only_what_pays_for_itself(held: float, edge: float, cost: float, slope: float) -> None:
    one = np.array([1.0])
    wanted = float(risk.within_band(held * one, edge * one, cost * one, slope * one)[0])
    if wanted > held:
        covering = held < 0 and wanted <= 0
        assert edge >= cost or covering
        assert wanted <= slope * (edge - cost) + 1e-12 or covering
    if wanted < held:
        covering = held > 0 and wanted >= 0
        assert -edge >= cost or covering
        assert wanted >= slope * (edge + cost) - 1e-12 or covering
    again = float(risk.within_band(wanted * one, edge * one, cost * one, slope * one)[0])
    assert again == pytest.approx(wanted)


@given(NUMBER, st.floats(-100, 100), st.floats(0, 60), st.floats(0, 0.05))
@settings(max_examples=100, deadline=None)
def test_a_mirrored_market_is_traded_as_a_mirror(held: float, edge: float, cost: float, slope: float) -> None:
    one = np.array([1.0])
    there = risk.within_band(held * one, edge * one, cost * one, slope * one)
    back = risk.within_band(-held * one, -edge * one, cost * one, slope * one)
    np.testing.assert_allclose(there, -back)


def test_the_horizon_acted_on_is_the_one_with_the_largest_proven_move() -> None:
    knobs = situation().inputs.knobs
    assert risk.acted_on(np.array([0.03, 0.02, np.nan]), knobs) == 1
    assert risk.acted_on(np.array([0.03, 0.001, 0.001]), knobs) == 0
    assert risk.acted_on(np.array([-0.1, np.nan, -0.2]), knobs) == 2


def test_reliance_is_between_none_and_whole() -> None:
    assert risk.reliance(0.02, 0.04) == 0.5
    assert risk.reliance(-0.01, 0.04) == 0.0
    assert risk.reliance(float("nan"), float("nan")) == 0.0


def test_when_sizing_fails_what_is_held_is_kept() -> None:
    at = moment(740)
    outcome = decided(at)
    kept = risk.keep_positions(outcome.forecast, outcome.mood, outcome.liquidity, at.inputs, at.state)
    np.testing.assert_allclose(kept.target, outcome.sizes.held)
    assert np.isnan(kept.skill).all()
