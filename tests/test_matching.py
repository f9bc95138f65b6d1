"""Matching of orders with a market: answers worked by hand to the cent, and properties that hold for any books and bars."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import broker
from engine.domain.decision import Fill
from engine.domain.market import Account, Books, MarketSnapshot
from engine.domain.orders import EXECUTIONS, FinishedOrder, Order
from engine.domain.trading_config import TradingConfig, TradingRules
from tests.makers import MINUTE, START, bar

PASSIVE, AGGRESSIVE, SLICE = (EXECUTIONS.index(kind) for kind in ("passive", "aggressive", "slice"))
KNOBS = TradingConfig(fee_bps=10.0, maker_fee_bps=2.0, passive_bars=2, slice_bars=3)
UNKNOWN = (np.nan, np.nan, 0.0, 0.0)


def book(bid: float = 99.9, ask: float = 100.1, bid_size: float = 6.0, ask_size: float = 5.0) -> Books:
    """Two levels per side, 0.1 apart, of equal size."""
    steps, ones = np.array([[0.0, 0.1]]), np.ones((1, 2))
    return Books(bid - steps, bid_size * ones, ask + steps, ask_size * ones)


def traded(
    books: Books, *, low: float = 100.0, high: float = 100.0, volume: float = 50.0, later: tuple[float, ...] | None = None, number: int = 1
) -> MarketSnapshot:
    """A bar with this book at the fill, traded from low to high, and with trades after the arrival as in `later`."""
    one = bar(START + number * MINUTE, books=books, volume=volume)
    return replace(one, low=np.array([low]), high=np.array([high]), trades_after_arrival=None if later is None else np.array([later]))


def order(units: float, kind: int) -> Order:
    return Order(0, units, 2.0, 0.5, 0.002, kind)


def work(first_order: Order, *bars: MarketSnapshot, knobs: TradingConfig = KNOBS) -> tuple[Account, list[Fill], list[FinishedOrder]]:
    """Work the order over these bars, for as long as it lasts."""
    account = broker.open_account(10_000.0, 1)
    orders: tuple[Order, ...] = (first_order,)
    fills: list[Fill] = []
    done: list[FinishedOrder] = []
    for tick, one in enumerate(bars):
        account, filled = broker.fill_orders(account, orders, one, knobs, tick)
        fills, done, orders = [*fills, *filled], [*done, *account.finished_orders], account.working_orders
    return account, fills, done


def test_an_order_at_rest_is_filled_whole_at_its_limit_when_the_market_trades_through_it() -> None:
    """8 bought at 99.90 for the maker's 2 bps: 799.20 and 0.16. At once: 5 at 100.1 and 3 at 100.2, 100.1375, and 10 bps: 100.2376."""
    account, fills, done = work(order(8.0, PASSIVE), traded(book(), later=UNKNOWN), traded(book(), low=99.8))
    assert 10_000.0 - account.cash == pytest.approx(799.35984, abs=1e-9)
    assert [(fill.units, fill.price, fill.fee_bps, fill.unfilled) for fill in fills] == [(8.0, 99.9, 2.0, 0.0)]
    assert fills[0].spread_bps == pytest.approx(-10.0)  # half a spread of 20 bps is earned
    assert (account.working_orders, account.positions[0]) == ((), 8.0)
    assert done[0].shortfall_bps == pytest.approx((99.9 * 1.0002 - 100.1375 * 1.001) / 100.0 * 1e4)
    assert (done[0].requested, done[0].filled) == (800.0, 800.0)


def test_a_sale_at_rest_is_the_mirror_of_a_purchase() -> None:
    account, fills, _ = work(order(-8.0, PASSIVE), traded(book(), later=UNKNOWN), traded(book(), high=100.2))
    assert account.cash - 10_000.0 == pytest.approx(8 * 100.1 * 0.9998)
    assert [(fill.units, fill.price) for fill in fills] == [(-8.0, 100.1)]


