"""Standard indicators of chart reading, each in its usual definition on log prices and scaled to be comparable across symbols."""

from __future__ import annotations

from functools import cache

import numpy as np

from engine.domain.market import MarketView
from engine.domain.model import FeatureFamily
from engine.domain.record import Floats
from engine.window import mean_weights, seeded_ewma_weights, weights_on_steps

FLAT = 1e-12
LONG, LATE = 96, 64  # bars: of the widest range, and those that Wilder's ranges and directions are taken from
WILDER = 14  # bars
FASTER, SLOWER, SIGNAL = 12, 26, 9  # bars
BAND, CHANNEL, ULTIMATE = 20, 14, (7, 14, 28)  # bars
PARTS = np.array([4.0, 2.0, 1.0]) / 7.0
EVEN = {span: np.full(span, 1.0 / span) for span in (BAND, CHANNEL)}
RATIOS = ("rsi_14", "bollinger_z_20", "range_position_96", "stochastic_k_14", "di_difference_14", "cci_14", "balance_of_power")
COLUMNS = (*RATIOS, "ultimate_oscillator_28", "macd_12_26", "macd_histogram_9", "adx_14", "aroon_oscillator_25", "atr_14", "bollinger_width_20")


def build(view: MarketView) -> Floats:
    """RSI, ATR, directional movement and ADX (Wilder, 14), MACD (12, 26) and what it is above its signal (9), Bollinger's z and width (20),
    stochastic %K (14), Aroon (25), CCI (14), ultimate oscillator (7, 14, 28), balance of power, place in 96 bars.

    TA-Lib agrees to 1e-9 when it is given the same log prices: the whole window for RSI and MACD, the last 64 bars for ATR, directions and ADX. What
    it tells in percent is a share here, less a half where it lies between 0 and 1; MACD, ATR and width are in volatilities. A market that does not
    move gives 0.
    """
    values = np.empty((len(view.sigma), len(COLUMNS)))
    over, under = np.empty((2, len(view.sigma), len(RATIOS) + 3))  # ratios, those of the ultimate oscillator last: one guard does for all
    wings = _wings(view)
    _momentum(view, values, over, under)
    _places(view, wings, values, over, under)
    _directions(wings, values, over)
    _channel(view, wings, over, under)
    _ranges(view, wings, values, over, under)
    ratios = np.divide(over, under, out=np.zeros_like(over), where=under > FLAT)
    values[:, :7] = ratios[:, :7]
    values[:, 7] = ratios[:, 7:] @ PARTS
    values[:, 12:] /= view.sigma[:, None]
    np.log(values[:, 12:] + 0.05, out=values[:, 12:])
    return values


def _wings(view: MarketView) -> Floats:
    """(2, S, 96) highs, and lows with the sign turned, so that one call finds the extremes of both."""
    wings = np.empty((2, len(view.sigma), min(LONG, view.log_high.shape[1])))
    wings[0] = view.log_high[:, -LONG:]
    np.negative(view.log_low[:, -LONG:], out=wings[1])
    return wings


def _momentum(view: MarketView, values: Floats, over: Floats, under: Floats) -> None:
    """RSI, MACD, Bollinger's z and what it is measured in."""
    length = view.returns.shape[1]
    moves = view.returns @ _momentum_kernel(length)
    over[:, 0] = moves[:, 0]
    under[:, 0] = np.abs(view.returns) @ seeded_ewma_weights(length, WILDER, 1.0 / WILDER, 1) * 2.0
    np.divide(moves[:, 1:], (view.sigma * np.sqrt(14.0))[:, None], out=values[:, 8:10])
    late = view.log_close[:, -BAND:] - view.log_close[:, -1:]
    mean = late @ EVEN[BAND]
    values[:, 13] = np.sqrt(np.maximum(np.vecdot(late, late) / BAND - mean * mean, 0.0))
    np.negative(mean, out=over[:, 1])
    under[:, 1] = values[:, 13]


@cache
def _momentum_kernel(length: int) -> Floats:
    """(T, 3): from returns to Wilder's mean, MACD, and MACD less its signal line. TA-Lib begins both averages of MACD at the same bar."""
    line = np.zeros((length, length))  # by bar, the weights on closes up to it
    for bar in range(SLOWER - 1, length):
        line[bar, : bar + 1] = seeded_ewma_weights(bar + 1, FASTER, 2.0 / (FASTER + 1), SLOWER - FASTER) - seeded_ewma_weights(
            bar + 1, SLOWER, 2.0 / (SLOWER + 1)
        )
    signal = seeded_ewma_weights(length, SIGNAL, 2.0 / (SIGNAL + 1), SLOWER - 1) @ line
    return np.stack((seeded_ewma_weights(length, WILDER, 1.0 / WILDER, 1), weights_on_steps(line[-1]), weights_on_steps(line[-1] - signal)), axis=1)


