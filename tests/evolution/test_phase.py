"""Phase 10 as a whole: what it learns from is older than what it is judged by, and a tick without forecasts leaves no gap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.domain.decision import EvolutionPlan
from engine.evidence import blends
from engine.evolution.progress import Progress
from engine.phases import evolution
from tests.evolution.making import CONFIG, catalog, make_arm, racing, score, situation, state, tick


def waiting(mark: float) -> Progress:
    """A state whose newest forecasts wait with this mark."""
    now = racing(make_arm())
    loss, bias, sums = now.evolution.expected_loss, now.evolution.findings, now.evolution.sums
    conditions, codes, pending = loss.waiting_conditions.copy(), bias.waiting_code.copy(), sums.pending.copy()
    conditions[0], codes[0], pending[0] = mark, int(mark), mark
    return now.evolve(
        expected_loss=replace(loss, waiting_conditions=conditions),
        findings=replace(bias, waiting_code=codes),
        sums=replace(sums, pending=pending),
    )


def assert_a_tick_older(plan: EvolutionPlan, mark: float) -> None:
    now = plan.state.evolution
    assert np.isnan(now.expected_loss.waiting_conditions[0]).all()
    assert (now.expected_loss.waiting_conditions[1] == mark).all()
    assert (now.findings.waiting_code[0] == -1).all()
    assert (now.findings.waiting_code[1] == int(mark)).all()
    assert (now.sums.pending[1] == mark).all()
    assert np.isnan(now.sums.pending[0]).all()


def test_what_waits_for_its_target_grows_older_where_the_phase_fails() -> None:
    outcome, now = tick().outcome, waiting(3.0)
    plan = evolution.propose_nothing(now.state, outcome.predictions, outcome.forecast, outcome.market_state, situation(), state(), catalog())
    assert_a_tick_older(plan, 3.0)
    assert plan.instructions == ()


def test_what_waits_for_its_target_grows_older_where_every_model_rests() -> None:
    outcome, now = tick().outcome, waiting(3.0)
    names = len(catalog().names)
    silent = replace(
        outcome.predictions, mean=np.full((names, 2, 4), np.nan), reliability=np.zeros((names, 2, 4)), shadow_digests=(), shadows=np.zeros((0, 2, 4))
    )
    resting = replace(catalog(), serving=(None, None))
    forecast = replace(outcome.forecast, mean=np.zeros((2, 4)), weights=np.zeros((2, 2)))
    plan = evolution.propose_evolution(now.state, silent, forecast, outcome.market_state, situation(), state(), resting)
    assert_a_tick_older(plan, 3.0)
    assert plan.state.evolution.contests.ticks.tolist() == [1]


def test_the_shares_of_a_blend_come_from_weights_that_do_not_know_the_targets() -> None:
    """At a tick at which the weights are learned anew."""
    before, scored, inputs = state(), score(), situation(504)
    learned = replace(before, weights=before.weights * 3.0)
    outcome = tick().outcome
    now = evolution._score(Progress(learned), scored, outcome.predictions, outcome.forecast, outcome.market_state, inputs, before, is_full=False)
    after = now.evolution.blend_sums
    rows = learned.weight_rows.max(axis=1)

    def share(weights: np.ndarray) -> np.ndarray:
        sums = blends.update_blends(learned.evolution.blend_sums, scored, 504, learned.gram, rows, weights, CONFIG)
        return np.asarray(sums.share)

    np.testing.assert_array_equal(after.share, share(before.weights))
    assert np.abs(share(before.weights) - share(learned.weights)).max() > 1e-6
