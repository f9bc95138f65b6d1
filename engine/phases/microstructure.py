"""Phase 3, microstructure: the cost of trading now and at the fill, and the imbalance of the book and the order flow."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.domain.decision import SPREAD_SOURCES, BookMetrics, Liquidity
from engine.domain.evidence import NOTIONALS, BookMeasurement, LiquidityForecast
from engine.domain.market import Inputs, MarketView
from engine.domain.orders import ORDER_KINDS
from engine.domain.record import Bools, Floats, Ints
from engine.domain.state import State
from engine.evidence import execution_quality, liquidity_forecast, order_size, spread_estimators, transaction_cost
from engine.evidence.order_flow import kyle_lambda, order_flow_imbalance, vpin
from engine.window import evaluate

BOOK, ESTIMATE, SETTING, TICK, ASSUMED = range(len(SPREAD_SOURCES))
WIDE = 10.0  # multiples of the assumed spread, for the fallback
_MONEY = np.array(NOTIONALS)[:, None]


def measure_liquidity(inputs: Inputs, state: State) -> Liquidity:
    """Measure from the book where it is valid, else from flow and bars; costs in bps, one way, for the largest order allowed.

    A crossed, one-sided or malformed book is flagged and gives no figure: price and spread are then those of a symbol without books. Where the
    book is too thin for the largest order, its impact is that of the part the book holds, or that of the square-root law if higher.
    """
    config, books, count = inputs.config, inputs.books, len(inputs.symbols)
    largest = config.max_position * max(inputs.account.equity, 0.0)
    bars = evaluate(measure_bars, inputs.view)
    fee = np.array(config.fees_bps) if config.fees_bps else np.full(count, config.fee_bps)
    costly = execution_quality.find_costly_kinds(state.execution)
    close, unknown = bars.close, np.full(count, np.nan)
    flow_pressure, levels = order_flow_imbalance(inputs.flow, inputs.view.volume)
    flow = (levels, vpin(inputs.flow, inputs.view.volume), kyle_lambda(inputs.flow, inputs.view.returns, close))
    if not books.bid_price.shape[1]:
        spread, source, estimate = _estimate_spread(inputs, close)
        money = bars.money_traded(close)
        capacity = np.nan_to_num(config.participation * money, nan=0.0)
        impact_bps, amihud = _square_root_impact(inputs, money, np.minimum(largest, capacity)), bars.amihud(money)
        metrics, invalid = book_metrics_without_book(state.liquidity_forecast, *flow, estimate), np.zeros(count, dtype=bool)
        cost = spread / 2.0 + fee + impact_bps
        return Liquidity(
            close, spread, unknown, unknown, unknown, flow_pressure, amihud, fee, impact_bps, cost, invalid, source, metrics, costly, capacity
        )
    walk = _walk(inputs)
    mid = np.where(walk.valid, walk.mid, close)
    spread, source, estimate = _measure_spread(inputs, walk, close)
    money = bars.money_traded(mid)
    impact_bps, amihud = walk.impact, bars.amihud(money)
    full = walk.fillable >= 1.0
    if not full.all():
        impact_bps = np.where(full, impact_bps, np.fmax(impact_bps, _square_root_impact(inputs, money, largest)))
    forecast = liquidity_forecast.update_liquidity_forecast(state.liquidity_forecast, _measure_book(inputs, walk), inputs.tick)
    micro_price = walk.mid * (1.0 + forecast.offset_share * forecast.pending.micro_price_offset / 1e4)
    metrics = BookMetrics(
        walk.imbalance_best,
        *flow,
        walk.fillable,
        forecast.pending.cost_at_decision,
        forecast.cost_forecast,
        _forecast_levels(forecast),
        forecast,
        estimate,
    )
    cost = spread / 2.0 + fee + impact_bps
    invalid = ~(walk.valid | (np.isnan(books.bid_price[:, 0]) & np.isnan(books.ask_price[:, 0])))  # part of a book, and not valid
    return Liquidity(
        mid, spread, walk.depth, walk.imbalance, micro_price, flow_pressure, amihud, fee, impact_bps, cost, invalid, source, metrics, costly, unknown
    )


class BarFigures(NamedTuple):
    """The figures of a window that need no book; a block of bars is a leading axis."""

    close: Floats  # (..., S) price
    average_volume: Floats  # (..., S) base units per bar, mean of the last 48
    absolute_return: Floats  # (..., S) mean of the last 48

    def money_traded(self, mid: Floats) -> Floats:
        """Return (S,) the money traded per bar, mean of the last 48."""
        return np.asarray(self.average_volume * np.where(mid > 0, mid, 0.0))

    def amihud(self, money: Floats) -> Floats:
        """Return (S,) mean |log return| of a bar over mean money traded per bar, over the last 48, per 1e6 money."""
        return np.asarray(self.absolute_return / np.where(money > 0, money, np.nan) * 1e6)


def measure_bars(view: MarketView) -> BarFigures:
    """Measure one window, or those of a block."""
    absolute = np.abs(view.returns[..., -transaction_cost.AVERAGE_BARS :]).sum(axis=-1) / transaction_cost.AVERAGE_BARS
    return BarFigures(np.exp(view.log_close[..., -1]), transaction_cost.average_volume(view.volume), absolute)


def estimate_spread(view: MarketView) -> tuple[spread_estimators.SquaredSpread, Floats]:
    """Estimate the squared spread, and (..., 4, S) its interval, from windows without a missing bar, one or those of a block."""
    squared = spread_estimators.abdi_ranaldo(view.log_high, view.log_low, view.log_close)
    return squared, spread_estimators.spread_interval(squared)


def assume_wide_spread(inputs: Inputs, state: State) -> Liquidity:
    """Fall back to an expensive market: ten times the configured spread, the impact of a whole bar's volatility, and an unknown book."""
    config, count = inputs.config, len(inputs.symbols)
    unknown = np.full(count, np.nan)
    spread = np.full(count, config.spread_bps * WIDE)
    impact_bps = np.where(np.isfinite(inputs.view.sigma), inputs.view.sigma, 0.0) * 1e4
    fee = np.array(config.fees_bps) if config.fees_bps else np.full(count, config.fee_bps)
    mid = np.exp(inputs.view.log_close[:, -1])
    cost = spread / 2.0 + fee + impact_bps
    metrics, invalid = book_metrics_without_book(state.liquidity_forecast, unknown, unknown, unknown), np.zeros(count, dtype=bool)
    source, capacity = np.full(count, ASSUMED), np.zeros(count)
    return Liquidity(mid, spread, unknown, unknown, unknown, unknown, unknown, fee, impact_bps, cost, invalid, source, metrics, ORDER_KINDS, capacity)


