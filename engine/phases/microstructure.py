"""Phase 3, microstructure: what trading costs now and at the fill, and which way the book and the flow lean."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import BookAndFlow, Liquidity
from engine.domain.market import Books, Inputs
from engine.domain.outlook import NOTIONALS, Measured
from engine.domain.record import Bools, Floats
from engine.domain.state import State
from engine.evidence import book_walk, outlook
from engine.evidence.order_flow import kyle, pressure, vpin

LATE = 48  # bars
WIDE = 10.0  # multiples of the assumed spread when nothing is known
_MONEY = np.array(NOTIONALS)


def read(inputs: Inputs, state: State) -> Liquidity:
    """Measures from the book where there is a sane one, else from flow and bars; costs in bps, one way, for an order of the largest size allowed.

    A book that is crossed, one-sided or malformed is told as `crossed` and gives no figure: price and spread are then those of a symbol without
    books. Where the book does not hold the largest order, its impact is that of the part it holds, or the square-root law's if that is more.
    """
    knobs, books, count = inputs.knobs, inputs.books, len(inputs.symbols)
    close = np.exp(inputs.view.log_close[:, -1])
    fee = np.array(knobs.fees_bps) if knobs.fees_bps else np.full(count, knobs.fee_bps)
    side, levels = pressure(inputs.flow, inputs.view.volume)
    signs = (levels, vpin(inputs.flow, inputs.view.volume), kyle(inputs.flow, inputs.view.returns, close))
    if not books.bid_price.shape[1]:
        spread = np.full(count, knobs.spread_bps)
        impact, amihud = _impact(inputs, close)
        nothing, none = np.full(count, np.nan), np.zeros(count, dtype=bool)
        finer = unbooked(state.outlook, *signs)
        cost = spread / 2.0 + fee + impact
        return Liquidity(close, spread, nothing, nothing, nothing, side, amihud, fee, impact, cost, none, "setting", finer)
    whole = book_walk.sane(books)
    bid, ask = books.bid_price[:, 0], books.ask_price[:, 0]
    mid = np.where(whole, (bid + ask) / 2.0, close)
    spread = np.where(whole, (ask - bid) / mid * 1e4, knobs.spread_bps)
    lawful, amihud = _impact(inputs, mid)
    price, size = book_walk.held(books, whole)
    order = knobs.max_position * max(inputs.account.equity, 0.0)
    impact, fillable, quoted = _walk(price, size, np.where(whole, mid, np.nan), spread, lawful, order)
    best = (size[1, :, 0] - size[0, :, 0]) / (size[1, :, 0] + size[0, :, 0])
    told = outlook.learn(state.outlook, _measured(inputs, whole, mid, spread, quoted, best), inputs.tick)
    micro = np.where(whole, mid * (1.0 + outlook.share(told) * best * spread / 2e4), np.nan)
    depth, imbalance = _levels(price, size, whole)
    finer = BookAndFlow(np.where(whole, best, np.nan), *signs, fillable, quoted, outlook.costs(told), _foreseen(told), told)
    cost = spread / 2.0 + fee + impact
    return Liquidity(mid, spread, depth, imbalance, micro, side, amihud, fee, impact, cost, _crossed(books, whole), "book", finer)


def assume_wide(inputs: Inputs, state: State) -> Liquidity:
    """Assumes an expensive market: ten times the usual spread, impact of a whole bar's volatility, nothing known of the book."""
    knobs, count = inputs.knobs, len(inputs.symbols)
    nothing = np.full(count, np.nan)
    spread = np.full(count, knobs.spread_bps * WIDE)
    impact = np.where(np.isfinite(inputs.view.sigma), inputs.view.sigma, 0.0) * 1e4
    fee = np.array(knobs.fees_bps) if knobs.fees_bps else np.full(count, knobs.fee_bps)
    mid = np.exp(inputs.view.log_close[:, -1])
    sane = np.zeros(count, dtype=bool)
    cost = spread / 2.0 + fee + impact
    finer = unbooked(state.outlook, nothing, nothing, nothing)
    return Liquidity(mid, spread, nothing, nothing, nothing, nothing, nothing, fee, impact, cost, sane, "assumed wide", finer)


def unbooked(told: outlook.Outlook, levels: Floats, toxicity: Floats, slope: Floats) -> BookAndFlow:
    """What is told of symbols without books."""
    count = len(levels)
    nothing, costs = np.full(count, np.nan), np.full((2, 2, count), np.nan)
    return BookAndFlow(nothing, levels, toxicity, slope, nothing, costs, costs, np.full((3, count), np.nan), told)


