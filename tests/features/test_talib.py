"""Indicators against TA-Lib, to 1e-9, over the same windows: walks, coarse prices with still bars, and missing bars."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import talib

from engine.domain.market import Bars, MarketView
from engine.domain.record import Floats
from engine.features import technical, volume
from engine.window import build_view, seeded_ewma_weights, weights_on_steps
from tests.makers import MINUTE, START, no_books, no_flow, walk_bars

SYMBOLS = 12
MARKETS = (
    "a walk",
    "a quiet walk",
    "a trend",
    "coarse prices",
    "bars missing",
    "known for half the window",
    "coarse prices, bars missing",
    "a short window",
)


def coarse(bars: Bars) -> Bars:
    """Prices on a grid of 0.05 % of the price, so that many are equal; every fifth bar trades nothing and repeats the last close."""
    opened, high, low, close = (np.round(part * 20.0) / 20.0 for part in (bars.open, bars.high, bars.low, bars.close))
    traded = np.random.default_rng(3).random(close.shape) > 0.2
    traded[:, 0] = True
    last = np.take_along_axis(close, np.maximum.accumulate(np.where(traded, np.arange(close.shape[1]), 0), axis=1), axis=1)
    opened, high, low = (np.where(traded, part, last) for part in (opened, high, low))
    return Bars(opened, high, low, last, np.where(traded, bars.volume, 0.0))


def gappy(bars: Bars) -> Bars:
    """A tenth of the bars is missing here and there, and in each symbol 40 in a row, somewhere."""
    draw = np.random.default_rng(5)
    missing = draw.random(bars.close.shape) < 0.1
    for row, begun in enumerate(draw.integers(0, 255, len(missing))):
        missing[row, begun : begun + 40] = True
    return without(bars, missing)


def without(bars: Bars, missing: np.ndarray) -> Bars:
    return Bars(*(np.where(missing, np.nan, getattr(bars, name)) for name in ("open", "high", "low", "close", "volume")))


@cache
def window(market: str) -> MarketView:
    length = 100 if "short" in market else 300  # so short that what a smoothing began with is still to be seen
    bars = walk_bars(SYMBOLS, length, 11 + MARKETS.index(market), volatility=2e-4 if market == "a quiet walk" else 2e-3)
    if market == "a trend":
        drift = np.exp(1e-3 * np.arange(300.0))
        bars = replace(bars, **{name: getattr(bars, name) * drift for name in ("open", "high", "low", "close")})
    if "coarse" in market:
        bars = coarse(bars)
    if "missing" in market:
        bars = gappy(bars)
    if "half" in market:
        bars = without(bars, np.arange(300) < 150)
    with np.errstate(invalid="ignore", divide="ignore"):
        return build_view(bars, no_books(SYMBOLS), no_flow(SYMBOLS), START, MINUTE, 60.0)


@pytest.fixture(params=MARKETS)
def view(request: pytest.FixtureRequest) -> MarketView:
    return window(str(request.param))


def column(view: MarketView, name: str) -> Floats:
    family = technical if name in technical.COLUMNS else volume
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(family.build(view)[:, family.COLUMNS.index(name)])


def talib_values(view: MarketView, name: str, parts: str, late: int = 300, output: int = 0, **options: float) -> Floats:
    """(S,) what TA-Lib says of the last bar when it is given the window's last bars: h, l, c, o as logs, v as it is."""
    inputs = {"h": view.log_high, "l": view.log_low, "c": view.log_close, "o": view.log_open, "v": view.volume}
    function = getattr(talib, name)
    outputs = []
    for symbol in range(len(view.sigma)):
        indicator = function(*(np.ascontiguousarray(inputs[part][symbol, -late:]) for part in parts), **options)
        outputs.append((indicator[output] if isinstance(indicator, tuple | list) else indicator)[-1])
    return np.array(outputs)


def agrees(ours: Floats, theirs: Floats) -> None:
    assert np.isfinite(theirs).all()
    assert np.ptp(theirs) > 0
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("length", [26, 27, 60, 300])
def test_smoothing_begins_as_it_does_in_talib(length: int) -> None:
    prices = np.random.default_rng(length).normal(size=length)
    assert talib.EMA(prices, 26)[-1] == pytest.approx(seeded_ewma_weights(length, 26, 2 / 27) @ prices, rel=1e-9)
    assert seeded_ewma_weights(length, 14, 1 / 14, 5).sum() == pytest.approx(1.0)
    steps = np.diff(prices, prepend=0.0)
    assert weights_on_steps(seeded_ewma_weights(length, 26, 2 / 27)) @ steps == pytest.approx(
        seeded_ewma_weights(length, 26, 2 / 27) @ prices, rel=1e-9
    )


