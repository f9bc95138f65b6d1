"""The paper broker: turns decisions into orders, fills and the account, as pure functions.

An order is filled by walking the book at the decision + latency; on a market without books, or with a stale book, at the open of the next bar plus
half the expected spread plus impact, up to a share of that bar's volume. It is never filled at the price of the decision. The part that the book
or the bar cannot fill stays unfilled, and on a market with books nothing is filled outside a current book.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from engine.domain.decision import Decisions, Fill, Liquidity, MarketState
from engine.domain.market import Account, Inputs, MarketSnapshot
from engine.domain.orders import AGGRESSIVE, FinishedOrder, Order, keeps_working
from engine.domain.record import Floats
from engine.domain.trading_config import TradingConfig
from engine.evidence import order_size
from engine.evidence.transaction_cost import average_volume
from engine.matching import NO_MATCH, Match, fee_bps_of, fill_from_volume, match_order, mid_price, walk_book

DAY = 86_400 * 10**9  # ns
YEAR, EIGHT_HOURS = 365 * DAY, DAY // 3  # ns, periods of the borrow and funding rates
NEVER = -(10**9)  # tick of the last loss where there is none


def open_account(capital: float, symbols: int) -> Account:
    """Return a flat account with `capital` in cash."""
    nothing = np.full(symbols, np.nan)
    return Account(capital, capital, np.zeros(symbols), nothing, nothing, capital, -1, capital, np.full(symbols, NEVER), capital, nothing)


def create_orders(decisions: Decisions, liquidity: Liquidity, market_state: MarketState, inputs: Inputs) -> tuple[Order, ...]:
    """Return one order for each symbol to trade; a working order in the same direction continues instead.

    A working order keeps its place and its time, for at most the units that are still to be traded; units beyond its rest are ordered when it has
    ended. Every other working order ends here, so that nothing is ordered twice.
    """
    symbols = np.flatnonzero(decisions.delta)
    if not len(symbols):
        return ()
    volume, frozen = average_volume(inputs.view.volume), market_state.incident_state.faults.frozen_book
    working = {order.symbol: order for order in inputs.account.working_orders}
    orders = []
    for index in symbols.tolist():
        units, order = float(decisions.delta[index]), working.get(index)
        if order is not None and keeps_working(order, units, inputs.config) and not frozen[index]:
            orders.append(replace(order, units=units if abs(units) < abs(order.units) else order.units))
        else:
            orders.append(_new_order(index, units, int(decisions.execution[index]), liquidity, inputs, float(volume[index]), bool(frozen[index])))
    return tuple(orders)


def _new_order(index: int, units: float, execution: int, liquidity: Liquidity, inputs: Inputs, volume: float, at_open: bool) -> Order:
    sigma, spread = float(inputs.view.sigma[index]), float(liquidity.spread_bps[index])
    booked = inputs.books.bid_price.shape[1] > 0 and not at_open
    expected = walk_book(inputs.books, index, units).impact_bps if booked else fill_from_volume(units, volume, sigma, inputs.config)[1]
    return Order(index, units, spread, expected, sigma if np.isfinite(sigma) else 0.0, AGGRESSIVE if at_open else execution, None, at_open)


def fill_orders(
    account: Account, orders: tuple[Order, ...], bar: MarketSnapshot, config: TradingConfig, tick: int
) -> tuple[Account, tuple[Fill, ...]]:
    """Work the orders of the previous tick on the bar that followed it. The account takes over the working and the finished orders."""
    if not (orders or account.working_orders or account.finished_orders):
        return account, ()
    fills: list[Fill] = []
    working: list[Order] = []
    finished = _cancel_dropped(account, orders, bar)
    for order in orders:
        after, match, has_ended = match_order(order, bar, config, tick)
        left = after.units if after.progress is not None else order.units - match.units
        fee_bps, realised = 0.0, 0.0
        if match.units:
            fee_bps = fee_bps_of(match, order.symbol, config)
            account, realised = _book_fill(account, order.symbol, match, fee_bps, tick)
        if match.units or has_ended:
            price, mid = (match.price, match.mid) if match.units else (np.nan, np.nan)
            unfilled = left if has_ended else 0.0
            fills.append(Fill(order.symbol, match.units, unfilled, price, mid, fee_bps, match.spread_bps, match.impact_bps, realised))
        if has_ended:
            finished.append(_finish(after, match, _price(account, bar, order.symbol)))
        else:
            working.append(after)
    return replace(account, working_orders=tuple(working), finished_orders=tuple(finished)), tuple(fills)


def _cancel_dropped(account: Account, orders: tuple[Order, ...], bar: MarketSnapshot) -> list[FinishedOrder]:
    """Return the working orders that no decision continued, as finished."""
    carried = {(order.symbol, order.progress.tick) for order in orders if order.progress is not None}
    ended = [order for order in account.working_orders if order.progress is not None and (order.symbol, order.progress.tick) not in carried]
    return [_finish(order, NO_MATCH, _price(account, bar, order.symbol)) for order in ended]


def _finish(order: Order, match: Match, price: float) -> FinishedOrder:
    """Return the result of an order; `price` is the present value per unit of its unfilled part."""
    progress = order.progress
    if progress is None:
        value = match.mid if np.isfinite(match.mid) else price
        money = (abs(order.units) * value, abs(match.units) * value) if np.isfinite(value) else (0.0, 0.0)
        return FinishedOrder(order.execution, *money, 0.0 if order.execution == AGGRESSIVE else np.nan)
    side, common = (1.0 if progress.requested > 0 else -1.0), min(abs(progress.filled), abs(progress.immediate_units))
    extra = side * (progress.paid / progress.filled - progress.immediate_price) * common if common else 0.0
    unfilled_units = abs(progress.immediate_units) - common
    extra += side * (price - progress.immediate_price) * unfilled_units if unfilled_units else 0.0
    shortfall = extra / (abs(progress.immediate_units) * progress.arrival_mid) * 1e4 if progress.immediate_units else np.nan
    return FinishedOrder(
        order.execution, abs(progress.requested) * progress.arrival_mid, abs(progress.filled) * progress.arrival_mid, float(shortfall)
    )


def _price(account: Account, bar: MarketSnapshot, index: int) -> float:
    """Return the value of a unit: the mid of a valid book, else the last known price."""
    mid = mid_price(bar.fill_books, index)
    return mid if np.isfinite(mid) else float(account.mark_price[index])


def accrue_carry(account: Account, until: int, price: Floats, config: TradingConfig, funding: Floats | None = None) -> Account:
    """Pay borrow and funding on the positions from the last payment to `until` (ns UTC), at these prices.

    Borrow is paid on the value of short positions; funding on the value of every position, by longs where its rate is above 0 and by shorts where
    it is below. `funding` (S,) are the rates in force per 8 h; where it is None or NaN, those of the rules are. Calendar time counts: a gap costs
    as much as the bars that are missing.
    """
    elapsed, rules = until - account.accrued_at, config.rules
    if elapsed <= 0 and account.accrued_at != 0:
        return account
    if account.accrued_at == 0:
        return replace(account, accrued_at=max(until, account.accrued_at))
    if not (rules.borrow_rates or rules.funding_rates or funding is not None):
        return replace(account, accrued_at=until)
    value = account.positions * price
    borrow = _sum(np.minimum(value, 0.0) * order_size.per_symbol(rules.borrow_rates, len(value))) * (elapsed / YEAR)
    rates = order_size.per_symbol(rules.funding_rates, len(value))
    if funding is not None:
        rates = np.where(np.isfinite(funding), funding, rates)
    received = 0.0 - _sum(value * rates) * (elapsed / EIGHT_HOURS)
    cash = account.cash + borrow + received
    return replace(account, cash=cash, accrued_at=until, borrow=account.borrow + borrow, funding=account.funding + received)


def mark_to_market(account: Account, bar: MarketSnapshot, capital: float, config: TradingConfig) -> Account:
    """Value the account at the bar's closes, carried where missing, after borrow and funding; a day begins at midnight UTC. Updates the benchmark."""
    price = np.where(np.isfinite(bar.close) & (bar.close > 0), bar.close, account.mark_price)
    account = accrue_carry(account, bar.at, price, config, bar.funding)
    equity = account.cash + _sum(account.positions * price)
    benchmark = account.benchmark_units
    missing = len(price) - np.count_nonzero(np.isfinite(benchmark))
    if missing:
        benchmark = np.where(np.isnan(benchmark) & np.isfinite(price), capital / len(price) / price, benchmark)
        missing = len(price) - np.count_nonzero(np.isfinite(benchmark))
    benchmark_equity = capital * float(missing) / len(price) + _sum(benchmark * price)
    day = bar.at // DAY
    return replace(
        account,
        equity=equity,
        mark_price=price,
        peak_equity=max(account.peak_equity, equity),
        day=day,
        day_open_equity=account.day_open_equity if day == account.day else account.equity,
        benchmark_equity=benchmark_equity,
        benchmark_units=benchmark,
    )


