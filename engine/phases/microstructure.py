"""Phase 3, microstructure: what trading costs now and at the fill, and which way the book and the flow lean."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.domain.decision import SPREAD_SOURCES, BookMetrics, Liquidity
from engine.domain.market import Inputs
from engine.domain.orders import ORDER_KINDS
from engine.domain.outlook import NOTIONALS, BookMeasurement, LiquidityForecast
from engine.domain.record import Bools, Floats, Ints
from engine.domain.state import State
from engine.evidence import execution_quality, impact, liquidity_forecast, order_size, spread_estimators, transaction_cost
from engine.evidence.order_flow import kyle_lambda, order_flow_imbalance, vpin

BOOK, ESTIMATE, SETTING, TICK, ASSUMED = range(len(SPREAD_SOURCES))
WIDE = 10.0  # multiples of the assumed spread when nothing is known
_MONEY = np.array(NOTIONALS)[:, None]


def measure_liquidity(inputs: Inputs, state: State) -> Liquidity:
    """Measures from the book where there is a sane one, else from flow and bars; costs in bps, one way, for an order of the largest size allowed.

    A book that is crossed, one-sided or malformed is told as `crossed` and gives no figure: price and spread are then those of a symbol without
    books. Where the book does not hold the largest order, its impact is that of the part it holds, or the square-root law's if that is more.
    """
    knobs, books, count = inputs.config, inputs.books, len(inputs.symbols)
    largest = knobs.max_position * max(inputs.account.equity, 0.0)
    close = np.exp(inputs.view.log_close[:, -1])
    fee = np.array(knobs.fees_bps) if knobs.fees_bps else np.full(count, knobs.fee_bps)
    dear = execution_quality.find_costly_kinds(state.execution)
    side, levels = order_flow_imbalance(inputs.flow, inputs.view.volume)
    signs = (levels, vpin(inputs.flow, inputs.view.volume), kyle_lambda(inputs.flow, inputs.view.returns, close))
    if not books.bid_price.shape[1]:
        spread, source, estimate = _estimated(inputs, close)
        room = np.nan_to_num(knobs.participation * _money(inputs, close), nan=0.0)
        moved, amihud = _lawful(inputs, _money(inputs, close), np.minimum(largest, room)), _amihud(inputs, close)
        nothing, none = np.full(count, np.nan), np.zeros(count, dtype=bool)
        finer = book_metrics_without_book(state.liquidity_forecast, *signs, estimate)
        cost = spread / 2.0 + fee + moved
        return Liquidity(close, spread, nothing, nothing, nothing, side, amihud, fee, moved, cost, none, source, finer, dear, room)
    walked = _walk(inputs)
    whole, mid = walked.whole, np.where(walked.whole, walked.mid, close)
    spread, source, estimate = _quoted(inputs, walked, close)
    moved, amihud = walked.impact, _amihud(inputs, mid)
    full = walked.fillable >= 1.0
    if not full.all():
        moved = np.where(full, moved, np.fmax(moved, _lawful(inputs, _money(inputs, mid), largest)))
    told = liquidity_forecast.update_liquidity_forecast(state.liquidity_forecast, _measured(inputs, walked), inputs.tick)
    micro = walked.mid * (1.0 + told.offset_share * told.pending.micro_price_offset / 1e4)
    finer = BookMetrics(walked.best, *signs, walked.fillable, told.pending.cost_at_decision, told.cost_forecast, _foreseen(told), told, estimate)
    cost = spread / 2.0 + fee + moved
    crossed = ~(whole | (np.isnan(books.bid_price[:, 0]) & np.isnan(books.ask_price[:, 0])))  # something of a book, and not sane
    nothing = np.full(count, np.nan)
    return Liquidity(mid, spread, walked.depth, walked.imbalance, micro, side, amihud, fee, moved, cost, crossed, source, finer, dear, nothing)


def assume_wide_spread(inputs: Inputs, state: State) -> Liquidity:
    """Assumes an expensive market: ten times the usual spread, impact of a whole bar's volatility, nothing known of the book."""
    knobs, count = inputs.config, len(inputs.symbols)
    nothing = np.full(count, np.nan)
    spread = np.full(count, knobs.spread_bps * WIDE)
    moved = np.where(np.isfinite(inputs.view.sigma), inputs.view.sigma, 0.0) * 1e4
    fee = np.array(knobs.fees_bps) if knobs.fees_bps else np.full(count, knobs.fee_bps)
    mid = np.exp(inputs.view.log_close[:, -1])
    sane = np.zeros(count, dtype=bool)
    cost = spread / 2.0 + fee + moved
    finer = book_metrics_without_book(state.liquidity_forecast, nothing, nothing, nothing)
    source, room = np.full(count, ASSUMED), np.zeros(count)
    return Liquidity(mid, spread, nothing, nothing, nothing, nothing, nothing, fee, moved, cost, sane, source, finer, ORDER_KINDS, room)


