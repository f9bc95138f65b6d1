"""The paper broker: decisions into orders into fills into the account, as pure functions.

An order decided at a tick is filled by walking the book that stands at the decision + latency; on a market without books, or where the book was
stale, at the open of the next bar plus half the expected spread plus impact, up to a share of that bar's volume. Never at the price it was decided
on. What the book or the bar cannot fill stays unfilled, and where a market has books, nothing is filled outside of one that is not stale.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.domain.decision import Decisions, Fill, Liquidity, MarketState
from engine.domain.market import Account, Inputs, MarketSnapshot
from engine.domain.orders import AGGRESSIVE, FinishedOrder, Order, keeps_working
from engine.domain.record import Floats
from engine.domain.trading_config import TradingConfig
from engine.evidence import order_size
from engine.evidence.impact import average_volume
from engine.matching import NO_MATCH, Match, fee_bps_of, fill_from_volume, match_order, mid_price, walk_book

DAY = 86_400 * 10**9  # ns
YEAR, EIGHT_HOURS = 365 * DAY, DAY // 3  # ns that borrow and funding rates are for
NEVER = -(10**9)  # tick of a loss that did not happen


def open_account(capital: float, symbols: int) -> Account:
    """A flat account with `capital` in cash."""
    nothing = np.full(symbols, np.nan)
    return Account(capital, capital, np.zeros(symbols), nothing, nothing, capital, -1, capital, np.full(symbols, NEVER), capital, nothing)


def create_orders(decisions: Decisions, liquidity: Liquidity, mood: MarketState, inputs: Inputs) -> tuple[Order, ...]:
    """One order for each symbol that is not held, of what its position lacks: the one that is worked on goes on where it is wanted still.

    A working order in the direction wanted keeps its place and its time, for as many units as are left of it and wanted; what is wanted beyond is
    ordered when it is over. Every other working order ends here: nothing is ordered twice.
    """
    found = np.flatnonzero(decisions.delta)
    if not len(found):
        return ()
    volume, frozen = average_volume(inputs.view.volume), mood.incident_state.faults.frozen_book
    working = {order.symbol: order for order in inputs.account.working_orders}
    made = []
    for index in found.tolist():
        units, order = float(decisions.delta[index]), working.get(index)
        if order is not None and keeps_working(order, units, inputs.config) and not frozen[index]:
            made.append(replace(order, units=units if abs(units) < abs(order.units) else order.units))
        else:
            made.append(_order(index, units, int(decisions.execution[index]), liquidity, inputs, float(volume[index]), bool(frozen[index])))
    return tuple(made)


def _order(index: int, units: float, execution: int, liquidity: Liquidity, inputs: Inputs, volume: float, at_open: bool) -> Order:
    sigma, spread = float(inputs.view.sigma[index]), float(liquidity.spread_bps[index])
    booked = inputs.books.bid_price.shape[1] > 0 and not at_open
    expected = walk_book(inputs.books, index, units).impact_bps if booked else fill_from_volume(units, volume, sigma, inputs.config)[1]
    return Order(index, units, spread, expected, sigma if np.isfinite(sigma) else 0.0, AGGRESSIVE if at_open else execution, None, at_open)


def fill_orders(account: Account, asked: tuple[Order, ...], bar: MarketSnapshot, knobs: TradingConfig, tick: int) -> tuple[Account, tuple[Fill, ...]]:
    """Works the orders of the tick before on the bar that followed it. What stands over, and what is over, is the account's afterwards."""
    fills: list[Fill] = []
    working: list[Order] = []
    done = _cancelled(account, asked, bar)
    for order in asked:
        after, met, is_over = match_order(order, bar, knobs, tick)
        left = after.units if after.progress is not None else order.units - met.units
        fee_bps, realised = 0.0, 0.0
        if met.units:
            fee_bps = fee_bps_of(met, order.symbol, knobs)
            account, realised = _book(account, order.symbol, met, fee_bps, tick)
        if met.units or is_over:
            price, mid = (met.price, met.mid) if met.units else (np.nan, np.nan)
            unfilled = left if is_over else 0.0
            fills.append(Fill(order.symbol, met.units, unfilled, price, mid, fee_bps, met.spread_bps, met.impact_bps, realised))
        if is_over:
            done.append(_ended(after, met, _price(account, bar, order.symbol)))
        else:
            working.append(after)
    return replace(account, working_orders=tuple(working), finished_orders=tuple(done)), tuple(fills)


def _cancelled(account: Account, asked: tuple[Order, ...], bar: MarketSnapshot) -> list[FinishedOrder]:
    """The working orders that no decision carried on."""
    carried = {(order.symbol, order.progress.tick) for order in asked if order.progress is not None}
    ended = [order for order in account.working_orders if order.progress is not None and (order.symbol, order.progress.tick) not in carried]
    return [_ended(order, NO_MATCH, _price(account, bar, order.symbol)) for order in ended]


