"""How an order meets one bar of a market: it takes what the book or the bar gives, rests at the touch, or takes one of its slices."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite, nan
from typing import NamedTuple

import numpy as np

from engine.domain.market import Books, MarketSnapshot
from engine.domain.orders import AGGRESSIVE, PASSIVE, Order, OrderProgress
from engine.domain.record import Floats
from engine.domain.trading_config import TradingConfig
from engine.evidence.impact import square_root_impact
from engine.evidence.order_size import round_to_lot


class Match(NamedTuple):
    """What an order met: how much of it was filled, at which price, against which mid, and the cost in bps apart from the fee."""

    units: float
    price: float
    mid: float
    spread_bps: float
    impact_bps: float
    maker: bool = False  # it rested, and pays the maker's fee


NO_MATCH = Match(0.0, nan, nan, 0.0, 0.0)


def match_order(order: Order, bar: MarketSnapshot, knobs: TradingConfig, tick: int) -> tuple[Order, Match, bool]:
    """The order after the bar, what it met, and whether it is over. Where no book stands at its arrival it is over: nothing is known to rest at."""
    if order.execution == AGGRESSIVE or order.at_open or not bar.fill_books.bid_price.shape[1]:
        return order, take_liquidity(order, bar, knobs), True
    if order.progress is None:
        order = _arrive(order, bar, knobs, tick)
    if order.progress is None:
        return order, NO_MATCH, True
    return _rest(order, order.progress, bar, knobs) if order.execution == PASSIVE else _slice(order, order.progress, bar, knobs)


def take_liquidity(order: Order, bar: MarketSnapshot, knobs: TradingConfig) -> Match:
    """All of the order at once."""
    if bar.fill_books.bid_price.shape[1] and not order.at_open:
        return walk_book(bar.fill_books, order.symbol, order.units)
    side, index = 1.0 if order.units > 0 else -1.0, order.symbol
    at_open = float(bar.open[index])
    if not (isfinite(at_open) and at_open > 0 and bar.fresh[index]):
        return NO_MATCH
    units, moved = fill_from_volume(order.units, float(bar.volume[index]), order.sigma, knobs)
    if units != order.units:  # a part: in whole lots
        units, moved = fill_from_volume(_whole_lots(units, at_open, index, knobs), float(bar.volume[index]), order.sigma, knobs)
    if units == 0.0:
        return NO_MATCH
    half = order.spread_bps / 2.0
    return Match(units, at_open * (1.0 + side * (half + moved) / 1e4), at_open, half, moved)


def fill_from_volume(units: float, volume: float, sigma: float, knobs: TradingConfig) -> tuple[float, float]:
    """What of an order a bar of this volume fills, and its impact in bps: nothing where nothing was traded or no volume is known."""
    if not 0.0 < volume < inf:
        return 0.0, 0.0
    taken = min(abs(units), knobs.participation * volume)
    return (taken if units > 0 else -taken), float(square_root_impact(knobs.impact_coefficient, sigma, taken / volume))


def walk_book(books: Books, index: int, units: float) -> Match:
    """The book of a symbol, taken by an order of so many units; nothing where none stands that is sane."""
    side, mid = (1.0 if units > 0 else -1.0), mid_price(books, index)
    prices, sizes = (books.ask_price, books.ask_size) if side > 0 else (books.bid_price, books.bid_size)
    return walk_levels(prices[index], sizes[index], abs(units), side, mid) if isfinite(mid) else NO_MATCH


def walk_levels(prices: Floats, sizes: Floats, units: float, side: float, mid: float) -> Match:
    """Takes level after level, (D,) best first, until `units` are filled or the book ends; the cost over the best price counts as impact."""
    good = np.isfinite(prices) & np.isfinite(sizes) & (sizes > 0)
    prices, sizes = prices[good], sizes[good]
    before = np.concatenate((np.zeros(1), np.cumsum(sizes)[:-1])) if len(sizes) else sizes
    taken = np.clip(units - before, 0.0, sizes)
    filled = min(units, float(sizes.sum()))  # what the book holds is filled to the last bit: a sum of parts would leave dust of a position
    if not filled > 0.0:
        return Match(0.0, nan, mid, 0.0, 0.0)
    price = float(taken @ prices) / filled
    half = side * (float(prices[0]) / mid - 1.0) * 1e4
    return Match(side * filled, price, mid, half, side * (price / mid - 1.0) * 1e4 - half)


def mid_price(books: Books, index: int) -> float:
    """The mid of a symbol's book, NaN where none stands that is sane."""
    if not books.bid_price.shape[1]:
        return nan
    bid, ask = float(books.bid_price[index, 0]), float(books.ask_price[index, 0])
    return (bid + ask) / 2.0 if 0.0 < bid < ask < inf else nan


def fee_bps_of(met: Match, symbol: int, knobs: TradingConfig) -> float:
    """The fee of a fill in bps: the maker's for what rested, where one is set."""
    taker = knobs.fees_bps[symbol] if knobs.fees_bps else knobs.fee_bps
    if not met.maker:
        return taker
    return knobs.maker_fees_bps[symbol] if knobs.maker_fees_bps else taker if knobs.maker_fee_bps is None else knobs.maker_fee_bps