def book_metrics_without_book(
    told: LiquidityForecast, levels: Floats, toxicity: Floats, slope: Floats, estimate: Floats | None = None
) -> BookMetrics:
    """What is told of symbols without books."""
    count = len(levels)
    nothing, costs = np.full(count, np.nan), np.full((2, 2, count), np.nan)
    estimate = np.full((4, count), np.nan) if estimate is None else estimate
    return BookMetrics(nothing, levels, toxicity, slope, nothing, costs, costs, np.full((3, count), np.nan), told, estimate)


def _quoted(inputs: Inputs, walked: BookWalk, close: Floats) -> tuple[Floats, Ints, Floats]:
    """The same three as `_estimated`: of the book where there is a sane one."""
    whole, count = walked.whole, len(close)
    if whole.all():
        return walked.spread, np.full(count, BOOK), np.full((4, count), np.nan)
    spread, source, estimate = _estimated(inputs, close)
    return np.where(whole, walked.spread, spread), np.where(whole, BOOK, source), np.where(whole, np.nan, estimate)


def _estimated(inputs: Inputs, close: Floats) -> tuple[Floats, Ints, Floats]:
    """(S,) spread in bps without a book, (S,) where it is from, and (4, S) the estimate itself: what is set, unless the bars prove it larger.

    Never below one tick, which is the smallest spread that can be quoted.
    """
    view, knobs = inputs.view, inputs.config
    seen = None if (view.known == view.log_close.shape[1]).all() else np.isfinite(inputs.bars.close) & (inputs.bars.close > 0)
    squared = spread_estimators.abdi_ranaldo(view.log_high, view.log_low, view.log_close, seen)
    spread = spread_estimators.shrink_spread(squared, knobs.spread_bps)
    source = np.where(spread > knobs.spread_bps, ESTIMATE, SETTING)
    tick = order_size.per_symbol(knobs.rules.ticks, len(close)) / np.where(close > 0, close, np.inf) * 1e4
    return np.maximum(spread, tick), np.where(tick > spread, TICK, source), spread_estimators.spread_interval(squared)


class BookWalk(NamedTuple):
    """What the book of the decision, and the one that orders of the bar before met, come to; NaN without a sane book."""

    whole: Bools  # (S,) the book of the decision is sane
    mid: Floats  # (S,) price
    spread: Floats  # (S,) bps
    best: Floats  # (S,) imbalance of the sizes at the best prices, -1..1
    depth: Floats  # (S,) money within the levels of both sides
    imbalance: Floats  # (S,) of that money, -1..1
    fillable: Floats  # (S,) share of the largest order that the thinner side holds
    impact: Floats  # (S,) bps beyond half the spread for as much of the largest order as it holds, mean of buying and selling
    quoted: Floats  # (2, 2, S) by outlook.NOTIONALS and side
    met: Floats  # (2, 2, S)
    met_mid: Floats  # (S,)