def _places(view: MarketView, wings: Floats, values: Floats, over: Floats, under: Floats) -> None:
    """Where the close lies between the lowest and the highest price, from the middle; and which of the two came later (the last of equals counts)."""
    extremes = np.empty((2, len(view.sigma), 2))
    wings.max(axis=2, out=extremes[:, :, 0])
    wings[:, :, -WILDER:].max(axis=2, out=extremes[:, :, 1])
    top, bottom = extremes
    np.subtract(view.log_close[:, -1:], 0.5 * (top - bottom), out=over[:, 2:4])
    np.add(top, bottom, out=under[:, 2:4])
    ago = wings[:, :, :-27:-1].argmax(axis=2)
    values[:, 11] = (ago[1] - ago[0]) / 25.0


def _directions(wings: Floats, values: Floats, over: Floats) -> None:
    """Directional movement of both sides, smoothed by Wilder's sum: what is up less what is down, and ADX, the smoothed share of that in both."""
    moves = wings[:, :, -LATE + 1 :] - wings[:, :, -LATE:-1]
    moves *= moves > np.maximum(moves[::-1], 0.0)
    sums = moves @ _wilder_sums(moves.shape[2])
    both = sums[0] + sums[1]
    lean = sums[0] - sums[1]
    over[:, 4] = lean[:, -1]
    np.abs(lean, out=lean)
    lean /= np.maximum(both, FLAT, out=both)
    values[:, 10] = lean @ seeded_ewma_weights(lean.shape[1], WILDER, 1.0 / WILDER)


@cache
def _wilder_sums(length: int) -> Floats:
    """(T, n): a column a bar from the 14th move on; the sum of 13 moves that loses a 14th of itself with each move that is added."""
    bars = np.arange(WILDER - 1, length)
    moves = np.arange(length)[:, None]
    return np.where(moves <= bars, (1.0 - 1.0 / WILDER) ** (bars - np.maximum(moves, WILDER - 2)), 0.0)


def _channel(view: MarketView, wings: Floats, over: Floats, under: Floats) -> None:
    """CCI without its factor of 0.015: how far the typical price is from its mean of 14 bars, in mean absolute deviations."""
    typical = wings[0, :, -CHANNEL:] - wings[1, :, -CHANNEL:]
    typical += view.log_close[:, -CHANNEL:]
    typical -= (typical @ EVEN[CHANNEL])[:, None]
    over[:, 5] = typical[:, -1]
    under[:, 5] = np.abs(typical) @ EVEN[CHANNEL]


def _ranges(view: MarketView, wings: Floats, values: Floats, over: Floats, under: Floats) -> None:
    """ATR and what directions are measured in, the ultimate oscillator, and of the last bar the way from open to close over the whole way."""
    before = view.log_close[:, -LATE:-1]
    low = np.maximum(wings[1, :, -LATE + 1 :], -before)
    true = np.maximum(wings[0, :, -LATE + 1 :], before)
    true += low
    sums = true @ _range_kernel(true.shape[1])
    values[:, 12] = sums[:, 0]
    under[:, 4], under[:, 7:] = sums[:, 1], sums[:, 2:]
    pressure = low[:, -28:] + view.log_close[:, -28:]
    np.subtract(pressure @ mean_weights(28, ULTIMATE), 0.5 * sums[:, 2:], out=over[:, 7:])
    np.subtract(view.log_close[:, -1], view.log_open[:, -1], out=over[:, 6])
    np.add(wings[0, :, -1], wings[1, :, -1], out=under[:, 6])


@cache
def _range_kernel(length: int) -> Floats:
    """(T, 5): Wilder's mean and sum, and means of three spans."""
    smooth = np.stack((seeded_ewma_weights(length, WILDER, 1.0 / WILDER), _wilder_sums(length)[:, -1]), axis=1)
    return np.concatenate((smooth, mean_weights(length, ULTIMATE)), axis=1)


FAMILY = FeatureFamily("technical", COLUMNS, build)
