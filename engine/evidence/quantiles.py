"""How sure a quantile is: which of the ordered values enclose it, whatever their distribution."""

from __future__ import annotations

import math
from statistics import NormalDist


def quantile_ranks(share: float, n: int, confidence: float = 0.95) -> tuple[int, int] | None:
    """The two of n ordered values, counted from 0, between which a quantile lies (Conover 1999, 3.2); None where n is too small for both."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    reach = z * math.sqrt(n * share * (1.0 - share))
    low, high = math.ceil(n * share - reach), math.ceil(n * share + reach)
    return (low - 1, high - 1) if low >= 1 and high <= n else None
