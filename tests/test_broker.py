"""The paper broker: money is neither made nor lost by accounting, and nothing is filled at the price it was decided on."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import broker, matching
from engine.domain.decision import Fill
from engine.domain.market import Account, Books
from engine.domain.orders import PASSIVE, Order
from engine.domain.record import Floats
from engine.domain.trading_config import TradingConfig, TradingRules
from tests.makers import DAY, MINUTE, START, bar, decided, lesson, moment, no_books

KNOBS = TradingConfig(fee_bps=10.0)
PRICES = st.floats(1.0, 1_000.0)
SIZES = st.floats(-50.0, 50.0).filter(lambda size: abs(size) > 1e-3)
STEPS = st.lists(st.tuples(PRICES, SIZES, st.floats(0.0, 30.0), st.floats(0.0, 0.01), st.floats(0.0, 1_000.0)), min_size=1, max_size=12)


def asked(units: float, spread: float = 4.0, sigma: float = 0.001) -> tuple[Order, ...]:
    return (Order(0, units, spread, 1.0, sigma),)


def trade(
    account: Account, units: float, price: float, spread: float = 4.0, sigma: float = 0.001, tick: int = 1, volume: float = 1_000.0
) -> tuple[Account, Fill]:
    one = bar(price=(price,), volume=volume)
    filled, fills = broker.fill_orders(account, asked(units, spread, sigma), one, KNOBS, tick)
    return broker.mark_to_market(filled, one, 1_000.0, KNOBS), fills[0]


def fee(fill: Fill) -> float:
    return abs(fill.units) * fill.price * KNOBS.fee_bps / 1e4


@given(STEPS)
@settings(max_examples=150, deadline=None)
def test_equity_is_cash_and_positions_and_every_cost_is_paid_once(steps: list[tuple[float, float, float, float, float]]) -> None:
    account = broker.open_account(1_000.0, 1)
    cash = units = opening_fees = realised = 0.0
    for price, size, spread, sigma, volume in steps:
        account, fill = trade(account, size, price, spread, sigma, volume=volume)
        filled = fill.units
        assert abs(filled) == pytest.approx(min(abs(size), 0.1 * volume))
        assert filled + fill.unfilled == pytest.approx(size)
        if filled == 0.0:
            continue
        side = 1.0 if size > 0 else -1.0
        impact = 0.1 * sigma * 1e4 * math.sqrt(abs(filled) / volume)
        assert fill.price == pytest.approx(price * (1 + side * (spread / 2 + impact) / 1e4), rel=1e-12)
        assert (fill.spread_bps, fill.fee_bps) == (spread / 2, 10.0)
        assert fill.impact_bps == pytest.approx(impact)
        closed = min(abs(filled), abs(units)) if units * filled < 0 else 0.0
        opening_fees += (abs(filled) - closed) * fill.price * KNOBS.fee_bps / 1e4
        cash -= filled * fill.price + fee(fill)
        units += filled
        realised += fill.realised_pnl
        assert account.cash == pytest.approx(1_000.0 + cash, abs=1e-6)
        assert account.equity == pytest.approx(account.cash + float(account.positions[0]) * price, abs=1e-6)
        assert account.positions[0] == pytest.approx(units, abs=1e-6)
    if account.positions[0]:
        account, fill = trade(account, -float(account.positions[0]), steps[0][0], volume=1e4)
        realised += fill.realised_pnl
    assert account.positions[0] == 0.0
    assert np.isnan(account.entry_price[0])
    assert account.equity - 1_000.0 == pytest.approx(realised - opening_fees, abs=1e-6 * (1 + abs(realised)))


@given(PRICES, SIZES, SIZES)
@settings(max_examples=100, deadline=None)
def test_what_is_closed_in_two_parts_leaves_exactly_nothing(price: float, first: float, part: float) -> None:
    account, _ = trade(broker.open_account(1_000.0, 1), first, price)
    account, _ = trade(account, -first * abs(part) / 51.0, price * 1.01)
    account, _ = trade(account, -float(account.positions[0]), price * 0.99)
    assert account.positions[0] == 0.0


def test_an_order_takes_no_more_than_its_share_of_the_bar_and_pays_for_what_it_took() -> None:
    """20,000 of money at 250 in a bar that traded 30: 3 units are filled, a tenth of the bar, at 0.1 x 40 bps x root of 0.1."""
    account, fill = trade(broker.open_account(100_000.0, 1), 80.0, 250.0, spread=6.0, sigma=0.004, volume=30.0)
    impact = 0.1 * 40.0 * math.sqrt(0.1)  # 1.2649 bps
    assert (fill.units, fill.unfilled, fill.spread_bps) == (3.0, 77.0, 3.0)
    assert fill.impact_bps == pytest.approx(impact)
    assert fill.price == pytest.approx(250.0 * (1 + (3.0 + impact) / 1e4))  # 250.1066
    assert 100_000.0 - account.cash == pytest.approx(3 * 250.1066 * 1.001, abs=0.005)  # 751.07


def test_impact_is_that_of_the_orders_own_size_whatever_else_is_allowed() -> None:
    """9 of 900 units traded is a hundredth, so a tenth of what an order as large as the bar pays: 0.1 x 20 bps x 0.1."""
    fill = trade(broker.open_account(10_000.0, 1), 9.0, 100.0, sigma=0.002, volume=900.0)[1]
    assert fill.impact_bps == pytest.approx(0.2)
    knobs = replace(KNOBS, participation=1.0)
    whole = broker.fill_orders(broker.open_account(1e6, 1), asked(4_000.0, sigma=0.002), bar(volume=1_000.0), knobs, 1)[1][0]
    assert whole.units == 1_000.0
    assert whole.impact_bps == pytest.approx(2.0)


@pytest.mark.parametrize("volume", [0.0, np.nan, np.inf, -1.0])
def test_where_nothing_was_traded_or_no_volume_is_known_nothing_is_filled(volume: float) -> None:
    account, fill = trade(broker.open_account(1_000.0, 1), 2.0, 100.0, volume=volume)
    assert (fill.units, fill.unfilled, account.cash) == (0.0, 2.0, 1_000.0)


@pytest.mark.parametrize("units", [3.0, -3.0])
def test_a_fill_is_never_at_the_price_it_was_decided_on(units: float) -> None:
    decided_at, opened = 100.0, 101.0
    fill = trade(broker.open_account(1_000.0, 1), units, opened)[1]
    assert fill.mid == opened
    assert (fill.price - opened) * units > 0
    assert fill.price != decided_at


def test_every_fill_of_a_run_meets_the_bar_after_its_decision_and_pays() -> None:
    taught = lesson()
    for tick, outcome in taught.outcomes.items():
        if tick < 740 or tick + 1 >= len(taught.bars):
            continue
        account, fills = broker.fill_orders(moment(tick).inputs.account, outcome.orders, taught.bars[tick + 1], KNOBS, tick + 1)
        asked_for, standing = {order.symbol: order for order in outcome.orders}, {order.symbol: order.units for order in account.working_orders}
        assert {fill.symbol for fill in fills} | set(standing) == set(asked_for)
        for fill in fills:
            order = asked_for[fill.symbol]
            assert fill.units + fill.unfilled + standing.get(fill.symbol, 0.0) == pytest.approx(order.units)
            if fill.fee_bps != KNOBS.fee_bps or order.execution == PASSIVE:
                continue
            books = taught.bars[tick + 1].fill_books
            best = (books.ask_price if order.units > 0 else books.bid_price)[fill.symbol, 0]
            assert fill.price * np.sign(order.units) >= best * np.sign(order.units) - 1e-9
            assert fill.spread_bps > 0
            assert fill.mid == (books.bid_price[fill.symbol, 0] + books.ask_price[fill.symbol, 0]) / 2
            assert (fill.price - fill.mid) * order.units > 0
        assert account.cash + float(np.nansum(account.positions * account.mark_price)) < moment(tick).inputs.account.equity * 1.001


def brute(prices: Floats, sizes: Floats, units: float) -> tuple[float, float]:
    """Units filled and money paid, level after level."""
    filled = money = 0.0
    for price, size in zip(prices, sizes, strict=True):
        if not (np.isfinite(price) and np.isfinite(size) and size > 0):
            continue
        taken = min(size, units - filled)
        if taken <= 0:
            break
        filled, money = filled + taken, money + taken * price
    return filled, money


LEVEL = st.tuples(st.floats(0.01, 1.0), st.one_of(st.floats(0.01, 20.0), st.sampled_from([0.0, float("nan"), float("inf")])))


@given(st.lists(LEVEL, min_size=1, max_size=6), st.floats(0.01, 60.0), st.sampled_from([1.0, -1.0]))
@settings(max_examples=200, deadline=None)
def test_walking_the_book_is_taking_level_after_level(levels: list[tuple[float, float]], units: float, side: float) -> None:
    steps = np.cumsum([step for step, _ in levels])
    prices, sizes, mid = 100.0 + side * steps, np.array([size for _, size in levels]), 100.0
    met = matching.walk_levels(prices, sizes, units, side, mid)
    filled, money = brute(prices, sizes, units)
    assert met.units == pytest.approx(side * filled)
    if filled > 0:
        assert met.price == pytest.approx(money / filled)
        assert met.spread_bps >= 0
        assert met.impact_bps >= -1e-9
        assert side * (met.price / mid - 1) * 1e4 == pytest.approx(met.spread_bps + met.impact_bps)


def book(bid: float, ask: float, size: float = 5.0, levels: int = 2) -> Books:
    steps = np.arange(levels) * 0.1
    sizes = np.full((1, levels), size)
    return Books(np.array([bid - steps]), sizes, np.array([ask + steps]), sizes.copy())


def test_what_the_book_cannot_fill_stays_unfilled() -> None:
    account, fills = broker.fill_orders(broker.open_account(1_000.0, 1), asked(12.0), bar(books=book(99.9, 100.1)), KNOBS, 1)
    assert (fills[0].units, fills[0].unfilled) == (10.0, 2.0)
    assert fills[0].price == pytest.approx((5 * 100.1 + 5 * 100.2) / 10)
    assert account.positions[0] == 10.0


def test_an_empty_book_fills_nothing_and_gives_no_price() -> None:
    account, fills = broker.fill_orders(broker.open_account(1_000.0, 1), asked(1.0), bar(books=book(99.9, 100.1, 0.0)), KNOBS, 1)
    assert (fills[0].units, fills[0].unfilled, account.cash) == (0.0, 1.0, 1_000.0)
    assert np.isnan(fills[0].price)


@pytest.mark.parametrize(("bid", "ask"), [(100.2, 100.1), (np.nan, 100.1), (100.0, 100.0), (-1.0, 0.5), (0.0, 100.1)])
def test_where_a_market_has_books_nothing_is_filled_without_one(bid: float, ask: float) -> None:
    account, fills = broker.fill_orders(broker.open_account(1_000.0, 1), asked(1.0), bar(price=(100.0,), books=book(bid, ask)), KNOBS, 1)
    assert (fills[0].units, fills[0].unfilled, account.cash) == (0.0, 1.0, 1_000.0)


@pytest.mark.parametrize("price", [np.nan, np.inf, 0.0, -3.0])
def test_an_order_that_meets_no_bar_is_not_filled(price: float) -> None:
    for one in (bar(price=(price,)), bar(price=(100.0,), fresh=(False,))):
        account, fills = broker.fill_orders(broker.open_account(1_000.0, 1), asked(2.0), one, KNOBS, 1)
        assert (fills[0].units, fills[0].unfilled) == (0.0, 2.0)
        assert (account.cash, account.positions[0]) == (1_000.0, 0.0)


@pytest.mark.parametrize("price", [np.nan, np.inf, 0.0, -3.0])
def test_a_price_that_is_none_keeps_the_last_mark(price: float) -> None:
    account, _ = trade(broker.open_account(1_000.0, 1), 2.0, 100.0)
    marked = broker.mark_to_market(account, bar(price=(price,)), 1_000.0, KNOBS)
    assert (marked.mark_price[0], marked.equity) == (100.0, account.equity)


RATES = replace(KNOBS, rules=TradingRules(borrow_rates=(0.0, 0.10), funding_rates=(0.0001, 0.0)))
HOUR = 60 * MINUTE


def held(units: tuple[float, float], at: int = START) -> Account:
    return replace(broker.open_account(100_000.0, 2), positions=np.array(units), mark_price=np.array([100.0, 50.0]), accrued_at=at)


def test_borrow_and_funding_are_paid_to_the_cent() -> None:
    """A day of 400 long at 100 that pays 1 bps of funding every 8 h, and of 600 short at 50 borrowed at 10 % a year."""
    paid = broker.accrue_carry(held((400.0, -600.0)), START + DAY, np.array([100.0, 50.0]), RATES)
    assert round(paid.funding, 2) == -12.00  # 40,000 x 0.0001 x 3
    assert round(paid.borrow, 2) == -8.22  # 30,000 x 0.10 / 365
    assert round(paid.carry, 2) == -20.22
    assert paid.cash == pytest.approx(100_000.0 - 12.0 - 30_000 * 0.1 / 365, abs=1e-9)
    assert paid.accrued_at == START + DAY


def test_the_funding_rate_in_force_goes_before_that_of_the_rules() -> None:
    """8 h of 400 long at 100 and of 600 short at 50, at the exchange's newest rates: -2 bps, and unknown."""
    rates, until, prices = replace(RATES, rules=TradingRules(funding_rates=(0.0001, 0.0003))), START + 8 * HOUR, np.array([100.0, 50.0])
    paid = broker.accrue_carry(held((400.0, -600.0)), until, prices, rates, np.array([-0.0002, np.nan]))
    assert round(paid.funding, 2) == 17.00  # 40,000 x 0.0002 + 30,000 x 0.0003
    unruled = broker.accrue_carry(held((400.0, -600.0)), until, prices, KNOBS, np.array([-0.0002, np.nan]))
    assert round(unruled.funding, 2) == 8.00


