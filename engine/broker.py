"""The paper broker: orders into fills into the account, as pure functions.

An order decided at a tick is filled by walking the book that stands at the decision + latency; on a market without books, at the open of the next
bar plus half the expected spread plus impact, up to a share of that bar's volume. Never at the price it was decided on. What the book or the bar
cannot fill stays unfilled, and where a market has books, nothing is filled outside of one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from engine.domain.control import Knobs
from engine.domain.decision import Decisions, Fill, Liquidity, Order
from engine.domain.market import Account, Books, Inputs, Slice
from engine.domain.record import Floats
from engine.evidence.impact import square_root, usual_volume

DAY = 86_400 * 10**9  # ns
NEVER = -(10**9)  # tick of a loss that did not happen


class Met(NamedTuple):
    """What an order met: how much of it was filled, at which price, against which mid, and the cost in bps apart from the fee."""

    units: float
    price: float
    mid: float
    spread_bps: float
    impact_bps: float


NOTHING = Met(0.0, np.nan, np.nan, 0.0, 0.0)


def open_account(capital: float, symbols: int) -> Account:
    """A flat account with `capital` in cash."""
    nothing = np.full(symbols, np.nan)
    return Account(capital, capital, np.zeros(symbols), nothing, nothing, capital, -1, capital, np.full(symbols, NEVER), capital, nothing)


def orders(decisions: Decisions, liquidity: Liquidity, inputs: Inputs) -> tuple[Order, ...]:
    """One order for each symbol that is not held, with the impact that is to be expected of its own size."""
    found = np.flatnonzero(decisions.delta)
    if not len(found):
        return ()
    volume = usual_volume(inputs.view.volume)
    return tuple(_order(index, float(decisions.delta[index]), liquidity, inputs, float(volume[index])) for index in found.tolist())


def _order(index: int, units: float, liquidity: Liquidity, inputs: Inputs, volume: float) -> Order:
    sigma, spread = float(inputs.view.sigma[index]), float(liquidity.spread_bps[index])
    booked = inputs.books.bid_price.shape[1] > 0
    expected = _walk_side(inputs.books, index, units).impact_bps if booked else _taken(units, volume, sigma, inputs.knobs)[1]
    return Order(index, units, spread, expected, sigma if np.isfinite(sigma) else 0.0)


def fill(account: Account, asked: tuple[Order, ...], bar: Slice, knobs: Knobs, tick: int) -> tuple[Account, tuple[Fill, ...]]:
    """Fills the orders of the tick before on the bar that followed it. An order that meets neither a book nor a bar is not filled."""
    fills: list[Fill] = []
    for order in asked:
        met = _meet(order, bar, knobs)
        if met.units == 0.0:
            fills.append(Fill(order.symbol, 0.0, order.units, np.nan, np.nan, 0.0, 0.0, 0.0, 0.0))
            continue
        fee_bps = knobs.fees_bps[order.symbol] if knobs.fees_bps else knobs.fee_bps
        account, realised = _book(account, order.symbol, met, fee_bps, tick)
        left = order.units - met.units
        fills.append(Fill(order.symbol, met.units, left, met.price, met.mid, fee_bps, met.spread_bps, met.impact_bps, realised))
    return account, tuple(fills)


def mark(account: Account, bar: Slice, capital: float) -> Account:
    """Values the account at the bar's closes, carried where missing; begins a day at midnight UTC; keeps buy-and-hold beside it."""
    price = np.where(np.isfinite(bar.close) & (bar.close > 0), bar.close, account.mark)
    equity = account.cash + _sum(account.positions * price)
    benchmark = np.where(np.isnan(account.benchmark) & np.isfinite(price), capital / len(price) / price, account.benchmark)
    held = np.isfinite(benchmark)
    naive = capital * float((~held).sum()) / len(price) + _sum(benchmark * price)
    day = bar.at // DAY
    return replace(
        account,
        equity=equity,
        mark=price,
        peak=max(account.peak, equity),
        day=day,
        day_open=account.day_open if day == account.day else account.equity,
        naive=naive,
        benchmark=benchmark,
    )


def restart_peak(account: Account) -> Account:
    """The account with its drawdown counted from today's equity."""
    return replace(account, peak=account.equity)