def book_metrics_without_book(
    forecast: LiquidityForecast, levels: Floats, toxicity: Floats, slope: Floats, estimate: Floats | None = None
) -> BookMetrics:
    """Return the metrics of symbols without books."""
    count = len(levels)
    unknown, costs = np.full(count, np.nan), np.full((2, 2, count), np.nan)
    estimate = np.full((4, count), np.nan) if estimate is None else estimate
    return BookMetrics(unknown, levels, toxicity, slope, unknown, costs, costs, np.full((3, count), np.nan), forecast, estimate)


def _measure_spread(inputs: Inputs, walk: BookWalk, close: Floats) -> tuple[Floats, Ints, Floats]:
    """Return the results of `_estimate_spread`, replaced by the book's spread where the book is valid."""
    valid, count = walk.valid, len(close)
    if valid.all():
        return walk.spread, np.full(count, BOOK), np.full((4, count), np.nan)
    spread, source, estimate = _estimate_spread(inputs, close)
    return np.where(valid, walk.spread, spread), np.where(valid, BOOK, source), np.where(valid, np.nan, estimate)


def _estimate_spread(inputs: Inputs, close: Floats) -> tuple[Floats, Ints, Floats]:
    """Return (S,) the spread in bps without a book, (S,) its source, and (4, S) the estimate; the setting holds unless the bars prove it larger.

    It is never below one tick, the smallest spread that can be quoted.
    """
    view, config = inputs.view, inputs.config
    if (view.known == view.log_close.shape[1]).all():
        squared, interval = evaluate(estimate_spread, view)
    else:
        present = np.isfinite(inputs.bars.close) & (inputs.bars.close > 0)
        squared = spread_estimators.abdi_ranaldo(view.log_high, view.log_low, view.log_close, present)
        interval = spread_estimators.spread_interval(squared)
    spread = spread_estimators.shrink_spread(squared, config.spread_bps)
    source = np.where(spread > config.spread_bps, ESTIMATE, SETTING)
    tick = order_size.per_symbol(config.rules.ticks, len(close)) / np.where(close > 0, close, np.inf) * 1e4
    return np.maximum(spread, tick), np.where(tick > spread, TICK, source), interval


