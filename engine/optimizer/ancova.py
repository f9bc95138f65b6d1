"""Estimate the effect of a manual run against comparable windows; it is an indication, since no coin decided that the action was run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.domain.optimization import Effect
from engine.domain.record import Floats
from engine.optimizer.randomisation_test import ALPHA, MIN_WINDOWS, NOT_ENOUGH_DATA, estimate_effect, verdict_from_interval
from engine.optimizer.windows import ControlWindows

MAX_DISTANCE = 2.0  # of the run's level from the nearest window's, in standard deviations of the change
MAX_DISTANCE_SHARE = 0.02  # or as a share of the level itself
MIN_DIFFERENCE, COLLINEAR = 1e-6, 1e-4  # smaller differences count as none: a share of the level, a share of the largest column
MIN_LEFT_OVER = 1e-9  # 1 - leverage, below which a window says nothing about its own residual


def estimate_adjusted_effect(before: Floats, after: Floats, windows: ControlWindows, better: int) -> Effect:
    """The difference between the metric's change and the change in comparable windows, with a 95 % interval.

    before, after: (B,), (A,) samples of the run; windows: those whose level at their middle is nearest to the run's (`match_windows`).

    A person presses a button when the metric is high, and a high metric tends to fall anyway. So the change is regressed on the mean before and on
    the last value (an analysis of covariance: Cochran 1957), and the run's residual is ranked among the others, each divided by the square root of
    one minus its leverage. If the action had no effect and the residuals were exchangeable, each would be equally likely to be the largest. The
    interval holds the effects u for which `change - u` would not be rejected at 5 %. This removes the regression to the mean that the level and the
    last value predict. It does not remove anything else that made the person press the button, so the verdict counts in no total and no licence.
    """
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    plain = estimate_effect(before, after, windows.change, better)
    if plain.verdict == NOT_ENOUGH_DATA or not len(before) or not _comparable(float(before[-1]), windows):
        return replace(plain, low=None, high=None, verdict=NOT_ENOUGH_DATA)
    effect, low, high = _ranked(
        np.append(windows.before, plain.before), np.append(windows.level, before[-1]), np.append(windows.change, plain.after - plain.before)
    )
    if not np.isfinite([effect, low, high]).all():
        return replace(plain, low=None, high=None, verdict=NOT_ENOUGH_DATA)
    return replace(plain, effect=effect, low=low, high=high, verdict=verdict_from_interval(low, high, better))


def _comparable(level: float, windows: ControlWindows) -> bool:
    distance = max(MAX_DISTANCE * float(windows.change.std()), MAX_DISTANCE_SHARE * abs(level))
    return len(windows) >= MIN_WINDOWS and float(np.abs(windows.level - level).min()) <= distance


def _ranked(before: Floats, level: Floats, change: Floats) -> tuple[float, float, float]:
    """The effect of the last row and its interval.

    The residuals are linear in u: with M the residual maker, window i has a_i - b_i u and the run a - b u, each divided by the square root of its
    M_ii. |b_i| <= b by Cauchy and Schwarz, so `|a_i - b_i u| >= |a - b u|` holds between two roots. u is accepted while it holds in as many windows
    as the level of the test requires.
    """
    design = np.column_stack([before - before.mean(), level - level.mean()])
    least = MIN_DIFFERENCE * max(float(np.abs(level).max()), 1e-300)
    left, size, _ = np.linalg.svd(design / np.maximum(np.abs(design).max(axis=0), least), full_matrices=False)
    left = np.column_stack([np.full(len(change), 1.0 / np.sqrt(len(change))), left[:, size > COLLINEAR]])
    maker = np.eye(len(change)) - left @ left.T
    left_over = np.diag(maker)
    if left_over[-1] <= MIN_LEFT_OVER:
        return np.nan, np.nan, np.nan
    scale = np.sqrt(np.maximum(left_over, MIN_LEFT_OVER))
    residual, slope = maker @ change, maker[:, -1] / scale
    residual = np.where(np.abs(residual) < 1e-3 * least, 0.0, residual) / scale  # rounding errors are no difference
    with np.errstate(divide="ignore", invalid="ignore"):
        roots = np.sort([(residual[:-1] + side * residual[-1]) / (slope[:-1] + side * slope[-1]) for side in (-1.0, 1.0)], axis=0)
    effect = float(residual[-1] / slope[-1])
    low, high = np.minimum(roots[0], effect), np.maximum(roots[1], effect)
    needed = int(ALPHA * len(change) + 1e-9)
    return effect, float(np.sort(low)[needed - 1]), float(np.sort(high)[-needed])
