"""Stability selection of columns (Meinshausen and Buehlmann 2010) over complementary halves of the time blocks (Shah and Samworth 2013)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from engine.domain.model import TrainingSet
from engine.domain.record import Floats
from engine.evidence import linear

TIME_BLOCKS = 16
PAIRS = 16  # of complementary halves
SELECTED = 12  # columns per half
MAX_ROWS = 40_000


def selection_frequency(training: TrainingSet, seed: int) -> Floats:
    """(F,) share of the half-samples in which a column is among the first that orthogonal matching pursuit selects, over all horizons.

    The criterion is linear and cheap: sums of products are computed once for each block of time, and a half is the sum of its blocks.
    """
    rows = np.flatnonzero(np.isfinite(training.y).all(axis=1))
    rows = rows[:: max(1, -(-len(rows) // MAX_ROWS))]
    columns = training.x.shape[1]
    if len(rows) < TIME_BLOCKS:
        return np.zeros(columns)
    gram, moment = _block_sums(training, rows)
    random = np.random.default_rng([seed, 20_100_101])
    chosen = np.zeros(columns)
    for _ in range(PAIRS):
        order = random.permutation(TIME_BLOCKS)
        for half in (order[: TIME_BLOCKS // 2], order[TIME_BLOCKS // 2 :]):
            chosen[pursue_columns(gram[half].sum(axis=0), moment[half].sum(axis=0), SELECTED)] += 1.0
    return chosen / (2.0 * PAIRS)


def pursue_columns(gram: Floats, moment: Floats, count: int) -> list[int]:
    """The first `count` columns of orthogonal matching pursuit, from (F, F) and (F, H) sums of products; fewer where no other explains anything."""
    power = np.diagonal(gram).copy()
    usable = power > 1e-9
    damped = gram + np.diag(np.maximum(power, 1e-9) * 1e-3)
    selected: list[int] = []
    residual = moment
    for _ in range(min(count, int(usable.sum()))):
        gain = np.where(usable, (residual * residual).sum(axis=1) / np.where(usable, power, 1.0), -1.0)
        gain[selected] = -1.0
        best = int(np.argmax(gain))
        if gain[best] <= 0.0:
            break
        selected.append(best)
        residual = moment - gram[:, selected] @ np.linalg.solve(damped[np.ix_(selected, selected)], moment[selected])
    return selected


def _block_sums(training: TrainingSet, rows: np.ndarray) -> tuple[Floats, Floats]:
    """(B, F, F) and (B, F, H) sums of products of standardised columns, and with targets less their mean, by block of time."""
    z = linear.fit_standardiser(training.x[rows]).transform(training.x[rows])
    y = training.y[rows] - training.y[rows].mean(axis=0)
    bounds = np.linspace(0, len(rows), TIME_BLOCKS + 1).astype(int)
    parts = [slice(low, high) for low, high in pairwise(bounds)]
    return np.stack([z[part].T @ z[part] for part in parts]), np.stack([z[part].T @ y[part] for part in parts])