def reset_peak(account: Account) -> Account:
    """Return the account with its drawdown measured from the present equity."""
    return replace(account, peak_equity=account.equity)


def _sum(values: Floats) -> float:
    """Return the sum of the values that are not NaN."""
    total = float(np.add.reduce(values))
    return float(np.where(np.isnan(values), 0.0, values).sum()) if math.isnan(total) else total


def _book_fill(account: Account, index: int, match: Match, fee_bps: float, tick: int) -> tuple[Account, float]:
    """Return the account after a fill, and the realised P&L of the part that closed a position, after its fee."""
    held, entry = float(account.positions[index]), float(account.entry_price[index])
    fee = abs(match.units) * match.price * fee_bps / 1e4
    closed = -np.sign(match.units) * min(abs(match.units), abs(held)) if held * match.units < 0 else 0.0
    realised = closed * (match.price - entry) - abs(closed) * match.price * fee_bps / 1e4 if closed else 0.0
    left = held + match.units
    if abs(left) <= 1e-9 * max(abs(held), abs(match.units)):
        left = 0.0
    positions, entries, losses = account.positions.copy(), account.entry_price.copy(), account.last_loss_tick.copy()
    positions[index] = left
    entries[index] = _entry_price(held, entry, match, left)
    if realised < 0:
        losses[index] = tick
    cash = account.cash - match.units * match.price - fee
    return replace(account, cash=cash, positions=positions, entry_price=entries, last_loss_tick=losses), float(realised)


def _entry_price(held: float, entry: float, match: Match, left: float) -> float:
    if left == 0.0:
        return float("nan")
    if held * match.units > 0:
        return (held * entry + match.units * match.price) / left
    return entry if held * left > 0 else match.price
