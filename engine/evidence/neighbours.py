"""Nearest neighbours of a decision among past ones, and the mean of what they came to, with an interval that respects their dependence.

Coordinates are ranks, so that no unit and no monotone scale changes who is near. Neighbours of one symbol are a horizon apart, because overlapping
outcomes are nearly the same outcome. Symbols move together, so the interval counts blocks of time and not decisions: the variance of the mean is
that of the blocks' sums of deviations, with the covariance of neighbouring blocks where it is above 0 (as in evidence.skill), by Student's t.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from engine.domain.record import Floats, Ints

MIN_BLOCKS = 15  # of an interval, as in evidence.skill
MIN_BLOCK_TICKS = 12  # shortest block
Z = 1.959964  # two-sided 5 %


def rank_distances(candidates: Floats, target: Floats, categories: Sequence[tuple[Ints, int]] = ()) -> Floats:
    """(N,) root mean square distance of (N, K) candidates from a target (K,), 0 to 1, in ranks among the candidates.

    Each of `categories` is a pair of (N,) codes and the target's: equal ones are 0 apart, others half of the whole scale. NaN is never near.
    """
    parts: list[Floats] = []
    for values, point in zip(candidates.T, target, strict=True):
        apart = rank_of(values, values) - rank_of(np.array([point]), values)
        parts.append(np.where(np.isfinite(apart), apart, np.inf))
    parts += [np.where(codes == own, 0.0, 0.5) for codes, own in categories]
    return np.asarray(np.sqrt(np.mean(np.square(parts), axis=0))) if parts else np.zeros(len(candidates))


def rank_of(values: Floats, among: Floats) -> Floats:
    """(N,) share of the known numbers `among` below each value, equal ones counted half; NaN for NaN, and where none is known."""
    known = np.sort(among[np.isfinite(among)])
    places = (np.searchsorted(known, values, "left") + np.searchsorted(known, values, "right")) / 2.0
    return np.where(np.isfinite(values) & (len(known) > 0), places / max(len(known), 1), np.nan)


def pick_nearest(distances: Floats, symbols: Ints, ticks: Ints, apart: int, most: int) -> Ints:
    """Places of the nearest decisions, nearest first: at most so many, those of one symbol at least `apart` ticks from each other."""
    picked: list[int] = []
    taken: dict[int, list[int]] = {}
    for place in np.lexsort((-ticks, distances)).tolist():  # of equal ones the newest first
        if len(picked) == most or not math.isfinite(distances[place]):
            break
        own = taken.setdefault(int(symbols[place]), [])
        if all(abs(int(ticks[place]) - tick) >= apart for tick in own):
            own.append(int(ticks[place]))
            picked.append(place)
    return np.array(picked, dtype=np.int64)


def mean_by_blocks(values: Floats, ticks: Ints, block: int, tries: int = 1) -> tuple[float | None, float | None, float | None, int]:
    """Mean, bounds of its 95 % interval and the number of blocks of `block` ticks; None for the mean of nothing and for bounds from few blocks.

    With `tries` the interval holds for the best of as many tries: its error is divided among them (Bonferroni).
    """
    if not len(values):
        return None, None, None, 0
    mean = float(values.mean())
    numbers, places = np.unique(ticks // block, return_inverse=True)
    sums = np.bincount(places, values - mean)
    blocks = len(sums)
    if blocks < MIN_BLOCKS:
        return mean, None, None, blocks
    neighbours = np.diff(numbers) == 1
    covariance = max(float((sums[1:] * sums[:-1])[neighbours].sum()), 0.0)
    variance = (float((sums * sums).sum()) + 2.0 * covariance) * blocks / (blocks - 1)
    half = student_quantile(blocks - 1, tries) * math.sqrt(variance) / len(values)
    return mean, mean - half, mean + half, blocks


def student_quantile(freedom: int, tries: int = 1) -> float:
    """The 97.5 % quantile of Student's t, to four digits from 10 degrees of freedom on (Cornish and Fisher; Abramowitz and Stegun 26.7.5).

    With `tries` the 1 - 2.5 % / tries quantile; to 0.1 % from 14 degrees of freedom and up to 100 tries.
    """
    z = Z if tries == 1 else NormalDist().inv_cdf(1.0 - 0.025 / tries)
    terms = (
        z,
        (z**3 + z) / 4.0,
        (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / 96.0,
        (3.0 * z**7 + 19.0 * z**5 + 17.0 * z**3 - 15.0 * z) / 384.0,
    )
    return math.fsum(term / float(freedom) ** power for power, term in enumerate(terms))
