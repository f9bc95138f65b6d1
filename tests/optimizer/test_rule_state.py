"""When rules fire and clear, with samples that are late, repeated or missing, and with a clock that jumps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.rules import CLEARED, ERROR, FIRED, NO_DATA, PERFORMANCE, SCHEDULE, THRESHOLD, Rule
from engine.optimizer.preview import preview_rule
from engine.optimizer.rule_state import INITIAL_STATE, RuleState, advance_rule, effective_threshold

SECOND = 10**9
START = 1_700_000_000 * SECOND
HIGH = Rule("high", THRESHOLD, "host.cpu_percent", level=90.0, recovery=70.0, hold=10.0, missing=30.0, cooldown=60.0, longest=480.0)
Sample = tuple[float, float | None]  # seconds since START, value


def events_of(rule: Rule, samples: Sequence[Sample], watch: RuleState = INITIAL_STATE) -> list[tuple[float, str]]:
    """What the rule said, and when."""
    events = []
    for second, value in samples:
        watch, word = advance_rule(rule, watch, START + round(second * SECOND), value)
        if word is not None:
            events.append((second, word))
    return events


def steady(value: float | None, seconds: float, *, start: float = 0.0, every: float = 2.0) -> list[Sample]:
    return [(start + number * every, value) for number in range(int(seconds / every))]


def test_it_fires_after_it_was_beyond_the_level_for_long_enough_and_clears_at_the_recovery_level() -> None:
    samples = steady(95.0, 30) + steady(80.0, 30, start=30) + steady(65.0, 30, start=60)
    assert events_of(HIGH, samples) == [(10.0, FIRED), (70.0, CLEARED)]


def test_a_rule_for_too_low_is_the_mirror_image() -> None:
    low = replace(HIGH, above=False, level=10.0, recovery=30.0)
    samples = steady(5.0, 30) + steady(20.0, 30, start=30) + steady(35.0, 30, start=60)
    assert events_of(low, samples) == [(10.0, FIRED), (70.0, CLEARED)]


def test_a_gap_of_just_the_missing_time_keeps_the_span_and_a_longer_one_restarts_it() -> None:
    """30 s without a sample count as 10 s watched: with the 4 s before, it has been beyond the level for longer than 10 s."""
    assert events_of(HIGH, [*steady(95.0, 6), (34.0, 95.0)]) == [(34.0, FIRED)]
    assert events_of(HIGH, [*steady(95.0, 6), (34.5, 95.0)]) == []


def test_between_the_levels_nothing_begins_and_nothing_ends() -> None:
    assert events_of(HIGH, steady(80.0, 600)) == []
    fired = replace(INITIAL_STATE, fired=True, quiet_until=1e9)
    assert events_of(HIGH, steady(80.0, 600), fired) == []


def test_it_fires_again_while_the_trouble_lasts_less_and_less_often() -> None:
    times = [second for second, word in events_of(HIGH, steady(95.0, 3_000)) if word == FIRED]
    apart = np.diff(times).round(-1).tolist()
    assert apart == [60.0, 120.0, 240.0, *[480.0] * 5]


def test_after_a_long_calm_the_cooldown_is_short_again() -> None:
    samples = steady(95.0, 400) + steady(50.0, 3_600, start=400) + steady(95.0, 100, start=4_000)
    times = [second for second, word in events_of(HIGH, samples) if word == FIRED]
    assert np.diff(times[-2:]) == pytest.approx(60.0, abs=2.0)


def test_a_metric_whose_samples_end_is_reported_as_no_data_once() -> None:
    samples = steady(50.0, 20) + steady(None, 200, start=20)
    ((second, word),) = events_of(HIGH, samples)
    assert word == NO_DATA
    assert 48.0 <= second <= 52.0


def test_a_metric_that_never_had_a_sample_is_not_missed() -> None:
    assert events_of(HIGH, steady(None, 3_600)) == []


def test_what_had_fired_is_not_cleared_by_silence() -> None:
    samples = steady(95.0, 20) + steady(None, 200, start=20) + steady(80.0, 60, start=220)
    assert [word for _, word in events_of(HIGH, samples)] == [FIRED, NO_DATA]


def test_a_gap_begins_the_for_duration_anew() -> None:
    samples = [(0.0, 95.0), (4.0, 95.0), (100.0, 95.0), (104.0, 95.0), (108.0, 95.0)]
    assert events_of(HIGH, samples) == []
    assert events_of(HIGH, [*samples, (110.0, 95.0)]) == [(110.0, FIRED)]


def test_a_rule_that_is_switched_off_says_nothing() -> None:
    assert events_of(replace(HIGH, enabled=False), steady(99.0, 600)) == []


values = st.one_of(st.none(), st.just(float("nan")), st.floats(0.0, 100.0))


@given(st.lists(st.tuples(st.floats(0.1, 40.0), values), min_size=1, max_size=120))
@settings(max_examples=150, deadline=None)
def test_whatever_comes_it_fires_only_where_every_sample_of_the_for_duration_was_beyond(steps: list[tuple[float, float | None]]) -> None:
    samples: list[Sample] = []
    second = 0.0
    for seconds, value in steps:
        second += seconds
        samples.append((second, value))
    told_at = events_of(HIGH, samples)
    for at, word in told_at:
        if word != NO_DATA:
            since = [value for moment, value in samples if at - HIGH.hold <= moment <= at and value is not None and np.isfinite(value)]
            assert since
            assert all(value > 90.0 if word == FIRED else value <= 70.0 for value in since)
    fired = [at for at, word in told_at if word == FIRED]
    assert all(later - before >= 60.0 - 1e-6 for before, later in pairwise(fired))


@given(st.lists(st.tuples(st.floats(0.5, 8.0), st.floats(50.0, 100.0)), min_size=2, max_size=80), st.data())
@settings(max_examples=100, deadline=None)
def test_repeated_or_late_samples_change_nothing(steps: list[tuple[float, float]], data: st.DataObject) -> None:
    samples: list[Sample] = []
    second = 0.0
    for seconds, value in steps:
        second += seconds
        samples.append((second, value))
    disturbed: list[Sample] = []
    for place, sample in enumerate(samples):
        disturbed.append(sample)
        if place and data.draw(st.booleans()):
            late = data.draw(st.floats(0.0, sample[0]))
            disturbed.append((late, data.draw(st.floats(0.0, 200.0))))
    assert events_of(HIGH, disturbed) == events_of(HIGH, samples)


@given(st.floats(-1e6, 1e6), st.integers(2, 40), st.floats(91.0, 100.0))
@settings(max_examples=100, deadline=None)
def test_a_jump_of_the_clock_does_not_fire(jump: float, place: int, value: float) -> None:
    """Beyond the level for less than the for-duration in all, the clock jumping meanwhile."""
    samples = [(2.0 * number + (jump if number >= place else 0.0), 50.0) for number in range(place)]
    samples += [(2.0 * number + jump, value) for number in range(place, place + 4)]
    samples += [(2.0 * number + jump, 50.0) for number in range(place + 4, place + 20)]
    assert [word for _, word in events_of(HIGH, samples)] == []


@given(st.one_of(st.floats(-1e6, -1.0), st.floats(30.0, 1e6)), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_a_jump_of_the_clock_does_not_clear(jump: float, after: int) -> None:
    """One of a few seconds forward cannot be told from a late sample."""
    fired = [(2.0 * number, 95.0) for number in range(7)]
    calm = [(14.0 + 2.0 * number + (jump if number >= after else 0.0), 60.0) for number in range(5)]
    back = [(24.0 + 2.0 * number + jump, 80.0) for number in range(20)]
    assert [word for _, word in events_of(HIGH, [*fired, *calm, *back]) if word == CLEARED] == []


@given(st.floats(10.0, 1e6))
@settings(max_examples=40, deadline=None)
def test_a_jump_of_the_clock_is_no_loss_of_sight_and_ends_no_cooldown(jump: float) -> None:
    blind = [*steady(50.0, 20), (20.0 + jump, None), (22.0 + jump, None), (24.0 + jump, 50.0)]
    assert events_of(HIGH, blind) == []
    quiet = replace(HIGH, cooldown=600.0, hold=2.0)
    beyond = [*steady(95.0, 20), *steady(95.0, 60, start=20.0 + jump)]
    assert [word for _, word in events_of(quiet, beyond)] == [FIRED]


@given(st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_flapping_faster_than_the_for_duration_never_fires(up: int, down: int) -> None:
    pattern = [95.0] * up + [60.0] * down
    assert events_of(HIGH, [(2.0 * number, pattern[number % len(pattern)]) for number in range(500)]) == []


def test_after_the_clock_is_set_back_the_rule_goes_on() -> None:
    samples = steady(50.0, 20) + steady(95.0, 40, start=-7_000)
    assert [word for _, word in events_of(HIGH, samples)] == [FIRED]
    assert events_of(HIGH, steady(95.0, 10) + steady(95.0, 12, start=-7_000)) == []  # nobody knows how long it was in between


def test_errors_are_counted_as_a_mean_over_their_span() -> None:
    errors = Rule("errors", ERROR, "engine.errors_last_minute", level=0.5, recovery=0.0, span=60.0, hold=0.0)
    once = [*steady(0.0, 60), (60.0, 5.0), *steady(0.0, 60, start=62)]
    assert events_of(errors, once) == []  # one sample of 5 in a minute is a mean of 0.16
    many = steady(0.0, 60) + steady(2.0, 120, start=60)
    assert [word for _, word in events_of(errors, many)] == [FIRED]


def test_growth_is_measured_per_hour_and_one_outlier_is_none() -> None:
    grows = Rule("grows", THRESHOLD, "process.rss_bytes", level=100.0, recovery=20.0, growth=True, span=600.0, hold=30.0)
    slow = [(10.0 * number, 1_000.0 + number * 10.0 * 80.0 / 3_600.0) for number in range(200)]
    fast = [(10.0 * number, 1_000.0 + number * 10.0 * 120.0 / 3_600.0) for number in range(200)]
    odd = [(10.0 * number, 5_000.0 if number == 150 else 1_000.0) for number in range(200)]
    assert (events_of(grows, slow), events_of(grows, odd)) == ([], [])
    assert events_of(grows, fast)[0][1] == FIRED


@pytest.mark.parametrize(("level", "fires"), [(790.0, True), (810.0, False)])
def test_the_growth_of_few_samples_is_that_from_the_first_to_the_last(level: float, fires: bool) -> None:
    """Of four samples the first and the last quarter are a sample each: 100 in 600 s less a quarter is 800 an hour."""
    grows = Rule("grows", THRESHOLD, "process.rss_bytes", level=level, recovery=20.0, growth=True, span=600.0, hold=0.0, missing=600.0)
    assert bool(events_of(grows, [(0.0, 0.0), (200.0, 0.0), (400.0, 0.0), (600.0, 100.0)])) == fires


def test_a_performance_rule_finds_a_change_against_its_own_usual_and_clears_when_it_is_over() -> None:
    slower = Rule("slower", PERFORMANCE, "engine.tick_ms", span=10.0, every=1_000.0, cooldown=100.0)
    chance = np.random.default_rng(5)
    usual = [(2.0 * number, float(20.0 + chance.standard_normal())) for number in range(600)]
    slow = [(1_200.0 + 2.0 * number, float(24.0 + chance.standard_normal())) for number in range(100)]
    again = [(1_400.0 + 2.0 * number, float(20.0 + chance.standard_normal())) for number in range(100)]
    events = events_of(slower, [*usual, *slow, *again])
    assert events[0][1] == FIRED
    assert 1_200.0 < events[0][0] < 1_290.0  # nine blocks at most
    assert events[-1][1] == CLEARED
    watch = INITIAL_STATE
    for second, value in usual:
        watch, _ = advance_rule(slower, watch, START + round(second * SECOND), value)
    assert effective_threshold(slower, watch) == pytest.approx(20.0, abs=0.3)


def test_a_block_of_a_performance_rule_is_the_median_of_its_samples_of_a_sixtieth_of_its_span_each() -> None:
    """Blocks of a minute with a sample a second; what comes sooner does not count, and the next block begins with its own."""
    slower = Rule("slower", PERFORMANCE, "engine.tick_ms", span=60.0, every=1_000.0)
    watch = INITIAL_STATE
    for second in range(60):
        watch, _ = advance_rule(slower, watch, START + second * SECOND, 100.0 if second < 20 else float(second))
        watch, _ = advance_rule(slower, watch, START + second * SECOND + SECOND // 2, -1.0)
    assert np.isnan(watch.figure)
    assert (len(watch.samples), watch.change_point.baseline) == (60, ())
    watch, _ = advance_rule(slower, watch, START + 60 * SECOND, 7.0)
    assert watch.figure == 49.5  # of 20 to 59 and twenty times 100
    assert watch.change_point.baseline == (49.5,)
    assert [value for _, value in watch.samples] == [7.0]


def test_a_mean_of_errors_has_at_most_60_samples_of_its_span() -> None:
    errors = Rule("errors", ERROR, "engine.errors_last_minute", level=50.0, recovery=0.0, span=60.0, hold=0.0)
    watch = INITIAL_STATE
    for half in range(200):
        watch, _ = advance_rule(errors, watch, START + half * SECOND // 2, -1.0 if half % 2 else float(half))
    assert [value for _, value in watch.samples] == [float(half) for half in range(80, 200, 2)]
    assert watch.figure == 139.0


def test_a_schedule_fires_once_when_its_time_comes_and_never_for_the_time_of_its_start() -> None:
    nightly = Rule("nightly", SCHEDULE, cron="*/30 * * * *")
    first = 1_800 - START // SECOND % 1_800  # s to the next half hour
    samples = [(float(second), None) for second in range(0, first + 3_700, 20)]
    times = [second for second, word in events_of(nightly, samples) if word == FIRED]
    assert len(times) == 3
    assert all(0.0 <= (second - first) % 1_800 < 20.0 for second in times)
    at_once = [(float(first + second), None) for second in range(0, 60, 20)]
    assert events_of(nightly, at_once) == []


@given(st.floats(-80_000.0, 80_000.0))
@settings(max_examples=60, deadline=None)
def test_a_schedule_fires_at_most_once_whatever_the_clock_does(jump: float) -> None:
    daily = Rule("daily", SCHEDULE, cron="0 3 * * *")
    three = 3 * 3_600 - START // SECOND % 86_400
    times = [three - 600.0 + 20.0 * number for number in range(60)]
    samples = [(second, None) for second in times] + [(second + jump, None) for second in times]
    due = [(second - three) // 86_400 for second, word in events_of(daily, samples) if word == FIRED]
    assert len(due) == len(set(due))


@given(st.floats(-3_000.0, 3_000.0), st.integers(60, 200))
@settings(max_examples=60, deadline=None)
def test_a_time_of_a_schedule_fires_once_where_the_clock_is_set_back_over_it(jump: float, place: int) -> None:
    often = Rule("often", SCHEDULE, cron="*/30 * * * *")
    samples = [(20.0 * number + (jump if number >= place else 0.0), None) for number in range(400)]
    due = [(START // SECOND + second) // 1_800 for second, word in events_of(often, samples) if word == FIRED]
    assert len(due) == len(set(due))


def test_a_schedule_goes_by_the_new_time_where_the_clock_is_set_back_by_hours() -> None:
    often = Rule("often", SCHEDULE, cron="*/30 * * * *")
    samples = [(20.0 * number - (4 * 3_600.0 if number >= 200 else 0.0), None) for number in range(700)]
    fired = [second for second, word in events_of(often, samples) if word == FIRED]
    after = [second for second in fired if second < 0.0]
    assert len(after) >= 4, "for four hours nothing was due, because all of it had been due before"


def test_a_preview_gives_the_firings_of_the_rule_itself() -> None:
    samples = steady(50.0, 100) + steady(95.0, 100, start=100) + steady(50.0, 200, start=200)
    at = np.array([START + round(second * SECOND) for second, _ in samples])
    values = np.array([value for _, value in samples], dtype=np.float64)
    preview = preview_rule(HIGH, at, values)
    assert (preview.count, preview.samples, preview.span) == (2, 200, 398.0)
    assert ((preview.times - START) / SECOND).tolist() == [second for second, word in events_of(HIGH, samples) if word == FIRED]
    nothing = preview_rule(HIGH, at[:0], values[:0])
    assert (nothing.count, nothing.span, nothing.samples) == (0, 0.0, 0)
