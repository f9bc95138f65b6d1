"""The gates: all gates for every symbol, each of which binds in one situation and in no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from engine.domain.decision import ACTIONS, Phase
from engine.domain.market import Books
from engine.domain.trading_config import TradingRules
from engine.phases import decision
from engine.phases import gates as phases_gates
from tests.makers import lesson
from tests.phases.situations import PRICE, TICK, Situation, situation

BUY = ACTIONS.index("buy")
NO = np.zeros(1, dtype=bool)
FAILING: dict[str, Callable[[Situation], Situation]] = {
    "fresh data": lambda case: case.with_inputs(fresh=NO),
    "not paused": lambda case: case.with_config(paused=True),
    "no degraded phase": lambda case: replace(case, degraded=(Phase.ENSEMBLE,)),
    "valid book": lambda case: case.with_liquidity(invalid_book=~NO),
    "not flattened": lambda case: case.with_config(flatten=True),
    "history": lambda case: case.with_config(min_history=301),
    "spread": lambda case: case.with_liquidity(spread_bps=np.array([50.1])),
    "active models": lambda case: case.with_predictions(active_models=np.array([1.0])),
    "proven skill": lambda case: case.proven(-0.001, 0.04),
    "in distribution": lambda case: case.with_predictions(out_of_distribution=np.array([0.36])),
    "agreement": lambda case: case.with_predictions(agreement=np.full((3, 1), 0.49)),
    "edge above cost": lambda case: case.with_liquidity(cost_bps=np.array([40.0])),
    "cooldown": lambda case: case.with_account(last_loss_tick=np.array([TICK - 5])),
    "daily loss": lambda case: case.with_account(day_open_equity=103_200.0),
    "drawdown": lambda case: case.with_account(peak_equity=118_000.0),
    "minimum trade": lambda case: case.with_config(min_trade=0.3),
    "risk limits": lambda case: case.with_config(max_gross=0.0009),
    "minimum order": lambda case: case.with_config(rules=TradingRules(min_notionals=(50_000.0,))),
}


def binding(case: Situation) -> str | None:
    index = int(case.settled().binding_gate[0])
    return None if index < 0 else phases_gates.GATE_NAMES[index]


def fulfils(sense: str, value: float, limit: float) -> bool:
    return {"<=": value <= limit, ">=": value >= limit, ">": value > limit}[sense]


def test_with_every_gate_open_it_buys() -> None:
    settled = situation().settled()
    assert settled.action[0] == BUY
    assert settled.binding_gate[0] == -1
    assert all(gate.passed.all() for gate in settled.gates)
    assert [gate.name for gate in settled.gates] == list(phases_gates.GATE_NAMES)
    assert len(phases_gates.GATE_NAMES) == 18


def test_where_a_market_has_books_and_none_stands_nothing_is_traded() -> None:
    levels = np.ones((1, 1))
    booked = situation().with_inputs(books=Books(99.99 * levels, levels, 100.01 * levels, levels)).with_liquidity(depth=np.array([5_000.0]))
    assert booked.settled().action[0] == BUY
    missing = booked.with_liquidity(depth=np.array([np.nan]))
    assert (missing.settled().action[0], binding(missing)) == (0, "valid book")
    assert missing.with_config(flatten=True).holding(0.1).settled().delta[0] == 0.0
    blind = (
        replace(missing, degraded=(Phase.MICROSTRUCTURE,)).with_config(flatten=True).holding(0.1)
    )  # nobody has looked: what a person wants flat is sold
    assert blind.settled().delta[0] < 0.0


@pytest.mark.parametrize("name", phases_gates.GATE_NAMES)
def test_each_gate_binds_alone_in_its_situation(name: str) -> None:
    case = FAILING[name](situation())
    settled = case.settled()
    assert binding(case) == name
    assert ACTIONS[settled.action[0]] == "hold"
    assert settled.delta[0] == 0.0
    gate = settled.gates[phases_gates.GATE_NAMES.index(name)]
    assert not gate.passed[0]
    assert not fulfils(gate.sense, float(gate.value[0]), float(gate.limit[0]))
    others = [other.name for other in settled.gates if not other.passed[0] and other.name not in {name, *FOLLOWS.get(name, ())}]
    assert others == []


# What also fails with a gate, because it says the same of the size that the gate says of its cause.
FOLLOWS = {
    "proven skill": ("minimum trade", "risk limits"),
    "edge above cost": ("minimum trade", "risk limits"),
    "daily loss": ("risk limits",),
    "drawdown": ("risk limits",),
    "minimum trade": ("risk limits",),
}


@pytest.mark.parametrize("name", phases_gates.GATE_NAMES)
def test_a_gate_that_is_waived_binds_no_more(name: str) -> None:
    settled = FAILING[name](situation()).settled(waived=(name, *FOLLOWS.get(name, ())))
    assert settled.binding_gate[0] == -1


@pytest.mark.parametrize("sense", ["<=", ">=", ">"])
def test_a_value_that_is_not_known_does_not_pass(sense: str) -> None:
    rows = phases_gates.passes_limit(np.full((18, 1), np.nan), np.zeros((18, 1)))
    assert not rows[phases_gates.GATE_SENSES.index(sense)].any()


@pytest.mark.parametrize(
    ("name", "passes_at", "fails_at"),
    [
        ("history", lambda case: case.with_config(min_history=300), lambda case: case.with_config(min_history=301)),
        ("spread", lambda case: case.with_liquidity(spread_bps=np.array([50.0])), lambda case: case.with_liquidity(spread_bps=np.array([50.001]))),
        (
            "active models",
            lambda case: case.with_predictions(active_models=np.array([2.0])),
            lambda case: case.with_predictions(active_models=np.array([1.999])),
        ),
        (
            "cooldown",
            lambda case: case.with_account(last_loss_tick=np.array([TICK - 6])),
            lambda case: case.with_account(last_loss_tick=np.array([TICK - 5])),
        ),
        (
            "in distribution",
            lambda case: case.with_predictions(out_of_distribution=np.array([0.35])),
            lambda case: case.with_predictions(out_of_distribution=np.array([0.3501])),
        ),
        ("daily loss", lambda case: case.with_account(day_open_equity=103_000.0), lambda case: case.with_account(day_open_equity=103_200.0)),
        ("drawdown", lambda case: case.with_account(peak_equity=117_600.0), lambda case: case.with_account(peak_equity=117_700.0)),
    ],
)
def test_a_gate_turns_at_its_limit(name: str, passes_at: Callable[[Situation], Situation], fails_at: Callable[[Situation], Situation]) -> None:
    assert binding(passes_at(situation())) is None
    assert binding(fails_at(situation())) == name


def test_the_whole_ladder_stands_for_every_symbol_at_every_tick() -> None:
    for tick, outcome in lesson().outcomes.items():
        gates = outcome.decisions.gates
        assert [gate.name for gate in gates] == list(phases_gates.GATE_NAMES), tick
        failed = ~gates.passed
        for gate in gates:
            assert gate.value.shape == gate.limit.shape == gate.passed.shape == (8,)
            assert gate.passed.tolist() == [fulfils(gate.sense, *pair) for pair in zip(gate.value.tolist(), gate.limit.tolist(), strict=True)]
        held = outcome.decisions.action == 0
        expected = np.where(held & failed.any(axis=0), failed.argmax(axis=0), -1)
        assert (outcome.decisions.binding_gate == expected).all()
    assert set(FAILING) == set(phases_gates.GATE_NAMES)


FIRST = ("fresh data", "not paused", "no degraded phase", "valid book")


@pytest.mark.parametrize("name", FIRST)
def test_behind_the_first_gates_nothing_is_closed_either(name: str) -> None:
    case = FAILING[name](situation().holding(-0.1))
    assert case.settled().delta[0] == 0.0


@pytest.mark.parametrize("name", [name for name in phases_gates.GATE_NAMES if name not in {*FIRST, "minimum trade", "risk limits"}])
def test_behind_any_other_gate_a_position_against_the_forecast_is_still_closed(name: str) -> None:
    case = FAILING[name](situation().holding(-0.1))
    settled = case.settled()
    assert settled.target[0] == 0.0
    assert settled.delta[0] * PRICE == pytest.approx(0.1 * 100_000.0)


def test_flattening_closes_exactly_what_is_held() -> None:
    case = situation(3).holding(0.1, 0.0, -0.07).with_config(flatten=True)
    settled = case.settled()
    assert (settled.delta == -case.inputs.account.positions).all()
    assert (settled.target == 0).all()


def test_a_closing_order_is_the_position_to_the_last_digit_whatever_the_price_of_the_book() -> None:
    """0.1 of equity is 100 units at a price of 100; by the mid of the book it would be 102.04."""
    case = situation().holding(-0.1).with_liquidity(mid=np.array([98.0]))
    sizes = replace(case.sizes(), current=np.array([-0.1]), target=np.zeros(1))
    order = phases_gates.size_orders(sizes, case.liquidity, case.inputs)
    assert order.units.tolist() == [100.0]


def test_flattening_outranks_a_fault_that_lasts_but_not_a_missing_price() -> None:
    case = replace(situation(2).holding(0.1, -0.07).with_config(flatten=True), degraded=(Phase.MARKET,))
    assert (case.settled().target == 0).all()
    settled = FAILING["fresh data"](case).settled()
    assert settled.delta[0] == 0.0


def test_what_may_not_open_may_not_turn_a_position_round() -> None:
    case = FAILING["agreement"](situation().holding(-0.1))
    assert case.settled().target[0] == 0.0
    assert situation().holding(-0.1).settled().target[0] > 0


def test_holding_fails_every_gate_and_names_the_phases() -> None:
    case = situation(2).holding(0.1, 0.0)
    held = decision.hold_all(case.sizes(), case.liquidity, case.predictions, case.market_state, case.inputs, (Phase.DECISION,))
    assert [gate.name for gate in held.gates] == list(phases_gates.GATE_NAMES)
    assert {phases_gates.GATE_NAMES[index] for index in held.binding_gate} == {"no degraded phase"}
    assert (held.delta == 0).all()
    np.testing.assert_allclose(held.target, [0.1, 0.0])
