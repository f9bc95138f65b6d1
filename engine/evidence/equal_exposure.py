"""A benchmark that is as invested as the engine was: buy and hold, scaled by the engine's gross exposure."""

from __future__ import annotations

import numpy as np

from engine.domain.record import Floats


def scale_benchmark(benchmark: Floats, gross: Floats) -> Floats:
    """Return (T,) the value of holding the benchmark (T,) at the exposure (T,) of the previous point, the rest in cash, starting at benchmark[0].

    Over a span from one point to the next the exposure is the one at its beginning, so nothing later is used. Both are finite, and benchmark > 0.
    """
    growth = benchmark[1:] / benchmark[:-1] - 1.0
    return np.asarray(np.concatenate([benchmark[:1], benchmark[0] * np.cumprod(1.0 + gross[:-1] * growth)]))
