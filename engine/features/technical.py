"""Technical indicators, each in its usual definition on log prices and scaled to be comparable across symbols."""

from __future__ import annotations

from functools import cache

import numpy as np

from engine.domain.market import MarketView
from engine.domain.model import FeatureFamily
from engine.domain.record import Floats
from engine.window import mean_weights, seeded_ewma_weights, weights_on_steps

FLAT = 1e-12
LONG, RECENT = 96, 64  # bars: of the widest range, and of Wilder's true ranges and directional movements
WILDER = 14  # bars
FASTER, SLOWER, SIGNAL = 12, 26, 9  # bars
BAND, CHANNEL, ULTIMATE = 20, 14, (7, 14, 28)  # bars
ULTIMATE_WEIGHTS = np.array([4.0, 2.0, 1.0]) / 7.0
MEAN_WEIGHTS = {span: np.full(span, 1.0 / span) for span in (BAND, CHANNEL)}
RATIOS = ("rsi_14", "bollinger_z_20", "range_position_96", "stochastic_k_14", "di_difference_14", "cci_14", "balance_of_power")
COLUMNS = (*RATIOS, "ultimate_oscillator_28", "macd_12_26", "macd_histogram_9", "adx_14", "aroon_oscillator_25", "atr_14", "bollinger_width_20")


def build(view: MarketView) -> Floats:
    """(..., S, 14): RSI, ATR, +DI less -DI and ADX (Wilder 1978, 14 bars); MACD (12, 26) and its histogram (9) (Appel); Bollinger's z and width (20);
    stochastic %K (Lane, 14); Aroon oscillator (Chande 1995, 25); CCI (Lambert 1980, 14); ultimate oscillator (Williams 1985; 7, 14, 28); balance of
    power (Livshin 2001); and the close's position in the range of 96 bars.

    TA-Lib agrees to 1e-9 on the same log prices: the whole window for RSI and MACD, the last 64 bars for ATR, directions and ADX. Its percentages are
    shares here, less a half where they lie between 0 and 1; MACD, ATR and Bollinger width are in volatilities. A market that does not move gives 0.
    """
    values = np.empty((*view.sigma.shape, len(COLUMNS)))
    numerator, denominator = np.empty((2, *view.sigma.shape, len(RATIOS) + 3))  # ratios, the ultimate oscillator's last
    extremes = _extremes(view)
    _momentum(view, values, numerator, denominator)
    _range_positions(view, extremes, values, numerator, denominator)
    _directions(extremes, values, numerator)
    _channel(view, extremes, numerator, denominator)
    _ranges(view, extremes, values, numerator, denominator)
    ratios = np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > FLAT)
    values[..., :7] = ratios[..., :7]
    values[..., 7] = ratios[..., 7:] @ ULTIMATE_WEIGHTS
    values[..., 12:] /= view.sigma[..., None]
    np.log(values[..., 12:] + 0.05, out=values[..., 12:])
    return values


def _extremes(view: MarketView) -> Floats:
    """(2, ..., S, 96) highs, and lows with the opposite sign, so that one call finds the extremes of both."""
    extremes = np.empty((2, *view.sigma.shape, min(LONG, view.log_high.shape[-1])))
    extremes[0] = view.log_high[..., -LONG:]
    np.negative(view.log_low[..., -LONG:], out=extremes[1])
    return extremes


def _momentum(view: MarketView, values: Floats, numerator: Floats, denominator: Floats) -> None:
    """RSI, MACD, and Bollinger's z and width."""
    length = view.returns.shape[-1]
    moves = view.returns @ _momentum_kernel(length)
    numerator[..., 0] = moves[..., 0]
    denominator[..., 0] = np.abs(view.returns) @ seeded_ewma_weights(length, WILDER, 1.0 / WILDER, 1) * 2.0
    np.divide(moves[..., 1:], (view.sigma * np.sqrt(14.0))[..., None], out=values[..., 8:10])
    recent = view.log_close[..., -BAND:] - view.log_close[..., -1:]
    mean = recent @ MEAN_WEIGHTS[BAND]
    values[..., 13] = np.sqrt(np.maximum(np.vecdot(recent, recent) / BAND - mean * mean, 0.0))
    np.negative(mean, out=numerator[..., 1])
    denominator[..., 1] = values[..., 13]


