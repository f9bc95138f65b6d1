"""The randomisation test: its error rate holds, and neither units nor offsets matter."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.domain.optimization import Effect
from engine.domain.record import Floats
from engine.optimizer.randomisation_test import (
    HARMED,
    HELPED,
    MIN_WINDOWS,
    NO_EFFECT,
    NOT_ENOUGH_DATA,
    VERDICTS,
    estimate_effect,
    randomisation_p_value,
)

IDLE = arrays(np.float64, st.integers(MIN_WINDOWS, 60), elements=st.integers(-1_000, 1_000).map(float))
CHANGE = st.integers(-3_000, 3_000).map(float)


def judged(change: float, idle: Floats, better: int = -1, *, start: float = 0.0) -> Effect:
    return estimate_effect(np.array([start]), np.array([start + change]), idle, better)


def verdicts(draw: str, shift: float, windows: int, runs: int = 2_000) -> dict[str, float]:
    """Share of each verdict over many runs whose difference is one more idle difference plus a true shift."""
    chance = np.random.default_rng([7, windows])
    size = (runs, windows + 1)
    noise = {"normal": chance.standard_normal(size), "heavy": chance.standard_t(2, size), "skew": chance.exponential(size=size)}
    drawn = noise[draw]
    collected = [judged(float(row[0]) + shift, row[1:]).verdict for row in drawn]
    return {verdict: collected.count(verdict) / runs for verdict in VERDICTS}


@pytest.mark.parametrize("draw", ["normal", "heavy", "skew"])
@pytest.mark.parametrize("windows", [20, 39, 60, 150])
def test_of_runs_without_an_effect_at_most_five_in_a_hundred_are_credited_with_one(draw: str, windows: int) -> None:
    shares = verdicts(draw, 0.0, windows)
    assert shares[HELPED] + shares[HARMED] <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2_000)
    assert shares[NOT_ENOUGH_DATA] == 0.0


@pytest.mark.parametrize("windows", [20, 60, 150])
def test_a_true_effect_is_found(windows: int) -> None:
    assert verdicts("normal", -6.0, windows, 300)[HELPED] > 0.95
    assert verdicts("normal", 6.0, windows, 300)[HARMED] > 0.95
    assert verdicts("normal", -6.0, windows, 300)[HARMED] == 0.0


def test_the_interval_holds_the_true_effect_as_often_as_it_says() -> None:
    chance = np.random.default_rng(11)
    drawn = chance.standard_t(3, (2_000, 41))
    effects = [judged(float(row[0]) + 5.0, row[1:]) for row in drawn]
    held = np.mean([effect.low is not None and effect.high is not None and effect.low <= 5.0 <= effect.high for effect in effects])
    assert held >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 2_000)
    assert held < 0.99  # and it is no wider than it need be


@given(idle=IDLE, change=CHANGE)
@settings(max_examples=300, deadline=None)
def test_the_interval_leaves_out_zero_exactly_when_the_test_rejects(idle: Floats, change: float) -> None:
    every = np.append(idle, change)
    distance = np.abs(every * len(every) - every.sum())  # whole numbers: no rounding makes or breaks a tie
    p = float(np.mean(distance >= distance[-1]))
    assume(np.count_nonzero(distance == distance[-1]) == 1)  # a tie falls on either side by rounding
    assert (judged(change, idle).verdict != NO_EFFECT) == (p <= 0.05)
    assert randomisation_p_value(change, idle) == pytest.approx(p)


@given(idle=IDLE, change=CHANGE, by=st.integers(-500, 500), scale=st.sampled_from([0.25, 2.0, 1024.0]))
@settings(max_examples=200, deadline=None)
def test_units_and_a_common_trend_do_not_matter(idle: Floats, change: float, by: int, scale: float) -> None:
    """A drift that runs and idle windows share goes out of the effect; another unit scales it."""
    plain, drifted, scaled = judged(change, idle), judged(change + by, idle + by), judged(change * scale, idle * scale)
    assert drifted.effect == pytest.approx(plain.effect, abs=1e-6)
    assert scaled.effect == pytest.approx(plain.effect * scale, abs=1e-6 * scale)
    assert plain.low is not None
    assert plain.high is not None
    if min(abs(plain.low), abs(plain.high)) > 1e-6:  # not at the very edge
        assert drifted.verdict == scaled.verdict == plain.verdict


@given(idle=IDLE, change=CHANGE, start=st.integers(-(10**6), 10**6))
@settings(max_examples=200, deadline=None)
def test_the_level_the_metric_starts_from_does_not_matter(idle: Floats, change: float, start: int) -> None:
    assert judged(change, idle, start=float(start)).effect == judged(change, idle).effect


@given(idle=IDLE, change=CHANGE)
@settings(max_examples=200, deadline=None)
def test_which_way_is_better_only_names_the_effect(idle: Floats, change: float) -> None:
    down, up = judged(change, idle, -1), judged(change, idle, 1)
    assert (down.effect, down.low, down.high) == (up.effect, up.low, up.high)
    assert {down.verdict, up.verdict} in ({NO_EFFECT}, {HELPED, HARMED})
    if down.verdict != NO_EFFECT:
        assert (down.verdict == HELPED) == (down.effect < 0)


@given(idle=IDLE, change=CHANGE)
@settings(max_examples=200, deadline=None)
def test_the_effect_lies_within_its_interval(idle: Floats, change: float) -> None:
    effect = judged(change, idle)
    assert effect.low is not None
    assert effect.high is not None
    assert effect.low - 1e-9 <= effect.effect <= effect.high + 1e-9


@given(idle=arrays(np.float64, st.integers(1, MIN_WINDOWS - 1), elements=st.floats(-9, 9)), change=st.floats(-1e6, 1e6))
@settings(max_examples=100, deadline=None)
def test_with_few_idle_windows_there_is_no_verdict(idle: Floats, change: float) -> None:
    effect = judged(change, idle)
    assert (effect.low, effect.high, effect.verdict, effect.windows) == (None, None, NOT_ENOUGH_DATA, len(idle))


def test_what_was_not_measured_is_not_made_up() -> None:
    idle, some, none = np.zeros(50), np.array([1.0, 2.0]), np.array([math.nan])
    for before, after in ((none, some), (some, none), (np.empty(0), some)):
        effect = estimate_effect(before, after, idle, -1)
        assert (effect.verdict, effect.low, effect.high) == (NOT_ENOUGH_DATA, None, None)
        assert math.isnan(effect.effect)
    assert math.isnan(estimate_effect(some, some, np.empty(0), -1).effect)


def test_samples_that_are_missing_are_left_out_of_the_means() -> None:
    effect = estimate_effect(np.array([1.0, math.nan, 3.0]), np.array([math.nan, 12.0]), np.append(np.zeros(30), math.nan), 1)
    assert (effect.before, effect.after, effect.effect, effect.windows, effect.verdict) == (2.0, 12.0, 10.0, 30, HELPED)


def test_a_change_without_the_action_is_not_its_effect() -> None:
    """The metric falls by 5 in every window: a run with the same fall has done nothing."""
    idle = -5.0 + np.random.default_rng(3).normal(0.0, 0.5, 60)
    effect = judged(-5.0, idle)
    assert effect.verdict == NO_EFFECT
    assert effect.effect == pytest.approx(0.0, abs=0.2)
    assert judged(0.0, idle).verdict == HARMED