@pytest.mark.parametrize(("low", "volume"), [(99.9, 50.0), (99.8, 0.0), (99.8, np.nan), (np.nan, 50.0)])
def test_at_the_limit_or_where_nothing_is_known_to_have_been_traded_it_goes_on_waiting(low: float, volume: float) -> None:
    account, fills, _ = work(order(8.0, PASSIVE), traded(book(), later=UNKNOWN), traded(book(), low=low, volume=volume))
    assert (fills, account.cash, len(account.working_orders)) == ([], 10_000.0, 1)


@pytest.mark.parametrize("later", [None, UNKNOWN, (99.9, 100.0, 6.0, 0.0)])
def test_of_the_bar_it_arrives_in_only_what_was_traded_after_its_arrival_counts(later: tuple[float, ...] | None) -> None:
    """The bar fell to 99, but not known to have done so after the order arrived; 6 sold at its limit are those that stood before it."""
    account, fills, _ = work(order(8.0, PASSIVE), traded(book(), low=99.0, later=later))
    assert (fills, len(account.working_orders)) == ([], 1)
    assert work(order(8.0, PASSIVE), traded(book(), low=99.0, later=(99.8, 100.0, 0.0, 0.0)))[1][0].units == 8.0


def test_at_its_limit_it_is_filled_after_the_queue_ahead_of_it() -> None:
    """6 stand before it. 4 are sold, then 5: the queue is through and 3 of its 8 are filled; then 2 more; then its time is over."""
    bars = [traded(book(), low=99.9, later=(99.9, 100.0, sold, 0.0)) for sold in (4.0, 5.0, 2.0)]
    account, fills, _ = work(order(8.0, PASSIVE), *bars, knobs=replace(KNOBS, passive_bars=3))
    assert [(fill.units, fill.price, fill.unfilled) for fill in fills] == [(3.0, 99.9, 0.0), (2.0, 99.9, 0.0)]
    assert account.cash == pytest.approx(10_000.0 - 5 * 99.9 * 1.0002)
    assert account.working_orders[0].units == 3.0


def test_what_is_displayed_at_its_limit_bounds_the_queue_and_another_touch_tells_nothing_of_it() -> None:
    bars = [traded(book(), later=UNKNOWN), traded(book(bid_size=1.0), low=99.9, later=(99.9, 100.0, 2.0, 0.0))]
    assert [fill.units for fill in work(order(8.0, PASSIVE), *bars)[1]] == [1.0]  # 1 is left before it, of which 2 are sold
    bars[1] = traded(book(bid=99.8, ask=100.0), low=99.9, later=(99.9, 100.0, 20.0, 0.0))
    assert work(order(8.0, PASSIVE), *bars)[1] == []


def test_when_its_time_is_over_it_takes_what_is_left() -> None:
    """Two bars at rest, then 8 at 101.1 and 101.2 with the taker's fee: the price has run away by a unit and it pays for having waited."""
    account, fills, done = work(order(8.0, PASSIVE), traded(book(), later=UNKNOWN), traded(book()), traded(book(100.9, 101.1)))
    assert [(fill.units, round(fill.price, 4), fill.fee_bps) for fill in fills] == [(8.0, 101.1375, 10.0)]
    assert 10_000.0 - account.cash == pytest.approx(809.1 * 1.001)
    assert done[0].shortfall_bps == pytest.approx((809.1 - 801.1) / 8 * 1.001 / 100.0 * 1e4)  # 100.1 bps
    assert account.working_orders == ()


def test_one_that_is_cancelled_is_counted_at_what_it_missed() -> None:
    """Taking at once would have cost 100.2376 a unit; the mid is 102 when it is given up: it missed 176.24 bps, and nothing was filled."""
    account = work(order(8.0, PASSIVE), traded(book(), later=UNKNOWN))[0]
    after, fills = broker.fill_orders(account, (), traded(book(101.9, 102.1)), KNOBS, 1)
    assert (fills, after.working_orders, after.positions[0]) == ((), (), 0.0)
    assert after.finished_orders[0].filled == 0.0
    assert after.finished_orders[0].shortfall_bps == pytest.approx((102.0 - 100.1375 * 1.001) / 100.0 * 1e4)