def test_a_short_receives_funding_and_a_long_borrows_nothing() -> None:
    received = broker.accrue_carry(held((-400.0, 600.0)), START + 8 * HOUR, np.array([100.0, 50.0]), RATES)
    assert (round(received.funding, 2), received.borrow) == (4.00, 0.0)
    below = replace(KNOBS, rules=TradingRules(funding_rates=(-0.0001, 0.0)))
    assert round(broker.accrue_carry(held((400.0, 0.0)), START + 8 * HOUR, np.array([100.0, 50.0]), below).funding, 2) == 4.00


def test_a_gap_costs_as_much_as_the_bars_that_are_missing() -> None:
    prices = np.array([100.0, 50.0])
    once, account = broker.accrue_carry(held((400.0, -600.0)), START + 10 * HOUR, prices, RATES), held((400.0, -600.0))
    for minute in range(1, 601):
        account = broker.accrue_carry(account, START + minute * MINUTE, prices, RATES)
    assert account.carry == pytest.approx(once.carry, rel=1e-9)
    again = broker.accrue_carry(once, START + 10 * HOUR, prices, RATES)
    assert (again.cash, again.carry) == (once.cash, once.carry)


def test_before_the_first_bar_and_without_a_price_nothing_is_paid() -> None:
    assert broker.accrue_carry(held((400.0, -600.0), at=0), START, np.array([100.0, 50.0]), RATES).carry == 0.0
    assert broker.accrue_carry(held((400.0, 0.0)), START + DAY, np.array([np.nan, 50.0]), RATES).carry == 0.0


