"""Control windows: end to end, drawn at random, and never over a run."""

from __future__ import annotations

import numpy as np
import pytest

from engine.domain.record import Floats, Ints
from engine.optimizer.windows import (
    MATCHED_WINDOWS,
    SECOND,
    MeasurementPlan,
    WindowTiming,
    choose_pause,
    encode_windows,
    match_windows,
    recorded_pause,
    split_window,
)
from engine.optimizer.windows import draw_windows as drawn_windows

PLAN = MeasurementPlan()


def clockwork(seconds: int, every: int = 2) -> Ints:
    return np.arange(0, seconds * SECOND, every * SECOND, dtype=np.int64)


def drawn(
    at: Ints, values: Floats, busy: tuple[tuple[int, int], ...] = (), *, took: float = 0.0, plan: MeasurementPlan = PLAN, seed: int = 1
) -> Floats:
    return drawn_windows(at, values, busy, WindowTiming(plan.before, took, plan.after), plan, np.random.default_rng(seed)).change


def begun(at: Ints, busy: tuple[tuple[int, int], ...] = (), *, took: float = 0.0, plan: MeasurementPlan = PLAN, seed: int = 1) -> list[int]:
    """When the windows that are drawn begin, in order of time."""
    windows = drawn_windows(at, np.zeros(len(at)), busy, WindowTiming(plan.before, took, plan.after), plan, np.random.default_rng(seed))
    starts: list[int] = sorted(windows.starts.tolist())
    return starts


def test_of_a_metric_that_grows_evenly_every_window_shows_the_same_growth() -> None:
    at = clockwork(3_600)
    changes = drawn(at, at / SECOND)
    assert 175 <= len(changes) <= 180  # 3600 s in windows of 20 s
    np.testing.assert_allclose(changes, 10.0)


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
    changes = drawn(at, values, ((1_000 * SECOND, 2_000 * SECOND),))
    assert 120 <= len(changes) <= 128
    assert not changes.any()
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
    assert len(drawn(clockwork(3_600, every=5), np.zeros(720), plan=MeasurementPlan(fewest=2))) > 150


@pytest.mark.parametrize("since", [0, 1_704_067_200 * SECOND])
@pytest.mark.parametrize("seconds", [0, 2, 19, 20])
def test_a_young_store_gives_none(seconds: int, since: int) -> None:
    at = clockwork(seconds) + since
    assert len(drawn(at, np.zeros(len(at)))) == 0


def test_the_same_seed_draws_the_same_and_another_others() -> None:
    at = clockwork(7_200)
    values = np.random.default_rng(5).normal(size=len(at)).cumsum()
    plan = MeasurementPlan(most=50)
    first = drawn(at, values, plan=plan, seed=1)
    assert len(first) == 50
    np.testing.assert_array_equal(first, drawn(at, values, plan=plan, seed=1))
    assert not np.array_equal(first, drawn(at, values, plan=plan, seed=2))


def test_every_part_of_the_day_is_as_likely_to_be_drawn() -> None:
    at = clockwork(7_200)
    values = np.floor(at / (at[-1] + 1) * 4) * 1e6 + at / SECOND * (1 + np.floor(at / (at[-1] + 1) * 4))  # the slope tells the quarter
    quarters = [
        float(quarter)
        for seed in range(60)
        for quarter in np.round(drawn(at, values, plan=MeasurementPlan(most=40), seed=seed) / 10.0)
        if quarter <= 4
    ]
    shares = np.bincount(np.array(quarters, dtype=np.int64))[1:] / len(quarters)
    np.testing.assert_allclose(shares, 0.25, atol=0.04)


def test_a_span_has_its_end_and_not_its_beginning() -> None:
    at = clockwork(60, every=1)
    before, after = split_window(at, 20 * SECOND, WindowTiming(10.0, 5.0, 10.0))
    assert at[before].tolist() == [second * SECOND for second in range(11, 21)]
    assert at[after].tolist() == [second * SECOND for second in range(26, 36)]


def test_matched_windows_begin_nearest_to_the_level_and_none_overlaps_another_or_a_run() -> None:
    at = clockwork(7_200, every=1)
    values = np.random.default_rng(3).normal(size=len(at)).cumsum()
    level, busy, timing = float(np.quantile(values, 0.9)), ((1_000 * SECOND, 2_000 * SECOND),), WindowTiming(10.0, 7.0, 10.0)
    matched = match_windows(at, values, busy, timing, PLAN, level)
    assert len(matched) == MATCHED_WINDOWS
    starts = np.sort(matched.starts)
    assert (np.diff(starts) >= timing.length).all()
    assert all(start > busy[0][1] or start + timing.length < busy[0][0] for start in starts.tolist())
    plain = drawn_windows(at, values, busy, timing, PLAN, np.random.default_rng(1))
    assert np.abs(matched.level - level).mean() < np.sort(np.abs(plain.level - level))[:MATCHED_WINDOWS].mean()
    for place, start in enumerate(matched.starts.tolist()):
        first, last = split_window(at, start + 10 * SECOND, timing)
        assert (matched.before[place], matched.level[place]) == (values[first].mean(), values[first][-1])
        assert matched.after[place] == values[last].mean()


