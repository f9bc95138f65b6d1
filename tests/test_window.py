"""The window against a loop over bars."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from engine import window
from engine.domain.market import Bars, MarketView
from engine.domain.record import Floats
from tests.makers import MINUTE, START, no_books, no_flow, walk_bars


def look(bars: Bars, halflife: float = 60.0) -> MarketView:
    count = len(bars.close)
    with np.errstate(invalid="ignore", divide="ignore"):
        return window.build_view(bars, no_books(count), no_flow(count), START, MINUTE, halflife)


def with_gaps(bars: Bars, seed: int) -> Bars:
    draw = np.random.default_rng(seed)
    gone = draw.random(bars.close.shape) < 0.3
    gone[0], gone[-1] = False, True  # one complete, one never seen
    gone[1, :40] = gone[2, -7:] = True
    return Bars(*(np.where(gone, np.nan, part) for part in (bars.open, bars.high, bars.low, bars.close, bars.volume)))


def oracle(close: Floats, halflife: float) -> tuple[list[float], list[float], float, int, int]:
    """Carried closes, returns, sigma, bars known and bars since the last, of one symbol, bar by bar."""
    known = [index for index, price in enumerate(close) if np.isfinite(price)]
    last = close[known[0]] if known else np.nan
    carried, returns, weight, power = [], [], 0.0, 0.0
    for index, price in enumerate(close):
        here = price if np.isfinite(price) else last
        move = np.log(here / last) if index and known and known[0] <= index else 0.0
        carried.append(float(np.log(here)))
        returns.append(float(move))
        if np.isfinite(price):
            share = 0.5 ** ((len(close) - 1 - index) / halflife)
            weight, power = weight + share, power + share * move * move
        last = here
    sigma = float(np.sqrt(power / weight)) if len(known) >= 30 and power > 0 else np.nan
    return carried, returns, sigma, len(known), (len(close) - 1 - known[-1]) if known else len(close)


@pytest.mark.parametrize("seed", range(4))
def test_the_window_is_what_a_loop_over_bars_gives(seed: int) -> None:
    bars = with_gaps(walk_bars(6, 300, seed), seed)
    view = look(bars)
    for symbol in range(6):
        carried, returns, sigma, known, age = oracle(bars.close[symbol], 60.0)
        np.testing.assert_allclose(view.log_close[symbol], carried, atol=1e-12)
        np.testing.assert_allclose(view.returns[symbol], returns, atol=1e-12)
        np.testing.assert_allclose(view.sigma[symbol], sigma, rtol=1e-12)
        assert (view.known[symbol], view.age[symbol]) == (known, age)


def test_missing_bars_trade_nothing_and_reach_nowhere() -> None:
    bars = with_gaps(walk_bars(4, 300, 1), 1)
    view, gone = look(bars), ~np.isfinite(bars.close)
    assert (view.volume[gone] == 0).all()
    for part in (view.log_open, view.log_high, view.log_low):
        np.testing.assert_array_equal(part[gone], view.log_close[gone])
    np.testing.assert_allclose(view.log_high[~gone], np.log(bars.high[~gone]))


def test_without_gaps_the_volatility_is_that_of_pandas() -> None:
    bars = walk_bars(5, 300, 3)
    returns = np.log(bars.close[:, 1:] / bars.close[:, :-1])
    squares = pd.DataFrame(np.concatenate((np.zeros((5, 1)), returns * returns), axis=1).T)
    expected = np.sqrt(squares.ewm(halflife=60.0, adjust=True).mean().iloc[-1])
    np.testing.assert_allclose(look(bars).sigma, expected, rtol=1e-12)


@pytest.mark.parametrize(("bars_known", "known"), [(29, False), (30, True)])
def test_a_volatility_needs_thirty_bars(bars_known: int, known: bool) -> None:
    bars = walk_bars(2, 300, 5)
    blank = np.arange(300) < 300 - bars_known
    view = look(Bars(*(np.where(blank, np.nan, part) for part in (bars.open, bars.high, bars.low, bars.close, bars.volume))))
    assert np.isfinite(view.sigma).tolist() == [known, known]
    assert (view.known == bars_known).all()


def test_a_price_that_never_moves_has_no_volatility() -> None:
    flat = np.full((1, 300), 100.0)
    assert np.isnan(look(Bars(flat, flat, flat, flat, flat)).sigma).all()


def test_a_symbol_never_seen_is_blank_and_old() -> None:
    bars = walk_bars(2, 300, 6)
    gone = np.array([[True], [False]])
    view = look(Bars(*(np.where(gone, np.nan, part) for part in (bars.open, bars.high, bars.low, bars.close, bars.volume))))
    assert np.isnan(view.log_close[0]).all()
    assert (view.returns[0] == 0).all()
    assert (view.known[0], view.age[0]) == (0, 300)


@pytest.mark.parametrize("field", ["open", "high", "low", "close"])
@pytest.mark.parametrize("value", [np.inf, -np.inf, 0.0, -5.0, np.nan])
def test_a_bar_with_a_price_that_is_none_is_missing(field: str, value: float) -> None:
    bars = walk_bars(3, 300, 8)
    broken = getattr(bars, field).copy()
    broken[1, 250] = value
    missing = bars
    for name in ("open", "high", "low", "close", "volume"):
        blank = getattr(bars, name).copy()
        blank[1, 250] = np.nan
        missing = replace(missing, **{name: blank})
    assert look(replace(bars, **{field: broken})).digest() == look(missing).digest()


def test_means_and_averages_are_those_of_the_last_bars() -> None:
    values = np.random.default_rng(1).normal(size=(2, 50))
    np.testing.assert_allclose(values @ window.mean_weights(50, (5, 80)), np.stack((values[:, -5:].mean(axis=1), values.mean(axis=1)), axis=1))
    expected = pd.DataFrame(values.T).ewm(halflife=4.0, adjust=True).mean().iloc[-1]
    np.testing.assert_allclose((values @ window.ewma_weights(50, (4.0,)))[:, 0], expected)
