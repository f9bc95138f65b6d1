"""Confidence intervals from counts: of a proportion (Wilson), and of a quantile by order statistics."""

from __future__ import annotations

import math
from statistics import NormalDist

MIN_COUNT = 30  # of an interval


def wilson_interval(share: float, n: float, confidence: float = 0.95, *, min_count: float = MIN_COUNT) -> tuple[float, float] | None:
    """The interval of a proportion out of n independent counts (Wilson 1927); None with fewer than `min_count`. n may be an effective number."""
    if not n >= min_count or not 0.0 <= share <= 1.0:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n)
    half_width = z / (1.0 + z * z / n) * math.sqrt(share * (1.0 - share) / n + z * z / (4.0 * n * n))
    return max(0.0, middle - half_width), min(1.0, middle + half_width)


def quantile_ranks(share: float, n: int, confidence: float = 0.95) -> tuple[int, int] | None:
    """The ranks, counted from 0, of the two of n ordered values between which a quantile lies (Conover 1999, 3.2); None where n is too small."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    half_width = z * math.sqrt(n * share * (1.0 - share))
    low, high = math.ceil(n * share - half_width), math.ceil(n * share + half_width)
    return (low - 1, high - 1) if low >= 1 and high <= n else None
