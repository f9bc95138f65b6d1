"""Sizing: costs make a no-trade band, skill scales, and every limit reduces the size in one situation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import hadamard

from engine.domain.decision import LIMITS
from engine.domain.evidence import Agreement
from engine.domain.incidents import TradingCalendar
from engine.domain.trading_config import Event, TradingRules
from engine.evidence import covariance, skill, succession
from engine.evidence.expected_shortfall import NORMAL_SHORTFALL, expected_shortfall
from engine.phases import risk
from engine.window import decay_weights
from tests.makers import decided, lesson, moment
from tests.phases.situations import Situation, random_book, situation

NUMBER = st.floats(-0.3, 0.3)


FREE = {"target_volatility": 50.0, "max_shortfall": 50.0, "max_cluster": 50.0}


def crowd(count: int = 8) -> Situation:
    """Symbols that all have a forecast, and risk limits that never bind."""
    return situation(count).with_config(**FREE)


def together(copies: int, others: int = 0, *, seed: int = 3, tails: float = 0.0, volatility: float = 0.002) -> Situation:
    """So many symbols with the same price, and others that are uncorrelated with them; all with the same forecast."""
    draw = np.random.default_rng(seed)
    shape = (others + 1, 300)
    moves = volatility * (draw.standard_t(tails, shape) if tails else draw.normal(size=shape))
    return situation(copies + others).moving(np.concatenate((np.repeat(moves[:1], copies, axis=0), moves[1:])))


def agreeing(agreement: float) -> Event:
    """New versions are adopted that agree so far with those of record, at every horizon."""
    each = np.full(3, agreement)
    return succession.agreement_to_event(Agreement(2_304, each, each, ()))


MATTERS: dict[str, tuple[Situation, Callable[[Situation], Situation]]] = {
    "kelly fraction": (situation(), lambda case: case.with_config(kelly=1.0)),
    "proven skill": (situation(), lambda case: case.proven(0.04 - 1e-9, 0.04)),
    "new version": (situation().with_inputs(events=(agreeing(0.1),)), lambda case: case.with_inputs(events=(agreeing(0.9),))),
    "cost": (situation(), lambda case: case.with_liquidity(cost_bps=np.zeros(1))),
    "position": (situation(), lambda case: case.with_config(max_position=1e9)),
    "spot, no shorts": (
        situation().expecting(-0.5).with_config(rules=TradingRules(shorts=(False,))),
        lambda case: case.with_config(rules=TradingRules(shorts=(True,), borrow_rates=(0.05,))),
    ),
    "joint sizing": (together(3).with_config(**FREE), lambda case: case.moving(np.random.default_rng(1).normal(0, 0.002, (3, 300)))),
    "correlated cluster": (together(5).with_config(**FREE | {"max_cluster": 0.1}), lambda case: case.with_config(max_cluster=1.0)),
    "volatility target": (situation(8), lambda case: case.with_config(target_volatility=1e9, max_shortfall=1e9)),
    "expected shortfall": (together(1, tails=3.0).with_config(target_volatility=1.0), lambda case: case.with_config(max_shortfall=0.2)),
    "gross exposure": (crowd().with_config(max_net=5.0), lambda case: case.with_config(max_gross=5.0)),
    "net exposure": (crowd(), lambda case: case.with_config(max_net=5.0)),
    "daily loss": (situation().with_account(day_open_equity=105_000.0), lambda case: case.with_account(day_open_equity=100_000.0)),
    "drawdown": (situation().with_account(peak_equity=120_000.0), lambda case: case.with_account(peak_equity=100_000.0)),
    "participation": (situation().with_liquidity(capacity=np.array([50.0])), lambda case: case.with_liquidity(capacity=np.array([1e6]))),
}


@pytest.mark.parametrize("name", LIMITS)
def test_each_limit_reduces_the_wish_where_it_applies_and_only_there(name: str) -> None:
    bound, free = MATTERS[name][0], MATTERS[name][1](MATTERS[name][0])
    row = LIMITS.index(name)
    before, after = np.abs(bound.sizes().steps[row]), np.abs(bound.sizes().steps[row + 1])
    assert (after < before - 1e-12).all()
    steps = np.abs(free.sizes().steps)
    np.testing.assert_allclose(steps[row + 1], steps[row], rtol=1e-6 if name != "joint sizing" else 0.15)
    assert bound.sizes().limits == LIMITS


def test_spot_is_not_sold_short_and_what_is_held_may_be_sold() -> None:
    spot = situation(3).expecting(-0.5, -0.5, 0.5).holding(0.1, 0.0, 0.0).with_config(rules=TradingRules(shorts=(False, True, False)))
    row = LIMITS.index("spot, no shorts")
    steps = spot.sizes().steps
    assert (steps[row][0] < 0, steps[row + 1][0]) == (True, 0.0)
    assert (steps[row + 1][1:] == steps[row][1:]).all()
    assert (steps[row][1] < 0) & (steps[row][2] > 0)
    settled = spot.settled()
    assert settled.delta[0] == -spot.inputs.account.positions[0]
    assert settled.delta[1] < 0 < settled.delta[2]


def test_no_limit_ever_adds_to_a_wish_in_a_run() -> None:
    portfolio = LIMITS.index("joint sizing")
    for outcome in lesson().outcomes.values():
        steps = np.abs(outcome.sizes.steps)
        assert (steps[portfolio + 1 :] <= steps[portfolio:-1] + 1e-12).all()
        assert (outcome.sizes.target == outcome.sizes.steps[-1]).all()


def test_without_proven_skill_there_is_no_size_and_what_is_held_is_closed() -> None:
    for case in (situation().proven(-0.0001, 0.04), replace(situation(), state=replace(situation().state, recent=crowd().state.skill))):
        assert case.sizes().target[0] == 0.0
        assert case.holding(0.1).sizes().target[0] == 0.0


def test_a_crowded_book_is_cut_to_its_limits_exactly() -> None:
    wide = crowd().with_config(max_gross=0.5, max_net=0.3)
    assert np.abs(wide.sizes().steps[LIMITS.index("gross exposure") + 1]).sum() == pytest.approx(0.5)
    assert wide.sizes().target.sum() == pytest.approx(0.3)
    both = wide.expecting(*([0.5] * 6), -0.5, -0.5)
    assert abs(both.sizes().target.sum()) == pytest.approx(0.25)
    assert np.abs(both.sizes().target).sum() == pytest.approx(0.5)


def test_a_book_of_four_copies_among_eight_symbols_runs_at_the_target_volatility() -> None:
    """With one mean correlation for all pairs these portfolios ran at 30 %."""
    ran = []
    for seed in range(40):
        case = together(4, 4, seed=seed).expecting(*[0.5] * 4, *[0.0] * 4).with_config(max_shortfall=1.0)
        target = case.sizes().steps[LIMITS.index("volatility target") + 1]
        ran.append(abs(target.sum()) * 0.002 * np.sqrt(365 * 1440))
    assert np.mean(ran) == pytest.approx(0.20, rel=0.04)
    assert max(ran) < 0.22


def test_the_target_volatility_is_that_of_the_shrunk_covariance() -> None:
    case = situation(8)
    target = case.sizes().steps[LIMITS.index("volatility target") + 1]
    weights = decay_weights(300, 60.0)
    standardised = covariance.standardise_returns(case.inputs.view.returns, weights)
    sample = covariance.sample_correlation(standardised, weights)
    risks = target * case.market_state.sigma
    variance = risks @ covariance.shrink_correlation(sample, covariance.ledoit_wolf_shrinkage(standardised, weights, sample)) @ risks
    assert np.sqrt(variance * 365 * 1440) == pytest.approx(case.inputs.config.target_volatility)


@pytest.mark.parametrize("copies", [2, 3, 6])
@pytest.mark.parametrize("mean", [0.093, 0.5, -0.5])
def test_a_symbol_under_several_names_is_held_once_in_all_and_evenly(copies: int, mean: float) -> None:
    alone = together(1).expecting(mean).with_config(**FREE).sizes().unconstrained[0]
    many = together(copies).expecting(*[mean] * copies).with_config(**FREE).sizes().unconstrained
    assert abs(alone) > 0.01
    assert many.sum() == pytest.approx(alone, rel=0.05)
    np.testing.assert_allclose(many, many[0])


def test_symbols_that_do_not_move_together_are_sized_as_if_each_were_alone() -> None:
    crosses = np.kron(hadamard(4), np.ones((1, 75))).astype(np.float64)  # rows whose products cancel; weights that fade leave a little
    case = situation(4).moving(crosses * 0.002).with_config(**FREE, volatility_halflife=1e9).expecting(0.01, -0.02, 0.03, 0.2)
    sizes = case.sizes()
    position = LIMITS.index("position") + 1
    np.testing.assert_allclose(sizes.unconstrained, sizes.steps[position], rtol=0.02)
    np.testing.assert_allclose(sizes.shared_edge_bps, 0.0, atol=0.02)


def test_a_cluster_is_limited_whatever_the_side_and_others_are_left_as_they_are() -> None:
    case = together(3, 2).with_config(**FREE | {"max_cluster": 0.15}).expecting(0.5, 0.5, -0.5, 0.5, 0.5)
    row = LIMITS.index("correlated cluster")
    before, after = case.sizes().steps[row : row + 2]
    assert np.abs(before[:3]).sum() > 0.15
    assert np.abs(after[:3]).sum() == pytest.approx(0.15)
    np.testing.assert_array_equal(after[3:], before[3:])


def test_the_expected_shortfall_of_a_day_is_tighter_with_fat_tails_than_without() -> None:
    held = []
    for tails in (0.0, 3.0):
        case = together(1, tails=tails).with_config(target_volatility=0.60, max_position=1.0, max_net=1.0)
        steps = case.sizes().steps
        row = LIMITS.index("expected shortfall")
        moves = steps[row + 1][0] * case.market_state.sigma[0] * np.sqrt(1440.0)
        standardised = covariance.standardise_returns(case.inputs.view.returns, decay_weights(300, 60.0))[0]
        assert moves * max(NORMAL_SHORTFALL, expected_shortfall(-standardised, decay_weights(300, 60.0))) == pytest.approx(0.04)
        held.append(steps[row + 1][0])
    assert held[1] < held[0]


def test_the_shortfall_hardly_ever_binds_at_the_usual_target() -> None:
    row = LIMITS.index("expected shortfall")
    binds = 0
    for seed in range(50):
        steps = np.abs(together(1, 3, seed=seed, tails=5.0).sizes().steps)
        binds += bool((steps[row + 1] < steps[row]).any())
    assert binds <= 5


def test_hours_that_a_venue_declares_make_the_year_shorter_and_the_position_larger() -> None:
    row = LIMITS.index("volatility target") + 1
    always = together(1).sizes().steps[row][0]
    declared = together(1).with_config(trading_hours=(252 * 6.5,), target_volatility=0.10).sizes().steps[row][0]
    assert declared / always == pytest.approx(0.5 * np.sqrt(8760 / (252 * 6.5)))


def test_each_symbol_of_a_mixed_universe_has_the_year_of_its_own_venue() -> None:
    case = together(1, 1).with_config(trading_hours=(252 * 6.5, 0.0))
    hours, days = risk.trading_year(case.inputs.config, case.market_state)
    np.testing.assert_allclose(hours, [1638.0, 8760.0])
    assert days == 252.0


def test_a_market_that_was_seen_to_close_has_a_shorter_year() -> None:
    known = np.zeros((7, 48))
    known[:5, 29:42] = 1.0
    case = together(1)
    calendar = TradingCalendar(known.ravel(), session_open=True)
    closed = replace(case, market_state=replace(case.market_state, incident_state=replace(case.market_state.incident_state, calendar=calendar)))
    hours, days = risk.trading_year(closed.inputs.config, closed.market_state)
    assert hours == pytest.approx(65 / 2 * 365 / 7)
    assert days == pytest.approx(365 * 5 / 7)
    row = LIMITS.index("volatility target") + 1
    ratio = closed.with_config(target_volatility=0.08).sizes().steps[row][0] / case.sizes().steps[row][0]
    assert ratio == pytest.approx(0.4 * np.sqrt(8760 / hours))


@given(st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_another_order_of_symbols_gives_the_same_sizes_in_that_order(seed: int) -> None:
    case = random_book(seed)
    order = np.random.default_rng(seed).permutation(6)
    there = random_book(seed, order=order)
    np.testing.assert_allclose(there.sizes().steps, case.sizes().steps[:, order], atol=1e-9)
    np.testing.assert_allclose(there.sizes().shared_edge_bps, case.sizes().shared_edge_bps[order], atol=1e-6)


def test_a_crowd_beyond_one_block_bets_no_more_on_one_symbol_than_one_block_does() -> None:
    many = together(risk.BLOCK + 40).with_config(**FREE).sizes()
    assert many.unconstrained.sum() == pytest.approx(together(1).with_config(**FREE).sizes().unconstrained[0], rel=0.05)
    assert np.abs(many.steps[LIMITS.index("position") + 1]).sum() > 30.0
    limited = together(risk.BLOCK + 40).with_config(**FREE | {"max_cluster": 0.1}).sizes().target
    assert limited.sum() == pytest.approx(0.1)


@given(st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_no_limit_of_the_portfolio_adds_or_turns_whatever_is_held(seed: int) -> None:
    steps = random_book(seed).sizes().steps[LIMITS.index("position") + 1 :]
    assert (np.abs(steps[1:]) <= np.abs(steps[:-1]) + 1e-12).all()
    assert (steps[1:] * steps[:-1] >= 0).all()


@given(st.integers(0, 10_000), st.floats(0.1, 10.0))
@settings(max_examples=40, deadline=None)
def test_a_market_that_moves_so_many_times_as_much_is_held_so_many_times_less(seed: int, times: float) -> None:
    free = FREE | {"max_position": 1e9, "max_gross": 1e9, "max_net": 1e9, "target_volatility": 1e9, "max_shortfall": 1e9, "max_cluster": 1e9}
    case = random_book(seed).with_config(**free).with_liquidity(cost_bps=np.zeros(6)).holding(*[0.0] * 6)
    wilder = replace(
        case,
        forecast=replace(case.forecast, scale=case.forecast.scale * times),
        market_state=replace(case.market_state, sigma=case.market_state.sigma * times),
    )
    wilder = wilder.moving(case.inputs.view.returns * times)
    np.testing.assert_allclose(wilder.sizes().unconstrained * times, case.sizes().unconstrained, rtol=1e-5, atol=1e-9)


def test_a_symbol_without_a_known_volatility_is_not_held_and_does_not_disturb_the_others() -> None:
    case = together(2, 1)
    unknown = np.array([0.0, 1.0, 1.0])
    sigma = np.where(unknown == 0, np.nan, case.market_state.sigma)
    blank = replace(
        case, forecast=replace(case.forecast, scale=case.forecast.scale * unknown), market_state=replace(case.market_state, sigma=sigma)
    ).holding(0.1, 0, 0)
    missing = np.zeros((3, 300), dtype=bool)
    missing[0, :280] = True
    sizes = blank.moving(case.inputs.view.returns, missing=missing).sizes()
    assert sizes.target[0] == 0.0
    assert np.isfinite(sizes.steps).all()
    assert (sizes.target[1:] > 0).all()


def test_a_symbol_with_a_short_history_is_known_for_the_copy_it_is() -> None:
    missing = np.zeros((2, 300), dtype=bool)
    missing[1, :170] = True
    case = together(2).with_config(**FREE)
    young = case.moving(case.inputs.view.returns, missing=missing).sizes().unconstrained
    assert young.sum() == pytest.approx(case.sizes().unconstrained.sum(), rel=0.1)


def test_no_more_is_added_than_a_bar_may_fill_and_what_closes_is_wanted_whole() -> None:
    """Room for 50 of money, 0.0005 of the equity of 100,000, in each of five situations."""
    case = situation(5).with_liquidity(capacity=np.full(5, 50.0)).with_config(target_volatility=50.0, max_gross=9.0, max_net=9.0)
    target = case.expecting(0.5, 0.5, -0.5, 0.0, -0.5).holding(0.0, 0.004, 0.004, 0.004, 0.0).sizes().target
    assert target[0] == pytest.approx(0.0005)
    assert target[1] == pytest.approx(0.0045)
    assert target[2] == pytest.approx(-0.0005)  # the long is closed whole, and no more than room allows is sold short
    assert 0.0 <= target[3] <= 0.004
    assert target[4] == pytest.approx(-0.0005)
    assert (case.with_liquidity(capacity=np.zeros(5)).sizes().target == 0).all()  # no volume known: nothing is opened
    free = case.with_liquidity(capacity=np.full(5, np.nan)).sizes()  # a book decides what is filled
    np.testing.assert_array_equal(free.target, free.steps[-2])


def test_after_a_bad_day_positions_may_shrink_but_nothing_is_added_or_turned() -> None:
    bad = situation(3).with_account(day_open_equity=105_000.0).holding(0.001, 0.15, -0.05)
    target = bad.sizes().target
    assert target[0] == pytest.approx(0.001)
    assert 0 <= target[1] <= 0.15
    assert target[2] == 0.0


def test_beyond_the_largest_drawdown_everything_is_closed() -> None:
    case = situation(2).with_account(peak_equity=120_000.0).holding(0.1, -0.05)
    assert (case.sizes().target == 0).all()
    settled = case.settled()
    assert (settled.delta == -case.inputs.account.positions).all()


@given(NUMBER, st.floats(-100, 100), st.floats(0, 60), st.floats(0, 0.05))
@settings(max_examples=300, deadline=None)
def test_the_band_trades_only_what_pays_for_itself(held: float, edge: float, cost: float, slope: float) -> None:
    case = np.array([1.0])
    wanted = float(risk.apply_no_trade_band(held * case, edge * case, cost * case, slope * case)[0])
    if wanted > held:
        covering = held < 0 and wanted <= 0
        assert edge >= cost or covering
        assert wanted <= slope * (edge - cost) + 1e-12 or covering
    if wanted < held:
        covering = held > 0 and wanted >= 0
        assert -edge >= cost or covering
        assert wanted >= slope * (edge + cost) - 1e-12 or covering
    again = float(risk.apply_no_trade_band(wanted * case, edge * case, cost * case, slope * case)[0])
    assert again == pytest.approx(wanted)


@given(NUMBER, st.floats(-100, 100), st.floats(0, 60), st.floats(0, 0.05))
@settings(max_examples=100, deadline=None)
def test_a_mirrored_market_is_traded_as_a_mirror(held: float, edge: float, cost: float, slope: float) -> None:
    case = np.array([1.0])
    there = risk.apply_no_trade_band(held * case, edge * case, cost * case, slope * case)
    back = risk.apply_no_trade_band(-held * case, -edge * case, cost * case, slope * case)
    np.testing.assert_allclose(there, -back)


def test_the_horizon_acted_on_is_the_one_with_the_largest_proven_move() -> None:
    knobs = situation().inputs.config
    assert risk.choose_horizon(np.array([0.03, 0.02, np.nan]), knobs) == 1
    assert risk.choose_horizon(np.array([0.03, 0.001, 0.001]), knobs) == 0
    assert risk.choose_horizon(np.array([-0.1, np.nan, -0.2]), knobs) == 2


def test_reliance_is_between_none_and_whole() -> None:
    low, estimate = np.array([0.02, -0.01, np.nan, 0.05]), np.array([0.04, 0.04, np.nan, 0.04])
    np.testing.assert_array_equal(skill.proven_share(low, estimate), [0.5, 0.0, 0.0, 1.0])


def test_when_sizing_fails_what_is_held_is_kept() -> None:
    at = moment(740)
    outcome = decided(at)
    unchanged = risk.keep_positions(outcome.forecast, outcome.market_state, outcome.liquidity, at.inputs, at.state)
    np.testing.assert_allclose(unchanged.target, outcome.sizes.current)
    assert np.isnan(unchanged.skill_bound).all()
