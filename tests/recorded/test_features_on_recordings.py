"""Indicators against TA-Lib over windows of real markets: round a halt, and where most minutes of some symbols are missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine import broker
from engine.domain.market import MarketView
from engine.feeds.recorded import RecordedFeed
from engine.service.windows import MarketWindow
from tests.features import test_talib
from tests.makers import KNOBS, MINUTE

pytestmark = pytest.mark.recordings
CHECKS = (
    test_talib.test_relative_strength,
    test_talib.test_macd_and_its_histogram,
    test_talib.test_bands_of_bollinger,
    test_talib.test_aroon,
    test_talib.test_commodity_channel,
    test_talib.test_directional_movement,
    test_talib.test_true_range,
    test_talib.test_ultimate_oscillator,
    test_talib.test_chaikins_oscillator,
    test_talib.test_money_flow,
)


@pytest.mark.parametrize(
    ("folder", "since", "bars"),
    [("binance_spot_5m_2022_2023", "2023-03-23T13:00", 360 * 5), ("bitfinex_1m_2018q4", "2018-11-19T12:00", 400)],
)
def test_indicators_agree_with_talib_on_real_markets(recordings: Path, folder: str, since: str, bars: int) -> None:
    told = windows(RecordedFeed(recordings / folder, since=moment(since), until=moment(since) + bars * MINUTE))
    assert len(told) >= 5
    assert all((np.diff(view.log_close[:, -100:], axis=1) == 0).any() for view in told)  # bars without a move or a trade are among them
    for view in told:
        for check in CHECKS:
            check(view)


def moment(text: str) -> int:
    return int(np.datetime64(text, "ns").astype(np.int64))


def windows(feed: RecordedFeed) -> list[MarketView]:
    """Every 25th window in which all symbols have enough history."""
    window, account = MarketWindow(feed.info), broker.open_account(1e5, len(feed.info.symbols))
    views: list[MarketView] = []
    for tick, bar in enumerate(feed.slices(None)):
        window.append(bar)
        if tick % 25 == 0:
            views.append(window.build_inputs(tick, account, KNOBS, ()).view)
    return [view for view in views if np.isfinite(view.sigma).all() and view.known.min() >= 120]
