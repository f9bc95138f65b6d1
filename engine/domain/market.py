"""The market at one tick: bars, books, order flow, the account, and the inputs of a decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.domain.orders import FinishedOrder, Order
from engine.domain.record import Bools, Floats, Ints, Record
from engine.domain.trading_config import Event, TradingConfig


@dataclass(frozen=True, slots=True)
class Bars(Record):
    """Windows of bars, oldest first; a missing bar is NaN in all five."""

    open: Floats  # (S, T) price
    high: Floats  # (S, T)
    low: Floats  # (S, T)
    close: Floats  # (S, T)
    volume: Floats  # (S, T) base units


@dataclass(frozen=True, slots=True)
class Books(Record):
    """One order book per symbol, best level first; D = 0 where the feed has no books."""

    bid_price: Floats  # (S, D)
    bid_size: Floats  # (S, D) base units
    ask_price: Floats  # (S, D)
    ask_size: Floats  # (S, D)


@dataclass(frozen=True, slots=True)
class OrderFlow(Record):
    """Windows of order flow, summed by the feed over every event in the bar; T = 0 where the feed has none, NaN where a value is unknown."""

    ofi: Floats  # (S, T, D) order-flow imbalance by level, base units (Cont, Kukanov and Stoikov 2014)
    signed_volume: Floats  # (S, T) bought less sold by aggressors, base units
    trades: Floats  # (S, T) count
    vwap: Floats  # (S, T) price
    spread: Floats  # (S, T) time-weighted mean of ask - bid, price
    depth: Floats  # (S, T) mean size at the best bid and ask, base units


@dataclass(frozen=True, slots=True)
class BackfilledBars(Record):
    """Past bars that the venue gave only after their ticks: they enter the window before the newest bar, and nothing is decided on them again."""

    at: Ints  # (K,) ns UTC, their closes, increasing and before the snapshot's
    values: Floats  # (5, K, S) open, high, low, close, volume; NaN where a symbol has nothing to fill


@dataclass(frozen=True, slots=True)
class MarketSnapshot(Record):
    """One closed bar of every symbol, as a feed delivers it; the service keeps the windows."""

    at: int  # ns UTC, the bar's close and the time of the decision
    open: Floats  # (S,) NaN where the symbol has no bar
    high: Floats  # (S,)
    low: Floats  # (S,)
    close: Floats  # (S,)
    volume: Floats  # (S,)
    fresh: Bools  # (S,) the bar is there and is not a stale repeat
    books: Books  # at the decision, (S, D)
    fill_books: Books  # (S, D) the first book at or after the *previous* decision + latency, else the book in force then; NaN where there is none
    ofi: Floats  # (S, D) over this bar; D = 0 where the feed has none
    flow: Floats  # (S, 5) signed_volume, trades, vwap, spread, depth over this bar; (S, 0) where the feed has none
    trades_after_arrival: Floats | None = (
        None  # (S, 4) trades after fill_books: lowest and highest price, units sold at its best bid, units bought at its best ask
    )
    backfilled: BackfilledBars | None = None
    funding: Floats | None = None  # (S,) funding rate in force, per 8 h; NaN or None: that of the trading rules

    def as_stale(self) -> MarketSnapshot:
        """The same bar, on which nothing may be decided."""
        return replace(self, fresh=np.zeros_like(self.fresh))


@dataclass(frozen=True, slots=True)
class Account(Record):
    """The paper account, marked at the last known prices."""

    equity: float  # money
    cash: float  # money
    positions: Floats  # (S,) base units, negative when short
    entry_price: Floats  # (S,) mean entry price, NaN when flat
    mark_price: Floats  # (S,) last known price, NaN before the first bar
    peak_equity: float  # highest equity so far
    day: int  # the current day, as days since the epoch, UTC
    day_open_equity: float  # equity when the current day began
    last_loss_tick: Ints  # (S,) tick of the last trade closed at a loss, -10**9 where there is none
    benchmark_equity: float  # equity of buying all symbols in equal parts at their first price and holding
    benchmark_units: Floats  # (S,) base units of that portfolio, NaN before a symbol's first price
    working_orders: tuple[Order, ...] = ()  # orders still open after the bar: resting, or with slices to come
    finished_orders: tuple[FinishedOrder, ...] = ()  # orders that ended with the bar
    accrued_at: int = 0  # ns UTC up to which borrow and funding are paid; 0 before the first bar
    borrow: float = 0.0  # money paid so far for short positions; at most 0
    funding: float = 0.0  # funding so far, money: below 0 paid, above 0 received

    @property
    def carry(self) -> float:
        """The money that holding positions has earned so far; below 0 it has cost."""
        return self.borrow + self.funding


@dataclass(frozen=True, slots=True)
class Inputs(Record):
    """Everything a decision may use, besides State and Catalog."""

    tick: int
    at: int  # ns UTC
    interval: int  # ns, length of a bar
    symbols: tuple[str, ...]
    bars: Bars
    books: Books
    flow: OrderFlow
    fresh: Bools  # (S,)
    account: Account
    config: TradingConfig
    events: tuple[Event, ...]
    view: MarketView  # a pure function of bars, books and flow (see engine.window)
    fill_books: Books | None = None  # the book at the previous decision + latency, where the orders of the previous bar were filled


@dataclass(frozen=True, slots=True)
class MarketView(Record):
    """The window prepared for the features: closes are carried forward over missing bars, whose return is 0."""

    at: int  # ns UTC
    interval: int  # ns
    log_close: Floats  # (S, T)
    log_high: Floats  # (S, T) of the bar; the carried close where missing
    log_low: Floats  # (S, T)
    log_open: Floats  # (S, T)
    returns: Floats  # (S, T) log return of each bar, 0 for the first and where missing
    volume: Floats  # (S, T) 0 where missing
    known: Ints  # (S,) number of bars present in the window
    age: Ints  # (S,) bars since the last one present; 0 where it is the newest
    sigma: Floats  # (S,) EWMA volatility of a bar (log return), NaN while unknown
    books: Books
    flow: OrderFlow
    prepared: Mapping[Callable[[MarketView], Any], Any] | None = None  # values of functions of the view that were computed in a block (engine.window)
