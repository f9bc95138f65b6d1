"""Features of volatility: realised variance over several spans, ranges, tails and asymmetry."""

from __future__ import annotations

import numpy as np

from engine.domain.market import MarketView
from engine.domain.model import FeatureFamily
from engine.domain.record import Floats
from engine.window import mean_weights

SPANS = (6, 24, 96, 288)  # bars
RECENT = 96  # bars
TINY = 1e-12
FLOORS = np.array([1e-4, 1e-4, 1e-4, 1e-4, 1e-4, 2.5e-3])  # of sigma^2, added before logs of values that may be 0


def build(view: MarketView) -> Floats:
    """(..., S, 12): logs of realised variance over sigma^2 by span (the components of HAR, Corsi 2009), of Parkinson's variance (1980) over 24 bars
    and of the last bar's squared range; over the last 96 bars realised skewness (Amaya et al. 2015), the shares in variance of falling bars (downside
    semivariance, Barndorff-Nielsen, Kinnebrock and Shephard 2010), of the largest bar and of bipower variation (Barndorff-Nielsen and Shephard
    2004), and the leverage effect, which is the covariance of returns with the next squared return (Bouchaud et al. 2001); the log of sigma.
    """
    scaled = view.returns * (1.0 / view.sigma)[..., None]
    values = np.empty((*scaled.shape[:-1], len(COLUMNS)))
    power = scaled * scaled
    values[..., :4] = power @ mean_weights(power.shape[-1], SPANS)
    _ranges(view, values[..., 4:6])
    recent, recent_power = scaled[..., -RECENT:], power[..., -RECENT:]
    variance = values[..., 2].copy()
    total = variance * recent.shape[-1] + TINY
    third = total * np.sqrt(total / recent.shape[-1])
    np.log(values[..., :6] + FLOORS, out=values[..., :6])
    values[..., 6] = np.vecdot(recent_power, recent) / third
    values[..., 7] = np.vecdot(recent_power, recent < 0) / total
    values[..., 8] = recent_power.max(axis=-1) / total
    size = np.abs(recent)
    values[..., 9] = np.vecdot(size[..., 1:], size[..., :-1]) * (np.pi / 2.0) / total
    values[..., 10] = np.vecdot(recent_power[..., 1:], recent[..., :-1]) / third
    np.log(view.sigma, out=values[..., 11])
    return values


def _ranges(view: MarketView, out: Floats) -> None:
    """Parkinson's variance over 24 bars and the squared range of the last bar, both over sigma^2."""
    log_range = view.log_high[..., -24:] - view.log_low[..., -24:]
    log_range *= (1.0 / view.sigma)[..., None]
    out[..., 0] = np.vecdot(log_range, log_range) / (log_range.shape[-1] * 4.0 * np.log(2.0))
    out[..., 1] = log_range[..., -1] * log_range[..., -1]


COLUMNS = (
    *(f"realised_variance_{span}" for span in SPANS),
    "parkinson_24",
    "squared_range_1",
    "realised_skewness_96",
    "downside_semivariance_96",
    "largest_move_share_96",
    "bipower_variation_96",
    "leverage_effect_96",
    "log_volatility",
)
FAMILY = FeatureFamily("volatility", COLUMNS, build, takes_blocks=True)
