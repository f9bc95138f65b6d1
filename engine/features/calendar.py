"""The time of day and of the week as angles (UTC)."""

from __future__ import annotations

import math

import numpy as np

from engine.domain.market import MarketView
from engine.domain.model import FeatureFamily
from engine.domain.record import Floats

DAY = 86_400 * 10**9  # ns
MONDAY = 4 * DAY  # 1970-01-05


def build(view: MarketView) -> Floats:
    """(S, 4): sine and cosine of the time of day and of the week at the decision; the same for every symbol."""
    day = 2.0 * math.pi * (view.at % DAY) / DAY
    week = 2.0 * math.pi * ((view.at - MONDAY) % (7 * DAY)) / (7 * DAY)
    values = np.empty((len(view.sigma), 4))
    values[:] = (math.sin(day), math.cos(day), math.sin(week), math.cos(week))
    return values


FAMILY = FeatureFamily("calendar", ("day_sine", "day_cosine", "week_sine", "week_cosine"), build, builds_ahead=True)