def _ended(order: Order, met: Match, price: float) -> FinishedOrder:
    """What became of an order; `price` is what its unfilled part is worth now."""
    work = order.progress
    if work is None:
        worth = met.mid if np.isfinite(met.mid) else price
        money = (abs(order.units) * worth, abs(met.units) * worth) if np.isfinite(worth) else (0.0, 0.0)
        return FinishedOrder(order.execution, *money, 0.0 if order.execution == AGGRESSIVE else np.nan)
    side, common = (1.0 if work.requested > 0 else -1.0), min(abs(work.filled), abs(work.immediate_units))
    more = side * (work.paid / work.filled - work.immediate_price) * common if common else 0.0
    missed = abs(work.immediate_units) - common
    more += side * (price - work.immediate_price) * missed if missed else 0.0
    shortfall = more / (abs(work.immediate_units) * work.arrival_mid) * 1e4 if work.immediate_units else np.nan
    return FinishedOrder(order.execution, abs(work.requested) * work.arrival_mid, abs(work.filled) * work.arrival_mid, float(shortfall))


def _price(account: Account, bar: MarketSnapshot, index: int) -> float:
    """What a unit is worth: the mid where a book stands, else the last price known."""
    found = mid_price(bar.fill_books, index)
    return found if np.isfinite(found) else float(account.mark_price[index])


def accrue_carry(account: Account, until: int, price: Floats, knobs: TradingConfig) -> Account:
    """Pays borrow and funding on the positions held from when they were last paid to `until` (ns UTC), at these prices.

    Borrow is paid on the value of what is short; funding on the value of every position, by longs where its rate is above 0 and by shorts where it
    is below. Time counts as it passes: over a gap as much is paid as over the bars that are missing.
    """
    elapsed, rules = until - account.accrued_at, knobs.rules
    if elapsed <= 0 or account.accrued_at == 0:
        return replace(account, accrued_at=max(until, account.accrued_at))
    if not (rules.borrow_rates or rules.funding_rates):
        return replace(account, accrued_at=until)
    value = account.positions * price
    borrow = _sum(np.minimum(value, 0.0) * order_size.per_symbol(rules.borrow_rates, len(value))) * (elapsed / YEAR)
    funding = 0.0 - _sum(value * order_size.per_symbol(rules.funding_rates, len(value))) * (elapsed / EIGHT_HOURS)
    cash = account.cash + borrow + funding
    return replace(account, cash=cash, accrued_at=until, borrow=account.borrow + borrow, funding=account.funding + funding)


def mark_to_market(account: Account, bar: MarketSnapshot, capital: float, knobs: TradingConfig) -> Account:
    """Values the account at the bar's closes, carried where missing, borrow and funding paid; begins a day at midnight UTC; keeps buy-and-hold."""
    price = np.where(np.isfinite(bar.close) & (bar.close > 0), bar.close, account.mark_price)
    account = accrue_carry(account, bar.at, price, knobs)
    equity = account.cash + _sum(account.positions * price)
    benchmark = np.where(np.isnan(account.benchmark_units) & np.isfinite(price), capital / len(price) / price, account.benchmark_units)
    held = np.isfinite(benchmark)
    naive = capital * float((~held).sum()) / len(price) + _sum(benchmark * price)
    day = bar.at // DAY
    return replace(
        account,
        equity=equity,
        mark_price=price,
        peak_equity=max(account.peak_equity, equity),
        day=day,
        day_open_equity=account.day_open_equity if day == account.day else account.equity,
        benchmark_equity=naive,
        benchmark_units=benchmark,
    )


def reset_peak(account: Account) -> Account:
    """The account with its drawdown counted from today's equity."""
    return replace(account, peak_equity=account.equity)


def _sum(values: Floats) -> float:
    """Of those that are known: numpy's own takes three times as long."""
    return float(np.where(np.isnan(values), 0.0, values).sum())


def _book(account: Account, index: int, met: Match, fee_bps: float, tick: int) -> tuple[Account, float]:
    """The account after a fill, and what the part that closed a position realised, after its fees."""
    held, entry = float(account.positions[index]), float(account.entry_price[index])
    fee = abs(met.units) * met.price * fee_bps / 1e4
    closed = -np.sign(met.units) * min(abs(met.units), abs(held)) if held * met.units < 0 else 0.0
    realised = closed * (met.price - entry) - abs(closed) * met.price * fee_bps / 1e4 if closed else 0.0
    left = held + met.units
    if abs(left) <= 1e-9 * max(abs(held), abs(met.units)):
        left = 0.0
    positions, entries, losses = account.positions.copy(), account.entry_price.copy(), account.last_loss_tick.copy()
    positions[index] = left
    entries[index] = _entry(held, entry, met, left)
    if realised < 0:
        losses[index] = tick
    cash = account.cash - met.units * met.price - fee
    return replace(account, cash=cash, positions=positions, entry_price=entries, last_loss_tick=losses), float(realised)


def _entry(held: float, entry: float, met: Match, left: float) -> float:
    if left == 0.0:
        return float("nan")
    if held * met.units > 0:
        return (held * entry + met.units * met.price) / left
    return entry if held * left > 0 else met.price
