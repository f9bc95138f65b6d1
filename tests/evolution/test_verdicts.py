"""What follows from the verdicts of contests: promotions, retirements, returns and the service of another blend."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.domain.decision import Instruction
from engine.domain.evolution import BETTER, EQUIVALENT, RUNNING, WORSE, EvolutionRow
from engine.evidence import blends
from engine.evolution import arms, verdicts
from engine.evolution.arms import BLEND, CHALLENGER, WATCH
from engine.evolution.progress import Progress, arm_row
from tests.evolution.making import CONFIG, age, catalog, make_arm, prove, racing, situation

AT = situation(600)


def judge(progress: Progress) -> Progress:
    return verdicts.take_verdicts(progress, AT, catalog())


def contestants(progress: Progress) -> list[tuple[int, str]]:
    return [(arm.number, arm.kind) for arm in progress.evolution.arms]


def row_of(progress: Progress, number: int) -> EvolutionRow:
    (row,) = [row for row in progress.rows if row.number == number]
    return row


def test_a_better_challenger_takes_its_place_with_its_record() -> None:
    before = prove(racing(make_arm(7), config=CONFIG), 7, BETTER)
    sums = before.evolution.sums
    weights = sums.weights + 0.25
    gram = sums.gram + np.arange(8.0).reshape(1, 2, 2, 2)
    before = before.evolve(sums=replace(sums, weights=weights, gram=gram, moment=sums.moment + 5.0, rows=sums.rows + 30.0))
    after = judge(before)
    assert after.instructions == (Instruction("promote", "ridge", "challenger-7-0"),)
    row = row_of(after, 7)
    assert (row.state, row.verdict, row.decided, row.version, row.parent) == ("promoted", "better", 600, "ridge-7", "ridge-before")
    assert row.evidence == pytest.approx(np.exp(50.0))
    state, served = after.state, before.state
    np.testing.assert_array_equal(state.weights, weights[0])
    np.testing.assert_array_equal(state.gram[:, 0, :], gram[0][:, 0, :])
    np.testing.assert_array_equal(state.gram[:, :, 0], gram[0][:, :, 0])
    np.testing.assert_array_equal(state.gram[:, 1, 1], served.gram[:, 1, 1])  # of the model that stays
    np.testing.assert_array_equal(state.moment, np.stack((sums.moment[0][:, 0] + 5.0, served.moment[:, 1]), axis=1))
    np.testing.assert_array_equal(state.weight_rows, [[50.0, 100.0], [50.0, 100.0]])
    (watch,) = after.evolution.arms
    assert (watch.kind, watch.number, watch.versions, watch.digests, watch.parent) == (
        WATCH,
        7,
        ("ridge-ridge-serving",),
        ("ridge-serving",),
        "ridge-7",
    )
    np.testing.assert_array_equal(after.evolution.sums.gram[0], served.gram)  # which it brings back where it returns
    np.testing.assert_array_equal(after.evolution.sums.weights[0], served.weights)


def test_versions_return_after_a_promotion_with_the_record_and_weights_that_they_had() -> None:
    served = racing(make_arm(7)).state
    promoted = judge(prove(racing(make_arm(7)), 7, BETTER))
    promoted = promoted.evolve(sums=replace(promoted.evolution.sums, weights=promoted.evolution.sums.weights))
    after = judge(prove(replace(promoted, instructions=(), rows=()), 7, BETTER, WATCH))
    assert after.instructions == (Instruction("revert", "ridge", "ridge-serving"),)
    row = row_of(after, 7)
    assert (row.state, row.verdict, row.version, row.parent) == ("reverted", "better", "ridge-7", "ridge-ridge-serving")
    np.testing.assert_allclose(after.state.gram, served.gram)
    np.testing.assert_allclose(after.state.weights, served.weights)
    np.testing.assert_allclose(after.state.weight_rows, served.weight_rows)
    assert after.evolution.arms == ()


def test_versions_return_after_a_refresh_and_the_weights_stay() -> None:
    now = prove(racing(make_arm(5, WATCH, (0, 1), "refresh"), make_arm(7)), 5, BETTER, WATCH)
    after = judge(now)
    assert after.instructions == (Instruction("revert", "ridge,lightgbm", "watch-5-0,watch-5-1"),)
    np.testing.assert_array_equal(after.state.weights, now.state.weights)
    assert contestants(after) == []  # the challenger of one of the places has lost its subject
    assert "have returned" in row_of(after, 7).detail
    assert row_of(after, 7).state == "retired"


@pytest.mark.parametrize(("verdict", "name"), [(WORSE, "worse"), (EQUIVALENT, "equivalent"), (4, "inconclusive")])
def test_a_challenger_that_is_not_better_is_retired(verdict: int, name: str) -> None:
    now = racing(make_arm(7), make_arm(8, places=(1,)))
    after = judge(age(now, CONFIG.contest_budget) if verdict == 4 else prove(now, 7, verdict))
    row = row_of(after, 7)
    assert (row.state, row.verdict, row.decided) == ("retired", name, 600)
    assert after.instructions == ()
    assert (8, CHALLENGER) in contestants(after) or verdict == 4
    assert (7, CHALLENGER) not in contestants(after)
    np.testing.assert_array_equal(after.state.weights, now.state.weights)


def test_rivals_for_a_place_are_abandoned_and_others_race_on_beside_the_new_weights() -> None:
    now = prove(racing(make_arm(6), make_arm(7), make_arm(8, places=(1,))), 7, BETTER)
    sums = now.evolution.sums
    now = now.evolve(sums=replace(sums, gram=sums.gram + np.eye(2) * 40.0))
    after = judge(now)
    assert contestants(after) == [(8, CHALLENGER), (7, WATCH)]
    assert (row_of(after, 6).state, row_of(after, 6).verdict) == ("retired", "running")
    assert "another challenger was promoted" in row_of(after, 6).detail
    solved = arms.solve_weights(after.evolution.sums, after.evolution.arms, after.state, CONFIG)
    np.testing.assert_array_equal(after.evolution.sums.weights[0], solved.weights[0])


def test_of_two_that_are_better_one_is_promoted_at_a_tick() -> None:
    now = prove(prove(racing(make_arm(7), make_arm(8, places=(1,))), 7, BETTER), 8, BETTER)
    after = judge(now)
    assert [instruction.detail for instruction in after.instructions] == ["challenger-7-0"]
    assert contestants(after) == [(8, CHALLENGER), (7, WATCH)]


def test_a_promotion_beside_verdicts_about_others_concerns_the_right_arms() -> None:
    """Verdicts change the places among the arms."""
    now = racing(make_arm(6, places=(1,)), make_arm(7), make_arm(8, BLEND, ()), make_arm(9, places=(1,)))
    now = prove(prove(prove(now, 6, WORSE), 7, BETTER), 9, EQUIVALENT)
    after = judge(now)
    assert {row.number: (row.state, row.verdict) for row in after.rows} == {
        6: ("retired", "worse"),
        7: ("promoted", "better"),
        9: ("retired", "equivalent"),
    }
    assert contestants(after) == [(8, BLEND), (7, WATCH)]


@pytest.mark.parametrize(("ticks", "log_wealth", "stays"), [(287, 0.0, True), (288, 0.0, False), (288, 1.0, True), (6_000, 1.0, False)])
def test_versions_before_a_change_stay_for_their_time_and_while_evidence_mounts(ticks: int, log_wealth: float, *, stays: bool) -> None:
    now = age(prove(racing(make_arm(5, WATCH)), 5, BETTER, WATCH, log_wealth), ticks)
    assert (contestants(judge(now)) == [(5, WATCH)]) == stays


def test_a_blend_that_is_better_serves_and_the_one_before_may_come_back() -> None:
    fresh = verdicts.begin_blends(Progress(racing().state), blends.BLENDS, AT)
    assert [arm.blend for arm in fresh.evolution.arms] == list(blends.BLENDS[1:])
    after = judge(prove(fresh, fresh.evolution.arms[1].number, BETTER, BLEND))
    assert after.evolution.blend == "regime stacking"
    assert after.evolution.arms == ()
    assert sorted(row.state for row in after.rows) == ["promoted", "retired", "retired"]
    again = verdicts.begin_blends(after, blends.BLENDS, AT)
    assert [arm.blend for arm in again.evolution.arms] == ["stacking", "fast stacking", "exponential weights"]
    assert {arm.parent for arm in again.evolution.arms} == {"regime stacking"}


def test_a_blend_that_has_lost_rests_and_each_loss_doubles_its_rest() -> None:
    now = verdicts.begin_blends(Progress(racing().state), blends.BLENDS, AT)
    for losses, rest in ((1, 1_440), (2, 2_880), (3, 5_760)):
        number = next(arm.number for arm in now.evolution.arms if arm.blend == "fast stacking")
        now = judge(prove(now, number, WORSE, BLEND))
        assert now.evolution.blend_rests == (("fast stacking", 600 + rest, losses),)
        assert "fast stacking" not in [arm.blend for arm in verdicts.begin_blends(now, blends.BLENDS, situation(600 + rest - 1)).evolution.arms]
        now = verdicts.begin_blends(now, blends.BLENDS, situation(600 + rest))
        assert "fast stacking" in [arm.blend for arm in now.evolution.arms]


def test_without_a_watch_nothing_stays_in_shadow_after_a_promotion() -> None:
    after = verdicts.take_verdicts(prove(racing(make_arm(7)), 7, BETTER), situation(600, watch_bars=0), catalog())
    assert contestants(after) == []
    assert after.instructions[0].kind == "promote"


def test_thresholds_are_whole_numbers_where_the_error_of_all_contests_is_a_twentieth() -> None:
    now = racing(*(make_arm(number) for number in range(1, 31)))
    shown = [arm_row(now, place, ("ridge", "lightgbm"), "racing", RUNNING, None).threshold for place in range(30)]
    assert shown == [40.0 * k * (k + 1) for k in range(1, 31)]
