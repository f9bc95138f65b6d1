"""How sure a share is: the interval of a probability that was counted."""

from __future__ import annotations

import math
from statistics import NormalDist

MIN_COUNT = 30  # counts before an interval is given


def wilson_interval(share: float, n: float, confidence: float = 0.95, *, min_count: float = MIN_COUNT) -> tuple[float, float] | None:
    """Interval of a share out of n independent counts (Wilson 1927); None with fewer than `fewest`. n may be an effective number."""
    if not n >= min_count or not 0.0 <= share <= 1.0:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n)
    reach = z / (1.0 + z * z / n) * math.sqrt(share * (1.0 - share) / n + z * z / (4.0 * n * n))
    return max(0.0, middle - reach), min(1.0, middle + reach)
