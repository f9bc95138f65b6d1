"""Back-fills: past bars that come late stand in the window as if they had come in time, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import broker
from engine.domain.market import BackfilledBars, Inputs, MarketSnapshot
from engine.domain.ports import FeedInfo
from engine.domain.record import Floats
from engine.domain.trading_config import TradingConfig
from engine.service.windows import MarketWindow
from engine.store import codec
from engine.window import WINDOW_BARS
from tests.makers import MINUTE, START, bar

FIELDS = ("open", "high", "low", "close", "volume")


def info(symbols: int) -> FeedInfo:
    return FeedInfo("live", "live: test", tuple("AB"[:symbols]), MINUTE, 0, False, False, 0.0, 0.0, ())


def build_inputs(window: MarketWindow) -> Inputs:
    return window.build_inputs(0, broker.open_account(10_000.0, 1), TradingConfig(), ())


def closes(window: MarketWindow) -> Floats:
    inputs = build_inputs(window)
    return np.stack([getattr(inputs.bars, name) for name in FIELDS])


@cache
def price_bar(number: int, symbols: int) -> MarketSnapshot:
    return bar(START + number * MINUTE, price=[100.0 + number + place for place in range(symbols)])


def price_bars(count: int, symbols: int = 2) -> list[MarketSnapshot]:
    return [price_bar(number, symbols) for number in range(count)]


def missing(whole: MarketSnapshot) -> MarketSnapshot:
    blank = np.full_like(whole.close, np.nan)
    return replace(whole, open=blank, high=blank, low=blank, close=blank, volume=blank, fresh=np.zeros(len(blank), dtype=bool))


def with_past(newest: MarketSnapshot, *past: MarketSnapshot) -> MarketSnapshot:
    values = np.stack([np.stack([getattr(one, name) for name in FIELDS]) for one in past], axis=1)
    return replace(newest, backfilled=BackfilledBars(np.array([one.at for one in past]), values))


def window_of(bars: list[MarketSnapshot], symbols: int = 2) -> MarketWindow:
    made = MarketWindow(info(symbols))
    for one in bars:
        made.append(one)
    return made


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**12 - 1), st.integers(1, 2), st.sampled_from([0, 295, 895]))
def test_a_window_after_a_back_fill_is_the_window_without_an_outage(length: int, out: int, symbols: int, before: int) -> None:
    """Also where the buffer is moved to its front between the outage and its end."""
    bars = price_bars(before + length + 1, symbols)
    lost = [number for number in range(length) if out >> number & 1]
    played = [missing(one) if number - before in lost else one for number, one in enumerate(bars)]
    if lost:
        played[-1] = with_past(bars[-1], *(bars[before + number] for number in lost))
    np.testing.assert_array_equal(closes(window_of(played, symbols)), closes(window_of(bars, symbols)))


def test_only_the_symbols_that_were_given_are_filled_in() -> None:
    bars = price_bars(4)
    known = np.array([1.0, np.nan])
    past = replace(bars[1], open=known, high=known, low=known, close=known, volume=known)
    window = window_of([*bars[:3], with_past(bars[3], past)])
    np.testing.assert_array_equal(closes(window)[3, :, -3], [1.0, 102.0])


@pytest.mark.parametrize("at", [0, START - MINUTE, START + MINUTE // 2])
def test_a_close_that_is_not_in_the_window_is_ignored(at: int) -> None:
    bars = price_bars(4)
    window = window_of([*bars[:3], with_past(bars[3], replace(bars[0], at=at, close=np.array([1.0, 1.0])))])
    np.testing.assert_array_equal(closes(window), closes(window_of(bars)))


def test_a_close_that_has_left_the_window_is_ignored() -> None:
    bars = price_bars(WINDOW_BARS + 3)
    window = window_of([missing(bars[0]), *bars[1:-1], with_past(bars[-1], bars[0])])
    np.testing.assert_array_equal(closes(window), closes(window_of(bars)))


def test_inputs_that_were_built_before_a_back_fill_stay_as_they_were() -> None:
    bars = price_bars(4, symbols=1)
    window = window_of([bars[0], missing(bars[1]), bars[2]], symbols=1)
    inputs = build_inputs(window)
    before = inputs.digest()
    window.append(with_past(bars[3], bars[1]))
    assert inputs.digest() == before


def test_a_tick_that_was_lost_takes_its_back_fill_with_it() -> None:
    bars = price_bars(5)
    window = window_of([bars[0], missing(bars[1]), bars[2]])
    before = closes(window)
    window.append(with_past(bars[3], bars[1]))
    window.drop_last()
    np.testing.assert_array_equal(closes(window), before)


def test_a_compact_window_is_filled_in_too() -> None:
    bars = price_bars(WINDOW_BARS + 90)
    window = window_of([missing(one) if number == len(bars) - 5 else one for number, one in enumerate(bars[:-1])])
    window.compact()
    window.append(with_past(bars[-1], bars[-5]))
    np.testing.assert_array_equal(closes(window), closes(window_of(bars)))


def test_the_store_keeps_a_back_fill_and_reads_snapshots_from_before_there_were_any() -> None:
    bars = price_bars(3)
    filled = with_past(bars[2], bars[0], bars[1])
    back = codec.unpack(MarketSnapshot, codec.pack(filled))
    assert back.digest() == filled.digest()
    assert back.backfilled is not None
    np.testing.assert_array_equal(back.backfilled.at, [START, START + MINUTE])