def test_slices_are_equal_parts_each_of_its_own_book_and_what_one_does_not_hold_is_spread() -> None:
    """9 in three bars: 3 at 100.1; of the 3 wanted 2 at 100.1 and 100.2; then the 4 that are left at 100.3 and 100.4, 3 and 1."""
    bars = (traded(book()), traded(book(ask_size=1.0)), traded(book(100.1, 100.3, ask_size=3.0)))
    account, fills, done = work(order(9.0, SLICE), *bars)
    assert [(fill.units, fill.unfilled) for fill in fills] == [(3.0, 0.0), (2.0, 0.0), (4.0, 0.0)]
    paid = 3 * 100.1 + 100.1 + 100.2 + 3 * 100.3 + 100.4
    assert 10_000.0 - account.cash == pytest.approx(paid * 1.001)  # 902.80
    assert done[0].shortfall_bps == pytest.approx((paid - 5 * 100.1 - 4 * 100.2) / 9 * 1.001 / 100.0 * 1e4)
    assert account.working_orders == ()


def test_what_the_last_slice_cannot_fill_is_over() -> None:
    bars = (traded(book()), traded(book(ask_size=1.0)), traded(book(ask_size=1.0)))
    account, fills, done = work(order(9.0, SLICE), *bars)
    assert [(fill.units, fill.unfilled) for fill in fills] == [(3.0, 0.0), (2.0, 0.0), (2.0, 2.0)]
    assert account.working_orders == ()
    assert done[0].filled / done[0].requested == pytest.approx(7 / 9)


def test_parts_are_whole_lots_and_the_last_one_takes_what_is_left() -> None:
    """11 in three slices of lots of 2: 2 of the 3.67, 4 of the 4.5, then 5; and a tenth of 79 is 6 of the 7.9 allowed."""
    knobs = replace(KNOBS, rules=TradingRules(lots=(2.0,)))
    bars = (traded(book()), traded(book()), traded(book()))
    assert [fill.units for fill in work(order(11.0, SLICE), *bars, knobs=knobs)[1]] == [2.0, 4.0, 5.0]
    bare = bar(START + MINUTE, volume=79.0)
    assert [fill.units for fill in work(order(-9.0, AGGRESSIVE), bare, knobs=knobs)[1]] == [-6.0]
    assert [fill.units for fill in work(order(-7.0, AGGRESSIVE), bare, knobs=knobs)[1]] == [-7.0]


@pytest.mark.parametrize("kind", [PASSIVE, SLICE])
def test_an_order_that_finds_no_book_at_its_arrival_is_over(kind: int) -> None:
    account, fills, done = work(order(4.0, kind), traded(book(np.nan, np.nan)))
    assert [(fill.units, fill.unfilled) for fill in fills] == [(0.0, 4.0)]
    assert (fills[0].fee_bps, fills[0].spread_bps, fills[0].impact_bps, fills[0].realised_pnl) == (0.0, 0.0, 0.0, 0.0)
    assert (account.working_orders, len(done), np.isnan(done[0].shortfall_bps)) == ((), 1, True)


def test_each_symbol_pays_the_fee_of_its_kind_of_fill() -> None:
    knobs = replace(KNOBS, fees_bps=(8.0,), maker_fees_bps=(-1.0,))
    _, fills, _ = work(order(8.0, PASSIVE), traded(book(), later=UNKNOWN), traded(book(), low=99.8), knobs=knobs)
    assert fills[0].fee_bps == -1.0
    assert work(order(4.0, AGGRESSIVE), traded(book()), knobs=knobs)[1][0].fee_bps == 8.0
    plain = replace(KNOBS, maker_fee_bps=None)
    assert work(order(8.0, PASSIVE), traded(book(), later=UNKNOWN), traded(book(), low=99.8), knobs=plain)[1][0].fee_bps == 10.0


SIDE = st.tuples(st.floats(0.02, 0.5), st.one_of(st.floats(0.1, 30.0), st.just(float("nan")), st.just(0.0)))
BAR = st.tuples(st.floats(90.0, 110.0), SIDE, SIDE, st.floats(0.0, 3.0), st.floats(0.0, 40.0), st.booleans())
ASKED = st.tuples(st.floats(-40.0, 40.0).filter(lambda units: abs(units) > 0.01), st.sampled_from([PASSIVE, AGGRESSIVE, SLICE]))


