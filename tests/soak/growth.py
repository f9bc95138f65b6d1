"""Whether something grows without bound: a slope through the means of blocks, with an interval that knows that neighbours are alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from engine.domain.record import Floats

BLOCKS = 24
FEWEST = 8  # blocks below which nothing is said
SMALL = 0.02  # of the level at the beginning: less than that over the whole span is not told from standing still


@dataclass(frozen=True, slots=True)
class Slope:
    """A line through a series: the level at its beginning, and its growth an hour with a 95 % interval."""

    name: str
    level: float
    an_hour: float
    low: float
    high: float
    hours: float
    slack: float  # growth over the whole span that is let pass

    @property
    def grows(self) -> bool:
        """Surely upwards, and by more than the slack over the span that was watched."""
        return self.low > 0.0 and self.low * self.hours > self.slack


def slope(name: str, seconds: Sequence[float] | Floats, values: Sequence[float] | Floats, *, slack: float = 0.0) -> Slope | None:
    """The slope of a series by least squares over the means of 24 blocks; None with too few.

    The residuals' correlation from block to block shrinks the number of blocks that count to n (1 - r) / (1 + r), and the interval is Student's
    with that many less two.
    """
    blocks = min(BLOCKS, len(values) // 4)
    if blocks < FEWEST:
        return None
    x, y = (np.array([part.mean() for part in np.array_split(np.asarray(series, dtype=float), blocks)]) for series in (seconds, values))
    hours = (x - x[0]) / 3600.0
    steep, start = np.polyfit(hours, y, 1)
    left = y - (start + steep * hours)
    spread = float((left**2).sum())
    alike = float((left[1:] * left[:-1]).sum()) / spread if spread > 0 else 0.0
    counted = max(3.0, blocks * (1.0 - max(0.0, alike)) / (1.0 + max(0.0, alike)))
    error = math.sqrt(spread / (counted - 2.0) / float(((hours - hours.mean()) ** 2).sum()) * blocks / counted)
    reach = float(stats.t.ppf(0.975, counted - 2.0)) * error
    allowed = max(slack, SMALL * abs(float(start)))
    return Slope(name, float(start), float(steep), float(steep) - reach, float(steep) + reach, float(hours[-1]), allowed)
