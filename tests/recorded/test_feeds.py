"""The recorded feed on real markets, held to what is known of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.domain.record import Floats
from engine.feeds.recorded import RecordedFeed

pytestmark = pytest.mark.recordings
SECOND = 10**9
MINUTE = 60 * SECOND


def moment(text: str) -> int:
    return int(np.datetime64(text, "ns").astype(np.int64))


def test_the_binance_halt_is_not_fresh_and_its_gap_is_thirteen_empty_bars(recordings: Path) -> None:
    feed = RecordedFeed(recordings / "binance_spot_5m_2022_2023", since=moment("2023-03-24T11:00"), until=moment("2023-03-24T15:00"))
    slices = list(feed.slices(None))
    assert len(feed.info.symbols) == 20
    quiet = [found for found in slices if not found.fresh.any()]
    halted, empty = quiet[:14], quiet[14:]
    assert all((found.volume == 0).all() and np.isfinite(found.close).all() for found in halted)
    assert all(np.isnan(found.close).all() for found in empty)
    assert (len(halted), len(empty)) == (14, 13)
    after = next(found for found in slices if found.at > empty[-1].at)
    assert after.at - halted[-1].at == 85 * MINUTE
    assert after.fresh.all()
    assert not any(found.fresh.any() and not found.fresh.all() for found in slices)


def test_the_whole_of_binance_has_every_bar_and_nothing_left_out(recordings: Path) -> None:
    feed = RecordedFeed(recordings / "binance_spot_5m_2022_2023", symbols=("BTCUSDT", "BCHUSDT"))
    assert feed.info.interval == 5 * MINUTE
    assert [count.bars for count in feed.counts] == [96_176, 96_176]
    assert [count.without_volume for count in feed.counts] == [14, 113]
    assert all(count.faulty_bars == count.duplicate_bars == 0 for count in feed.counts)
    assert len(feed) == 96_176 + 13


def test_bitfinex_minutes_without_a_trade_are_gaps(recordings: Path) -> None:
    feed = RecordedFeed(recordings / "bitfinex_1m_2018q4")
    known = {"BTCUSD": 129_185, "NEOUSD": 77_020}
    fresh = np.zeros(len(feed.info.symbols), dtype=np.int64)
    carried = 0
    for found in feed.slices(None):
        fresh += found.fresh
        carried += int(np.isfinite(found.close[~found.fresh]).sum())
    assert carried == 0
    assert {symbol: int(fresh[feed.info.symbols.index(symbol)]) for symbol in known} == known


def test_a_night_is_thirteen_empty_bars(recordings: Path) -> None:
    feed = RecordedFeed(recordings / "us_equity_1m_2025_2026", since=moment("2025-11-25T00:00"), until=moment("2025-11-27T00:00"))
    assert [found.fresh.any() for found in feed.slices(None)] == [True] * 390 + [False] * 13 + [True] * 390


def by_windows(feed: RecordedFeed, window: int = 30 * MINUTE) -> float:
    """Mean R2 of the mid's change on the best level's imbalance, within windows."""
    slices = list(feed.slices(None))
    mid = np.array([0.5 * (found.books.bid_price[0, 0] + found.books.ask_price[0, 0]) for found in slices])
    flow = np.array([found.ofi[0, 0] for found in slices])[1:]
    part = np.array([(found.at - 1) // window for found in slices])[1:]
    return float(np.mean([_r2(flow[part == key], np.diff(mid)[part == key]) for key in np.unique(part)]))


def _r2(flow: Floats, move: Floats) -> float:
    there = np.isfinite(flow) & np.isfinite(move)
    return float(np.corrcoef(flow[there], move[there])[0, 1] ** 2)


@pytest.mark.parametrize(
    ("folder", "symbol", "seconds", "known"),
    [
        ("nasdaq_20120621", "AMZN", 1, 0.36), ("nasdaq_20120621", "AMZN", 10, 0.53), ("nasdaq_20120621", "AMZN", 60, 0.57),
        ("nasdaq_20120621", "AAPL", 1, 0.38), ("nasdaq_20120621", "AAPL", 10, 0.51), ("nasdaq_20120621", "AAPL", 60, 0.67),
        ("binance_l2_20240808", "BTCUSDT", 1, 0.40), ("binance_l2_20240808", "ETHUSD_PERP", 1, 0.65), ("bitstamp_20150501", "BTCUSD", 10, 0.12),
    ],
)  # fmt: skip
def test_order_flow_explains_the_move_as_far_as_is_known(recordings: Path, folder: str, symbol: str, seconds: int, known: float) -> None:
    feed = RecordedFeed(recordings / folder, symbols=(symbol,), interval=seconds * SECOND)
    assert by_windows(feed) == pytest.approx(known, abs=0.006)


@pytest.mark.parametrize(("folder", "known"), [("nasdaq_20120621", {"AAPL": 0.51, "AMZN": 0.53}), ("bitstamp_20150501", {"BTCUSD": 0.12})])
def test_the_fit_by_ten_seconds_is_told_whatever_the_bars(recordings: Path, folder: str, known: dict[str, float]) -> None:
    for interval in (SECOND, MINUTE):
        feed = RecordedFeed(recordings / folder, interval=interval)
        assert dict(zip(feed.info.symbols, feed.flow_r2(0, 2**62), strict=True)) == pytest.approx(known, abs=0.01)


def test_sides_sum_to_the_volume_and_bars_contain_their_vwap(recordings: Path) -> None:
    for found in RecordedFeed(recordings / "nasdaq_20120621").slices(None):
        signed, _, vwap, spread, depth = found.flow.T
        assert (np.abs(signed) <= found.volume + 1e-9).all()
        traded = found.volume > 0
        assert ((vwap >= found.low - 1e-9) & (vwap <= found.high + 1e-9))[traded].all()
        assert np.isnan(vwap[~traded]).all()
        assert (spread > 0).all()
        assert (depth > 0).all()


def test_midnight_is_crossed_without_a_seam(recordings: Path) -> None:
    slices = list(RecordedFeed(recordings / "binance_l2_20240808", symbols=("BTCUSDT", "BTCUSD_PERP")).slices(None))
    assert [found.at - slices[0].at for found in slices] == [i * MINUTE for i in range(12)]
    assert all(found.fresh.all() for found in slices)
    assert all(np.isfinite(found.fill_books.bid_price[:, 0]).all() for found in slices[1:])
