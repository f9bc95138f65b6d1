"""A manual run against comparable windows: regression to the mean is neither help nor harm."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from engine.domain.optimization import Effect
from engine.domain.record import Floats, Ints
from engine.optimizer.ancova import estimate_adjusted_effect
from engine.optimizer.randomisation_test import HARMED, HELPED, NO_EFFECT, NOT_ENOUGH_DATA
from engine.optimizer.windows import MATCHED_WINDOWS, SECOND, ControlWindows, MeasurementPlan, WindowTiming, match_windows, split_window

TIMING = WindowTiming(10.0, 0.0, 10.0)
SECONDS = 7_200  # of history, at one a second
PRESSES = 200


def wandering(memory: float, seed: int) -> Floats:
    """(SECONDS + 400,) of a metric that remembers so much of the second before, of variance 1."""
    chance = np.random.default_rng([seed, round(memory * 1_000)])
    shocks = chance.standard_normal(SECONDS + 900) * np.sqrt(1.0 - memory**2)
    return 100.0 + np.asarray(lfilter([1.0], [1.0, -memory], shocks), dtype=np.float64)[500:]


def press(values: Floats, when: str, chance: np.random.Generator) -> int | None:
    """The second at which a person presses: one of those in which the metric is among the highest 5 %, or that in which it gets there."""
    high = values > np.quantile(values[:SECONDS], 0.95)
    pressed = high[SECONDS:-11]
    if when == "rising":
        pressed = pressed & ~high[SECONDS - 1 : -12]
    seconds = SECONDS + np.flatnonzero(pressed)
    return int(chance.choice(seconds)) if len(seconds) else None


def judged(values: Floats, at: Ints, second: int, effect: float = 0.0) -> Effect:
    first, last = split_window(at, int(at[second]), TIMING)
    early = slice(second - SECONDS, second - 10)
    windows = match_windows(at[early], values[early], (), TIMING, MeasurementPlan(), float(values[first][-1]))
    return estimate_adjusted_effect(values[first], values[last] + effect, windows, -1)


def verdicts(memory: float, when: str, effect: float = 0.0, presses: int = PRESSES) -> dict[str, float]:
    chance = np.random.default_rng([5])
    at = np.arange(SECONDS + 400, dtype=np.int64) * SECOND
    collected: list[str] = []
    seed = 0
    while len(collected) < presses:
        values = wandering(memory, seed)
        second = press(values, when, chance)
        seed += 1
        if second is not None:
            collected.append(judged(values, at, second, effect).verdict)
    return {verdict: collected.count(verdict) / presses for verdict in (HELPED, HARMED, NO_EFFECT, NOT_ENOUGH_DATA)}


@pytest.mark.parametrize("when", ["high", "rising"])
@pytest.mark.parametrize("memory", [0.0, 0.9, 0.99])
def test_a_useless_action_run_when_the_metric_is_high_is_seldom_credited_with_an_effect(memory: float, when: str) -> None:
    shares = verdicts(memory, when)
    most = 0.025 + 2.0 * np.sqrt(0.025 * 0.975 / PRESSES)
    assert shares[HELPED] <= most
    assert shares[HARMED] <= most
    assert shares[NOT_ENOUGH_DATA] <= 0.02


def test_a_true_effect_is_seen_all_the_same() -> None:
    assert verdicts(0.9, "high", -4.0, 100)[HELPED] > 0.9
    assert verdicts(0.9, "high", 4.0, 100)[HARMED] > 0.9


def windows_of(level: Floats, change: Floats) -> ControlWindows:
    return ControlWindows(np.arange(len(level), dtype=np.int64), level, level, level + change)


def test_the_interval_holds_the_effects_that_would_not_be_rejected() -> None:
    chance = np.random.default_rng(3)
    level = chance.normal(50.0, 5.0, MATCHED_WINDOWS)
    mean = level + chance.standard_normal(MATCHED_WINDOWS)
    windows = ControlWindows(np.arange(MATCHED_WINDOWS, dtype=np.int64), mean, level, 25.0 + 0.5 * mean + chance.standard_normal(MATCHED_WINDOWS))
    before, after = np.array([52.0, 54.0]), np.array([50.0])
    effect = estimate_adjusted_effect(before, after, windows, -1)
    assert effect.low is not None
    assert effect.high is not None
    assert effect.low < effect.effect < effect.high
    for edge, inside in ((effect.low, 1e-6), (effect.high, -1e-6)):
        assert estimate_adjusted_effect(before, after - (edge + inside), windows, -1).verdict == NO_EFFECT
        assert estimate_adjusted_effect(before, after - (edge - inside), windows, -1).verdict != NO_EFFECT


def test_the_fall_that_its_level_foretells_is_taken_off() -> None:
    level = np.linspace(40.0, 60.0, MATCHED_WINDOWS)
    windows = windows_of(level, -0.5 * (level - 50.0) + 0.01 * (-1.0) ** np.arange(MATCHED_WINDOWS))
    effect = estimate_adjusted_effect(np.array([60.0]), np.array([55.0]), windows, -1)
    assert effect.effect == pytest.approx(0.0, abs=0.02)
    assert effect.verdict == NO_EFFECT
    assert estimate_adjusted_effect(np.array([60.0]), np.array([52.0]), windows, -1).effect == pytest.approx(-3.0, abs=0.02)


def test_a_metric_that_stands_still_says_nothing_and_a_change_of_it_something() -> None:
    still = windows_of(np.full(MATCHED_WINDOWS, 7.0), np.zeros(MATCHED_WINDOWS))
    assert estimate_adjusted_effect(np.full(3, 7.0), np.full(3, 7.0), still, -1).verdict == NO_EFFECT
    assert estimate_adjusted_effect(np.full(3, 7.0), np.full(3, 5.0), still, -1).verdict == HELPED


def test_a_level_that_no_window_began_near_is_not_compared() -> None:
    chance = np.random.default_rng(3)
    windows = windows_of(chance.normal(50.0, 1.0, MATCHED_WINDOWS), chance.standard_normal(MATCHED_WINDOWS))
    effect = estimate_adjusted_effect(np.array([90.0]), np.array([60.0]), windows, -1)
    assert (effect.verdict, effect.low, effect.high, effect.before, effect.after) == (NOT_ENOUGH_DATA, None, None, 90.0, 60.0)
    few = ControlWindows(windows.starts[:19], windows.before[:19], windows.level[:19], windows.after[:19])
    assert estimate_adjusted_effect(np.array([50.0]), np.array([40.0]), few, -1).verdict == NOT_ENOUGH_DATA
