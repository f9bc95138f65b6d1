"""Matching of an order with one bar of a market: an immediate fill, resting at the touch, or one slice."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite, nan
from typing import NamedTuple

import numpy as np

from engine.domain.market import Books, MarketSnapshot
from engine.domain.orders import AGGRESSIVE, PASSIVE, Order, OrderProgress
from engine.domain.record import Floats
from engine.domain.trading_config import TradingConfig
from engine.evidence.order_size import round_to_lot
from engine.evidence.transaction_cost import square_root_impact


class Match(NamedTuple):
    """The filled part of an order: units, price, mid at the fill, and the cost in bps without the fee."""

    units: float
    price: float
    mid: float
    spread_bps: float
    impact_bps: float
    maker: bool = False  # it rested and pays the maker fee


NO_MATCH = Match(0.0, nan, nan, 0.0, 0.0)


def match_order(order: Order, bar: MarketSnapshot, config: TradingConfig, tick: int) -> tuple[Order, Match, bool]:
    """Return the order after the bar, its match, and whether it has ended; it also ends where there is no book to rest in at its arrival."""
    if order.execution == AGGRESSIVE or order.at_open or not bar.fill_books.bid_price.shape[1]:
        return order, take_liquidity(order, bar, config), True
    if order.progress is None:
        order = _arrive(order, bar, config, tick)
    if order.progress is None:
        return order, NO_MATCH, True
    return _rest(order, order.progress, bar, config) if order.execution == PASSIVE else _slice(order, order.progress, bar, config)


def take_liquidity(order: Order, bar: MarketSnapshot, config: TradingConfig) -> Match:
    """Fill the whole order at once."""
    if bar.fill_books.bid_price.shape[1] and not order.at_open:
        return walk_book(bar.fill_books, order.symbol, order.units)
    side, index = 1.0 if order.units > 0 else -1.0, order.symbol
    at_open = float(bar.open[index])
    if not (isfinite(at_open) and at_open > 0 and bar.fresh[index]):
        return NO_MATCH
    units, impact_bps = fill_from_volume(order.units, float(bar.volume[index]), order.sigma, config)
    if units != order.units:  # a partial fill is in whole lots
        units, impact_bps = fill_from_volume(_whole_lots(units, at_open, index, config), float(bar.volume[index]), order.sigma, config)
    if units == 0.0:
        return NO_MATCH
    half = order.spread_bps / 2.0
    return Match(units, at_open * (1.0 + side * (half + impact_bps) / 1e4), at_open, half, impact_bps)


def fill_from_volume(units: float, volume: float, sigma: float, config: TradingConfig) -> tuple[float, float]:
    """Return the units that a bar of this volume fills, and their impact in bps; 0 where nothing was traded or volume is unknown."""
    if not 0.0 < volume < inf:
        return 0.0, 0.0
    taken = min(abs(units), config.participation * volume)
    return (taken if units > 0 else -taken), float(square_root_impact(config.impact_coefficient, sigma, taken / volume))


def walk_book(books: Books, index: int, units: float) -> Match:
    """Fill an order from the book of a symbol; no match without a valid book."""
    side, mid = (1.0 if units > 0 else -1.0), mid_price(books, index)
    prices, sizes = (books.ask_price, books.ask_size) if side > 0 else (books.bid_price, books.bid_size)
    return walk_levels(prices[index], sizes[index], abs(units), side, mid) if isfinite(mid) else NO_MATCH


def walk_levels(prices: Floats, sizes: Floats, units: float, side: float, mid: float) -> Match:
    """Take level after level, (D,) best first, until `units` are filled or the book ends; the cost beyond the best price counts as impact."""
    good = np.isfinite(prices) & np.isfinite(sizes) & (sizes > 0)
    prices, sizes = prices[good], sizes[good]
    before = np.concatenate((np.zeros(1), np.cumsum(sizes)[:-1])) if len(sizes) else sizes
    taken = np.clip(units - before, 0.0, sizes)
    filled = min(units, float(sizes.sum()))  # exact to the last bit: a sum of parts would leave a tiny position behind
    if not filled > 0.0:
        return Match(0.0, nan, mid, 0.0, 0.0)
    price = float(taken @ prices) / filled
    half = side * (float(prices[0]) / mid - 1.0) * 1e4
    return Match(side * filled, price, mid, half, side * (price / mid - 1.0) * 1e4 - half)


def mid_price(books: Books, index: int) -> float:
    """Return the mid of a symbol's book; NaN without a valid book."""
    if not books.bid_price.shape[1]:
        return nan
    bid, ask = float(books.bid_price[index, 0]), float(books.ask_price[index, 0])
    return (bid + ask) / 2.0 if 0.0 < bid < ask < inf else nan


def fee_bps_of(match: Match, symbol: int, config: TradingConfig) -> float:
    """Return the fee of a fill in bps: the maker fee for a resting order where one is set, else the taker fee."""
    taker = config.fees_bps[symbol] if config.fees_bps else config.fee_bps
    if not match.maker:
        return taker
    return config.maker_fees_bps[symbol] if config.maker_fees_bps else taker if config.maker_fee_bps is None else config.maker_fee_bps


