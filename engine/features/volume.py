"""Features of volume: its level, its side, and the price move per unit traded."""

from __future__ import annotations

from functools import cache

import numpy as np

from engine.domain.market import MarketView
from engine.domain.model import FeatureFamily
from engine.domain.record import Floats
from engine.window import mean_weights, seeded_ewma_weights, weights_on_steps

LONG = 288  # bars of the mean that volume is compared with
SPANS = (1, 48, 6, 24, 96, LONG)  # bars
OBV_BARS = 96  # bars
RECENT = 48  # bars
MEAN_WEIGHTS = np.full(RECENT, 1.0 / RECENT)
MFI_BARS = 14  # bars of the money flow index
EQUAL = 1e-10  # of a price: the rounding error between equal prices
COLUMNS = (
    "volume_ratio",
    "volume_ratio_48",
    "volume_ratio_6",
    "volume_volatility_48",
    "amihud_48",
    "obv_change_6",
    "obv_change_24",
    "obv_change_96",
    "chaikin_oscillator_3_10",
    "money_flow_index_14",
    "vwap_distance_48",
    "zero_volume_share_48",
)


def build(view: MarketView) -> Floats:
    """(..., S, 12): logs of volume over its mean of 288 bars, of the volume-volatility relation (mean of volume times absolute return over their
    product, Karpoff 1987) and of illiquidity (Amihud 2002) over 48 bars relative to 288; the change of on-balance volume over the volume of n
    bars (Granville 1963); Chaikin's oscillator (3, 10) in mean volumes of 48 bars; the money flow index (14); the distance of the close above the
    VWAP of closes over 48 bars, in volatilities of 48 bars; the share of bars without a trade. NaN without any volume.

    TA-Lib agrees to 1e-9: ADOSC on log prices and the last 96 bars, MFI on prices; obv_change_n is the change of OBV over n bars, over their volume.
    """
    volume = view.volume
    length = volume.shape[-1]
    mean = volume @ mean_weights(length, SPANS)
    recent, mean_recent = volume[..., -RECENT:], mean[..., 1]
    size = np.abs(view.returns)
    moved = size @ mean_weights(length, (RECENT, LONG))
    values = np.empty((*volume.shape[:-1], len(COLUMNS)))
    share = np.empty((*volume.shape[:-1], 5))
    np.divide(mean[..., :3], mean[..., 5:], out=share[..., :3])
    share[..., 3] = np.vecdot(size[..., -RECENT:], recent) / (moved[..., 0] * mean_recent * RECENT)
    share[..., 4] = moved[..., 0] * mean[..., 5] / (moved[..., 1] * mean_recent)
    np.log(share + 0.05, out=values[..., :5])
    side = np.sign(view.returns[..., -OBV_BARS:])
    side *= volume[..., -OBV_BARS:]
    np.divide(side @ mean_weights(side.shape[-1], SPANS[2:5]), mean[..., 2:5], out=values[..., 5:8])
    values[..., 8] = _chaikin(view) / mean_recent
    values[..., 9] = _money_flow_index(view)
    close = view.log_close[..., -RECENT:]
    values[..., 10] = np.vecdot(recent, close[..., -1:] - close) / (mean_recent * (RECENT**1.5) * view.sigma)
    values[..., 11] = 1.0 - (recent > 0.0) @ MEAN_WEIGHTS
    return _fill_blanks(values, mean[..., 5])


def _fill_blanks(values: Floats, base: Floats) -> Floats:
    """NaN without any volume; 0 where there is some volume, but none in a column's own bars."""
    if np.isfinite(values).all():
        return values
    return np.where((base > 0)[..., None], np.where(np.isfinite(values), values, 0.0), np.nan)


def _chaikin(view: MarketView) -> Floats:
    """(..., S) volume weighted by the close's position in the bar's range, its running total smoothed over 3 bars less the same over 10."""
    low, high = view.log_low[..., -OBV_BARS:], view.log_high[..., -OBV_BARS:]
    log_range = high - low
    place = view.log_close[..., -OBV_BARS:] * 2.0
    place -= high
    place -= low
    place /= np.maximum(log_range, 1e-300)
    place *= view.volume[..., -OBV_BARS:]
    return np.asarray(place @ _chaikin_kernel(place.shape[-1]))


@cache
def _chaikin_kernel(length: int) -> Floats:
    """(T,) kernel of the difference of both averages, which TA-Lib begins with the first total."""
    return weights_on_steps(seeded_ewma_weights(length, 1, 0.5) - seeded_ewma_weights(length, 1, 2.0 / 11.0))


def _money_flow_index(view: MarketView) -> Floats:
    """(..., S) share of 14 bars' turnover traded while the typical price rose, less a half; NaN where that never moved."""
    prices = np.empty((3, *view.sigma.shape, MFI_BARS + 1))
    for row, part in enumerate((view.log_high, view.log_low, view.log_close)):
        prices[row] = part[..., -MFI_BARS - 1 :]
    prices -= view.log_close[..., -1:]
    typical = np.add.reduce(np.exp(prices, out=prices))
    moves = typical[..., 1:] - typical[..., :-1]
    moves *= 1.0 / EQUAL
    side = np.sign(np.trunc(moves, out=moves), out=moves)
    money = side * typical[..., 1:]
    money *= view.volume[..., -MFI_BARS:]
    return np.asarray(0.5 * money.sum(axis=-1) / np.vecdot(side, money))


FAMILY = FeatureFamily("volume", COLUMNS, build, may_be_blank=True, takes_blocks=True)