def test_a_window_too_short_to_begin_a_smoothing_is_refused() -> None:
    with pytest.raises(ValueError, match="a window of 20 bars has fewer than 14 bars from bar 7 on"):
        seeded_ewma_weights(20, 14, 1 / 14, 7)


def test_relative_strength(view: MarketView) -> None:
    agrees(column(view, "rsi_14"), talib_values(view, "RSI", "c", timeperiod=14) / 100 - 0.5)


def test_macd_and_its_histogram(view: MarketView) -> None:
    options = {"fastperiod": 12, "slowperiod": 26, "signalperiod": 9}
    scale = view.sigma * np.sqrt(14.0)
    agrees(column(view, "macd_12_26"), talib_values(view, "MACD", "c", **options) / scale)
    agrees(column(view, "macd_histogram_9"), talib_values(view, "MACD", "c", output=2, **options) / scale)


def centred(view: MarketView) -> MarketView:
    """Prices as logs of the ratio to the last close: TA-Lib's variance is a difference of squares, which keeps too few digits of large numbers."""
    return replace(view, log_close=view.log_close - view.log_close[:, -1:])


def test_bands_of_bollinger(view: MarketView) -> None:
    upper, middle = (talib_values(centred(view), "BBANDS", "c", output=output, timeperiod=20, nbdevup=1.0, nbdevdn=1.0) for output in (0, 1))
    agrees(column(view, "bollinger_z_20"), -middle / (upper - middle))
    agrees(column(view, "bollinger_width_20"), np.log((upper - middle) / view.sigma + 0.05))


@pytest.mark.parametrize(("name", "span"), [("stochastic_k_14", 14), ("range_position_96", 96)])
def test_place_in_the_range(view: MarketView, name: str, span: int) -> None:
    agrees(column(view, name), talib_values(view, "STOCHF", "hlc", fastk_period=span, fastd_period=1) / 100 - 0.5)
    agrees(column(view, name), talib_values(view, "WILLR", "hlc", timeperiod=span) / 100 + 0.5)


def test_aroon(view: MarketView) -> None:
    agrees(column(view, "aroon_oscillator_25"), talib_values(view, "AROONOSC", "hl", timeperiod=25) / 100)


def test_commodity_channel(view: MarketView) -> None:
    agrees(column(view, "cci_14"), talib_values(view, "CCI", "hlc", timeperiod=14) * 0.015)


def test_directional_movement(view: MarketView) -> None:
    plus, minus = (talib_values(view, name, "hlc", 64, timeperiod=14) for name in ("PLUS_DI", "MINUS_DI"))
    agrees(column(view, "di_difference_14"), (plus - minus) / 100)
    agrees(column(view, "adx_14"), talib_values(view, "ADX", "hlc", 64, timeperiod=14) / 100)


def test_true_range(view: MarketView) -> None:
    agrees(column(view, "atr_14"), np.log(talib_values(view, "ATR", "hlc", 64, timeperiod=14) / view.sigma + 0.05))


def test_ultimate_oscillator(view: MarketView) -> None:
    agrees(column(view, "ultimate_oscillator_28"), talib_values(view, "ULTOSC", "hlc", timeperiod1=7, timeperiod2=14, timeperiod3=28) / 100 - 0.5)


def test_balance_of_power(view: MarketView) -> None:
    agrees(column(view, "balance_of_power"), talib_values(view, "BOP", "ohlc"))


def test_chaikins_oscillator(view: MarketView) -> None:
    mean = view.volume[:, -48:].mean(axis=1)
    agrees(column(view, "chaikin_oscillator_3_10"), talib_values(view, "ADOSC", "hlcv", 96, fastperiod=3, slowperiod=10) / mean)


def test_money_flow(view: MarketView) -> None:
    """TA-Lib is given the typical price, rounded, for all three: it compares it with the one before, and equal ones must be equal."""
    last = view.log_close[:, -1:]
    typical = np.round(sum(np.exp(part - last) for part in (view.log_high, view.log_low, view.log_close)) / 3.0, 12)
    priced = replace(view, log_high=typical, log_low=typical, log_close=typical)
    agrees(column(view, "money_flow_index_14"), talib_values(priced, "MFI", "hlcv", timeperiod=14) / 100 - 0.5)


@pytest.mark.parametrize("span", [6, 24, 96])
def test_the_lean_of_volume_is_the_change_of_balance_volume(view: MarketView, span: int) -> None:
    change = talib_values(view, "OBV", "cv", span + 1) - view.volume[:, -span - 1]
    agrees(column(view, f"obv_change_{span}"), change / view.volume[:, -span:].sum(axis=1))
