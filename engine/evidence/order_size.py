"""The venue's rules for orders: sizes in whole lots, prices on the tick, a minimum order size."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from engine.domain.record import Bools, Floats
from engine.domain.trading_config import TradingRules

TOLERANCE, RELATIVE_TOLERANCE = 1e-9, 2e-15  # in lots, and per lot: a size this near to a whole number counts as whole


def round_to_lot(units: Floats, price: Floats, rules: TradingRules) -> Floats:
    """(S,) base units rounded towards zero to a whole number of lots; unchanged where no lot is known."""
    if not rules.lots:
        return units
    lot = lot_units(price, rules)
    known = lot > 0
    step = np.where(known, lot, 1.0)
    lots = np.abs(units) / step
    whole = np.where(np.abs(lots - np.rint(lots)) <= TOLERANCE + RELATIVE_TOLERANCE * lots, np.rint(lots), np.floor(lots))
    rounded = np.sign(units) * np.minimum(whole * step, np.abs(units))
    return np.asarray(np.where(known, rounded, units))


def minimum_order_size(price: Floats, rules: TradingRules) -> Floats:
    """(S,) base units of the smallest order accepted: whole lots worth the minimum notional, at least one; 0 where neither is known."""
    minimum = per_symbol(rules.min_notionals, len(price)) / np.where(price > 0, price, np.inf)
    if not rules.lots:
        return minimum
    lot = lot_units(price, rules)
    step = np.where(lot > 0, lot, 1.0)
    lots = minimum / step
    return np.asarray(np.where(lot > 0, np.maximum(np.ceil(lots - TOLERANCE - RELATIVE_TOLERANCE * lots), 1.0) * step, minimum))


def lot_units(price: Floats, rules: TradingRules) -> Floats:
    """(S,) base units of one lot at these prices, 0 where unknown."""
    lots = per_symbol(rules.lots, len(price))
    if not rules.money_lots:
        return lots
    return np.asarray(np.where(np.array(rules.money_lots), lots / np.where(price > 0, price, np.inf), lots))


def round_to_tick(price: float, tick: float, side: float) -> float:
    """A limit price rounded to the tick, never in the other side's favour: down for a buy (side above 0), up for a sell; unchanged for tick 0."""
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
    """(S,) the values of a rule by symbol, 0 where there is none."""
    return _array(values) if values else np.zeros(count)


@lru_cache(64)
def _array(values: tuple[float, ...]) -> Floats:
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array
