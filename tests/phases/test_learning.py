"""Learning scores only the forecasts that come due, and evolution requests a training when one is due."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.domain.record import Floats
from engine.domain.state import State
from engine.domain.trading_config import Event
from engine.phases import evolution, learning
from tests.makers import KNOBS, Moment, changed, decided, moment


def learned(at: Moment) -> State:
    return decided(at).state


def test_the_state_remembers_this_tick_first_and_the_longest_horizon_last() -> None:
    at = moment()
    outcome = decided(at)
    pending, before = outcome.state.pending, at.state.pending
    np.testing.assert_array_equal(pending.mean[0, :-1], outcome.predictions.mean)
    np.testing.assert_array_equal(pending.mean[0, -1], outcome.forecast.mean)
    np.testing.assert_array_equal(pending.mean[1:], before.mean[:-1])
    np.testing.assert_array_equal(pending.price[1:], before.price[:-1])
    np.testing.assert_allclose(pending.price[0], np.log(outcome.liquidity.mid))
    assert pending.mean.shape[0] == 12
    assert (outcome.state.tick, outcome.state.decided) == (at.inputs.tick, at.state.decided + 1)


def test_the_sums_grow_by_what_came_due_and_nothing_else() -> None:
    at = moment()
    after = learned(at)
    now = np.log(decided(at).liquidity.mid)
    for column, horizon in enumerate((1, 3, 12)):
        pending = at.state.pending
        y: Floats = np.clip((now - pending.price[horizon - 1]) / (pending.sigma[horizon - 1] * np.sqrt(horizon)), -5, 5)
        f = pending.mean[horizon - 1, :, column]
        gain = np.where(np.isfinite(f), f * (2 * y - f), 0.0).sum(axis=1)
        np.testing.assert_allclose(after.skill.gain[:, column, -1] - at.state.skill.gain[:, column, -1], gain, rtol=1e-6, atol=1e-9)
        assert (after.skill.rows[:, column, -1] - at.state.skill.rows[:, column, -1] == np.isfinite(f).sum(axis=1)).all()


def test_a_symbol_that_is_not_fresh_is_neither_scored_nor_remembered() -> None:
    at = moment()
    fresh = np.arange(8) != 2
    partial = learned(changed(at, fresh=fresh))
    whole = learned(at)
    assert np.isnan(partial.pending.price[0, 2])
    difference = whole.skill.rows[0, :, -1] - partial.skill.rows[0, :, -1]
    assert difference.tolist() == [1.0, 1.0, 1.0]


def test_blocks_close_every_twelve_ticks() -> None:
    at = moment()
    for tick in range(732, 744):
        state = learned(replace(at, inputs=replace(at.inputs, tick=tick), state=replace(at.state, tick=tick - 1)))
        closed = state.skill.blocks[0, :, -1] - at.state.skill.blocks[0, :, -1]
        assert closed.tolist() == [float((tick + 1) % 12 == 0)] * 3


def test_weights_are_renewed_every_eight_ticks() -> None:
    at = moment()
    for tick in (736, 737, 743, 744):
        state = learned(replace(at, inputs=replace(at.inputs, tick=tick), state=replace(at.state, tick=tick - 1)))
        assert (state.weights != at.state.weights).any() == (tick % 8 == 0)


def test_when_learning_fails_what_is_pending_moves_on_and_nothing_is_scored() -> None:
    at = moment()
    outcome = decided(at)
    state = learning.learn_nothing(
        outcome.predictions, outcome.forecast, outcome.market_state, outcome.liquidity, outcome.sizes, outcome.decisions, at.inputs, at.state
    )
    np.testing.assert_array_equal(state.pending.mean[1:], at.state.pending.mean[:-1])
    assert np.isnan(state.pending.price[0]).all()
    assert state.skill.digest() == at.state.skill.digest()
    assert state.tick == at.inputs.tick


def asked(**changes: object) -> str | None:
    """The trigger evolution gives for a state and events."""
    at = moment()
    events = changes.pop("events", ())
    state = replace(at.state, **changes)  # type: ignore[arg-type]
    outcome = decided(at)
    inputs = replace(at.inputs, events=events, config=replace(KNOBS, evolution="refresh"))  # type: ignore[arg-type]
    plan = evolution.propose_evolution(state, outcome.predictions, outcome.forecast, outcome.market_state, inputs, at.state, at.catalog)
    if not plan.instructions:
        assert plan.state.last_training == state.last_training
        return None
    assert (plan.state.last_training, plan.state.training_requests) == (at.inputs.tick, state.training_requests + 1)
    return plan.instructions[0].detail


@pytest.mark.parametrize(
    ("changes", "trigger"),
    [
        ({"last_training": -1, "decided": 399}, None),
        ({"last_training": -1, "decided": 400}, "first training"),
        ({"last_training": 591}, None),
        ({"last_training": 590}, "schedule"),
        ({"last_training": 735, "events": (Event("command", "retrain", ""),)}, "by hand"),
        ({"last_training": -1, "decided": 3, "events": (Event("command", "retrain", ""),)}, "by hand"),
        ({"last_training": 735, "events": (Event("command", "pause", ""),)}, None),
    ],
)  # fmt: skip
def test_training_is_asked_for_when_it_is_due(changes: dict[str, object], trigger: str | None) -> None:
    assert asked(**dict(changes)) == trigger


def test_when_evolution_fails_nothing_is_asked() -> None:
    at = moment()
    outcome = decided(at)
    plan = evolution.propose_nothing(at.state, outcome.predictions, outcome.forecast, outcome.market_state, at.inputs, at.state, at.catalog)
    assert plan.instructions == ()
    assert replace(plan.state, evolution=at.state.evolution).digest() == at.state.digest()
    before, after = at.state.evolution.sums.pending, plan.state.evolution.sums.pending
    assert before.shape[1] > 0  # the versions before the refresh are in shadow: their forecasts grow a tick older
    np.testing.assert_array_equal(after[1:], before[:-1])
    assert np.isnan(after[0]).all()
