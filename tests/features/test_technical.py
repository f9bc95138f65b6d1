"""Indicators against their textbook definitions, written out with pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from engine.domain.market import View
from engine.domain.record import Floats
from engine.features import calendar, cross_section, returns, technical, volatility, volume
from engine.window import look
from tests.makers import DAY, MINUTE, START, no_books, no_flow, walk_bars

BARS = walk_bars(6, 300, 4)


def view() -> View:
    return look(BARS, no_books(6), no_flow(6), START + 6 * 60 * MINUTE, MINUTE, 60.0)


def column(module: object, name: str) -> Floats:
    family = module.FAMILY  # type: ignore[attr-defined]
    return np.asarray(family.build(view())[:, family.columns.index(name)])


def wilder(values: Floats) -> Floats:
    """Wilder's smoothing over 14 bars of (T, S), weights summing to one, at the last bar."""
    return np.asarray(pd.DataFrame(values).ewm(alpha=1 / 14, adjust=True).mean().iloc[-1])


LOGS = {name: np.log(getattr(BARS, name)) for name in ("open", "high", "low", "close")}


def test_relative_strength() -> None:
    moves = np.concatenate((np.zeros((1, 6)), np.diff(LOGS["close"], axis=1).T))
    up, down = wilder(np.maximum(moves, 0)), wilder(np.maximum(-moves, 0))
    np.testing.assert_allclose(column(technical, "rsi_14"), up / (up + down) - 0.5, rtol=1e-9)


def test_moving_averages_converging() -> None:
    frame = pd.DataFrame(LOGS["close"].T)
    fast, slow = (frame.ewm(span=span, adjust=True).mean().iloc[-1] for span in (12, 26))
    np.testing.assert_allclose(column(technical, "macd_12_26"), (fast - slow) / (view().sigma * np.sqrt(14)), rtol=1e-8)


def test_bands_of_bollinger() -> None:
    late = LOGS["close"][:, -20:]
    np.testing.assert_allclose(column(technical, "bollinger_20"), (late[:, -1] - late.mean(axis=1)) / late.std(axis=1), rtol=1e-9)


@pytest.mark.parametrize(("name", "span"), [("stochastic_14", 14), ("place_96", 96)])
def test_place_in_the_range(name: str, span: int) -> None:
    low, high = LOGS["low"][:, -span:].min(axis=1), LOGS["high"][:, -span:].max(axis=1)
    np.testing.assert_allclose(column(technical, name), (LOGS["close"][:, -1] - low) / (high - low) - 0.5, rtol=1e-9)


def test_aroon() -> None:
    expected = []
    for symbol in range(6):
        highs, lows = list(BARS.high[symbol, -26:]), list(BARS.low[symbol, -26:])
        expected.append((highs.index(max(highs)) - lows.index(min(lows))) / 25)
    np.testing.assert_allclose(column(technical, "aroon_25"), expected)


def test_commodity_channel() -> None:
    typical = (LOGS["high"] + LOGS["low"] + LOGS["close"])[:, -20:] / 3
    deviation = np.abs(typical - typical.mean(axis=1, keepdims=True)).mean(axis=1)
    np.testing.assert_allclose(column(technical, "cci_20"), (typical[:, -1] - typical.mean(axis=1)) / deviation, rtol=1e-9)


def test_directional_movement() -> None:
    high, low = LOGS["high"][:, -100:], LOGS["low"][:, -100:]
    up, down = np.diff(high, axis=1).T, -np.diff(low, axis=1).T
    plus, minus = wilder(np.where((up > down) & (up > 0), up, 0)), wilder(np.where((down > up) & (down > 0), down, 0))
    np.testing.assert_allclose(column(technical, "directional_14"), (plus - minus) / (plus + minus), rtol=1e-9)


def test_returns_are_in_volatilities_of_their_span() -> None:
    moves, sigma = np.diff(LOGS["close"], axis=1), view().sigma
    np.testing.assert_allclose(column(returns, "last"), moves[:, -1] / sigma, rtol=1e-9)
    np.testing.assert_allclose(column(returns, "before_last"), moves[:, -2] / sigma, rtol=1e-9)
    np.testing.assert_allclose(column(returns, "sum_24"), moves[:, -24:].sum(axis=1) / sigma / np.sqrt(24), rtol=1e-9)


def test_volatility_is_realised_over_expected() -> None:
    scaled = np.diff(LOGS["close"], axis=1) / view().sigma[:, None]
    np.testing.assert_allclose(column(volatility, "realised_24"), np.log((scaled[:, -24:] ** 2).mean(axis=1) + 1e-4), rtol=1e-9)
    expected = pd.DataFrame(scaled[:, -96:].T)
    third = (expected**3).mean() / ((expected**2).mean() ** 1.5)
    np.testing.assert_allclose(column(volatility, "skew_96"), third, rtol=1e-6)


def test_volume_is_measured_against_its_own_mean() -> None:
    late = BARS.volume[:, -288:].mean(axis=1)
    np.testing.assert_allclose(column(volume, "surge"), np.log(BARS.volume[:, -1] / late + 0.05), rtol=1e-9)
    signs = np.sign(np.diff(LOGS["close"], axis=1))[:, -24:]
    traded = BARS.volume[:, -24:]
    np.testing.assert_allclose(column(volume, "lean_24"), (signs * traded).sum(axis=1) / traded.sum(axis=1), rtol=1e-9)


def test_the_cross_section_ranks_from_the_weakest_to_the_strongest() -> None:
    moves = np.diff(LOGS["close"], axis=1)[:, -12:].sum(axis=1) / view().sigma
    ranks = pd.Series(moves).rank().to_numpy()
    np.testing.assert_allclose(column(cross_section, "rank_12"), (ranks - 1) / 5 - 0.5)


def test_the_calendar_turns_once_a_day_and_once_a_week() -> None:
    def at(time: int) -> Floats:
        one = view()
        return np.asarray(calendar.build(View(time, *(getattr(one, name) for name in View.__slots__[1:]))))

    monday = START  # 2024-01-01 was a Monday
    np.testing.assert_allclose(at(monday)[0], [0, 1, 0, 1], atol=1e-12)
    np.testing.assert_allclose(at(monday + DAY // 4)[0, :2], [1, 0], atol=1e-12)
    np.testing.assert_allclose(at(monday + 7 * DAY), at(monday), atol=1e-9)
    assert (at(monday)[0] == at(monday)[5]).all()