def _walk(inputs: Inputs) -> BookWalk:
    books, count = inputs.books, len(inputs.symbols)
    met = inputs.fill_books if inputs.fill_books is not None and inputs.fill_books.bid_price.shape == books.bid_price.shape else None
    price, size = transaction_cost.stack_books(books, met) if met is not None else transaction_cost.stack_books(books)
    whole = transaction_cost.find_valid_books(price, size)
    ask, bid = price[0, :, 0], price[1, :, 0]
    mid = np.where(whole, (bid + ask) / 2.0, np.nan)
    price, size = transaction_cost.mask_missing_levels(price, size, whole)
    asks, bids = np.einsum("ksd,ksd->ks", price[:, :count], size[:, :count])
    holds = np.minimum(asks, bids) * (1.0 - 1e-9)
    order = inputs.config.max_position * max(inputs.account.equity, 1e-9)
    money = np.empty((3, len(mid)))
    money[:2], money[2] = _MONEY, order
    money[2, :count] = np.minimum(order, holds)
    walked = transaction_cost.walk_books(price, size, mid, money)
    now, spread = mid[:count], (ask - bid)[:count] / mid[:count] * 1e4
    at_ask, at_bid = size[:, :count, 0]
    total = np.where(whole[:count], asks + bids, np.nan)
    later = (walked[:2, :, count:], mid[count:]) if met is not None else (walked[:2] * np.nan, now * np.nan)
    return BookWalk(
        whole[:count], now, spread, (at_bid - at_ask) / np.where(whole[:count], at_bid + at_ask, np.nan), total, (bids - asks) / total,
        np.where(whole[:count], np.minimum(holds / order, 1.0), np.nan), np.maximum(walked[2, :, :count].sum(axis=0) / 2.0 - spread / 2.0, 0.0),
        walked[:2, :, :count], *later,
    )  # fmt: skip


def _measured(inputs: Inputs, walked: BookWalk) -> BookMeasurement:
    """What the outlook learns from: the bar's mean spread and depth, the walk of 10,000, and what orders of the bar before met."""
    flow = inputs.flow
    levels = np.full((3, len(walked.mid)), np.nan)
    if flow.spread.shape[1]:
        levels[0] = np.log(flow.spread[:, -1] / walked.mid * 1e4)
        levels[1] = np.log(flow.depth[:, -1] * walked.mid)
    levels[2] = walked.quoted[0].sum(axis=0) / 2.0 - walked.spread / 2.0
    if not np.isfinite(levels).all():
        levels[~np.isfinite(levels)] = np.nan
    return BookMeasurement(levels, walked.quoted, walked.met, walked.mid, walked.met_mid, walked.best * walked.spread / 2.0)


def _foreseen(told: LiquidityForecast) -> Floats:
    """(3, S) the next bar's spread in bps, depth in money and impact in bps."""
    levels = told.level_forecast.copy()
    levels[:2] = np.exp(levels[:2])
    levels[2] = np.maximum(levels[2], 0.0)
    return levels


def _money(inputs: Inputs, mid: Floats) -> Floats:
    """(S,) traded per bar, mean of the last 48."""
    return np.asarray(impact.average_volume(inputs.view.volume) * np.where(mid > 0, mid, 0.0))


def _lawful(inputs: Inputs, money: Floats, largest: Floats | float) -> Floats:
    """(S,) square-root impact in bps of the largest order; of one as large as the bar's volume where no volume is known."""
    share = np.where(money > 0, largest / np.where(money > 0, money, 1.0), 1.0)
    return impact.square_root_impact(inputs.config.impact_coefficient, inputs.view.sigma, share)


def _amihud(inputs: Inputs, mid: Floats) -> Floats:
    """(S,) |log return| of a bar over the money traded in it, means of the last 48, per 1e6 money."""
    money = _money(inputs, mid)
    return np.asarray(
        np.abs(inputs.view.returns[:, -impact.AVERAGE_BARS :]).sum(axis=1) / impact.AVERAGE_BARS / np.where(money > 0, money, np.nan) * 1e6
    )
