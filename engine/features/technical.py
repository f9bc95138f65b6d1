"""Standard indicators of chart reading, each in its usual definition on log prices and scaled to be comparable across symbols."""

from __future__ import annotations

from functools import cache

import numpy as np

from engine.domain.market import View
from engine.domain.model import Family
from engine.domain.record import Floats
from engine.window import means, on_steps, seeded

FLAT = 1e-12
LATE = 100  # bars that ranges and directions are taken from
WILDER = 14  # bars
FASTER, SLOWER, SIGNAL = 12, 26, 9  # bars
BAND, CHANNEL, ULTIMATE = 20, 14, (7, 14, 28)  # bars
PARTS = np.array([4.0, 2.0, 1.0]) / 7.0
EVEN = {span: np.full(span, 1.0 / span) for span in (3, BAND, CHANNEL)}
COLUMNS = (
    "rsi_14",
    "bollinger_20",
    "place_96",
    "stochastic_14",
    "slow_stochastic_14",
    "directional_14",
    "cci_14",
    "ultimate_28",
    "balance_last",
    "macd_12_26",
    "macd_signal_9",
    "adx_14",
    "aroon_25",
    "atr_14",
    "width_20",
)
LAGS = np.arange(-3, 0)[:, None] - np.arange(WILDER - 1, -1, -1)  # (3, 14) places of the bars that the last three stochastics look at


def build(view: View) -> Floats:
    """RSI, ATR, directional movement and ADX (Wilder, 14), MACD (12, 26) and what it is above its signal (9), Bollinger's z and width (20),
    stochastic %K (14) and its mean of 3 bars, Aroon (25), CCI (14), ultimate oscillator (7, 14, 28), balance of power, place in 96 bars.

    TA-Lib agrees to 1e-9 when it is given the same log prices: the whole window for RSI and MACD, the last 100 bars for the rest. What it tells in
    percent is a share here, less a half where it lies between 0 and 1; MACD and ATR are in volatilities. A market that does not move gives 0.
    """
    values = np.empty((len(view.sigma), len(COLUMNS)))
    over, under = np.empty((2, len(view.sigma), 9))  # of the columns that are ratios, so that one guard does for all
    wings = _wings(view)
    bands = _momentum(view, values, over, under)
    _places(view, wings, values, over, under)
    _directions(wings, values, over)
    _channel(view, wings, over, under)
    _ranges(view, wings, values, over, under)
    values[:, 14] = bands
    np.divide(values[:, 9:11], view.sigma[:, None] * np.sqrt(14.0), out=values[:, 9:11])
    np.log(values[:, 13:] / view.sigma[:, None] + 0.05, out=values[:, 13:])
    values[:, :9] = np.where(under > FLAT, over / np.maximum(under, FLAT), 0.0)
    return values


def _wings(view: View) -> Floats:
    """(2, S, 100) highs, and lows with the sign turned, so that one call finds the extremes of both."""
    wings = np.empty((2, len(view.sigma), min(LATE, view.log_high.shape[1])))
    wings[0] = view.log_high[:, -LATE:]
    np.negative(view.log_low[:, -LATE:], out=wings[1])
    return wings


def _momentum(view: View, values: Floats, over: Floats, under: Floats) -> Floats:
    """RSI, MACD and Bollinger's z; gives the deviation over 20 bars."""
    kernel = _momentum_kernel(view.returns.shape[1])
    moves = view.returns @ kernel
    over[:, 0] = moves[:, 0]
    under[:, 0] = np.abs(view.returns) @ seeded(kernel.shape[0], WILDER, 1.0 / WILDER, 1) * 2.0
    values[:, 9:11] = moves[:, 1:]
    late = view.log_close[:, -BAND:] - view.log_close[:, -1:]
    mean = late @ EVEN[BAND]
    deviation = np.sqrt(np.maximum(np.vecdot(late, late) / BAND - mean * mean, 0.0))
    np.negative(mean, out=over[:, 1])
    under[:, 1] = deviation
    return np.asarray(deviation)


@cache
def _momentum_kernel(length: int) -> Floats:
    """(T, 3): from returns to Wilder's mean, MACD, and MACD less its signal line. TA-Lib begins both averages of MACD at the same bar."""
    line = np.zeros((length, length))  # by bar, the weights on closes up to it
    for bar in range(SLOWER - 1, length):
        line[bar, : bar + 1] = seeded(bar + 1, FASTER, 2.0 / (FASTER + 1), SLOWER - FASTER) - seeded(bar + 1, SLOWER, 2.0 / (SLOWER + 1))
    signal = seeded(length, SIGNAL, 2.0 / (SIGNAL + 1), SLOWER - 1) @ line
    return np.stack((seeded(length, WILDER, 1.0 / WILDER, 1), on_steps(line[-1]), on_steps(line[-1] - signal)), axis=1)