def money_paid(match: Match, symbol: int, config: TradingConfig) -> float:
    """Return the money paid for a fill, with its fee."""
    return match.units * match.price + abs(match.units) * match.price * fee_bps_of(match, symbol, config) / 1e4


def _whole_lots(units: float, price: float, index: int, config: TradingConfig) -> float:
    """Round units toward zero to whole lots of the symbol; unchanged where no lot is known."""
    count = len(config.rules.lots)
    return float(round_to_lot(np.full(count, units), np.full(count, price), config.rules)[index]) if count else units


def _arrive(order: Order, bar: MarketSnapshot, config: TradingConfig, tick: int) -> Order:
    """Return the order with its progress at arrival: a limit at the touch of its own side, the queue there, and the cost of an immediate fill."""
    books, index = bar.fill_books, order.symbol
    mid = mid_price(books, index)
    if not isfinite(mid):
        return order
    at_once = walk_book(books, index, order.units)
    price = money_paid(at_once, index, config) / at_once.units if at_once.units else nan
    prices, sizes = (books.bid_price, books.bid_size) if order.units > 0 else (books.ask_price, books.ask_size)
    limit, queue = (float(prices[index, 0]), _known(float(sizes[index, 0]))) if order.execution == PASSIVE else (nan, nan)
    return replace(order, progress=OrderProgress(tick, 0, order.units, mid, limit, queue, at_once.units, price, 0.0, 0.0))


def _known(size: float) -> float:
    """Return a displayed size; infinity where none is displayed, because any size may be there."""
    return size if size > 0.0 else inf


def _worked(order: Order, progress: OrderProgress, match: Match, config: TradingConfig) -> Order:
    paid = money_paid(match, order.symbol, config) if match.units else 0.0
    after = replace(progress, bars_worked=progress.bars_worked + 1, filled=progress.filled + match.units, paid=progress.paid + paid)
    return replace(order, units=order.units - match.units, progress=after)


def _slice(order: Order, progress: OrderProgress, bar: MarketSnapshot, config: TradingConfig) -> tuple[Order, Match, bool]:
    """Fill an equal part of the rest in each remaining bar; the units that one book is too thin for are spread over the later bars."""
    left = max(config.slice_bars - progress.bars_worked, 1)
    part = order.units if left == 1 else _whole_lots(order.units / left, progress.arrival_mid, order.symbol, config)
    match = walk_book(bar.fill_books, order.symbol, part)
    return _worked(order, progress, match, config), match, left == 1


def _rest(order: Order, progress: OrderProgress, bar: MarketSnapshot, config: TradingConfig) -> tuple[Order, Match, bool]:
    """Rest at the limit for `passive_bars` bars, then take the rest."""
    if progress.bars_worked >= config.passive_bars:
        match = walk_book(bar.fill_books, order.symbol, order.units)
        return _worked(order, progress, match, config), match, True
    queue = progress.queue_ahead
    if _traded_through(order, progress, bar):
        units = order.units
    else:
        queue = _queue_left(order, progress, bar)
        units = float(np.copysign(min(max(-queue, 0.0), abs(order.units)), order.units))
        queue = max(queue, 0.0)
    match = NO_MATCH
    if units:
        mid = mid_price(bar.fill_books, order.symbol)
        mid = mid if isfinite(mid) else progress.limit_price
        match = Match(units, progress.limit_price, mid, float(np.sign(units)) * (progress.limit_price / mid - 1.0) * 1e4, 0.0, maker=True)
    return _worked(order, replace(progress, queue_ahead=queue), match, config), match, units == order.units


def _traded_through(order: Order, progress: OrderProgress, bar: MarketSnapshot) -> bool:
    """Return whether a trade beyond the limit occurred while it rested. In its first bar only trades known to be after its arrival count.

    A bar that was not delivered in time and has no book is no evidence.
    """
    index = order.symbol
    if progress.bars_worked == 0:
        low, high = (
            (float(bar.trades_after_arrival[index, 0]), float(bar.trades_after_arrival[index, 1]))
            if bar.trades_after_arrival is not None
            else (nan, nan)
        )
    else:
        is_known = bar.volume[index] > 0 and (bool(bar.fresh[index]) or isfinite(mid_price(bar.fill_books, index)))
        low, high = (float(bar.low[index]), float(bar.high[index])) if is_known else (nan, nan)
    return low < progress.limit_price if order.units > 0 else high > progress.limit_price


def _queue_left(order: Order, progress: OrderProgress, bar: MarketSnapshot) -> float:
    """Return the units still ahead in the queue, below 0 by the units of the order that were traded; only later trades at its limit count.

    The size displayed at its limit bounds the units ahead, because nobody passes it in the queue.
    """
    if bar.trades_after_arrival is None:
        return progress.queue_ahead
    index, books = order.symbol, bar.fill_books
    bought = order.units > 0
    touch, size = (books.bid_price, books.bid_size) if bought else (books.ask_price, books.ask_size)
    if float(touch[index, 0]) != progress.limit_price:
        return progress.queue_ahead
    traded = float(bar.trades_after_arrival[index, 2 if bought else 3])
    ahead = min(progress.queue_ahead, _known(float(size[index, 0])))
    return ahead - traded if isfinite(traded) else ahead