def _sum(values: Floats) -> float:
    """Of those that are known: numpy's own takes three times as long."""
    return float(np.where(np.isnan(values), 0.0, values).sum())


def _meet(order: Order, bar: Slice, knobs: Knobs) -> Met:
    if bar.fill_books.bid_price.shape[1]:
        return _walk_side(bar.fill_books, order.symbol, order.units)
    side, index = 1.0 if order.units > 0 else -1.0, order.symbol
    at_open = float(bar.open[index])
    if not (np.isfinite(at_open) and at_open > 0 and bar.fresh[index]):
        return NOTHING
    units, moved = _taken(order.units, float(bar.volume[index]), order.sigma, knobs)
    if units == 0.0:
        return NOTHING
    half = order.spread_bps / 2.0
    return Met(units, at_open * (1.0 + side * (half + moved) / 1e4), at_open, half, moved)


def _taken(units: float, volume: float, sigma: float, knobs: Knobs) -> tuple[float, float]:
    """What of an order a bar of this volume fills, and its impact in bps: nothing where nothing was traded or no volume is known."""
    if not 0.0 < volume < np.inf:
        return 0.0, 0.0
    taken = min(abs(units), knobs.participation * volume)
    return float(np.copysign(taken, units)), float(square_root(knobs.impact, np.float64(sigma), np.float64(taken / volume)))


def _walk_side(books: Books, index: int, units: float) -> Met:
    """The book of a symbol, taken by an order of so many units; nothing where none stands that is sane."""
    side = 1.0 if units > 0 else -1.0
    prices, sizes = (books.ask_price, books.ask_size) if side > 0 else (books.bid_price, books.bid_size)
    mid = float(books.bid_price[index, 0] + books.ask_price[index, 0]) / 2.0
    if not (np.isfinite(mid) and 0 < books.bid_price[index, 0] < books.ask_price[index, 0]):
        return NOTHING
    return walk(prices[index], sizes[index], abs(units), side, mid)


def walk(prices: Floats, sizes: Floats, units: float, side: float, mid: float) -> Met:
    """Takes level after level, (D,) best first, until `units` are filled or the book ends; the cost over the best price counts as impact."""
    good = np.isfinite(prices) & np.isfinite(sizes) & (sizes > 0)
    prices, sizes = prices[good], sizes[good]
    before = np.concatenate((np.zeros(1), np.cumsum(sizes)[:-1])) if len(sizes) else sizes
    taken = np.clip(units - before, 0.0, sizes)
    filled = min(units, float(sizes.sum()))  # what the book holds is filled to the last bit: a sum of parts would leave dust of a position
    if not filled > 0.0:
        return Met(0.0, np.nan, mid, 0.0, 0.0)
    price = float(taken @ prices) / filled
    half = side * (float(prices[0]) / mid - 1.0) * 1e4
    return Met(side * filled, price, mid, half, side * (price / mid - 1.0) * 1e4 - half)


def _book(account: Account, index: int, met: Met, fee_bps: float, tick: int) -> tuple[Account, float]:
    """The account after a fill, and what the part that closed a position realised, after its fees."""
    held, entry = float(account.positions[index]), float(account.entry[index])
    fee = abs(met.units) * met.price * fee_bps / 1e4
    closed = -np.sign(met.units) * min(abs(met.units), abs(held)) if held * met.units < 0 else 0.0
    realised = closed * (met.price - entry) - abs(closed) * met.price * fee_bps / 1e4 if closed else 0.0
    left = held + met.units
    if abs(left) <= 1e-9 * max(abs(held), abs(met.units)):
        left = 0.0
    positions, entries, losses = account.positions.copy(), account.entry.copy(), account.losses.copy()
    positions[index] = left
    entries[index] = _entry(held, entry, met, left)
    if realised < 0:
        losses[index] = tick
    cash = account.cash - met.units * met.price - fee
    return replace(account, cash=cash, positions=positions, entry=entries, losses=losses), float(realised)


def _entry(held: float, entry: float, met: Met, left: float) -> float:
    if left == 0.0:
        return float("nan")
    if held * met.units > 0:
        return (held * entry + met.units * met.price) / left
    return entry if held * left > 0 else met.price
