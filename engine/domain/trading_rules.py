"""The order rules of each symbol's venue, and the cost of holding a position there."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.record import Record


@dataclass(frozen=True, slots=True)
class TradingRules(Record):
    """Rules by symbol, in the order of the feed's symbols; () where no symbol has such a rule, which then costs no computation."""

    ticks: tuple[float, ...] = ()  # smallest step of the price, 0 where unknown
    lots: tuple[float, ...] = ()  # smallest step of an order's size, 0 where unknown; base units, or money where `money_lots` is set
    money_lots: tuple[bool, ...] = ()  # the lot is in money, as for an inverse contract; () where none is
    min_notionals: tuple[float, ...] = ()  # money, smallest value of an order that does not close a position; 0 where there is none
    shorts: tuple[bool, ...] = ()  # short positions are allowed; () where all are
    borrow_rates: tuple[float, ...] = ()  # per year, paid on the value of a short position
    funding_rates: tuple[float, ...] = ()  # per 8 h on the value of a position; above 0 longs pay and shorts receive
