"""Phase 3, microstructure: what trading costs now, and which way the book and the flow lean."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import Liquidity
from engine.domain.market import Books, Inputs
from engine.domain.record import Floats

LATE = 48  # bars
WIDE = 10.0  # multiples of the assumed spread when nothing is known


def read(inputs: Inputs) -> Liquidity:
    """Measures from the book where there is one, from flow and bars otherwise; costs in bps, one way, for an order of the largest size allowed."""
    view, knobs = inputs.view, inputs.knobs
    close = np.exp(view.log_close[:, -1])
    booked = inputs.books.bid_price.shape[1] > 0
    bid, ask, bid_size, ask_size = _best(inputs.books, len(close))
    crossed = (bid >= ask) | (bid <= 0) | (bid_size < 0) | (ask_size < 0)
    sane = np.isfinite(bid) & np.isfinite(ask) & ~crossed
    mid = np.where(sane, (bid + ask) / 2.0, close)
    spread = np.where(sane, (ask - bid) / mid * 1e4, knobs.spread_bps)
    micro = np.where(sane & (bid_size + ask_size > 0), (bid * ask_size + ask * bid_size) / (bid_size + ask_size), np.nan)
    depth, imbalance = _levels(inputs.books, sane)
    impact, amihud = _impact(inputs, mid)
    fee = np.full(len(close), knobs.fee_bps)
    cost = np.maximum(spread, 0.0) / 2.0 + fee + impact
    source = "book" if booked else "setting"
    return Liquidity(mid, np.maximum(spread, 0.0), depth, imbalance, micro, _pressure(inputs), amihud, fee, impact, cost, crossed, source)


def assume_wide(inputs: Inputs) -> Liquidity:
    """Assumes an expensive market: ten times the usual spread, impact of a whole bar's volatility, nothing known of the book."""
    knobs, count = inputs.knobs, len(inputs.symbols)
    nothing = np.full(count, np.nan)
    spread = np.full(count, knobs.spread_bps * WIDE)
    impact = np.where(np.isfinite(inputs.view.sigma), inputs.view.sigma, 0.0) * 1e4
    fee = np.full(count, knobs.fee_bps)
    mid = np.exp(inputs.view.log_close[:, -1])
    sane = np.zeros(count, dtype=bool)
    cost = spread / 2.0 + fee + impact
    return Liquidity(mid, spread, nothing, nothing, nothing, nothing, nothing, fee, impact, cost, sane, "assumed wide")


def _best(books: Books, count: int) -> tuple[Floats, Floats, Floats, Floats]:
    if not books.bid_price.shape[1]:
        nothing = np.full(count, np.nan)
        return nothing, nothing, nothing, nothing
    return books.bid_price[:, 0], books.ask_price[:, 0], books.bid_size[:, 0], books.ask_size[:, 0]


def _levels(books: Books, sane: np.ndarray) -> tuple[Floats, Floats]:
    """Money within the book's levels on both sides, and its imbalance -1..1; NaN without a sane book."""
    if not books.bid_price.shape[1]:
        nothing = np.full(len(sane), np.nan)
        return nothing, nothing
    bids = np.nansum(books.bid_price * books.bid_size, axis=1)
    asks = np.nansum(books.ask_price * books.ask_size, axis=1)
    total = bids + asks
    good = sane & (total > 0)
    return np.where(good, total, np.nan), np.where(good, (bids - asks) / np.where(total > 0, total, 1.0), np.nan)


def _impact(inputs: Inputs, mid: Floats) -> tuple[Floats, Floats]:
    """Square-root impact of the largest order in bps, coefficient x bar volatility x root of its share of a bar's money; and Amihud's measure."""
    view, knobs = inputs.view, inputs.knobs
    money = view.volume[:, -LATE:].mean(axis=1) * np.where(np.isfinite(mid), mid, 0.0)
    order = knobs.max_position * max(inputs.account.equity, 0.0)
    share = np.where(money > 0, order / np.where(money > 0, money, 1.0), 1.0)
    sigma = np.where(np.isfinite(view.sigma), view.sigma, 0.0)
    amihud = np.where(money > 0, np.abs(view.returns[:, -LATE:]).mean(axis=1) / np.where(money > 0, money, 1.0) * 1e6, np.nan)
    return knobs.impact * sigma * 1e4 * np.sqrt(np.minimum(share, 1.0)), amihud


def _pressure(inputs: Inputs) -> Floats:
    """Order-flow imbalance of the last bar over its mean depth (Cont, Kukanov and Stoikov 2014); else signed volume over volume; else NaN."""
    flow = inputs.flow
    if not flow.signed_volume.shape[1]:
        return np.full(len(inputs.symbols), np.nan)
    by_volume = flow.signed_volume[:, -1] / inputs.view.volume[:, -1]
    pressure = flow.ofi[:, -1, 0] / flow.depth[:, -1] if flow.ofi.shape[2] else by_volume
    pressure = np.where(np.isfinite(pressure), pressure, by_volume)
    return np.where(np.isfinite(pressure), pressure, np.nan)
