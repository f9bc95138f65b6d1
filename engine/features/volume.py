"""How much is traded, on which side of the price it falls, and how far it moves it."""

from __future__ import annotations

from functools import cache

import numpy as np

from engine.domain.market import MarketView
from engine.domain.model import FeatureFamily
from engine.domain.record import Floats
from engine.window import mean_weights, seeded_ewma_weights, weights_on_steps

LONG = 288  # bars that volume is compared with
SPANS = (1, 48, 6, 24, 96, LONG)  # bars
LEAN = 96  # bars
LATE = 48  # bars
EVEN = np.full(LATE, 1.0 / LATE)
FLOW_SPAN = 14  # bars of the money flow index
EQUAL = 1e-10  # of a price: what rounding makes of equal ones
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
    """Logs of volume against its own mean, of whether it comes with large moves, and of the move it takes against the usual (Amihud 2002); the
    share traded in rising bars; Chaikin's oscillator (3, 10) in mean volumes of 48 bars; the money flow index (14); how far the close is above the
    mean price paid, in volatilities of 48 bars; bars without a trade. NaN without any volume.

    TA-Lib agrees to 1e-9: ADOSC when it is given log prices and the last 96 bars, MFI when it is given prices; OBV's change over n bars, over their
    volume, is lean_n.
    """
    volume = view.volume
    length = volume.shape[1]
    mean = volume @ mean_weights(length, SPANS)
    late, mean_late = volume[:, -LATE:], mean[:, 1]
    size = np.abs(view.returns)
    moved = size @ mean_weights(length, (LATE, LONG))
    values = np.empty((len(volume), len(COLUMNS)))
    share = np.empty((len(volume), 5))
    np.divide(mean[:, :3], mean[:, 5:], out=share[:, :3])
    share[:, 3] = np.vecdot(size[:, -LATE:], late) / (moved[:, 0] * mean_late * LATE)
    share[:, 4] = moved[:, 0] * mean[:, 5] / (moved[:, 1] * mean_late)
    np.log(share + 0.05, out=values[:, :5])
    side = np.sign(view.returns[:, -LEAN:])
    side *= volume[:, -LEAN:]
    np.divide(side @ mean_weights(side.shape[1], SPANS[2:5]), mean[:, 2:5], out=values[:, 5:8])
    values[:, 8] = _chaikin(view) / mean_late
    values[:, 9] = _money_flow(view)
    close = view.log_close[:, -LATE:]
    values[:, 10] = np.vecdot(late, close[:, -1:] - close) / (mean_late * (LATE**1.5) * view.sigma)
    values[:, 11] = 1.0 - (late > 0.0) @ EVEN
    return _settled(values, mean[:, 5])


def _settled(values: Floats, base: Floats) -> Floats:
    """Blank without any volume; 0 where there is some, but none in the bars a column looks at."""
    if np.isfinite(values).all():
        return values
    return np.where((base > 0)[:, None], np.where(np.isfinite(values), values, 0.0), np.nan)


def _chaikin(view: MarketView) -> Floats:
    """(S,) Volume by where the close falls in the bar's range, its total smoothed over 3 bars less the same over 10."""
    low, high = view.log_low[:, -LEAN:], view.log_high[:, -LEAN:]
    reach = high - low
    place = view.log_close[:, -LEAN:] * 2.0
    place -= high
    place -= low
    place /= np.maximum(reach, 1e-300)
    place *= view.volume[:, -LEAN:]
    return np.asarray(place @ _chaikin_kernel(place.shape[1]))


@cache
def _chaikin_kernel(length: int) -> Floats:
    """(T,) TA-Lib begins both averages with the first total."""
    return weights_on_steps(seeded_ewma_weights(length, 1, 0.5) - seeded_ewma_weights(length, 1, 2.0 / 11.0))


def _money_flow(view: MarketView) -> Floats:
    """(S,) Share of 14 bars' money that was traded while the typical price rose, less a half; NaN where it never moved."""
    prices = np.empty((3, len(view.sigma), FLOW_SPAN + 1))
    for row, part in enumerate((view.log_high, view.log_low, view.log_close)):
        prices[row] = part[:, -FLOW_SPAN - 1 :]
    prices -= view.log_close[:, -1:]
    typical = np.add.reduce(np.exp(prices, out=prices))
    moves = typical[:, 1:] - typical[:, :-1]
    moves *= 1.0 / EQUAL
    side = np.sign(np.trunc(moves, out=moves), out=moves)
    money = side * typical[:, 1:]
    money *= view.volume[:, -FLOW_SPAN:]
    return np.asarray(0.5 * money.sum(axis=1) / np.vecdot(side, money))


FAMILY = FeatureFamily("volume", COLUMNS, build, may_be_blank=True)