def met(number: int, figures: tuple[float, tuple[float, float], tuple[float, float], float, float, bool]) -> MarketSnapshot:
    mid, (down, bid_size), (up, ask_size), reach, sold, is_crossed = figures
    books = book(mid + up if is_crossed else mid - down, mid - down if is_crossed else mid + up, bid_size, ask_size)
    return traded(books, low=mid - reach, high=mid + reach, volume=sold, later=(mid - reach, mid + reach, sold, sold), number=number)


@given(st.lists(st.tuples(BAR, st.one_of(st.none(), ASKED)), min_size=1, max_size=14))
@settings(max_examples=200, deadline=None)
def test_accounts_reconcile_and_no_order_fills_more_than_it_asks_whatever_comes(steps: list[tuple[tuple, tuple[float, int] | None]]) -> None:  # type: ignore[type-arg]
    """Cash and positions are the sums of the fills; a new order replaces a working one; all units requested are filled, left or unfilled."""
    account = broker.open_account(10_000.0, 1)
    cash, units = 10_000.0, 0.0
    for number, (figures, wanted) in enumerate(steps):
        one = met(number + 1, figures)
        orders = account.working_orders if wanted is None else (order(*wanted),)
        before = orders[0].units if orders else 0.0
        account, fills = broker.fill_orders(account, orders, one, KNOBS, number)
        account = broker.mark_to_market(account, one, 10_000.0, KNOBS)
        filled = sum(fill.units for fill in fills)
        for fill in fills:
            cash -= fill.units * fill.price + abs(fill.units) * fill.price * fill.fee_bps / 1e4 if fill.units else 0.0
            assert fill.units * before >= 0.0
            best = one.fill_books.ask_price[0, 0] if fill.units > 0 else one.fill_books.bid_price[0, 0]
            if fill.units and fill.fee_bps == KNOBS.fee_bps:
                assert (fill.price - best) * np.sign(fill.units) >= -1e-9  # never better than the book
        left = sum(found.units for found in account.working_orders) + sum(fill.unfilled for fill in fills)
        assert filled + left == pytest.approx(before, abs=1e-9)
        units += filled
        assert account.cash == pytest.approx(cash, abs=1e-6)
        assert account.positions[0] == pytest.approx(units, abs=1e-6)
        assert account.equity == pytest.approx(cash + units * account.mark_price[0], abs=1e-6)
        assert len(account.working_orders) <= 1


@pytest.mark.parametrize("kind", [PASSIVE, AGGRESSIVE, SLICE])
@pytest.mark.parametrize("has_price", [True, False])
def test_nothing_is_filled_in_a_bar_that_was_not_there_in_time_and_has_no_book(kind: int, has_price: bool) -> None:
    """Such as a bar of an outage that the exchange gave later: it trades far through the limit, but nobody could see it."""
    blank = np.full((1, 2), np.nan)
    nothing = replace(traded(Books(blank, blank, blank, blank), low=1.0, high=1_000.0, later=(np.nan,) * 4), fresh=np.array([False]))
    if not has_price:
        unknown = np.array([np.nan])
        nothing = replace(nothing, open=unknown, high=unknown, low=unknown, close=unknown, volume=unknown)
    for first in (nothing, traded(book(), later=UNKNOWN)):
        _, before, _ = work(order(8.0, kind), first)
        _, fills, _ = work(order(8.0, kind), first, replace(nothing, at=START + 2 * MINUTE), replace(nothing, at=START + 3 * MINUTE))
        assert sum(fill.units for fill in fills) == sum(fill.units for fill in before)


def test_a_bar_without_a_book_that_was_there_in_time_still_trades_through_a_limit() -> None:
    blank = np.full((1, 2), np.nan)
    later = traded(Books(blank, blank, blank, blank), low=99.0, number=2)
    _, fills, _ = work(order(8.0, PASSIVE), traded(book(), later=UNKNOWN), later)
    assert [fill.units for fill in fills] == [8.0]
