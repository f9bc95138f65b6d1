"""Expected shortfall: the mean loss in the worst 2.5 % of cases."""

from __future__ import annotations

import numpy as np

from engine.domain.record import Floats

LEVEL = 0.975  # of the Basel market-risk standard (MAR33), which replaces a 99 % value at risk
NORMAL_SHORTFALL = 2.3378  # expected shortfall of a standard normal at that level


def expected_shortfall(losses: Floats, weights: Floats) -> float:
    """The weighted mean of the largest losses (T,) that make up 2.5 % of the weight; the case on the border counts in part.

    Historical simulation with decaying weights (Boudoukh, Richardson and Whitelaw 1998); the tail mean of Rockafellar and Uryasev (2002), which is
    coherent even for distributions with atoms. In the unit of the losses.
    """
    tail = 1.0 - LEVEL
    order = np.argsort(-losses, kind="stable")
    weight = weights[order]
    before = np.cumsum(weight) - weight
    return float(np.clip(tail - before, 0.0, weight) @ losses[order]) / tail
