"""Whether one run did such harm that nobody waits for a second: a change far outside all windows in which nothing was done."""

from __future__ import annotations

import math

import numpy as np

from engine.domain.record import Floats

MIN_WINDOWS = 20  # windows to compare with, below which nothing is run at all
MIN_DISTANCE = 6.0  # scales from their middle
MIN_SCALE = 0.02  # of the level before: a scale below that is not believed, so that a metric that stood still is not harmed by a breath
MIN_SCALE_CLEAN = 8.0  # % of the ticks: one tick of six that fell back is no proof


def is_far_worse(change: float, usual: Floats, worse: int, smallest: float) -> bool:
    """Whether a change is worse than every usual one, and FAR of their scales from their middle.

    change: after less before; usual (W,): the same in windows without the action; worse: +1 when a rise is harm, -1 when a fall is; smallest: the
    scale at least. Were the run one more usual window, it would be the worst of W + 1 with a chance of 1 / (W + 1) at most, whatever the
    distribution; the distance makes it rarer: under a normal distribution 1e-9, under Student's with 4 degrees 0.2 %. Said only with FEWEST or more.
    """
    usual = usual[np.isfinite(usual)]
    if len(usual) < MIN_WINDOWS or not math.isfinite(change):
        return False
    middle = float(np.median(usual))
    scale = max(1.4826 * float(np.median(np.abs(usual - middle))), smallest)
    return bool(worse * change > (worse * usual).max() and worse * (change - middle) > MIN_DISTANCE * scale)