def test_equity_is_less_by_what_holding_cost() -> None:
    plain = broker.mark_to_market(held((400.0, -600.0)), bar(START + DAY, price=(110.0, 55.0)), 100_000.0, KNOBS)
    paying = broker.mark_to_market(held((400.0, -600.0)), bar(START + DAY, price=(110.0, 55.0)), 100_000.0, RATES)
    assert round(paying.carry, 2) == -22.24  # at the bar's closes: 44,000 x 0.0003 + 33,000 x 0.1 / 365
    assert paying.equity == pytest.approx(plain.equity + paying.carry, abs=1e-9)
    assert plain.carry == 0.0


def test_a_loss_is_noted_where_a_position_closes_below_its_entry() -> None:
    account, _ = trade(broker.open_account(1_000.0, 1), 2.0, 100.0, tick=4)
    assert account.last_loss_tick[0] == broker.NEVER
    won, fill = trade(account, -1.0, 120.0, tick=5)
    assert (won.last_loss_tick[0], fill.realised_pnl > 0) == (broker.NEVER, True)
    lost, fill = trade(account, -1.0, 90.0, tick=6)
    assert (lost.last_loss_tick[0], fill.realised_pnl < 0) == (6, True)


def test_the_entry_is_the_mean_price_and_turns_with_the_position() -> None:
    account, first = trade(broker.open_account(1_000.0, 1), 2.0, 100.0)
    account, second = trade(account, 1.0, 130.0)
    assert account.entry_price[0] == pytest.approx((2 * first.price + second.price) / 3)
    account, third = trade(account, -5.0, 110.0)
    assert (account.positions[0], account.entry_price[0]) == (-2.0, third.price)


