"""The venue's rules: whole lots, prices on the tick, nothing below the minimum order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.trading_config import TradingRules
from engine.evidence.order_size import can_sell_short, minimum_order_size, per_symbol, round_to_lot, round_to_tick

UNITS = st.floats(-1e6, 1e6)
LOTS = st.sampled_from([0.0, 1e-8, 1e-5, 0.001, 0.1, 1.0, 7.0, 1_000.0])
PRICES = st.floats(1e-4, 1e6)


def rules(lot: float = 0.0, least: float = 0.0, *, money: bool = False) -> TradingRules:
    return TradingRules(lots=(lot,), money_lots=(True,) if money else (), min_notionals=(least,))


def price_of(values: np.ndarray) -> float:
    return float(values[0])


@pytest.mark.parametrize(
    ("units", "price", "lot", "money", "rounded"),
    [
        (1.2399, 100.0, 0.01, False, 1.23),
        (-1.2399, 100.0, 0.01, False, -1.23),
        (0.3, 100.0, 0.1, False, 0.3),  # 0.3 / 0.1 is a little below 3
        (0.7, 100.0, 0.1, False, 0.7),
        (128.0, 1.0, 1e-5, False, 128.0),  # 128 / 1e-5 is more than a billionth of a lot below 12,800,000
        (0.09, 100.0, 0.1, False, 0.0),
        (5.0, 100.0, 0.0, False, 5.0),  # no lot is known
        (0.0, 100.0, 0.1, False, 0.0),
        (0.055, 50_000.0, 100.0, True, 0.054),  # 27 contracts of 100
    ],
)
def test_sizes_are_whole_lots_toward_zero(units: float, price: float, lot: float, money: bool, rounded: float) -> None:
    assert price_of(round_to_lot(np.array([units]), np.array([price]), rules(lot, money=money))) == pytest.approx(rounded, rel=1e-12)


@given(UNITS, PRICES, LOTS, st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_rounded_order_is_never_larger_and_less_than_a_lot_smaller(units: float, price: float, lot: float, money: bool) -> None:
    rounded = price_of(round_to_lot(np.array([units]), np.array([price]), rules(lot, money=money)))
    step = lot / price if money else lot
    assert abs(rounded) <= abs(units)
    assert rounded * units >= 0
    assert abs(units) - abs(rounded) <= step * (1 + 1e-9) + 1e-12 * abs(units)
    if step:
        lots = abs(rounded) / step
        assert lots == pytest.approx(round(lots), abs=1e-6 + 1e-12 * lots)


@pytest.mark.parametrize(
    ("price", "lot", "least", "units"),
    [
        (100.0, 0.1, 10.0, 0.1),  # one lot is worth 10
        (100.0, 0.1, 10.01, 0.2),
        (100.0, 0.1, 0.0, 0.1),
        (100.0, 0.0, 10.0, 0.1),
        (100.0, 0.0, 0.0, 0.0),
        (0.0, 0.1, 10.0, 0.1),  # a price that is none
    ],
)
def test_the_smallest_order_is_worth_the_minimum_in_whole_lots(price: float, lot: float, least: float, units: float) -> None:
    assert price_of(minimum_order_size(np.array([price]), rules(lot, least))) == pytest.approx(units)


@given(PRICES, LOTS, st.one_of(st.just(0.0), st.floats(1e-6, 1e4)))
@settings(max_examples=200, deadline=None)
def test_the_smallest_order_is_taken_and_none_below_it(price: float, lot: float, least: float) -> None:
    venue_rules, at = rules(lot, least), np.array([price])
    units = minimum_order_size(at, venue_rules)
    assert price_of(units) * price >= least * (1 - 1e-8)
    assert price_of(round_to_lot(units, at, venue_rules)) == pytest.approx(price_of(units), rel=1e-9)
    if lot:
        assert price_of(units) >= lot
        assert (price_of(units) - lot) * price < least or price_of(units) == lot


@pytest.mark.parametrize(
    ("price", "tick", "side", "rounded"),
    [(100.017, 0.01, 1, 100.01), (100.011, 0.01, -1, 100.02), (100.03, 0.01, 1, 100.03), (100.03, 0.01, -1, 100.03), (7.3, 0.0, 1, 7.3)],
)
def test_a_limit_price_is_on_the_tick_and_never_beyond_the_request(price: float, tick: float, side: float, rounded: float) -> None:
    assert round_to_tick(price, tick, side) == pytest.approx(rounded, abs=1e-9)


def test_a_rule_that_no_symbol_has_is_none_for_all() -> None:
    assert per_symbol((), 3).tolist() == [0.0, 0.0, 0.0]
    assert can_sell_short(TradingRules(), 2).tolist() == [True, True]
    assert can_sell_short(TradingRules(shorts=(True, False)), 2).tolist() == [True, False]
