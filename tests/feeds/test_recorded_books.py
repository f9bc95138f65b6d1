"""Trades and books: bars built from them, the flow of each bar, and the books seen by decisions and fills."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine import broker
from engine.domain.orders import Order
from engine.domain.trading_config import TradingConfig
from engine.feeds._recording_files import BadRecording
from engine.feeds.recorded import RecordedFeed
from tests.feeds.recordings import BAR, BOOK, MINUTE, SECOND, START, TRADE, bar, closes, minutes, write

NAN = float("nan")


def trade(second: float, price: float, size: float = 1.0, side: str = "buy") -> tuple[object, ...]:
    return (START + int(second * SECOND), price, size, side)


def book(second: float, bid: float, ask: float, bid_size: float = 1.0, ask_size: float = 1.0) -> tuple[object, ...]:
    return (START + int(second * SECOND), bid, bid_size, ask, ask_size)


def test_bars_are_made_of_trades_where_there_are_none(tmp_path: Path) -> None:
    rows = [trade(5, 10.0, 2.0), trade(6, 12.0, 1.0, "sell"), trade(6, 9.0, 1.0, "sell"), trade(59.999, 11.0, 4.0, "none"), trade(60, 13.0, 1.0)]
    write(tmp_path, "A", "trades", TRADE, [*rows, trade(200, 14.0)])
    feed = RecordedFeed(tmp_path)
    first, second, third, fourth = feed.slices(None)
    assert (feed.info.has_flow, feed.info.levels, minutes([first])) == (True, 0, [1.0])
    assert [first.open[0], first.high[0], first.low[0], first.close[0], first.volume[0]] == [10.0, 12.0, 9.0, 11.0, 8.0]
    np.testing.assert_allclose(first.flow[0], [0.0, 4.0, (20.0 + 12.0 + 9.0 + 44.0) / 8.0, NAN, NAN])
    assert second.open[0] == 13.0  # a trade at the very close belongs to the next bar
    assert np.isnan(third.close[0])
    assert not third.fresh[0]
    assert np.isnan(third.flow).all()
    assert fourth.fresh[0]


def test_bars_are_made_of_mids_where_nothing_was_traded(tmp_path: Path) -> None:
    write(tmp_path, "A", "trades", TRADE, [trade(5, 10.0)])
    write(tmp_path, "A", "books", BOOK, [book(1, 9, 11), book(70, 10, 12), book(80, 13, 15), book(100, 10, 14), book(130, 11, 15)])
    first, second, third = RecordedFeed(tmp_path).slices(None)
    assert (first.close[0], first.volume[0]) == (10.0, 1.0)
    assert [second.open[0], second.high[0], second.low[0], second.close[0], second.volume[0]] == [10.0, 14.0, 10.0, 12.0, 0.0]
    assert second.fresh[0]  # a standing book can be traded on
    assert third.open[0] == 12.0


def test_without_trades_the_volume_is_not_known(tmp_path: Path) -> None:
    write(tmp_path, "A", "books", BOOK, [book(1, 9, 11), book(61, 9, 11)])
    first = next(RecordedFeed(tmp_path).slices(None))
    assert first.close[0] == 10.0
    assert np.isnan(first.volume[0])
    assert np.isnan(first.flow[0, :3]).all()


def test_a_book_that_no_longer_moves_is_a_gap(tmp_path: Path) -> None:
    write(tmp_path, "A", "books", BOOK, [book(50, 9, 11), book(601, 10, 12)])
    slices = list(RecordedFeed(tmp_path).slices(None))
    np.testing.assert_array_equal(closes(slices)[:, 0], [10.0] + [NAN] * 9 + [11.0])
    assert [bool(np.isfinite(snapshot.books.bid_price[0, 0])) for snapshot in slices] == [True] + [False] * 9 + [True]


def test_recorded_bars_are_taken_before_trades_and_flow_joins_them(tmp_path: Path) -> None:
    write(tmp_path, "A", "bars", BAR, [bar(0, 50.0), bar(1, 51.0)])
    write(tmp_path, "A", "trades", TRADE, [trade(5, 10.0, 3.0, "sell"), trade(500, 1.0)])
    write(tmp_path, "B", "bars", BAR, [bar(0, 60.0), bar(1, 61.0)])
    first, second = RecordedFeed(tmp_path).slices(None)
    np.testing.assert_array_equal(first.close, [50.0, 60.0])
    np.testing.assert_array_equal(first.flow[:, :2], [[-3.0, 1.0], [NAN, NAN]])
    np.testing.assert_array_equal(second.flow[0, :3], [0.0, 0.0, NAN])


def test_imbalance_sums_every_event_of_the_bar_by_level(tmp_path: Path) -> None:
    header = "ts,bid_px_0,bid_sz_0,ask_px_0,ask_sz_0,bid_px_1,bid_sz_1,ask_px_1,ask_sz_1"
    rows = [
        (10, 5, 12, 7, 9, 1, 13, 1),
        (10, 8, 12, 7, 9, 1, 13, 1),  # 3 more bid
        (11, 2, 12, 7, 9, 1, 13, 1),  # a better bid: + 2
        (10, 4, 12, 7, 9, 1, 13, 1),  # it goes: - 2
        (10, 4, 12, 4, 9, 1, 13, 5),  # 3 fewer asked: + 3; 4 more asked at level 1: - 4
        (10, 4, 13, 6, 9, 2, 14, 5),  # the ask is lifted: + 4; bid 1 more and the ask of 5 gone at level 1: + 6
    ]
    times = (1, 2, 2, 30, 59, 61)
    write(tmp_path, "A", "books", header, [(START + at * SECOND, *row) for at, row in zip(times, rows, strict=True)])
    first, second = RecordedFeed(tmp_path).slices(None)
    np.testing.assert_allclose(first.ofi, [[3 + 2 - 2 + 3, -4]])
    np.testing.assert_allclose(second.ofi, [[4, 1 + 5]])


def test_crossed_and_malformed_books_are_left_out_of_the_flow_and_counted(tmp_path: Path) -> None:
    sound = [book(1, 10, 12, 5, 5), book(20, 10, 12, 7, 5)]
    bad = [book(10, 13, 12), book(11, NAN, 12), book(12, 10, 12, -3, 1), book(13, 10, float("inf")), book(14, 0, 12)]
    write(tmp_path, "A", "books", BOOK, sorted([*sound, *bad], key=lambda row: str(row[0])))
    feed = RecordedFeed(tmp_path)
    only = next(feed.slices(None))
    assert feed.counts[0].faulty_books == 5
    np.testing.assert_allclose(only.ofi, [[2.0]])
    assert (only.high[0], only.low[0], only.flow[0, 3]) == (11.0, 11.0, 2.0)


def test_a_crossed_book_at_the_decision_is_passed_on(tmp_path: Path) -> None:
    write(tmp_path, "A", "books", BOOK, [book(1, 10, 12), book(59, 13, 12), book(60.1, 13, 12), book(61, 10, 12)])
    first, second = RecordedFeed(tmp_path).slices(None)
    assert (first.books.bid_price[0, 0], first.books.ask_price[0, 0]) == (13.0, 12.0)
    assert (second.fill_books.bid_price[0, 0], second.fill_books.ask_price[0, 0]) == (10.0, 12.0)  # but no order is filled on one


def test_the_decision_sees_the_last_book_and_the_fill_the_first_after_the_latency(tmp_path: Path) -> None:
    rows = [book(1, 1, 9), book(59, 2, 9), book(60.1, 3, 9), book(60.25, 4, 9), book(60.25, 5, 9), book(119, 6, 9), book(181, 7, 9)]
    write(tmp_path, "A", "books", BOOK, rows)
    slices = list(RecordedFeed(tmp_path, latency_ms=250.0).slices(None))
    assert [snapshot.books.bid_price[0, 0] for snapshot in slices][:2] == [2.0, 6.0]
    assert slices[1].fill_books.bid_price[0, 0] == 4.0
    assert slices[2].fill_books.bid_price[0, 0] == 6.0  # none in the third minute: the one from before still stands
    assert slices[3].fill_books.bid_price[0, 0] == 7.0
    assert RecordedFeed(tmp_path, latency_ms=0.0)
    with pytest.raises(BadRecording, match=r"a latency of 60.0 s does not fit into bars of 60.0 s"):
        RecordedFeed(tmp_path, latency_ms=60_000.0)


def test_where_no_book_follows_an_order_meets_the_one_that_stands_if_it_is_sound_and_not_stale(tmp_path: Path) -> None:
    """Decided at 60 s each minute, arriving 0.25 s later."""
    standing = [book(1, 9, 11), book(59, 10, 12, 3, 4), book(181, 9, 11)]
    write(tmp_path / "stands", "A", "books", BOOK, standing)
    met = [snapshot.fill_books for snapshot in RecordedFeed(tmp_path / "stands").slices(None)]
    assert [met[1].bid_price[0, 0], met[1].bid_size[0, 0], met[1].ask_price[0, 0], met[1].ask_size[0, 0]] == [10, 3, 12, 4]
    assert np.isnan(met[2].ask_price[0, 0])  # 61.25 s old when the order arrives
    crossed = [book(1, 9, 11), book(58, 10, 12), book(59, 13, 12), book(181, 9, 11)]
    write(tmp_path / "crossed", "A", "books", BOOK, crossed)
    met = [snapshot.fill_books for snapshot in RecordedFeed(tmp_path / "crossed").slices(None)]
    assert np.isnan(met[1].ask_price[0, 0])  # the last book is crossed: the sound one before it no longer stands
    passing = [book(1, 9, 11), book(60.2, 10, 12), book(61, 13, 12), book(181, 9, 11)]
    write(tmp_path / "passing", "A", "books", BOOK, passing)
    met = [snapshot.fill_books for snapshot in RecordedFeed(tmp_path / "passing").slices(None)]
    assert met[1].ask_price[0, 0] == 12.0  # it stood when the order arrived, whatever came after


def test_an_order_larger_than_the_standing_book_is_filled_by_what_it_offers(tmp_path: Path) -> None:
    """351 shares are offered and no event follows: an order of 100,000 takes these and nothing else, at their price."""
    write(tmp_path, "A", "books", BOOK, [book(1, 99, 101), book(59, 224.94, 225.06, 200, 351), book(130, 99, 101)])
    second = list(RecordedFeed(tmp_path).slices(None))[1]
    account, fills = broker.fill_orders(broker.open_account(1e8, 1), (Order(0, 100_000.0, 2.0, 1.0),), second, TradingConfig(fee_bps=10.0), 1)
    assert (fills[0].units, fills[0].unfilled, fills[0].price, fills[0].mid) == (351.0, 99_649.0, 225.06, 225.0)
    assert 1e8 - account.cash == pytest.approx(351 * 225.06 * 1.001, abs=0.005)


def test_trades_after_an_orders_arrival_are_separate_from_earlier_ones(tmp_path: Path) -> None:
    """Orders arrive at 60.25 s and meet 10 at 12, at 120.25 s the same book."""
    write(tmp_path, "A", "books", BOOK, [book(1, 9, 13), book(60.1, 10, 12), book(119, 10, 12)])
    rows = [
        trade(5, 11.0),
        trade(60.1, 8.0, 9.0, "sell"),  # before it arrives
        trade(60.25, 8.5, 9.0, "sell"),  # as it arrives: not known to come after
        trade(61, 10.0, 3.0, "sell"),
        trade(62, 10.0, 2.0, "buy"),  # not sold
        trade(63, 10.0, 4.0, "none"),  # may be either
        trade(64, 9.5, 1.0, "sell"),  # beyond the touch
        trade(65, 12.0, 5.0, "buy"),
        trade(119.9, 10.0, 0.5, "sell"),
        trade(120.3, 12.5, 7.0, "buy"),
    ]
    write(tmp_path, "A", "trades", TRADE, rows)
    first, second, third = RecordedFeed(tmp_path).slices(None)
    assert first.trades_after_arrival is not None
    assert second.trades_after_arrival is not None
    assert third.trades_after_arrival is not None
    np.testing.assert_array_equal(second.trades_after_arrival[0], [9.5, 12.0, 3.5, 5.0])
    np.testing.assert_array_equal(third.trades_after_arrival[0], [12.5, 12.5, 0.0, 0.0])
    (tmp_path / "A" / "trades.csv").unlink()
    assert next(RecordedFeed(tmp_path).slices(None)).trades_after_arrival is None


def test_flow_explains_moves_in_cells_of_ten_seconds_of_the_given_time(tmp_path: Path) -> None:
    draw = np.random.default_rng(5)
    rows, bid = [], 1000
    for second in range(3_600):
        size = int(draw.integers(1, 9))
        if second < 1_800:
            bid += 1 if size > 4 else -1  # a better bid adds its size to the flow, a worse one takes the size before it out
        rows.append(book(second, float(bid), bid + 2.0, size, 5))
    write(tmp_path, "A", "books", BOOK, rows)
    write(tmp_path, "B", "bars", BAR, [bar(i) for i in range(60)])
    half, end = START + 1_800 * SECOND, START + 3_600 * SECOND
    feed = RecordedFeed(tmp_path)
    moving, still = feed.flow_r2(START, half), feed.flow_r2(half, end)
    assert moving[0] is not None
    assert moving[0] > 0.5
    assert still == (None, None)  # nothing moved, and B has no book
    assert RecordedFeed(tmp_path, interval=5 * MINUTE).flow_r2(START, end) == (moving[0], None)


def test_changing_later_events_changes_no_earlier_slice(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    times = np.sort(rng.uniform(0, 1200, 400))
    bid = 100 + np.cumsum(rng.choice([-0.5, 0.0, 0.5], 400))
    books = [book(at, b, b + 1, *rng.uniform(1, 5, 2)) for at, b in zip(times, bid, strict=True)]
    trades = [trade(at, b + 0.5, 1.0, side) for at, b, side in zip(times, bid, rng.choice(["buy", "sell", "none"], 400), strict=True)]
    write(tmp_path / "whole", "A", "books", BOOK, books)
    write(tmp_path / "whole", "A", "trades", TRADE, trades)
    cut = START + 600 * SECOND
    write(tmp_path / "part", "A", "books", BOOK, [row for row in books if int(str(row[0])) < cut])
    write(tmp_path / "part", "A", "trades", TRADE, [row for row in trades if int(str(row[0])) < cut])
    whole = [snapshot.digest() for snapshot in RecordedFeed(tmp_path / "whole").slices(None)]
    part = [snapshot.digest() for snapshot in RecordedFeed(tmp_path / "part").slices(None)]
    assert len(part) == 10
    assert whole[:10] == part


def test_spread_and_depth_are_weighted_by_time(tmp_path: Path) -> None:
    rows = [book(0, 10, 12, 1, 3), book(45, 10, 14, 5, 7), book(75, 10, 11, 2, 2)]
    write(tmp_path, "A", "books", BOOK, rows)
    first, second = RecordedFeed(tmp_path).slices(None)
    np.testing.assert_allclose(first.flow[0, 3:], [(45 * 2 + 15 * 4) / 60, (45 * 2 + 15 * 6) / 60])
    np.testing.assert_allclose(second.flow[0, 3:], [(15 * 4 + 45 * 1) / 60, (15 * 6 + 45 * 2) / 60])


def test_a_silence_between_books_is_no_event(tmp_path: Path) -> None:
    write(tmp_path, "A", "books", BOOK, [book(1, 10, 12, 5, 5), book(2, 10, 12, 6, 5), book(100, 20, 22, 50, 50), book(101, 20, 22, 51, 50)])
    slices = list(RecordedFeed(tmp_path).slices(None))
    assert [float(snapshot.ofi[0, 0]) for snapshot in slices] == [1.0, 1.0]


def test_symbols_with_and_without_books_and_levels_stand_side_by_side(tmp_path: Path) -> None:
    write(tmp_path, "A", "books", "ts,bid_px_0,bid_sz_0,ask_px_0,ask_sz_0,bid_px_1,bid_sz_1,ask_px_1,ask_sz_1", [(START, 9, 1, 11, 1, 8, 2, 12, 2)])
    write(tmp_path, "B", "books", BOOK, [book(3, 9, 11)])
    write(tmp_path, "C", "bars", BAR, [bar(0), bar(1)])
    feed = RecordedFeed(tmp_path)
    first = next(feed.slices(None))
    assert feed.info.levels == 2
    np.testing.assert_array_equal(first.books.ask_size, [[1, 2], [1, NAN], [NAN, NAN]])
    assert first.ofi.shape == (3, 2)
    assert feed.info.interval == MINUTE
