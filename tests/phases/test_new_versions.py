"""The tick that adopts new model versions: its sizes, and what is learned from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.domain.decision import LIMITS, Phase
from engine.domain.evidence import Agreement
from engine.evidence import succession
from engine.orchestrator import decide
from tests.makers import Moment, bold, changed, decided
from tests.sabotage import sabotaged

HORIZONS = 3


def adopting(agreement: float) -> Moment:
    """The moment at which most symbols are opened or added to, with versions adopted that agree so far with those of record."""
    each = np.full(HORIZONS, agreement)
    event = succession.agreement_to_event(Agreement(2_304, each, each, ()))
    return changed(bold(), events=(*bold().inputs.events, event))


def test_versions_that_agree_change_no_decision() -> None:
    assert decided(adopting(0.9)).decisions.digest() == decided(bold()).decisions.digest()


def test_versions_that_contradict_leave_no_size_and_what_is_held_is_closed() -> None:
    before, after = decided(bold()).sizes, decided(adopting(-0.9)).sizes
    assert np.abs(before.target).sum() > 0.0
    assert np.abs(after.current).sum() > 0.0
    np.testing.assert_array_equal(after.target, 0.0)
    np.testing.assert_array_equal(after.skill_bound, before.skill_bound)
    assert after.horizon == before.horizon


@pytest.mark.parametrize("agreement", [0.1, 0.25, 0.4])
def test_versions_that_agree_in_part_leave_a_part(agreement: float) -> None:
    row = LIMITS.index("new version")
    before, after = decided(bold()).sizes, decided(adopting(agreement)).sizes
    np.testing.assert_allclose(after.steps[row + 1], before.steps[row + 1] * agreement / succession.FULL_AGREEMENT)
    np.testing.assert_allclose(after.slope, before.slope * agreement / succession.FULL_AGREEMENT)


def test_a_horizon_that_contradicts_is_not_acted_on_where_another_agrees() -> None:
    horizon = decided(bold()).sizes.horizon
    each = np.where(np.arange(HORIZONS) == horizon, -0.9, 0.9)
    event = succession.agreement_to_event(Agreement(2_304, each, each, ()))
    sizes = decided(changed(bold(), events=(event,))).sizes
    assert sizes.horizon != horizon
    assert np.abs(sizes.target).sum() > 0.0


def test_what_is_adopted_is_in_the_state_even_where_learning_fails() -> None:
    """The longest horizon had nothing proven to inherit."""
    at, run = sabotaged(adopting(-0.9), Phase.LEARNING, "exception")
    failed, learned = decide(at.inputs, at.state, at.catalog, run), decided(adopting(-0.9))
    for outcome in (failed, learned):
        assert outcome.state.succession.inherited.tolist()[:2] == [0.0, 0.0]
        assert outcome.state.succession.on_probation[0].tolist() == (outcome.state.succession.inherited < 1.0).tolist()
        np.testing.assert_array_equal(outcome.state.succession.on_probation[1:], bold().state.succession.on_probation[:-1])


def test_weights_learn_nothing_from_forecasts_made_on_probation() -> None:
    at = bold()
    apart = np.ones_like(at.state.succession.on_probation)
    state = replace(at.state, succession=replace(at.state.succession, inherited=np.zeros(HORIZONS), on_probation=apart, records_begun=1))
    after, fade = decided(replace(at, state=state)).state, 0.5 ** (1.0 / at.inputs.config.weight_halflife)
    for name in ("gram", "moment", "weight_rows"):
        np.testing.assert_allclose(getattr(after, name), getattr(at.state, name) * fade)
        assert not np.allclose(getattr(decided(at).state, name), getattr(at.state, name) * fade, rtol=1e-9, atol=0.0)
    assert after.succession.probation_skill.rows[0, :, 0].min() > 0.0