def _crossed(books: Books, whole: Bools) -> Bools:
    """(S,) there is something of a book, and it is not sane."""
    nothing = np.isnan(books.bid_price[:, 0]) & np.isnan(books.ask_price[:, 0])
    return np.asarray(~(whole | nothing))


def _levels(price: Floats, size: Floats, whole: Bools) -> tuple[Floats, Floats]:
    """(S,) money within the book's levels on both sides, and its imbalance -1..1; NaN without a sane book."""
    asks, bids = np.einsum("ksd,ksd->ks", price, size)
    total = np.where(whole, asks + bids, np.nan)
    return total, (bids - asks) / total


def _walk(price: Floats, size: Floats, mid: Floats, spread: Floats, lawful: Floats, order: float) -> tuple[Floats, Floats, Floats]:
    """(S,) impact of `order` money, mean of buying and selling; (S,) the share of it the book holds; (2, 2, S) costs of the notionals quoted."""
    holds = np.einsum("ksd,ksd->ks", price, size).min(axis=0) * (1.0 - 1e-9)
    largest = np.minimum(order, holds)
    money = np.empty((3, len(mid)))
    money[0], money[1], money[2] = _MONEY[0], _MONEY[1], largest
    walked = book_walk.costs(price, size, mid, money)
    own = np.maximum(walked[2].sum(axis=0) / 2.0 - spread / 2.0, 0.0)
    full = holds >= order
    impact = np.where(np.isfinite(own), np.where(full, own, np.maximum(own, lawful)), lawful)
    share = np.where(np.isfinite(mid), np.minimum(holds / order, 1.0) if order > 0 else 1.0, np.nan)
    return impact, share, walked[:2]


def _measured(inputs: Inputs, whole: Bools, mid: Floats, spread: Floats, quoted: Floats, best: Floats) -> Measured:
    """What the outlook learns from: the bar's mean spread and depth, the walk of 10,000, and what orders of the bar before met."""
    flow = inputs.flow
    nothing = np.full(len(mid), np.nan)
    wide, deep = (flow.spread[:, -1], flow.depth[:, -1]) if flow.spread.shape[1] else (nothing, nothing)
    small = quoted[0].sum(axis=0) / 2.0 - spread / 2.0
    levels = np.array((np.log(wide / mid * 1e4), np.log(deep * mid), small))
    levels[~np.isfinite(levels)] = np.nan
    at = np.where(whole, mid, np.nan)
    met, met_mid = _met(inputs.met, len(mid))
    return Measured(levels, quoted, met, at, met_mid, np.where(whole, best * spread / 2.0, np.nan))


def _met(books: Books | None, count: int) -> tuple[Floats, Floats]:
    """(2, 2, S) costs of the notionals on the book that orders met, and (S,) its mid."""
    if books is None or not books.bid_price.shape[1]:
        return np.full((2, 2, count), np.nan), np.full(count, np.nan)
    whole = book_walk.sane(books)
    mid = np.where(whole, (books.bid_price[:, 0] + books.ask_price[:, 0]) / 2.0, np.nan)
    return book_walk.costs(*book_walk.held(books, whole), mid, _MONEY), mid


def _foreseen(told: outlook.Outlook) -> Floats:
    """(3, S) the next bar's spread in bps, depth in money and impact in bps."""
    levels = outlook.levels(told)
    levels[:2] = np.exp(levels[:2])
    levels[2] = np.maximum(levels[2], 0.0)
    return levels


def _impact(inputs: Inputs, mid: Floats) -> tuple[Floats, Floats]:
    """Square-root impact of the largest order in bps, coefficient x bar volatility x root of its share of a bar's money; and Amihud's measure."""
    view, knobs = inputs.view, inputs.knobs
    money = view.volume[:, -LATE:].mean(axis=1) * np.where(np.isfinite(mid), mid, 0.0)
    order = knobs.max_position * max(inputs.account.equity, 0.0)
    share = np.where(money > 0, order / np.where(money > 0, money, 1.0), 1.0)
    sigma = np.where(np.isfinite(view.sigma), view.sigma, 0.0)
    amihud = np.where(money > 0, np.abs(view.returns[:, -LATE:]).mean(axis=1) / np.where(money > 0, money, 1.0) * 1e6, np.nan)
    return knobs.impact * sigma * 1e4 * np.sqrt(np.minimum(share, 1.0)), amihud