@cache
def _momentum_kernel(length: int) -> Floats:
    """(T, 3): kernel from returns to Wilder's mean, MACD, and MACD less its signal line. TA-Lib begins both averages of MACD at the same bar."""
    line = np.zeros((length, length))  # by bar, the weights on closes up to it
    for bar in range(SLOWER - 1, length):
        line[bar, : bar + 1] = seeded_ewma_weights(bar + 1, FASTER, 2.0 / (FASTER + 1), SLOWER - FASTER) - seeded_ewma_weights(
            bar + 1, SLOWER, 2.0 / (SLOWER + 1)
        )
    signal = seeded_ewma_weights(length, SIGNAL, 2.0 / (SIGNAL + 1), SLOWER - 1) @ line
    return np.stack((seeded_ewma_weights(length, WILDER, 1.0 / WILDER, 1), weights_on_steps(line[-1]), weights_on_steps(line[-1] - signal)), axis=1)


def _range_positions(view: MarketView, extremes: Floats, values: Floats, numerator: Floats, denominator: Floats) -> None:
    """Position of the close between the lowest and the highest price, from the middle; and which of the two is later (the last of equals counts)."""
    limits = np.empty((2, *view.sigma.shape, 2))
    extremes.max(axis=-1, out=limits[..., 0])
    extremes[..., -WILDER:].max(axis=-1, out=limits[..., 1])
    top, bottom = limits
    np.subtract(view.log_close[..., -1:], 0.5 * (top - bottom), out=numerator[..., 2:4])
    np.add(top, bottom, out=denominator[..., 2:4])
    ago = extremes[..., :-27:-1].argmax(axis=-1)
    values[..., 11] = (ago[1] - ago[0]) / 25.0


def _directions(extremes: Floats, values: Floats, numerator: Floats) -> None:
    """+DI less -DI from directional movements in Wilder's sums, and ADX, the smoothed ratio of their difference to their sum."""
    moves = extremes[..., -RECENT + 1 :] - extremes[..., -RECENT:-1]
    moves *= moves > np.maximum(moves[::-1], 0.0)
    sums = moves @ _wilder_sums(moves.shape[-1])
    both = sums[0] + sums[1]
    difference = sums[0] - sums[1]
    numerator[..., 4] = difference[..., -1]
    np.abs(difference, out=difference)
    difference /= np.maximum(both, FLAT, out=both)
    values[..., 10] = difference @ seeded_ewma_weights(difference.shape[-1], WILDER, 1.0 / WILDER)


@cache
def _wilder_sums(length: int) -> Floats:
    """(T, n): one column per bar from the 14th move on; a sum of 13 moves that loses a 14th of itself with each move added."""
    bars = np.arange(WILDER - 1, length)
    moves = np.arange(length)[:, None]
    return np.where(moves <= bars, (1.0 - 1.0 / WILDER) ** (bars - np.maximum(moves, WILDER - 2)), 0.0)


def _channel(view: MarketView, extremes: Floats, numerator: Floats, denominator: Floats) -> None:
    """CCI without its factor of 0.015: distance of the typical price from its mean of 14 bars, in mean absolute deviations."""
    typical = extremes[0, ..., -CHANNEL:] - extremes[1, ..., -CHANNEL:]
    typical += view.log_close[..., -CHANNEL:]
    typical -= (typical @ MEAN_WEIGHTS[CHANNEL])[..., None]
    numerator[..., 5] = typical[..., -1]
    denominator[..., 5] = np.abs(typical) @ MEAN_WEIGHTS[CHANNEL]


def _ranges(view: MarketView, extremes: Floats, values: Floats, numerator: Floats, denominator: Floats) -> None:
    """ATR and the true-range sum of the directions, the ultimate oscillator, and the balance of power: (close - open) / (high - low)."""
    before = view.log_close[..., -RECENT:-1]
    low = np.maximum(extremes[1, ..., -RECENT + 1 :], -before)
    true = np.maximum(extremes[0, ..., -RECENT + 1 :], before)
    true += low
    sums = true @ _range_kernel(true.shape[-1])
    values[..., 12] = sums[..., 0]
    denominator[..., 4], denominator[..., 7:] = sums[..., 1], sums[..., 2:]
    pressure = low[..., -28:] + view.log_close[..., -28:]
    np.subtract(pressure @ mean_weights(28, ULTIMATE), 0.5 * sums[..., 2:], out=numerator[..., 7:])
    np.subtract(view.log_close[..., -1], view.log_open[..., -1], out=numerator[..., 6])
    np.add(extremes[0, ..., -1], extremes[1, ..., -1], out=denominator[..., 6])


@cache
def _range_kernel(length: int) -> Floats:
    """(T, 5): kernel of Wilder's mean and sum, and of means over three spans."""
    smooth = np.stack((seeded_ewma_weights(length, WILDER, 1.0 / WILDER), _wilder_sums(length)[:, -1]), axis=1)
    return np.concatenate((smooth, mean_weights(length, ULTIMATE)), axis=1)


FAMILY = FeatureFamily("technical", COLUMNS, build, takes_blocks=True)
