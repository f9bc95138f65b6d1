"""A manual run against comparable windows: an indication, for no coin decided that the action was run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.domain.optimization import Effect
from engine.domain.record import Floats
from engine.optimizer.randomisation_test import ALPHA, MIN_WINDOWS, NOT_ENOUGH_DATA, estimate_effect, verdict_from_interval
from engine.optimizer.windows import ControlWindows

NEAR = 2.0  # standard deviations of the change that the run's level may lie from the nearest window's
CLOSE = 0.02  # or this share of the level itself
SAME, COLLINEAR = 1e-6, 1e-4  # of the level, of the largest column: differences below are none
LEVERAGE = 1e-9  # left over, below which a window says nothing of its own residual


def estimate_adjusted_effect(before: Floats, after: Floats, windows: ControlWindows, better: int) -> Effect:
    """How far the metric went from where comparable windows went, with a 95 % interval.

    before, after: (B,), (A,) samples of the run; windows: those whose level when the action would have begun is nearest to the run's (`matched`).

    A person presses a button when the metric is high, and what is high falls by itself. So the change is regressed on the mean before and on the last
    value (an analysis of covariance: Cochran 1957), and the run's residual is ranked among the others', each divided by the root of what leverage
    leaves of it. Were the action without effect and were the residuals exchangeable, each would be equally likely to be the largest. The interval
    holds the effects u with which `change - u` would not be rejected at 5 %. This removes the regression to the mean that level and last value
    tell of; whatever else made the person press the button is not removed, so the verdict is an indication and enters no sum and no licence.
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
    reach = max(NEAR * float(windows.change.std()), CLOSE * abs(level))
    return len(windows) >= MIN_WINDOWS and float(np.abs(windows.level - level).min()) <= reach


def _ranked(before: Floats, level: Floats, change: Floats) -> tuple[float, float, float]:
    """The last one's effect and its interval.

    The residuals are linear in u: with M the residual maker, window i has a_i - b_i u and the run a - b u, each already divided by the root of its
    M_ii; |b_i| <= b by Cauchy and Schwarz, so `|a_i - b_i u| >= |a - b u|` holds between two roots. u is accepted while as many windows hold it as
    the level asks for.
    """
    design = np.column_stack([before - before.mean(), level - level.mean()])
    least = SAME * max(float(np.abs(level).max()), 1e-300)
    left, size, _ = np.linalg.svd(design / np.maximum(np.abs(design).max(axis=0), least), full_matrices=False)
    left = np.column_stack([np.full(len(change), 1.0 / np.sqrt(len(change))), left[:, size > COLLINEAR]])
    maker = np.eye(len(change)) - left @ left.T
    spare = np.diag(maker)
    if spare[-1] <= LEVERAGE:
        return np.nan, np.nan, np.nan
    scale = np.sqrt(np.maximum(spare, LEVERAGE))
    residual, slope = maker @ change, maker[:, -1] / scale
    residual = np.where(np.abs(residual) < 1e-3 * least, 0.0, residual) / scale  # what rounding leaves is no difference
    with np.errstate(divide="ignore", invalid="ignore"):
        roots = np.sort([(residual[:-1] + side * residual[-1]) / (slope[:-1] + side * slope[-1]) for side in (-1.0, 1.0)], axis=0)
    effect = float(residual[-1] / slope[-1])
    low, high = np.minimum(roots[0], effect), np.maximum(roots[1], effect)
    needed = int(ALPHA * len(change) + 1e-9)
    return effect, float(np.sort(low)[needed - 1]), float(np.sort(high)[-needed])
