"""The intent of a decision and its reason: worked by hand for every intent, gate and limit, and equal to the SQL of the store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import product

import pytest

from engine.domain.decision import LIMITS as STEPS
from engine.domain.gates import GATES
from engine.domain.intents import HOLD_REASONS, INTENTS, LIMIT_REASONS, classify_intent, explain_intent
from engine.store.views import INTENT_SQL

NAMES = ("wanted", *STEPS)


def steps(*values: float, then: float | None = None, at: str = "") -> dict[str, float | None]:
    """The size after each step: the given ones first, the last of them for all that follow, `then` from the step `at` on."""
    sizes: dict[str, float | None] = {}
    size = values[0]
    for place, name in enumerate(NAMES):
        size = values[place] if place < len(values) else then if name == at and then is not None else size
        sizes[name] = size
    return sizes


@pytest.mark.parametrize(
    ("position", "target", "intent"),
    [
        (0.0, 0.1, "open"), (0.0, -0.1, "open"), (1e-13, 0.1, "open"), (None, 0.1, "open"),
        (0.1, 0.2, "add"), (-0.1, -0.2, "add"), (0.2, 0.1, "cut"), (-0.2, -0.1, "cut"),
        (0.1, 0.0, "close"), (-0.1, 0.0, "close"), (0.1, 1e-13, "close"),
        (0.1, 0.1, "hold"), (0.0, 0.0, "hold"), (None, None, "hold"), (float("nan"), 0.0, "hold"),
        (0.1, -0.1, "open"), (-0.1, 0.3, "open"),  # through zero: closed and opened the other way by one order
    ],
)  # fmt: skip
def test_the_intent_follows_from_position_and_target(position: float | None, target: float | None, intent: str) -> None:
    assert classify_intent(position, target) == intent


def test_the_store_tells_the_same_intent() -> None:
    shares = (None, 0.0, 1e-13, -1e-13, 0.1, -0.1, 0.1000001, 0.3, -0.3)
    with closing(sqlite3.connect(":memory:")) as store:
        for position, target in product(shares, shares):
            (told,) = store.execute(f"SELECT {INTENT_SQL} FROM (SELECT ? AS position, ? AS target) d", (position, target)).fetchone()
            assert told == classify_intent(position, target), (position, target)
            assert told in INTENTS


def test_a_hold_names_the_gate_that_bound_as_a_reason() -> None:
    assert set(HOLD_REASONS) == {rung[0] for rung in GATES}
    assert not [
        words for words in HOLD_REASONS.values() if words in {rung[0] for rung in GATES}
    ]  # a gate's name says what must hold, not why it did not
    assert explain_intent(0.1, 0.1, ("not paused", "edge above cost"), {}) == "paused"
    assert explain_intent(0.0, 0.0, ("edge above cost",), {}) == "edge below cost"
    assert explain_intent(0.0, 0.0, (), {}) == "no gate failed"


def test_a_larger_position_names_the_edge_and_the_limit_that_held_it() -> None:
    assert explain_intent(0.0, 0.1, (), steps(4.0, 1.0, 0.1)) == "edge above cost"
    assert explain_intent(0.0, 0.1, (), steps(4.0, 1.0, 0.2, then=0.1, at="volatility target")) == "edge above cost, limited by volatility target"
    assert explain_intent(0.1, -0.1, (), steps(-4.0, -1.0, -0.1)) == "edge above cost"


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize("limit", [name for name in LIMIT_REASONS if name != "new version"])
def test_a_smaller_position_names_the_limit_that_cut_it(limit: str, side: float) -> None:
    assert explain_intent(side * 0.2, side * 0.1, (), steps(side * 4.0, side * 1.0, side * 0.2, then=side * 0.1, at=limit)) == LIMIT_REASONS[limit]


def test_a_drawdown_that_closes_what_a_limit_had_cut_a_little_is_the_reason() -> None:
    sizes = steps(4.0, 1.0, 0.2, then=0.19, at="volatility target")
    sizes |= {"drawdown": 0.0, "participation": 0.0}
    assert explain_intent(0.2, 0.0, ("drawdown",), sizes) == "drawdown limit"


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        (steps(4.0, 1.0, 0.0), "skill not proven"),
        (steps(4.0, 1.0, 0.3, 0.1), "new model version"),
        (steps(-4.0, -1.0, -0.1, -0.1, 0.0), "forecast turned"),
        (steps(0.0, 0.0, 0.0), "no forecast"),
        (steps(1.0, 0.25, 0.1), "forecast weaker"),
    ],
)
def test_a_smaller_position_names_what_became_of_the_forecast(sizes: dict[str, float | None], reason: str) -> None:
    assert explain_intent(0.2, sizes["participation"], ("edge above cost",), sizes) == reason


def test_what_a_person_wants_flat_says_so_whatever_else_failed() -> None:
    assert explain_intent(0.2, 0.0, ("not flattened", "edge above cost"), steps(4.0, 1.0, 0.2)) == "flattened by command"


def test_single_precision_is_no_cut_and_what_was_not_recorded_says_so() -> None:
    assert explain_intent(0.2, 0.1, (), steps(4.0, 1.0, 0.2 - 1e-8, then=0.1, at="gross exposure")) == "gross exposure limit"
    assert explain_intent(0.2, 0.1, (), {}) == "reason not recorded"