class BookWalk(NamedTuple):
    """Measures of the book at the decision, and of the book in which the previous bar's orders were filled; NaN without a valid book."""

    valid: Bools  # (S,) the book at the decision is valid
    mid: Floats  # (S,) price
    spread: Floats  # (S,) bps
    imbalance_best: Floats  # (S,) imbalance of the sizes at the best prices, -1..1
    depth: Floats  # (S,) money within the levels of both sides
    imbalance: Floats  # (S,) of that money, -1..1
    fillable: Floats  # (S,) share of the largest order that the thinner side holds
    impact: Floats  # (S,) bps beyond half the spread for the part of the largest order that it holds, mean of buying and selling
    cost_at_decision: Floats  # (2, 2, S) by NOTIONALS and side
    cost_at_fill: Floats  # (2, 2, S)
    mid_at_fill: Floats  # (S,)


def _walk(inputs: Inputs) -> BookWalk:
    books, count = inputs.books, len(inputs.symbols)
    fill_books = inputs.fill_books if inputs.fill_books is not None and inputs.fill_books.bid_price.shape == books.bid_price.shape else None
    price, size = transaction_cost.stack_books(books, fill_books) if fill_books is not None else transaction_cost.stack_books(books)
    valid = transaction_cost.find_valid_books(price, size)
    ask, bid = price[0, :, 0], price[1, :, 0]
    mid = np.where(valid, (bid + ask) / 2.0, np.nan)
    price, size = transaction_cost.mask_missing_levels(price, size, valid)
    asks, bids = np.einsum("ksd,ksd->ks", price[:, :count], size[:, :count])
    holds = np.minimum(asks, bids) * (1.0 - 1e-9)
    order = inputs.config.max_position * max(inputs.account.equity, 1e-9)
    money = np.empty((3, len(mid)))
    money[:2], money[2] = _MONEY, order
    money[2, :count] = np.minimum(order, holds)
    costs = transaction_cost.walk_books(price, size, mid, money)
    now, spread = mid[:count], (ask - bid)[:count] / mid[:count] * 1e4
    at_ask, at_bid = size[:, :count, 0]
    total = np.where(valid[:count], asks + bids, np.nan)
    at_fill = (costs[:2, :, count:], mid[count:]) if fill_books is not None else (costs[:2] * np.nan, now * np.nan)
    return BookWalk(
        valid[:count], now, spread, (at_bid - at_ask) / np.where(valid[:count], at_bid + at_ask, np.nan), total, (bids - asks) / total,
        np.where(valid[:count], np.minimum(holds / order, 1.0), np.nan), np.maximum(costs[2, :, :count].sum(axis=0) / 2.0 - spread / 2.0, 0.0),
        costs[:2, :, :count], *at_fill,
    )  # fmt: skip


def _measure_book(inputs: Inputs, walk: BookWalk) -> BookMeasurement:
    """Return the observations that the liquidity forecast learns from: mean spread and depth of the bar, impact of 10,000, and costs at the fill."""
    flow = inputs.flow
    levels = np.full((3, len(walk.mid)), np.nan)
    if flow.spread.shape[1]:
        levels[0] = np.log(flow.spread[:, -1] / walk.mid * 1e4)
        levels[1] = np.log(flow.depth[:, -1] * walk.mid)
    levels[2] = walk.cost_at_decision[0].sum(axis=0) / 2.0 - walk.spread / 2.0
    levels[~np.isfinite(levels)] = np.nan
    return BookMeasurement(levels, walk.cost_at_decision, walk.cost_at_fill, walk.mid, walk.mid_at_fill, walk.imbalance_best * walk.spread / 2.0)


def _forecast_levels(forecast: LiquidityForecast) -> Floats:
    """Return (3, S) the forecast of the next bar's spread in bps, depth in money and impact in bps."""
    levels = forecast.level_forecast.copy()
    levels[:2] = np.exp(levels[:2])
    levels[2] = np.maximum(levels[2], 0.0)
    return levels


def _square_root_impact(inputs: Inputs, money: Floats, largest: Floats | float) -> Floats:
    """Return (S,) the square-root impact in bps of the largest order; of one as large as the bar's volume where volume is unknown."""
    share = np.where(money > 0, largest / np.where(money > 0, money, 1.0), 1.0)
    return transaction_cost.square_root_impact(inputs.config.impact_coefficient, inputs.view.sigma, share)