@pytest.mark.parametrize("seconds", [0, 2, 19])
def test_a_young_store_gives_no_matched_window(seconds: int) -> None:
    at = clockwork(seconds)
    assert len(match_windows(at, np.zeros(len(at)), (), WindowTiming(10.0, 0.0, 10.0), PLAN, 0.0)) == 0


def test_the_pause_is_fixed_before_the_coin_by_what_the_action_took_before() -> None:
    assert [choose_pause(0.0, cost, []) for cost in ("none", "low", "high")] == [1.0, 5.0, 20.0]
    assert choose_pause(0.0, "low", [0.2, 9.0, 0.1]) == 20.0
    assert choose_pause(65.0, "none", [1.0]) == 65.0
    assert choose_pause(0.0, "none", [200.0]) == 300.0


def test_a_run_that_took_longer_than_its_pause_has_no_pause_to_compare_by() -> None:
    stored = encode_windows(WindowTiming(10.0, 22.0, 10.0), 20.0, np.empty(0, dtype=np.int64))
    assert recorded_pause(stored, 22.0) is None
    assert recorded_pause(stored, 19.0) == 22.0
    assert recorded_pause('{"before": 10.0, "pause": 3.0, "after": 10.0, "starts": []}', 4.0) == 3.0  # of an older version
    assert recorded_pause(None, 4.0) == 4.0


@pytest.mark.parametrize("seed", range(12))
def test_a_window_and_a_run_never_share_a_moment_and_every_other_window_is_there(seed: int) -> None:
    """Many runs, shorter than a window and longer; both ends of either count."""
    chance = np.random.default_rng([9, seed])
    at = clockwork(3_600, every=1)
    runs = np.sort(chance.choice(3_600, 12, replace=False)) * SECOND
    busy = tuple((int(start), int(start + length * SECOND)) for start, length in zip(runs, chance.integers(0, 60, 12), strict=True))
    length = 21 * SECOND  # ten before, one of the run, ten after
    every = begun(at, took=1.0, seed=seed)
    apart = [start for start in every if all(start + length < first or start > last for first, last in busy)]
    assert begun(at, busy, took=1.0, seed=seed) == apart
    assert 20 < len(apart) < len(every) - 10


@pytest.mark.parametrize(
    ("first", "last", "free"), [(20, 20, False), (21, 30, True), (-9, -1, True), (-9, 0, False), (7, 8, False), (-50, 90, False)]
)
def test_a_run_that_only_touches_an_end_of_a_window_shuts_it(first: int, last: int, free: bool) -> None:
    """One window of 20 s is all there is room for: it begins with the first sample and ends 20 s later."""
    at = clockwork(21, every=1)
    busy = ((first * SECOND, last * SECOND),)
    assert begun(at, busy) == [0] * free
    assert drawn(at, at / SECOND, busy).tolist() == [10.0] * free


def test_three_samples_on_either_side_are_enough_and_two_are_not() -> None:
    at = np.array([0, 4, 8, 10, 14, 18, 20], dtype=np.int64) * SECOND
    np.testing.assert_allclose(drawn(at, at / SECOND), [10.0])
    for missing in (1, 4):
        assert len(drawn(np.delete(at, missing), np.zeros(6))) == 0


@pytest.mark.parametrize(("gap", "count"), [(8, 1), (9, 0)])
def test_samples_eight_seconds_apart_are_no_gap(gap: int, count: int) -> None:
    at = np.array([0, 1, 2, 2 + gap, 12, 14, 20], dtype=np.int64) * SECOND
    assert len(drawn(at, np.zeros(7))) == count


@pytest.mark.parametrize(("seconds", "latest"), [(3_600, 20), (26, 5)])
def test_the_first_window_begins_anywhere_within_its_length(seconds: int, latest: int) -> None:
    """At any moment of the first 20 s, or as late as the samples leave room for a window."""
    at = clockwork(seconds, every=1)
    plan = MeasurementPlan(most=1_000)
    first = [begun(at, plan=plan, seed=seed)[0] / SECOND for seed in range(200)]
    assert 0.0 <= min(first) < 0.1 * latest
    assert 0.9 * latest < max(first) <= latest
    assert np.mean(first) == pytest.approx(latest / 2, rel=0.15)


def test_a_run_of_no_plan_is_measured_for_ten_seconds_on_either_side_and_rests_for_a_minute() -> None:
    assert (PLAN.before, PLAN.after, PLAN.step, PLAN.rest, PLAN.lookback, PLAN.widest_gap) == (10.0, 10.0, 1.0, 60.0, 86_400.0, 8.0)
    at = clockwork(7_200, every=1)
    assert len(drawn(at, np.zeros(len(at)))) == 200


@pytest.mark.parametrize("seed", range(6))
def test_matched_windows_and_runs_never_share_a_moment(seed: int) -> None:
    """Many runs, shorter than a window and longer."""
    chance = np.random.default_rng([9, seed])
    at = clockwork(3_600, every=1)
    values = chance.normal(size=len(at)).cumsum()
    runs = np.sort(chance.choice(3_600, 12, replace=False)) * SECOND
    busy = tuple((int(start), int(start + length * SECOND)) for start, length in zip(runs, chance.integers(0, 60, 12), strict=True))
    timing = WindowTiming(10.0, 1.0, 10.0)
    matched = match_windows(at, values, busy, timing, PLAN, float(np.median(values)))
    assert len(matched) > 10
    assert all(start + timing.length < first or start > last for start in matched.starts.tolist() for first, last in busy)
