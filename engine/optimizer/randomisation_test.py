"""The effect of one run of an action on a metric, by a randomisation test against windows without the action."""

from __future__ import annotations

import math

import numpy as np

from engine.domain.optimization import Effect
from engine.domain.record import Floats

MIN_WINDOWS = 20  # control windows at least: with 19 or fewer, p could hardly reach 5 %
ALPHA = 0.05

HELPED, NO_EFFECT, HARMED, NOT_ENOUGH_DATA = "helped", "no measurable effect", "harmed", "not enough data"
VERDICTS = (HELPED, NO_EFFECT, HARMED, NOT_ENOUGH_DATA)


def estimate_effect(before: Floats, after: Floats, idle: Floats, better: int) -> Effect:
    """The effect of one run, by a randomisation test.

    before, after: (B,), (A,) samples of the metric round the run; idle: (W,) the same difference, mean after less mean before, in control windows;
    better: -1 where a fall of the metric is a cure, +1 where a rise is. NaN are left out.

    With d the run's difference, the effect is `d - mean(idle)`: the change with the action less the change without it. If the action had no effect,
    d would be one more idle difference, and each of the W + 1 would be equally likely to be the treated one. So the same statistic is computed for
    each as if it were treated, `t_i = d_i - mean(others)`, and `p = #(|t_i| >= |t_d|) / (W + 1)`, d itself included: exact in finite samples,
    whatever the distribution (Fisher 1935, The Design of Experiments, ch. 2; Phipson and Smyth 2010 for including d itself). The 95 % interval holds
    the effects u for which `d - u` would not be rejected at 5 % (the inverted test: Lehmann and Romano, Testing Statistical Hypotheses, 3.5 and
    5.12). The promise assumes windows like the run's own: for an automatic run, those in which its rule fired and a coin withheld the action. A
    manual run is not timed at random; see `engine.optimizer.ancova`.
    """
    before, after, idle = (values[np.isfinite(values)] for values in (before, after, idle))
    first, last, usual = (float(values.mean()) if len(values) else math.nan for values in (before, after, idle))
    change, windows = last - first, len(idle)
    effect = change - usual
    if windows < MIN_WINDOWS or not math.isfinite(change):
        return Effect(first, last, effect, None, None, windows, NOT_ENOUGH_DATA)
    lowest, highest = _unsurprising(idle)
    low, high = change - highest, change - lowest
    return Effect(first, last, effect, low, high, windows, verdict_from_interval(low, high, better))


def randomisation_p_value(change: float, idle: Floats) -> float:
    """The two-sided p-value of the run's difference: the share of all W + 1 differences that lie as far from the others as it does."""
    every = np.append(idle, change)
    distance = np.abs(every - every.mean())  # |d_i - mean(others)| is this times (W + 1) / W
    return float(np.mean(distance >= distance[-1]))


def _unsurprising(idle: Floats) -> tuple[float, float]:
    """The lowest and the highest difference that would not be rejected at ALPHA among the idle ones.

    For x above the mean, an idle d_i lies as far out as x while `x <= d_i` or `x <= (2 S - (W + 1) d_i) / (W - 1)` with S = sum(idle): the mirror
    image of d_i in the mean that includes x. x is accepted while at least k of them do, k = the integer part of ALPHA (W + 1), so the bound is the
    k-th highest of these. The same holds below the mean.
    """
    windows = len(idle)
    needed = int(ALPHA * (windows + 1) + 1e-9)
    mirrored = (2 * idle.sum() - (windows + 1) * idle) / (windows - 1)
    return float(np.sort(np.minimum(idle, mirrored))[needed - 1]), float(np.sort(np.maximum(idle, mirrored))[-needed])


def verdict_from_interval(low: float, high: float, better: int) -> str:
    """Helped or harmed where the interval excludes 0."""
    if low <= 0.0 <= high:
        return NO_EFFECT
    return HELPED if (1 if low > 0.0 else -1) == better else HARMED
