"""The probability that the next move is up, given that there is one: a logistic curve in the forecast, its slope learned online.

Each tick takes one Newton step on what came due (online Newton, Hazan, Agarwal and Kale 2007): the slope moves by the gradient of the log loss over
the information gathered so far, and settles where a logistic regression on everything would.
"""

from __future__ import annotations

import numpy as np

from engine.domain.record import Floats
from engine.domain.state import Direction
from engine.evidence.scoring import ScoredForecasts

INITIAL_SLOPE = 1.6  # of a normal target of unit variance: the log odds of its sign, about
PRIOR = 0.25  # information behind the first slope: 100 rows of a forecast of 0.1
STEEPEST = 10.0
TENTHS = 10


def initial_direction(horizons: int) -> Direction:
    """Nothing scored."""
    zero, tenths = np.zeros(horizons), np.zeros((horizons, TENTHS))
    return Direction(np.full(horizons, INITIAL_SLOPE), np.full(horizons, PRIOR), zero, zero, tenths, tenths, tenths)


def probability_up(direction: Direction, mean: Floats) -> Floats:
    """(H, S) that the next move is up, from (H, S) forecasts."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(direction.slope[:, None] * mean, -20.0, 20.0))))


def update_direction(before: Direction, scored: ScoredForecasts) -> Direction:
    """Brier score, reliability by tenth, and the next slope, over the symbols that moved."""
    moved = scored.known[-1] & (scored.target != 0.0)
    if not moved.any():
        return before
    up = np.where(moved & (scored.target > 0.0), 1.0, 0.0)
    stated = np.where(moved, scored.probability, 0.0)
    error = up - stated
    forecast = np.where(moved, scored.mean[-1], 0.0)
    information = before.information + (forecast * forecast * stated * (1.0 - stated)).sum(axis=1)
    tenth = np.minimum((stated * TENTHS).astype(np.int64), TENTHS - 1)
    member = ((tenth[:, :, None] == np.arange(TENTHS)) & moved[:, :, None]) * 1.0
    sums = np.stack((stated, up, moved), axis=1) @ member  # (H, 3, tenths)
    return Direction(
        slope=np.clip(before.slope + (forecast * error).sum(axis=1) / information, 0.0, STEEPEST),
        information=information,
        rows=before.rows + sums[:, 2].sum(axis=1),
        brier=before.brier + (error * error).sum(axis=1),
        stated=before.stated + sums[:, 0],
        observed=before.observed + sums[:, 1],
        counted=before.counted + sums[:, 2],
    )
