"""The decision: orders that reach the target, and the smallest change that flips each action, applied and checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.linalg import hadamard

from engine import broker
from engine.domain.decision import ACTIONS, Decisions, Phase
from engine.domain.orders import EXECUTIONS, Order, OrderProgress
from engine.domain.trading_config import TradingRules
from engine.phases import decision, gates, risk
from tests.makers import decided, lesson, moment
from tests.phases.situations import PRICE, TICK, Situation, random_book, situation

OTHERS = tuple(name for name in gates.GATE_NAMES if name not in {"edge above cost", "minimum trade", "minimum order"})
COUNT = 6


FREE = {"target_volatility": 1e6, "max_gross": 1e3, "max_net": 1e3, "max_cluster": 1e3, "max_shortfall": 1e6}


def random_situation(seed: int, *, rules: bool = False) -> Situation:
    """A random portfolio, with or without rules of a venue, and portfolio limits that never bind."""
    case = random_book(seed, symbols=COUNT).with_config(**FREE)
    if not rules:
        return case
    draw = np.random.default_rng(seed + 1)
    lots, least = draw.choice([0.0, 0.5, 7.0, 40.0], COUNT), draw.choice([0.0, 500.0, 9_000.0], COUNT)
    shorts = draw.random(COUNT) < 0.6
    ruled = case.with_config(rules=TradingRules(lots=tuple(lots.tolist()), min_notionals=tuple(least.tolist()), shorts=tuple(shorts.tolist())))
    return ruled.holding(*np.where(shorts, case.sizes().current, np.abs(case.sizes().current)))


def unrelated(seed: int, *, rules: bool = False) -> Situation:
    """The same with uncorrelated symbols."""
    moves = np.kron(hadamard(8)[1 : COUNT + 1], np.ones((1, 38)))[:, :300].astype(np.float64) * 0.002
    return random_situation(seed, rules=rules).with_config(volatility_halflife=1e12).moving(moves)


def shifted(case: Situation, bps: np.ndarray) -> Decisions:
    """The decisions after a change of the expected move by so many bps, at the horizon acted on."""
    return expecting_more(case, bps).settled(waived=OTHERS)


def expecting_more(case: Situation, bps: np.ndarray) -> Situation:
    horizon = case.sizes().horizon
    mean = case.forecast.mean.copy()
    mean[horizon] += bps / 1e4 / case.forecast.scale[horizon]
    return replace(case, forecast=replace(case.forecast, mean=mean))


def each_alone(case: Situation, bps: np.ndarray) -> np.ndarray:
    """(S,) the action of each symbol after a change of its own expected move only, by so many bps."""
    return np.array([shifted(case, np.where(np.arange(COUNT) == place, bps, 0.0)).action[place] for place in range(COUNT)])


def with_others_fixed(case: Situation, bps: np.ndarray) -> np.ndarray:
    """(S,) the size of each symbol after a change of its own expected move, with the sizes of all others unchanged."""
    sizes, most = case.sizes(), case.inputs.config.max_position
    slope = sizes.slope / 1e4
    edge = sizes.edge_bps + bps
    alone = np.clip(risk.apply_no_trade_band(sizes.current, edge, sizes.cost_bps, slope), -most, most)
    wish = sizes.cost_bps + most / slope
    left = risk.apply_no_trade_band(sizes.current, np.clip(edge, -wish, wish) - sizes.shared_edge_bps, sizes.cost_bps, slope)
    return np.clip(left, np.minimum(alone, 0.0), np.maximum(alone, 0.0))


@pytest.mark.slow
@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=100, deadline=None)
def test_the_smallest_change_flips_the_decision_and_a_little_less_does_not(seed: int, rules: bool) -> None:
    case = unrelated(seed, rules=rules)
    here = case.settled(waived=OTHERS)
    flip = here.edge_to_flip_bps
    known = np.isfinite(flip)
    assume(known.any())
    change = np.where(known, flip, 0.0)
    beyond = each_alone(case, change * (1 + 1e-6) + np.sign(change) * 1e-6)
    within = each_alone(case, change * 0.98)
    acted = here.action != ACTIONS.index("hold")
    np.testing.assert_array_equal(within[known], here.action[known])
    np.testing.assert_array_equal((beyond != here.action)[known], np.ones(int(known.sum()), dtype=bool))
    assert not acted[~known].any()


@given(st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_where_symbols_move_together_the_change_flips_the_decision_though_the_others_give_way(seed: int) -> None:
    case = random_situation(seed)
    here = case.settled(waived=OTHERS)
    known = np.isfinite(here.edge_to_flip_bps)
    assume(known.any())
    change = np.where(known, here.edge_to_flip_bps, 0.0)
    beyond = each_alone(case, change * (1 + 1e-6) + np.sign(change) * 1e-6)
    np.testing.assert_array_equal((beyond != here.action)[known], np.ones(int(known.sum()), dtype=bool))
    held = ~known & (here.action == ACTIONS.index("hold"))
    for far in (-1e5, 1e5):
        np.testing.assert_array_equal(each_alone(case, np.full(COUNT, far))[held], here.action[held])


@given(st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_with_the_other_sizes_as_they_are_a_little_less_changes_nothing(seed: int) -> None:
    case = random_situation(seed)
    sizes, flip = case.sizes(), case.settled(waived=OTHERS).edge_to_flip_bps
    known = np.isfinite(flip)
    np.testing.assert_allclose(with_others_fixed(case, np.zeros(COUNT)), sizes.unconstrained, atol=1e-7)

    def acts(bps: np.ndarray) -> np.ndarray:
        wanted = with_others_fixed(case, bps)
        moved = wanted - sizes.current
        worth = (np.abs(moved) >= gates.smallest_change(sizes, case.inputs.config) - 1e-12) | ((wanted == 0) & (sizes.current != 0))
        return np.where(worth, np.sign(moved), 0.0)

    change = np.where(known, flip, 0.0)
    np.testing.assert_array_equal(acts(change * 0.98)[known], acts(np.zeros(COUNT))[known])
    np.testing.assert_array_equal((acts(change * (1 + 1e-6) + np.sign(change) * 1e-6) != acts(np.zeros(COUNT)))[known], True)


def test_both_directions_and_both_sides_of_a_position_are_met() -> None:
    met = set()
    for seed in range(40):
        case = random_situation(seed)
        here = case.settled(waived=OTHERS)
        there = each_alone(case, np.nan_to_num(here.edge_to_flip_bps) * (1 + 1e-6))
        held = np.sign(case.sizes().current)
        met |= {(int(h), ACTIONS[a], ACTIONS[b]) for h, a, b in zip(held, here.action, there, strict=True) if a != b}
    for side in (-1, 0, 1):
        assert (side, "hold", "buy") in met
        assert (side, "hold", "sell") in met


def test_where_no_size_can_be_taken_nothing_would_flip() -> None:
    assert np.isnan(situation(2).proven(-0.01, 0.04).settled().edge_to_flip_bps).all()


@pytest.mark.parametrize("seed", range(6))
def test_where_no_size_differs_from_its_position_the_long_way_gives_the_same_hold(seed: int) -> None:
    case = random_situation(seed, rules=seed % 2 == 1)
    sizes = replace(case.sizes(), target=case.sizes().current)
    order = gates.size_orders(sizes, case.liquidity, case.inputs)
    for passing in (np.zeros(COUNT, dtype=bool), np.ones(COUNT, dtype=bool)):
        for tradable in (passing, ~passing):
            assert np.array_equal(decision._target(sizes, case.inputs, passing, tradable), sizes.current)
        assert not decision._delta(sizes.current, order, sizes, case.inputs, passing).any()
    made = decision.decide_actions(sizes, case.liquidity, case.predictions, case.market_state, case.inputs, ())
    assert [part.any() for part in (made.delta, made.action, made.execution)] == [False] * 3
    assert made.target.tobytes() == sizes.current.tobytes()
    assert {made.delta.dtype, made.target.dtype} == {np.dtype(np.float64)}
    assert {made.action.dtype, made.execution.dtype, made.binding_gate.dtype} == {np.dtype(np.int64)}


@pytest.mark.slow
def test_a_run_names_its_flips_in_a_sound_way() -> None:
    for tick, outcome in lesson().outcomes.items():
        if tick < 740:  # skill is proven from here on
            continue
        flips = outcome.decisions.edge_to_flip_bps
        assert np.isfinite(flips).any()
        edge, flipped = outcome.sizes.edge_bps, outcome.sizes.edge_bps + flips
        assert (np.abs(flipped[np.isfinite(flips)]) < 1e4).all()
        assert edge.shape == flips.shape


def test_an_order_takes_the_position_to_its_target() -> None:
    for tick in (740, 790):
        at, outcome = moment(tick), decided(moment(tick))
        units = at.inputs.account.positions + outcome.decisions.delta
        share = units * outcome.liquidity.mid / at.inputs.account.equity
        np.testing.assert_allclose(share, outcome.decisions.target, atol=1e-12)
        held = outcome.decisions.action == 0
        assert (outcome.decisions.delta[held] == 0).all()


def test_an_order_is_whole_lots_toward_zero_and_the_target_is_what_it_reaches() -> None:
    """A fifth of 100,000 at 100 is 200 units: 28 lots of 7 are 196, worth 19,600."""
    settled = situation().with_config(rules=TradingRules(lots=(7.0,)), kelly=100.0, **FREE).settled()
    rung = settled.gates[gates.GATE_NAMES.index("minimum order")]
    assert (settled.delta[0], settled.target[0]) == (pytest.approx(196.0), pytest.approx(0.196))
    assert (rung.value[0], rung.limit[0]) == (pytest.approx(19_600.0), pytest.approx(700.0))
    free = situation().with_config(kelly=100.0, **FREE).settled()
    rung = free.gates[gates.GATE_NAMES.index("minimum order")]
    assert (free.delta[0], rung.value[0], rung.limit[0]) == (pytest.approx(200.0), pytest.approx(20_000.0), 0.0)


def test_an_order_below_the_minimum_is_not_sent_and_the_ladder_says_why() -> None:
    case = situation().with_config(rules=TradingRules(lots=(150.0,), min_notionals=(16_000.0,)), kelly=100.0, **FREE)
    settled = case.settled()  # 200 units are one lot of 150, worth 15,000; the least is two lots
    assert (ACTIONS[settled.action[0]], settled.delta[0], settled.target[0]) == ("hold", 0.0, 0.0)
    rung = settled.gates[settled.binding_gate[0]]
    assert (rung.name, rung.value[0], rung.limit[0]) == ("minimum order", pytest.approx(15_000.0), pytest.approx(30_000.0))
    assert case.settled(waived=("minimum order",)).delta[0] == pytest.approx(150.0)


def test_what_is_too_small_to_open_can_still_be_closed() -> None:
    case = situation(2).holding(0.00123, -0.00077).proven(-0.01, 0.04)
    rules = TradingRules(lots=(1.0, 1.0), min_notionals=(5_000.0, 5_000.0))
    settled = case.with_config(rules=rules, min_trade=0.0).settled()
    assert (settled.delta == -case.inputs.account.positions).all()
    assert (settled.target == 0.0).all()


def test_a_position_that_is_no_multiple_turns_round_to_whole_lots() -> None:
    case = situation().holding(-0.0503).with_config(rules=TradingRules(lots=(7.0,)), kelly=100.0, **FREE)
    settled = case.settled()
    assert case.inputs.account.positions[0] + settled.delta[0] == pytest.approx(196.0)


@pytest.mark.slow
@given(st.integers(0, 10_000))
@settings(max_examples=200, deadline=None)
def test_an_order_is_never_larger_than_was_wanted_and_a_close_closes_whole(seed: int) -> None:
    case = random_situation(seed, rules=True)
    free = case.with_config(rules=replace(case.inputs.config.rules, lots=(), min_notionals=())).settled()
    settled, positions = case.settled(), case.inputs.account.positions
    assert (np.abs(settled.delta) <= np.abs(free.delta) * (1 + 1e-12)).all()
    assert (settled.delta * free.delta >= 0).all()
    closes = (settled.target == 0) & (settled.delta != 0)
    np.testing.assert_array_equal(settled.delta[closes], -positions[closes])
    lots, least = (np.array(part) for part in (case.inputs.config.rules.lots, case.inputs.config.rules.min_notionals))
    sent = (settled.delta != 0) & ~closes
    assert (np.abs(settled.delta[sent]) * PRICE >= least[sent] - 1e-6).all()
    after = positions + settled.delta
    opened = sent & (lots > 0) & ((positions == 0) | (after * positions < 0))
    np.testing.assert_allclose(after[opened] / lots[opened], np.round(after[opened] / lots[opened]), atol=1e-6)
    np.testing.assert_allclose(after * PRICE / case.inputs.account.equity, np.where(settled.delta != 0, settled.target, after / 1_000.0), atol=1e-9)


@given(st.integers(0, 10_000))
@settings(max_examples=150, deadline=None)
def test_spot_is_never_sold_short(seed: int) -> None:
    case = random_situation(seed, rules=True)
    settled = case.settled()
    spot = ~np.array(case.inputs.config.rules.shorts)
    after = case.inputs.account.positions + settled.delta
    assert (after[spot] >= 0).all()
    assert (settled.target[spot] >= 0).all()


def test_a_buy_buys_and_a_sell_sells() -> None:
    settled = situation(3).expecting(0.5, -0.5, 0.0).settled()
    assert [ACTIONS[code] for code in settled.action] == ["buy", "sell", "hold"]
    assert np.sign(settled.delta).tolist() == [1.0, -1.0, 0.0]


def test_how_to_trade_follows_depth_and_spread() -> None:
    case = situation(4).expecting(0.5, 0.5, 0.5, 0.0)
    size = abs(float(case.settled().delta[0])) * PRICE
    spread = np.array([2.0, 2.0, 5.0, 5.0])
    liquid = case.with_liquidity(depth=np.array([4.1, 3.9, 4.1, 4.1]) * size, spread_bps=spread, fee_bps=np.full(4, 2.0))
    assert [EXECUTIONS[code] for code in liquid.settled().execution] == ["aggressive", "slice", "passive", "wait"]
    dear = liquid.with_liquidity(costly_executions=("passive", "slice"))  # proven to cost more than taking at once
    assert [EXECUTIONS[code] for code in dear.settled().execution] == ["aggressive", "aggressive", "aggressive", "wait"]
    cheap = liquid.with_config(maker_fees_bps=(0.4, 0.4, -1.0, 0.4))  # half a spread of 1 and 1.6 of fee spared, against 0.4 paid either way
    assert [EXECUTIONS[code] for code in cheap.settled().execution] == ["passive", "slice", "passive", "wait"]


def test_where_no_book_stands_or_no_trade_is_known_nothing_rests() -> None:
    case = situation(2).expecting(0.5, 0.5).with_liquidity(spread_bps=np.full(2, 5.0), fee_bps=np.full(2, 2.0))
    assert [EXECUTIONS[code] for code in case.settled().execution] == ["aggressive", "aggressive"]
    volume = case.inputs.view.volume.copy()
    volume[1] = np.nan
    booked = case.with_liquidity(depth=np.full(2, 1e9)).with_inputs(view=replace(case.inputs.view, volume=volume))
    assert [EXECUTIONS[code] for code in booked.settled().execution] == ["passive", "aggressive"]
    none = volume.copy()
    none[1] = 0.0  # nothing was traded: no trade could confirm a fill
    still = case.with_liquidity(depth=np.full(2, 1e9)).with_inputs(view=replace(case.inputs.view, volume=none))
    assert [EXECUTIONS[code] for code in still.settled().execution] == ["passive", "aggressive"]


def resting(units: float, execution: str = "passive", symbol: int = 0) -> Order:
    return Order(
        symbol, units, 2.0, 0.0, 0.002, EXECUTIONS.index(execution), OrderProgress(TICK - 1, 1, units, PRICE, PRICE, 5.0, units, PRICE, 0.0, 0.0)
    )


def test_a_working_order_goes_on_while_it_is_wanted_and_nothing_is_ordered_twice() -> None:
    booked = situation(1).with_liquidity(depth=np.array([1e9]))
    wanted = float(booked.settled().delta[0])
    for left in (0.4 * wanted, wanted, 3.0 * wanted):
        case = booked.with_account(working_orders=(resting(left),))
        settled = case.settled()
        (order,) = broker.create_orders(settled, case.liquidity, case.market_state, case.inputs)
        assert (EXECUTIONS[int(settled.execution[0])], order.progress) == ("passive", resting(left).progress)
        assert order.units == pytest.approx(min(left, wanted))
    other = booked.with_account(working_orders=(resting(-wanted),))
    (order,) = broker.create_orders(other.settled(), other.liquidity, other.market_state, other.inputs)
    assert (order.progress, order.units, order.execution) == (None, wanted, EXECUTIONS.index("aggressive"))


FAILING: dict[str, Callable[[Situation], Situation]] = {
    "paused": lambda case: case.with_config(paused=True),
    "an old bar": lambda case: case.with_inputs(fresh=np.zeros(1, dtype=bool)),
    "no skill": lambda case: case.proven(-0.001, 0.04),
    "a wide spread": lambda case: case.with_liquidity(spread_bps=np.array([80.0])),
    "flattened": lambda case: case.with_config(flatten=True),
    "a failed phase": lambda case: replace(case, degraded=(Phase.ENSEMBLE,)),
}


@pytest.mark.parametrize("why", FAILING)
def test_where_a_gate_fails_a_working_order_that_opens_is_cancelled(why: str) -> None:
    case = situation(1).with_liquidity(depth=np.array([1e9])).with_account(working_orders=(resting(50.0),))
    assert len(broker.create_orders(case.settled(), case.liquidity, case.market_state, case.inputs)) == 1
    failed = FAILING[why](case)
    assert broker.create_orders(failed.settled(), failed.liquidity, failed.market_state, failed.inputs) == ()


def test_what_a_person_wants_flat_is_taken_at_once() -> None:
    case = situation(1).with_liquidity(depth=np.array([10.0]), spread_bps=np.array([40.0])).holding(0.1).with_config(flatten=True)
    selling = case.with_account(working_orders=(resting(-20.0, "slice"),))
    (order,) = broker.create_orders(selling.settled(), selling.liquidity, selling.market_state, selling.inputs)
    assert (order.units, order.execution, order.progress) == (-case.inputs.account.positions[0], EXECUTIONS.index("aggressive"), None)


def test_votes_are_those_of_models_that_were_active() -> None:
    case = situation(2)
    trust = case.predictions.reliability.copy()
    trust[1] = 0.0
    votes = case.with_predictions(reliability=trust).settled().votes
    assert np.isnan(votes[1]).all()
    assert np.isfinite(votes[[0, 2, 3]]).all()


@pytest.mark.parametrize("mid", [np.nan, 0.0, -1.0])
def test_a_price_that_is_none_never_makes_an_order_of_absurd_size(mid: float) -> None:
    settled = situation().with_liquidity(mid=np.array([mid])).settled()
    assert settled.delta[0] == 0.0