def _places(view: View, wings: Floats, values: Floats, over: Floats, under: Floats) -> None:
    """Where the close lies between the lowest and the highest price; and which of the two is the more recent (the last of equals counts)."""
    close = view.log_close
    top, bottom = wings[:, :, -96:].max(axis=2)
    over[:, 2] = close[:, -1] - 0.5 * (top - bottom)
    under[:, 2] = top + bottom
    top, bottom = wings[:, :, LAGS].max(axis=3)
    reach = top + bottom
    shares = np.where(reach > FLAT, (close[:, -3:] - 0.5 * (top - bottom)) / np.maximum(reach, FLAT), 0.0)
    over[:, 3] = shares[:, 2]
    over[:, 4] = shares @ EVEN[3]
    under[:, 3:5] = 1.0
    ago = wings[:, :, :-27:-1].argmax(axis=2)
    values[:, 12] = (ago[1] - ago[0]) / 25.0


def _directions(wings: Floats, values: Floats, over: Floats) -> None:
    """Directional movement of both sides, smoothed by Wilder's sum: what is up less what is down, and ADX, the smoothed share of that in both."""
    moves = wings[:, :, 1:] - wings[:, :, :-1]
    moves *= moves > np.maximum(moves[::-1], 0.0)
    sums = moves @ _wilder_sums(moves.shape[2])
    both = sums[0] + sums[1]
    sums[0] -= sums[1]
    over[:, 5] = sums[0, :, -1]
    index = np.abs(sums[0], out=sums[0])
    index /= np.maximum(both, FLAT)
    values[:, 11] = index @ seeded(index.shape[1], WILDER, 1.0 / WILDER)


@cache
def _wilder_sums(length: int) -> Floats:
    """(T, n): a column a bar from the 14th move on; the sum of 13 moves that loses a 14th of itself with each move that is added."""
    bars = np.arange(WILDER - 1, length)
    moves = np.arange(length)[:, None]
    return np.where(moves <= bars, (1.0 - 1.0 / WILDER) ** (bars - np.maximum(moves, WILDER - 2)), 0.0)


def _channel(view: View, wings: Floats, over: Floats, under: Floats) -> None:
    """CCI without its factor of 0.015: how far the typical price is from its mean of 14 bars, in mean absolute deviations."""
    typical = wings[0, :, -CHANNEL:] - wings[1, :, -CHANNEL:]
    typical += view.log_close[:, -CHANNEL:]
    typical -= (typical @ EVEN[CHANNEL])[:, None]
    over[:, 6] = typical[:, -1]
    under[:, 6] = np.abs(typical) @ EVEN[CHANNEL]


def _ranges(view: View, wings: Floats, values: Floats, over: Floats, under: Floats) -> None:
    """ATR and what directions are measured in, the ultimate oscillator, and of the last bar the way from open to close over the whole way."""
    before = view.log_close[:, -wings.shape[2] : -1]
    low = np.maximum(wings[1, :, 1:], -before)
    true = np.maximum(wings[0, :, 1:], before)
    true += low
    sums = true @ _range_kernel(true.shape[1])
    values[:, 13], under[:, 5] = sums[:, 0], sums[:, 1]
    pressure = low[:, -28:] + view.log_close[:, -28:]
    shares = (pressure @ means(28, ULTIMATE) - 0.5 * sums[:, 2:]) / np.maximum(sums[:, 2:], FLAT)
    over[:, 7] = shares @ PARTS
    under[:, 7] = 1.0
    over[:, 8] = view.log_close[:, -1] - view.log_open[:, -1]
    under[:, 8] = wings[0, :, -1] + wings[1, :, -1]


@cache
def _range_kernel(length: int) -> Floats:
    """(T, 5): Wilder's mean and sum, and means of three spans."""
    smooth = np.stack((seeded(length, WILDER, 1.0 / WILDER), _wilder_sums(length)[:, -1]), axis=1)
    return np.concatenate((smooth, means(length, ULTIMATE)), axis=1)


FAMILY = Family("technical", COLUMNS, build)
