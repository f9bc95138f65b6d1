"""Orders: new ones, their progress from bar to bar, and their results."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.evidence import SkillSums
from engine.domain.record import Floats, Record
from engine.domain.trading_config import TradingConfig

EXECUTIONS = ("wait", "passive", "aggressive", "slice")  # the codes of Decisions.execution and Order.execution
WAIT, PASSIVE, AGGRESSIVE, SLICE = range(4)
ORDER_KINDS = EXECUTIONS[1:]  # the kinds of order, as the rows of ExecutionSums


@dataclass(frozen=True, slots=True)
class OrderProgress(Record):
    """The arrival and the progress of an order that is worked over several bars. Prices with a fee are the full cost per unit."""

    tick: int  # of its arrival
    bars_worked: int  # bars it has been worked in
    requested: float  # base units at its arrival
    arrival_mid: float  # of the book it arrived at
    limit_price: float  # price it rests at, NaN for slices
    queue_ahead: float  # base units ahead of it at its limit; inf where unknown, NaN for slices
    immediate_units: float  # base units that an immediate order would have filled
    immediate_price: float  # with the fee; NaN where it would have filled none
    filled: float  # base units
    paid: float  # money, with the fees


@dataclass(frozen=True, slots=True)
class Order(Record):
    """An order, filled from the book at the decision + latency; without books at the next open, up to a share of that bar's volume."""

    symbol: int  # index
    units: float  # base units still to be traded, negative to sell
    spread_bps: float  # full spread expected; half of it is paid where there are no books
    impact_bps: float  # expected for the part of the order that is expected to be filled
    sigma: float = 0.0  # volatility of a bar (log return) known at the decision; sets the impact where there are no books
    execution: int = AGGRESSIVE  # index into EXECUTIONS
    progress: OrderProgress | None = None  # None before its arrival
    at_open: bool = False  # its book is stale: it is filled at the next open, never from a book


@dataclass(frozen=True, slots=True)
class FinishedOrder(Record):
    """An order that has ended: filled, out of time, or cancelled by a later decision. Money at the mid of its arrival."""

    execution: int  # index into EXECUTIONS
    requested: float
    filled: float
    shortfall_bps: float  # cost above that of an immediate fill at its arrival; NaN where no book would have filled any of it


@dataclass(frozen=True, slots=True)
class ExecutionSums(Record):
    """Sums over the orders that have ended, by kind (see evidence.execution_quality)."""

    orders: Floats  # (3,)
    scores: SkillSums  # (2, 1, 3): money filled less money unfilled, per money requested; and shortfall in bps, per order compared


@dataclass(frozen=True, slots=True)
class ExecutionRow(Record):
    """The results of one kind of order; None where there is not enough data."""

    kind: str  # of KINDS
    orders: int  # that have ended
    filled: float | None  # share of the money requested
    filled_low: float | None  # 95 % interval, valid under continuous watching
    filled_high: float | None
    unfilled: float | None
    shortfall_bps: float | None  # mean per order against an immediate fill; None for immediate orders, which are the reference
    low: float | None  # 95 % interval, valid under continuous watching
    high: float | None
    n: int  # orders compared
    offered: bool  # recommended where it applies, because it is not proven to cost more than an immediate fill


def keeps_working(order: Order, units: float, config: TradingConfig) -> bool:
    """Return whether a working order continues: the units to trade have its direction, and not everything is to be closed at once."""
    return order.units * units > 0.0 and not config.flatten
