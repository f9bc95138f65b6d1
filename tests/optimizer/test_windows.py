"""Idle windows: where nothing was done, side by side, drawn at random."""

from __future__ import annotations

import numpy as np
import pytest

from engine.domain.record import Floats, Ints
from engine.optimizer.windows import COMPARABLE, SECOND, Plan, Timing, as_kept, cut, matched, pause_of, planned_pause
from engine.optimizer.windows import drawn as drawn_windows

PLAN = Plan()


def clockwork(seconds: int, every: int = 2) -> Ints:
    return np.arange(0, seconds * SECOND, every * SECOND, dtype=np.int64)


def drawn(at: Ints, values: Floats, busy: tuple[tuple[int, int], ...] = (), *, took: float = 0.0, plan: Plan = PLAN, seed: int = 1) -> Floats:
    return drawn_windows(at, values, busy, Timing(plan.before, took, plan.after), plan, np.random.default_rng(seed)).change


def test_of_a_metric_that_grows_evenly_every_window_shows_the_same_growth() -> None:
    at = clockwork(3_600)
    found = drawn(at, at / SECOND)
    assert 175 <= len(found) <= 180  # 3600 s in windows of 20 s
    np.testing.assert_allclose(found, 10.0)


def test_the_time_the_run_took_lies_between_before_and_after() -> None:
    at = clockwork(3_600)
    np.testing.assert_allclose(drawn(at, at / SECOND, took=30.0), 40.0)


def test_no_sample_counts_in_two_windows() -> None:
    at = clockwork(3_600)
    values = np.zeros(len(at))
    values[100] = 1.0
    assert np.count_nonzero(drawn(at, values)) <= 1


def test_no_window_touches_a_run_or_its_rest() -> None:
    at = clockwork(3_600)
    values = np.where((at >= 1_000 * SECOND) & (at <= 2_000 * SECOND), 1e9 * np.sin(at / SECOND), 0.0)
    found = drawn(at, values, ((1_000 * SECOND, 2_000 * SECOND),))
    assert 120 <= len(found) <= 128
    assert not found.any()
    assert drawn(at, values).any()  # and without that it would show


@pytest.mark.parametrize("down", [10, 60])
def test_a_gap_in_the_samples_is_no_window(down: int) -> None:
    """The engine was down: before it is another process."""
    at = clockwork(3_600, every=1)
    at = at[(at < 1_000 * SECOND) | (at > (1_000 + down) * SECOND)]
    for seed in range(20):
        assert not drawn(at, np.where(at < 1_005 * SECOND, 0.0, 1e9), seed=seed).any()


def test_windows_with_few_samples_are_left_out() -> None:
    assert len(drawn(clockwork(3_600, every=5), np.zeros(720))) == 0
    assert len(drawn(clockwork(3_600, every=5), np.zeros(720), plan=Plan(fewest=2))) > 150


@pytest.mark.parametrize("seconds", [0, 2, 19, 20])
def test_a_young_store_gives_none(seconds: int) -> None:
    at = clockwork(seconds)
    assert len(drawn(at, np.zeros(len(at)))) == 0


def test_the_same_seed_draws_the_same_and_another_others() -> None:
    at = clockwork(7_200)
    values = np.random.default_rng(5).normal(size=len(at)).cumsum()
    plan = Plan(most=50)
    first = drawn(at, values, plan=plan, seed=1)
    assert len(first) == 50
    np.testing.assert_array_equal(first, drawn(at, values, plan=plan, seed=1))
    assert not np.array_equal(first, drawn(at, values, plan=plan, seed=2))


def test_every_part_of_the_day_is_as_likely_to_be_drawn() -> None:
    at = clockwork(7_200)
    values = np.floor(at / (at[-1] + 1) * 4) * 1e6 + at / SECOND * (1 + np.floor(at / (at[-1] + 1) * 4))  # the slope tells the quarter
    quarters = [float(quarter) for seed in range(60) for quarter in np.round(drawn(at, values, plan=Plan(most=40), seed=seed) / 10.0) if quarter <= 4]
    shares = np.bincount(np.array(quarters, dtype=np.int64))[1:] / len(quarters)
    np.testing.assert_allclose(shares, 0.25, atol=0.04)


def test_a_span_has_its_end_and_not_its_beginning() -> None:
    at = clockwork(60, every=1)
    before, after = cut(at, 20 * SECOND, Timing(10.0, 5.0, 10.0))
    assert at[before].tolist() == [second * SECOND for second in range(11, 21)]
    assert at[after].tolist() == [second * SECOND for second in range(26, 36)]


def test_matched_windows_begin_nearest_to_the_level_and_none_overlaps_another_or_a_run() -> None:
    at = clockwork(7_200, every=1)
    values = np.random.default_rng(3).normal(size=len(at)).cumsum()
    level, busy, timing = float(np.quantile(values, 0.9)), ((1_000 * SECOND, 2_000 * SECOND),), Timing(10.0, 7.0, 10.0)
    found = matched(at, values, busy, timing, PLAN, level)
    assert len(found) == COMPARABLE
    starts = np.sort(found.starts)
    assert (np.diff(starts) >= timing.length).all()
    assert all(start > busy[0][1] or start + timing.length < busy[0][0] for start in starts.tolist())
    plain = drawn_windows(at, values, busy, timing, PLAN, np.random.default_rng(1))
    assert np.abs(found.level - level).mean() < np.sort(np.abs(plain.level - level))[:COMPARABLE].mean()
    for place, start in enumerate(found.starts.tolist()):
        first, last = cut(at, start + 10 * SECOND, timing)
        assert (found.before[place], found.level[place]) == (values[first].mean(), values[first][-1])
        assert found.after[place] == values[last].mean()


@pytest.mark.parametrize("seconds", [0, 2, 19])
def test_a_young_store_gives_no_matched_window(seconds: int) -> None:
    at = clockwork(seconds)
    assert len(matched(at, np.zeros(len(at)), (), Timing(10.0, 0.0, 10.0), PLAN, 0.0)) == 0


def test_the_pause_is_fixed_before_the_coin_by_what_the_action_took_before() -> None:
    assert [planned_pause(0.0, cost, []) for cost in ("none", "low", "high")] == [1.0, 5.0, 20.0]
    assert planned_pause(0.0, "low", [0.2, 9.0, 0.1]) == 20.0
    assert planned_pause(65.0, "none", [1.0]) == 65.0
    assert planned_pause(0.0, "none", [200.0]) == 300.0


def test_a_run_that_took_longer_than_its_pause_has_no_pause_to_compare_by() -> None:
    kept = as_kept(Timing(10.0, 22.0, 10.0), 20.0, np.empty(0, dtype=np.int64))
    assert pause_of(kept, 22.0) is None
    assert pause_of(kept, 19.0) == 22.0
    assert pause_of('{"before": 10.0, "pause": 3.0, "after": 10.0, "starts": []}', 4.0) == 3.0  # of an older version
    assert pause_of(None, 4.0) == 4.0
