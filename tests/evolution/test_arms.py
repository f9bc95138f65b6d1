"""The forecasts of arms and their weights: equal to the serving ensemble's where they should be, and to a slow computation everywhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from engine.domain.evolution import Arm, DirectionSums
from engine.domain.record import Floats
from engine.evidence import stacking
from engine.evolution import arms
from engine.evolution.arms import BLEND, CHALLENGER, WATCH
from engine.evolution.progress import Progress, begin_contest, end_contests
from tests.evolution.making import CONFIG, HORIZONS, SYMBOLS, make_arm, predict, racing, score, state


def forecast(arm: Arm, shadows: dict[str, Floats], blends: dict[str, Floats] | None = None, weights: Floats | None = None) -> tuple[Floats, Floats]:
    """The forecast of an arm, and the serving one with NaN where no model is trusted."""
    predictions, serving, learned = predict()
    sums = racing(arm).evolution.sums
    if weights is not None:
        sums = replace(sums, weights=weights[None])
    after = arms.forecast_arms(sums, (arm,), shadows, blends or {}, predictions, serving, learned)
    return after.pending[0, 0], learned.pending.mean[0, -1]


@pytest.mark.parametrize("kind", [CHALLENGER, WATCH])
@pytest.mark.parametrize("places", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("strategy", ["tuning", "refresh"])
def test_an_arm_with_the_forecasts_that_serve_forecasts_the_same(kind: str, places: tuple[int, ...], strategy: str) -> None:
    """Whatever the reliability of each model: an arm differs in its versions and in nothing else."""
    arm = make_arm(kind=kind, places=places, strategy=strategy)
    predictions, _, _ = predict()
    own, serving = forecast(arm, {digest: predictions.mean[place] for place, digest in zip(places, arm.digests, strict=True)})
    np.testing.assert_allclose(own, serving, rtol=1e-12)
    assert np.isfinite(serving).any()


def test_a_blend_that_equals_the_serving_one_forecasts_the_same() -> None:
    """Both are computed from what this tick has learned, which the serving forecast does not know."""
    fresh = np.random.default_rng(1).normal(size=(2, SYMBOLS))
    own, serving = forecast(make_arm(kind=BLEND, places=()), {}, {"stacking": fresh, "fast stacking": fresh})
    np.testing.assert_allclose(own, serving, rtol=1e-12)
    own, serving = forecast(make_arm(kind=BLEND, places=()), {}, {"stacking": fresh, "fast stacking": fresh + 0.25})
    np.testing.assert_allclose(own, serving + 0.25, rtol=1e-12)


def test_another_version_changes_the_forecast_by_its_weight_and_reliability() -> None:
    predictions, _, learned = predict()
    own, serving = forecast(make_arm(), {"challenger-7-0": predictions.mean[0] + 1.0})
    np.testing.assert_allclose(own - serving, np.where(np.isnan(serving), np.nan, learned.weights[0][:, None] * predictions.reliability[0]))


def test_a_version_in_the_place_of_one_without_a_forecast_has_the_largest_reliability() -> None:
    predictions, serving, learned = predict()
    mean = predictions.mean.copy()
    mean[0] = np.nan
    blank = replace(predictions, mean=mean, reliability=np.stack((np.zeros((2, SYMBOLS)), np.full((2, SYMBOLS), 0.75))))
    sums = arms.forecast_arms(
        racing(make_arm()).evolution.sums, (make_arm(),), {"challenger-7-0": np.ones((2, SYMBOLS))}, {}, blank, serving, learned
    )
    expected = learned.pending.mean[0, -1] + 0.75 * learned.weights[0][:, None]
    np.testing.assert_allclose(sums.pending[0, 0], expected)


def test_a_version_that_is_missing_gives_no_forecast() -> None:
    own, _ = forecast(make_arm(places=(0, 1)), {"challenger-7-0": np.ones((2, SYMBOLS))})
    assert np.isnan(own).all()


def test_gains_by_hand() -> None:
    """Serving 1, arm 2, target 3: 4 - 1 = 3; where the arm has no forecast nothing counts."""
    scored = replace(score(), mean=np.ones((3, 2, SYMBOLS)), known=np.ones((3, 2, SYMBOLS), dtype=bool), target=np.full((2, SYMBOLS), 3.0))
    sums = racing(make_arm(), make_arm(8)).evolution.sums
    pending = sums.pending.copy()
    pending[0, 0, 0] = [2.0, 2.0, np.nan, -1.0]  # horizon of 1 bar, made a tick ago
    pending[2, 0, 1] = 1.0  # of 3 bars, made three ticks ago
    none = np.zeros((2, 2))
    gain, power, known, directions = arms.score_arms(replace(sums, pending=pending), DirectionSums(none, none), scored, HORIZONS)
    np.testing.assert_allclose(gain[0], [(3.0 + 3.0 + (4.0 - 16.0)) / 3.0, 0.0])
    assert np.isnan(gain[1]).all()
    np.testing.assert_allclose(power, [[9.0, 9.0], [0.0, 0.0]])
    assert known.tolist() == [True, True]
    np.testing.assert_allclose(directions.count, [[1.0, 0.0], [0.0, 0.0]])
    np.testing.assert_allclose(directions.bps[0], [-3.0 * 0.01 * 1e4, 0.0])  # short into a rise of three volatilities of 1 %


def slow_sums(arm: Arm, first: int, progress: Progress, seed: int) -> tuple[Floats, Floats, Floats]:
    """The sums of one arm, product by product."""
    scored, sums, place = score(seed), progress.evolution.sums, progress.evolution.arms.index(arm)
    discount = 0.5 ** (1.0 / CONFIG.weight_halflife)
    gram, moment, rows = sums.gram[place] * discount, sums.moment[place] * discount, sums.rows[place] * discount
    for h, horizon in enumerate(HORIZONS):
        for s in range(SYMBOLS):
            votes = [scored.mean[m, h, s] for m in range(2)]
            own = [sums.pending_votes[horizon - 1, first + index, h, s] for index in range(len(arm.places))]
            if not np.isfinite(own).all() or not scored.known[:-1, h, s].any():
                continue
            for index, at in enumerate(arm.places):
                votes[at] = own[index]
            rows[h] += 1.0
            for m in range(2):
                moment[h, m] += votes[m] * scored.target[h, s]
                for n in range(2):
                    gram[h, m, n] += votes[m] * votes[n]
    return gram, moment, rows


@pytest.mark.parametrize("seed", range(4))
def test_sums_and_weights_are_those_of_a_slow_computation(seed: int) -> None:
    contestants = (make_arm(1), make_arm(2, WATCH, (0, 1), "refresh"), make_arm(3, places=(1, 0)), make_arm(4, BLEND, ()), make_arm(5, WATCH, (1,)))
    now = racing(*contestants)
    draw = np.random.default_rng(seed)
    votes = np.where(draw.random(now.evolution.sums.pending_votes.shape) < 0.8, draw.normal(size=now.evolution.sums.pending_votes.shape), np.nan)
    assert votes.shape[1] == 4  # of the challengers and of the versions before a promotion
    now = now.evolve(sums=replace(now.evolution.sums, pending_votes=votes))
    learned = state(seed + 10)
    after = arms.learn_weights(now.evolution.sums, now.evolution.arms, score(seed), learned, CONFIG, reweigh=True)
    for place, first in ((0, 0), (2, 1), (4, 3)):
        arm = now.evolution.arms[place]
        gram, moment, rows = slow_sums(arm, first, now, seed)
        np.testing.assert_allclose(after.gram[place], gram)
        np.testing.assert_allclose(after.moment[place], moment)
        np.testing.assert_allclose(after.rows[place], rows)
        full, products, count = learned.gram.copy(), learned.moment.copy(), learned.weight_rows.copy()
        for at in arm.places:
            full[:, at, :], full[:, :, at], products[:, at], count[:, at] = gram[:, at, :], gram[:, :, at], moment[:, at], rows
        np.testing.assert_allclose(after.weights[place], stacking.stacking_weights(full, products, count, CONFIG.shrinkage_rows))
    np.testing.assert_array_equal(after.gram[1], now.evolution.sums.gram[1])


def test_a_challenger_starts_from_a_short_record_and_the_versions_before_from_all_of_it() -> None:
    sums, serving = racing(make_arm(), make_arm(8, WATCH)).evolution.sums, state()
    np.testing.assert_allclose(sums.gram[0], serving.gram * 0.2)  # 20 rows of 100
    np.testing.assert_allclose(sums.rows, [[20.0, 20.0], [100.0, 100.0]])
    np.testing.assert_array_equal(sums.gram[1], serving.gram)
    np.testing.assert_array_equal(sums.weights, [serving.weights, serving.weights])


def test_a_challenger_of_another_structure_starts_without_a_record_and_returns_to_none() -> None:
    """In the place of the least useful model, whose forecasts have nothing in common with its own."""
    new, before = make_arm(strategy="structure search"), make_arm(8, WATCH, strategy="structure search")
    sums = racing(new, before).evolution.sums
    assert not sums.gram[0].any()
    assert not sums.moment[0].any()
    assert not sums.rows[0].any()
    np.testing.assert_array_equal(sums.gram[1], state().gram)
    weights = arms.solve_weights(sums, (new, before), state(), CONFIG).weights
    np.testing.assert_array_equal(weights[0][0], [0.0, 0.0])
    assert weights[0][1].all()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from([CHALLENGER, WATCH, BLEND]), st.sampled_from([(0,), (1,), (0, 1)]), st.booleans()),
        st.tuples(st.just("remove"), st.integers(0, 5)),
        st.tuples(st.just("update"), st.integers(0, 9)),
    ),
    max_size=12,
)


@given(STEPS)
@limits(max_examples=40, deadline=None)
def test_every_axis_stays_in_step(steps: list[tuple[str, int, tuple[int, ...], bool]]) -> None:
    now, number = Progress(state()), 0
    predictions, serving, learned = predict()
    for step in steps:
        if step[0] == "add":
            number += 1
            kind = str(step[1])
            now = begin_contest(now, make_arm(number, kind, () if kind == BLEND else step[2], "refresh" if step[3] else "tuning"), CONFIG)
        elif step[0] == "remove" and now.evolution.arms:
            arm = now.evolution.arms[step[1] % len(now.evolution.arms)]
            now = end_contests(now, {(arm.number, arm.kind)})
        elif step[0] == "update":
            shadows = {digest: np.full((2, SYMBOLS), float(arm.number)) for arm in now.evolution.arms for digest in arm.digests}
            by_name = {"stacking": serving.mean, "fast stacking": serving.mean}
            sums = arms.learn_weights(now.evolution.sums, now.evolution.arms, score(step[1]), learned, CONFIG, reweigh=True)
            now = now.evolve(sums=arms.forecast_arms(sums, now.evolution.arms, shadows, by_name, predictions, serving, learned))
        evolution = now.evolution
        learners = [arm for arm in evolution.arms if arms.learns(arm)]
        sums, count = evolution.sums, len(evolution.arms)
        assert {len(part) for part in (sums.gram, sums.moment, sums.rows, sums.weights, evolution.contests.ticks, evolution.directions.count)} == {
            count
        }
        assert sums.pending.shape == (3, count, 2, SYMBOLS)
        assert sums.pending_votes.shape == (3, sum(len(arm.places) for arm in learners), 2, SYMBOLS)
        first = 0
        for arm in learners:  # each version's predictions, which are its number, stay its own
            own = sums.pending_votes[:, first : first + len(arm.places)]
            assert np.isin(own[np.isfinite(own)], [arm.number]).all()
            first += len(arm.places)


def test_the_newest_forecast_of_an_arm_that_has_just_begun_is_left_out() -> None:
    now = racing(make_arm(), make_arm(8))
    pending = np.ones_like(now.evolution.sums.pending)
    after = arms.leave_out_newest(replace(now.evolution.sums, pending=pending), np.array([False, True]))
    assert np.isnan(after.pending[0, 1]).all()
    assert np.isfinite(after.pending[:, 0]).all()
    assert np.isfinite(after.pending[1:]).all()
