"""Sums of measured effects: their intervals keep their coverage, also where effects share control windows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.evidence.effects import EffectTotal, MeasuredEffect, median_change, success_rate, sum_effects, sum_totals

TRUE = 3.0  # what each run really gains
ROUNDS = 1_000


def judged(chance: np.random.Generator, runs: int, windows: int, *, shared: bool) -> list[MeasuredEffect]:
    """Runs on a metric of noise 1, each against the mean of so many idle windows."""
    idle = chance.normal(size=(1 if shared else runs, windows)).mean(axis=1)
    effects = TRUE + chance.normal(size=runs) - idle
    reach = 1.959964 * math.sqrt(1 + 1 / windows)
    return [MeasuredEffect(float(effect), float(effect) - reach, float(effect) + reach, windows) for effect in effects]


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("runs", "windows"), [(1, 20), (8, 20), (60, 20), (60, 200)])
def test_the_interval_of_a_sum_holds_it_in_95_of_100_whether_or_not_windows_are_shared(runs: int, windows: int, shared: bool) -> None:
    chance = np.random.default_rng([runs, windows, shared])
    sums = [sum_effects(judged(chance, runs, windows, shared=shared)) for _ in range(ROUNDS)]
    held = np.mean([interval is not None and interval.low <= TRUE * runs <= interval.high for interval in sums])
    assert held > 0.95 - 3 * math.sqrt(0.95 * 0.05 / ROUNDS)
    if shared:
        assert held < 0.95 + 4 * math.sqrt(0.95 * 0.05 / ROUNDS)


def test_the_sum_of_one_effect_is_that_effect_and_of_none_is_none() -> None:
    result = sum_effects([MeasuredEffect(5.0, 2.0, 9.0, 20)])
    assert result is not None
    assert (result.amount, result.n) == (5.0, 1)
    assert (result.low, result.high) == pytest.approx((2.0, 9.0))
    assert sum_effects([]) is None
    assert sum_totals([]) is None


def test_harm_is_taken_off() -> None:
    result = sum_effects([MeasuredEffect(5.0, 4.0, 6.0, 50), MeasuredEffect(-8.0, -9.0, -7.0, 50)])
    assert result is not None
    assert result.amount == -3.0


def test_sums_of_different_metrics_add_like_independent_ones() -> None:
    result = sum_totals([EffectTotal(10.0, 7.0, 13.0, 4), EffectTotal(1.0, -3.0, 5.0, 2)])
    assert result == EffectTotal(11.0, 6.0, 16.0, 6)


def test_a_rate_has_its_n_and_an_interval_from_five_on() -> None:
    assert success_rate(0, 0) is None
    assert success_rate(3, 4) == (0.75, None)
    result = success_rate(6, 7)
    assert result is not None
    share, band = result
    assert band is not None
    assert share == pytest.approx(6 / 7)
    assert band == pytest.approx((0.487, 0.974), abs=0.001)  # as published tables have it
    assert success_rate(5, 5) is not None


def test_a_typical_change_is_a_median_between_two_of_the_changes() -> None:
    assert median_change([]) is None
    assert median_change([math.nan]) is None
    assert median_change([1.0, 2.0, 9.0]) == (2.0, None)
    result = median_change([float(interval) for interval in range(25)])
    assert result is not None
    middle, band = result
    assert middle == 12.0
    assert band is not None
    assert band[0] < 12.0 < band[1]


@pytest.mark.parametrize(("low", "high", "proved"), [(0.1, 2.0, True), (-2.0, -0.1, True), (-1.0, 1.0, False), (0.0, 1.0, False), (-1.0, 0.0, False)])
def test_a_total_is_proved_where_its_interval_excludes_0(low: float, high: float, proved: bool) -> None:
    assert EffectTotal((low + high) / 2.0, low, high, 3).is_proved is proved
