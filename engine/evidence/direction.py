"""The probability that the next move is up, given that there is a move: a logistic curve in the forecast with a slope learned online.

Each tick takes one Newton step on the forecasts that have come due (online Newton, Hazan, Agarwal and Kale 2007): the slope moves by the gradient of
the log loss over the information gathered so far, and converges to that of a logistic regression on all rows.
"""

from __future__ import annotations

import numpy as np

from engine.domain.record import Floats
from engine.domain.state import Direction
from engine.evidence.scoring import ScoredForecasts

INITIAL_SLOPE = 1.6  # about the log odds of the sign of a normal target of unit variance
PRIOR = 0.25  # information behind the first slope: 100 rows of a forecast of 0.1
MAX_SLOPE = 10.0
BINS = 10  # of the reliability curve
BIN_INDICES = np.arange(BINS)


def initial_direction(horizons: int) -> Direction:
    """The state before any forecast has been scored."""
    zero, bins = np.zeros(horizons), np.zeros((horizons, BINS))
    return Direction(np.full(horizons, INITIAL_SLOPE), np.full(horizons, PRIOR), zero, zero, bins, bins, bins)


def probability_up(direction: Direction, mean: Floats) -> Floats:
    """(H, S) probability that the next move is up, from (H, S) forecasts."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(direction.slope[:, None] * mean, -20.0, 20.0))))


def update_direction(before: Direction, scored: ScoredForecasts) -> Direction:
    """Update the Brier score, the reliability curve and the slope with the symbols that moved."""
    moved = scored.known[-1] & (scored.target != 0.0)
    if not np.count_nonzero(moved):
        return before
    up = np.where(moved & (scored.target > 0.0), 1.0, 0.0)
    stated = np.where(moved, scored.probability, 0.0)
    error = up - stated
    forecast = np.where(moved, scored.mean[-1], 0.0)
    information = before.information + np.add.reduce(forecast * forecast * stated * (1.0 - stated), axis=1)
    bin_index = np.minimum((stated * BINS).astype(np.int64), BINS - 1)
    member = ((bin_index[:, :, None] == BIN_INDICES) & moved[:, :, None]) * 1.0
    parts = np.empty((len(stated), 3, stated.shape[1]))
    parts[:, 0], parts[:, 1], parts[:, 2] = stated, up, moved
    sums = parts @ member  # (H, 3, bins)
    return Direction(
        slope=np.clip(before.slope + np.add.reduce(forecast * error, axis=1) / information, 0.0, MAX_SLOPE),
        information=information,
        rows=before.rows + np.add.reduce(sums[:, 2], axis=1),
        brier=before.brier + np.add.reduce(error * error, axis=1),
        stated=before.stated + sums[:, 0],
        observed=before.observed + sums[:, 1],
        counted=before.counted + sums[:, 2],
    )
