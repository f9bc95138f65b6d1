"""What the venue of each symbol demands of an order, and what holding a position costs there."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.record import Record


@dataclass(frozen=True, slots=True)
class TradingRules(Record):
    """By symbol, in the order of the feed's symbols; () where no symbol has such a rule, so that nothing is computed for it."""

    ticks: tuple[float, ...] = ()  # smallest step of the price, 0 where not known
    lots: tuple[float, ...] = ()  # smallest step of an order's size, 0 where not known: base units, or money where `money_lots` is set
    money_lots: tuple[bool, ...] = ()  # the lot is a sum of money, as that of an inverse contract; () where none is
    min_notionals: tuple[float, ...] = ()  # money, smallest value of an order that does not close a position; 0 where there is none
    shorts: tuple[bool, ...] = ()  # may be sold short; () where all may
    borrow_rates: tuple[float, ...] = ()  # a year, paid on the value of a short
    funding_rates: tuple[float, ...] = ()  # per 8 h on the value of a position: above 0 longs pay and shorts receive
