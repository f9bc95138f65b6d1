"""How much the price moves: realised variance over several spans, ranges, tails and asymmetry."""

from __future__ import annotations

import numpy as np

from engine.domain.market import MarketView
from engine.domain.model import FeatureFamily
from engine.domain.record import Floats
from engine.window import mean_weights

SPANS = (6, 24, 96, 288)  # bars
LATE = 96  # bars
TINY = 1e-12
FLOORS = np.array([1e-4, 1e-4, 1e-4, 1e-4, 1e-4, 2.5e-3])  # of sigma^2, under the logs of what may be 0


def build(view: MarketView) -> Floats:
    """Logs of realised variance over sigma^2 by span (HAR's components, Corsi 2009) and of ranges (Parkinson 1980); and of the last 96 bars: skew,
    the shares of falling bars and of the largest one in variance, the continuous share (bipower variation, Barndorff-Nielsen and Shephard 2004),
    and how far falls come before larger moves (leverage). The log of sigma.
    """
    scaled = view.returns * (1.0 / view.sigma)[:, None]
    values = np.empty((len(scaled), len(COLUMNS)))
    power = scaled * scaled
    values[:, :4] = power @ mean_weights(power.shape[1], SPANS)
    _ranges(view, values[:, 4:6])
    late, late_power = scaled[:, -LATE:], power[:, -LATE:]
    variance = values[:, 2].copy()
    total = variance * late.shape[1] + TINY
    third = total * np.sqrt(total / late.shape[1])
    np.log(values[:, :6] + FLOORS, out=values[:, :6])
    values[:, 6] = np.vecdot(late_power, late) / third
    values[:, 7] = np.vecdot(late_power, late < 0) / total
    values[:, 8] = late_power.max(axis=1) / total
    size = np.abs(late)
    values[:, 9] = np.vecdot(size[:, 1:], size[:, :-1]) * (np.pi / 2.0) / total
    values[:, 10] = np.vecdot(late_power[:, 1:], late[:, :-1]) / third
    np.log(view.sigma, out=values[:, 11])
    return values


def _ranges(view: MarketView, out: Floats) -> None:
    """Parkinson's variance over 24 bars and the square of the last bar's range, over sigma^2."""
    reach = view.log_high[:, -24:] - view.log_low[:, -24:]
    reach *= (1.0 / view.sigma)[:, None]
    out[:, 0] = np.vecdot(reach, reach) / (reach.shape[1] * 4.0 * np.log(2.0))
    out[:, 1] = reach[:, -1] * reach[:, -1]


COLUMNS = (
    *(f"realised_{span}" for span in SPANS),
    "parkinson_24",
    "squared_range_1",
    "realised_skewness_96",
    "downside_semivariance_96",
    "largest_move_share_96",
    "bipower_variation_96",
    "leverage_effect_96",
    "level",
)
FAMILY = FeatureFamily("volatility", COLUMNS, build)
