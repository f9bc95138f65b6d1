"""Orders, what stands over of them from bar to bar, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.evidence import SkillSums
from engine.domain.record import Floats, Record
from engine.domain.trading_config import TradingConfig

EXECUTIONS = ("wait", "passive", "aggressive", "slice")  # the codes of Decisions.execution and Order.execution
WAIT, PASSIVE, AGGRESSIVE, SLICE = range(4)
ORDER_KINDS = EXECUTIONS[1:]  # the kinds of order, as the rows of Execution


@dataclass(frozen=True, slots=True)
class OrderProgress(Record):
    """How an order that is worked over several bars began, and what has come of it so far. Prices with a fee are what a unit cost in all."""

    tick: int  # at which it was first worked
    bars_worked: int  # it has been worked in
    requested: float  # base units, when it arrived
    arrival_mid: float  # of the book it arrived at
    limit_price: float  # price it rests at, NaN for slices
    queue_ahead: float  # base units ahead of it at its limit, inf where that is not known, NaN for slices
    immediate_units: float  # base units that taking at once would have filled
    immediate_price: float  # with the fee; NaN where nothing would have been filled
    filled: float  # base units
    paid: float  # money, with the fees


@dataclass(frozen=True, slots=True)
class Order(Record):
    """An order, filled by the book that stands at the decision + latency; without books at the next open, up to a share of that bar's volume."""

    symbol: int  # index
    units: float  # base units still to be traded, negative to sell
    spread_bps: float  # full spread expected, paid half where there are no books
    impact_bps: float  # expected, for as much of its own size as is expected to be filled
    sigma: float = 0.0  # volatility of a bar (log return), known at the decision: what impact is paid by where there are no books
    execution: int = AGGRESSIVE  # index into EXECUTIONS
    progress: OrderProgress | None = None  # None until it has arrived at a market
    at_open: bool = False  # its book is stale: filled at the next open, never by walking a book


@dataclass(frozen=True, slots=True)
class FinishedOrder(Record):
    """An order that is over: filled, out of time, or cancelled by a later decision. Money at the mid it arrived at."""

    execution: int  # index into EXECUTIONS
    requested: float
    filled: float
    shortfall_bps: float  # what it cost more than taking at once at its arrival; NaN where no book stood then that would have filled any


@dataclass(frozen=True, slots=True)
class ExecutionSums(Record):
    """Sums over the orders that are over, by KINDS (see evidence.execution)."""

    orders: Floats  # (3,)
    scores: SkillSums  # (2, 1, 3): money filled less money unfilled, of the money asked for; and shortfall in bps, of the orders compared


@dataclass(frozen=True, slots=True)
class ExecutionRow(Record):
    """What a kind of order came to; None where there is not enough data."""

    kind: str  # of KINDS
    orders: int  # that are over
    filled: float | None  # share of the money asked for
    filled_low: float | None  # 95 % interval, valid under continuous watching
    filled_high: float | None
    unfilled: float | None
    shortfall_bps: float | None  # mean by order against taking at once; None for orders that take at once, which are what is compared with
    low: float | None  # 95 % interval, valid under continuous watching
    high: float | None
    n: int  # orders compared
    offered: bool  # it is recommended where it applies: not proven to cost more than taking at once


def keeps_working(order: Order, units: float, knobs: TradingConfig) -> bool:
    """Whether a working order goes on when so many units are wanted now: in the same direction, and not where everything is to be closed at once."""
    return order.units * units > 0.0 and not knobs.flatten