def test_a_day_begins_at_midnight_with_the_equity_it_found() -> None:
    account = replace(broker.open_account(1_000.0, 1), equity=900.0)
    first = broker.mark_to_market(account, bar(START + MINUTE), 1_000.0, KNOBS)
    assert (first.day, first.day_open_equity) == (START // DAY, 900.0)
    same = broker.mark_to_market(replace(first, equity=950.0), bar(START + 2 * MINUTE), 1_000.0, KNOBS)
    assert same.day_open_equity == 900.0
    assert broker.mark_to_market(replace(first, equity=950.0), bar(START + DAY), 1_000.0, KNOBS).day_open_equity == 950.0


def test_buy_and_hold_begins_with_each_symbols_first_price() -> None:
    account = broker.open_account(1_000.0, 2)
    account = broker.mark_to_market(account, bar(price=(100.0, np.nan)), 1_000.0, KNOBS)
    assert account.benchmark_equity == pytest.approx(1_000.0)
    account = broker.mark_to_market(account, bar(price=(150.0, 10.0)), 1_000.0, KNOBS)
    assert account.benchmark_equity == pytest.approx(1_250.0)
    account = broker.mark_to_market(account, bar(price=(150.0, 20.0)), 1_000.0, KNOBS)
    assert account.benchmark_equity == pytest.approx(1_750.0)
    assert account.peak_equity == 1_000.0


def test_orders_are_of_what_is_decided_and_nothing_else() -> None:
    outcome = decided(moment())
    made = broker.create_orders(outcome.decisions, outcome.liquidity, outcome.market_state, moment().inputs)
    assert [order.symbol for order in made] == np.flatnonzero(outcome.decisions.action).tolist()
    for order in made:
        wanted = outcome.decisions.delta[order.symbol]
        assert order.units == wanted or (order.progress is not None and 0.0 < order.units / wanted < 1.0)


def test_an_order_names_the_impact_of_its_own_size() -> None:
    """An order of 6 against 4 at 100.1 and 4 at 100.2 pays 100.1333: half the spread of 10 bps and 3.33 bps of impact; without books by its share."""
    at, outcome = moment(), decided(moment())
    delta = np.zeros(8)
    delta[3] = 6.0
    decisions = replace(outcome.decisions, delta=delta)
    ones, steps = np.ones((8, 2)), np.array([0.0, 0.1])
    booked = replace(at.inputs, books=Books(99.9 * ones - steps, 4.0 * ones, 100.1 * ones + steps, 4.0 * ones))
    assert [order.impact_bps for order in broker.create_orders(decisions, outcome.liquidity, outcome.market_state, booked)] == [
        pytest.approx(10.0 / 3.0)
    ]
    volume = np.full((8, 300), 600.0)
    view = replace(at.inputs.view, volume=volume, sigma=np.full(8, 0.003))
    bare = replace(at.inputs, books=no_books(8), view=view)
    made = broker.create_orders(decisions, outcome.liquidity, outcome.market_state, bare)[0]
    assert (made.sigma, made.units) == (0.003, 6.0)
    assert made.impact_bps == pytest.approx(0.3)


def test_an_order_that_the_book_holds_is_filled_to_the_last_bit() -> None:
    random = np.random.default_rng(1)
    for _ in range(2_000):
        sizes = random.uniform(1.0, 50.0, 5)
        units = float(random.uniform(0.1, 0.99) * sizes.sum())
        assert matching.walk_levels(np.linspace(100.0, 100.04, 5), sizes, units, 1.0, 99.99).units == units