def money_paid(met: Match, symbol: int, knobs: TradingConfig) -> float:
    """Money that a fill takes, with its fee."""
    return met.units * met.price + abs(met.units) * met.price * fee_bps_of(met, symbol, knobs) / 1e4


def _whole_lots(units: float, price: float, index: int, knobs: TradingConfig) -> float:
    """Toward zero to whole lots of the symbol; the units themselves where no lot is known."""
    count = len(knobs.rules.lots)
    return float(round_to_lot(np.full(count, units), np.full(count, price), knobs.rules)[index]) if count else units


def _arrive(order: Order, bar: MarketSnapshot, knobs: TradingConfig, tick: int) -> Order:
    """The order with what it found at its arrival: a limit at the touch of its own side, the queue there, and what taking at once would cost."""
    books, index = bar.fill_books, order.symbol
    mid = mid_price(books, index)
    if not isfinite(mid):
        return order
    at_once = walk_book(books, index, order.units)
    price = money_paid(at_once, index, knobs) / at_once.units if at_once.units else nan
    prices, sizes = (books.bid_price, books.bid_size) if order.units > 0 else (books.ask_price, books.ask_size)
    limit, queue = (float(prices[index, 0]), _known(float(sizes[index, 0]))) if order.execution == PASSIVE else (nan, nan)
    return replace(order, progress=OrderProgress(tick, 0, order.units, mid, limit, queue, at_once.units, price, 0.0, 0.0))


def _known(size: float) -> float:
    """A size displayed; one that is none may be of any size."""
    return size if size > 0.0 else inf


def _worked(order: Order, work: OrderProgress, met: Match, knobs: TradingConfig) -> Order:
    paid = money_paid(met, order.symbol, knobs) if met.units else 0.0
    after = replace(work, bars_worked=work.bars_worked + 1, filled=work.filled + met.units, paid=work.paid + paid)
    return replace(order, units=order.units - met.units, progress=after)


def _slice(order: Order, work: OrderProgress, bar: MarketSnapshot, knobs: TradingConfig) -> tuple[Order, Match, bool]:
    """An equal part of what is left in each bar that is left; what one book did not hold is spread over the later ones."""
    left = max(knobs.slice_bars - work.bars_worked, 1)
    part = order.units if left == 1 else _whole_lots(order.units / left, work.arrival_mid, order.symbol, knobs)
    met = walk_book(bar.fill_books, order.symbol, part)
    return _worked(order, work, met, knobs), met, left == 1


def _rest(order: Order, work: OrderProgress, bar: MarketSnapshot, knobs: TradingConfig) -> tuple[Order, Match, bool]:
    """Rests at its limit for the bars it has, then takes what is left."""
    if work.bars_worked >= knobs.passive_bars:
        met = walk_book(bar.fill_books, order.symbol, order.units)
        return _worked(order, work, met, knobs), met, True
    queue = work.queue_ahead
    if _traded_through(order, work, bar):
        units = order.units
    else:
        queue = _queue_left(order, work, bar)
        units = float(np.copysign(min(max(-queue, 0.0), abs(order.units)), order.units))
        queue = max(queue, 0.0)
    met = NO_MATCH
    if units:
        found = mid_price(bar.fill_books, order.symbol)
        mid = found if isfinite(found) else work.limit_price
        met = Match(units, work.limit_price, mid, float(np.sign(units)) * (work.limit_price / mid - 1.0) * 1e4, 0.0, maker=True)
    return _worked(order, replace(work, queue_ahead=queue), met, knobs), met, units == order.units


def _traded_through(order: Order, work: OrderProgress, bar: MarketSnapshot) -> bool:
    """Something was traded beyond the limit while it rested. Of the bar it arrived in only trades after its arrival count, where they are known."""
    index = order.symbol
    if work.bars_worked == 0:
        low, high = (
            (float(bar.trades_after_arrival[index, 0]), float(bar.trades_after_arrival[index, 1]))
            if bar.trades_after_arrival is not None
            else (nan, nan)
        )
    else:
        low, high = (float(bar.low[index]), float(bar.high[index])) if bar.volume[index] > 0 else (nan, nan)
    return low < work.limit_price if order.units > 0 else high > work.limit_price


def _queue_left(order: Order, work: OrderProgress, bar: MarketSnapshot) -> float:
    """What is still ahead of it, below 0 by what of it was traded itself; only trades at its limit that are known to have come after count.

    What is displayed at its limit bounds what is ahead of it, for nobody passes it in the queue.
    """
    if bar.trades_after_arrival is None:
        return work.queue_ahead
    index, books = order.symbol, bar.fill_books
    bought = order.units > 0
    touch, size = (books.bid_price, books.bid_size) if bought else (books.ask_price, books.ask_size)
    if float(touch[index, 0]) != work.limit_price:
        return work.queue_ahead
    traded = float(bar.trades_after_arrival[index, 2 if bought else 3])
    ahead = min(work.queue_ahead, _known(float(size[index, 0])))
    return ahead - traded if isfinite(traded) else ahead
