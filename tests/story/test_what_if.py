"""A change alters what it may and nothing else; no change is the record."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.decision import Phase
from engine.domain.market import Books
from engine.evidence import transaction_cost
from engine.schema import SchemaError
from engine.store.read.decision import read_decision
from engine.store.read.history import TickHistory
from engine.store.read.reader import Reader
from engine.story.basis import decide_stored_tick
from engine.story.what_if import _scale_books, decide_with_changes, parse_change
from engine.trading_parameters import CHANGEABLE
from tests.story.decided import LAST, MODELS, SERVED

SYMBOL = "ALFA"


@pytest.mark.parametrize("tick", [0, SERVED, 401, LAST])
def test_without_a_change_it_is_the_record(history: TickHistory, decided_store: str, tick: int) -> None:
    answer = decide_with_changes(history, tick, SYMBOL, ())
    assert answer.identical
    assert answer.reproduced
    assert answer.before.gates == answer.after.gates
    assert (answer.flipped, answer.others, answer.changed_phases) == ((), (), ())
    stored = read_decision(Reader(decided_store), tick, SYMBOL)
    assert stored is not None
    now = answer.after
    for name in ("action", "intent", "target", "position", "confidence", "edge_bps", "cost_bps", "delta", "binding_gate", "horizon"):
        assert getattr(now, name) == getattr(stored, name), name
    assert [gate.passed for gate in now.gates] == [gate.passed for gate in stored.gates]
    assert [name for name, _ in now.limits] == [name for name, _ in stored.limits]


@pytest.mark.parametrize("model", ["lightgbm", "online"])
def test_a_model_that_is_left_out_changes_only_what_follows_from_it(history: TickHistory, model: str) -> None:
    before = decide_stored_tick(history, LAST)
    answer = decide_with_changes(history, LAST, SYMBOL, [parse_change(f"without={model}")])
    assert not {"market", "features", "microstructure"} & set(answer.changed_phases)
    assert {"selection", "validation"} <= set(answer.changed_phases)
    outcome, _ = parse_change(f"without={model}").apply(before.basis).decide_again()
    place = MODELS.index(model)
    assert np.isnan(outcome.predictions.mean[place]).all()
    others = [index for index in range(len(MODELS)) if index != place]
    np.testing.assert_array_equal(outcome.predictions.mean[others], before.outcome.predictions.mean[others])
    assert not outcome.predictions.reliability[place].any()


def test_half_the_spread_halves_the_spread_and_nothing_else_of_the_cost(history: TickHistory) -> None:
    before = decide_stored_tick(history, LAST)
    outcome, _ = parse_change("spread_factor=0.5").apply(before.basis).decide_again()
    np.testing.assert_allclose(outcome.liquidity.spread_bps, before.outcome.liquidity.spread_bps / 2.0, rtol=1e-9)
    np.testing.assert_allclose(outcome.liquidity.mid, before.outcome.liquidity.mid, rtol=1e-12)
    np.testing.assert_allclose(outcome.liquidity.impact_bps, before.outcome.liquidity.impact_bps, atol=1e-9)
    answer = decide_with_changes(history, LAST, SYMBOL, [parse_change("spread_factor=0.5")])
    assert answer.before.cost_bps is not None
    assert answer.after.cost_bps is not None
    assert answer.before.cost_bps - answer.after.cost_bps == pytest.approx(before.outcome.liquidity.spread_bps[0] / 2.0)


def test_a_threshold_flips_its_gate_and_no_other(history: TickHistory) -> None:
    for text, gate in (("min_models=1000", None), ("max_spread_bps=0", "spread"), ("min_history=300", None), ("max_drawdown=0", None)):
        answer = decide_with_changes(history, LAST, SYMBOL, [parse_change(text)])
        assert answer.flipped == (() if gate is None else (gate,)), text
        assert set(answer.changed_phases) <= {"decision", "learning"}
    stopped = decide_with_changes(history, LAST, SYMBOL, [parse_change("paused=true")])
    assert (stopped.flipped, stopped.after.binding_gate, stopped.after.reason) == (("not paused",), "not paused", "paused")


def test_without_fees_the_cost_falls_by_two_fees(history: TickHistory) -> None:
    answer = decide_with_changes(history, LAST, SYMBOL, [parse_change("fee_factor=0")])
    assert answer.before.cost_bps is not None
    assert answer.after.cost_bps is not None
    assert answer.before.cost_bps - answer.after.cost_bps == pytest.approx(2.0 * decide_stored_tick(history, LAST).stored.config.fee_bps)


def test_several_changes_are_made_together_and_nothing_is_stored(history: TickHistory, decided_store: str) -> None:
    both = decide_with_changes(history, LAST, SYMBOL, [parse_change("fee_factor=0"), parse_change("spread_factor=0.5")])
    assert both.changes == ("fee times 0", "spread times 0.5")
    assert decide_with_changes(history, LAST, SYMBOL, ()).identical
    assert history.tick_range() == (0, LAST)
    json.dumps([both.after.limits, both.after.gates[0].value])


@given(st.floats(0.001, 20.0), st.integers(1, 6), st.integers(0, 2**32))
def test_a_scaled_book_stays_a_book_with_that_spread(factor: float, levels: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    half, steps = random.uniform(0.01, 1.0, (3, 1)), np.cumsum(random.uniform(0.01, 0.5, (2, 3, levels)), axis=2)
    bid, ask = 1_000.0 - half - steps[0], 1_000.0 + half + steps[1]
    scaled = _scale_books(Books(bid, np.ones_like(bid), ask, np.ones_like(ask)), factor)
    spread = scaled.ask_price[:, 0] - scaled.bid_price[:, 0]
    np.testing.assert_allclose(spread, (ask - bid)[:, 0] * factor, rtol=1e-6)
    np.testing.assert_allclose(scaled.ask_price + scaled.bid_price, ask + bid)
    assert transaction_cost.find_valid_books(*transaction_cost.stack_books(scaled)).all()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cooldown_bars", "is no change"),
        ("cooldwn_bars=3", "did you mean cooldown_bars"),
        ("horizons=3", "cannot be changed"),
        ("spread_factor=-1", "from 0 to 100"),
        ("spread_factor=nan", "from 0 to 100"),
        ("cooldown_bars=many", "cooldown_bars is"),
        ("min_agreement=2", "from 0 to 1"),
    ],
)
def test_what_is_no_change_is_refused_in_one_line(text: str, reason: str) -> None:
    with pytest.raises((ValueError, SchemaError), match=reason) as refusal:
        parse_change(text)
    assert "\n" not in str(refusal.value)


def test_a_model_that_did_not_serve_is_refused(history: TickHistory) -> None:
    with pytest.raises(ValueError, match="no model 'nobody' served at this tick: there were interactions"):
        decide_with_changes(history, LAST, SYMBOL, [parse_change("without=nobody")])


def test_a_stored_tick_that_is_not_reproduced_is_marked(history: TickHistory) -> None:
    decided = decide_stored_tick(history, LAST)
    assert decided.is_reproduced
    assert not replace(decided, stored=replace(decided.stored, decisions_digest="0" * 32)).is_reproduced
    wrong = ("0" * 32, *decided.stored.phase_digests[1:])
    assert not replace(decided, stored=replace(decided.stored, phase_digests=wrong)).is_reproduced
    assert len(decided.stored.phase_digests) == len(Phase)


def test_every_change_can_be_made(history: TickHistory) -> None:
    basis = decide_stored_tick(history, LAST).basis
    for name in CHANGEABLE:
        value = getattr(basis.inputs.config, name)
        changed = parse_change(f"{name}={str(value).lower()}").apply(basis)
        assert getattr(changed.inputs.config, name) == value
        assert not isinstance(value, float) or math.isfinite(value)
