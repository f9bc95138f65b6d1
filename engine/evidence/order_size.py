"""What a venue takes of an order: sizes in whole lots, prices on the tick, nothing below the smallest order."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from engine.domain.record import Bools, Floats
from engine.domain.trading_rules import TradingRules

CLOSE, BITS = 1e-9, 2e-15  # of a lot, and of the number of lots: a size that near to a whole number is that number, whatever the last bits say


def round_to_lot(units: Floats, price: Floats, rules: TradingRules) -> Floats:
    """(S,) base units toward zero to a whole number of lots; the units themselves where no lot is known."""
    if not rules.lots:
        return units
    lot = lot_units(price, rules)
    known = lot > 0
    step = np.where(known, lot, 1.0)
    lots = np.abs(units) / step
    whole = np.where(np.abs(lots - np.rint(lots)) <= CLOSE + BITS * lots, np.rint(lots), np.floor(lots))
    rounded = np.sign(units) * np.minimum(whole * step, np.abs(units))
    return np.asarray(np.where(known, rounded, units))


def minimum_order_size(price: Floats, rules: TradingRules) -> Floats:
    """(S,) base units of the smallest order that is taken: whole lots worth the minimum notional, at least one; 0 where neither is known."""
    least = per_symbol(rules.min_notionals, len(price)) / np.where(price > 0, price, np.inf)
    if not rules.lots:
        return least
    lot = lot_units(price, rules)
    step = np.where(lot > 0, lot, 1.0)
    lots = least / step
    return np.asarray(np.where(lot > 0, np.maximum(np.ceil(lots - CLOSE - BITS * lots), 1.0) * step, least))


def lot_units(price: Floats, rules: TradingRules) -> Floats:
    """(S,) base units of one lot at these prices, 0 where not known."""
    lots = per_symbol(rules.lots, len(price))
    if not rules.money_lots:
        return lots
    return np.asarray(np.where(np.array(rules.money_lots), lots / np.where(price > 0, price, np.inf), lots))


def round_to_tick(price: float, tick: float, side: float) -> float:
    """A limit price on the tick that is never better for the other side: down for a buy (side above 0), up for a sell; as it is where tick is 0."""
    if not tick > 0.0:
        return price
    steps = price / tick
    near = round(steps)
    whole = near if abs(steps - near) <= 1e-6 else int(np.floor(steps) if side > 0 else np.ceil(steps))
    return float(whole * tick)


def can_sell_short(rules: TradingRules, count: int) -> Bools:
    """(S,) whether each symbol may be sold short."""
    return np.array(rules.shorts) if rules.shorts else np.ones(count, dtype=bool)


def per_symbol(values: tuple[float, ...], count: int) -> Floats:
    """(S,) a rule of every symbol, 0 where there is none."""
    return _array(values) if values else np.zeros(count)


@lru_cache(64)
def _array(values: tuple[float, ...]) -> Floats:
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array
