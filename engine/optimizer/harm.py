"""Whether a single run did harm beyond doubt: a change far outside all windows without the action."""

from __future__ import annotations

import math

import numpy as np

from engine.domain.record import Floats

MIN_WINDOWS = 20  # control windows, with fewer of which no action is run at all
MIN_DISTANCE = 6.0  # scales from their median
MIN_SCALE = 0.02  # of the level before: the smallest scale, so that a small change of a constant metric is no harm
MIN_SCALE_CLEAN = 8.0  # % of the ticks: one degraded tick in six is no proof


def is_far_worse(change: float, usual: Floats, worse: int, smallest: float) -> bool:
    """Whether a change is worse than every usual one, and MIN_DISTANCE of their scales from their median.

    change: after less before; usual (W,): the same in windows without the action; worse: +1 where a rise is harm, -1 where a fall is; smallest: the
    smallest scale. If the run were one more usual window, it would be the worst of W + 1 with a probability of at most 1 / (W + 1), whatever the
    distribution. The distance makes it rarer: 1e-9 under a normal distribution, 0.2 % under Student's with 4 degrees of freedom. Never true with
    fewer than MIN_WINDOWS windows.
    """
    usual = usual[np.isfinite(usual)]
    if len(usual) < MIN_WINDOWS or not math.isfinite(change):
        return False
    middle = float(np.median(usual))
    scale = max(1.4826 * float(np.median(np.abs(usual - middle))), smallest)
    return bool(worse * change > (worse * usual).max() and worse * (change - middle) > MIN_DISTANCE * scale)
