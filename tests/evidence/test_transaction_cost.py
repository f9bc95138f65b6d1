"""Walking a book: missing or absurd levels are empty, and an invalid book has no levels at all."""

from __future__ import annotations

import numpy as np
import pytest

from engine.domain.record import Floats
from engine.evidence import transaction_cost


def book() -> tuple[Floats, Floats]:
    """(2, 2, 3) prices and sizes of two symbols, to buy and to sell."""
    behind = np.arange(3.0)
    price = np.array([[101.0 + behind, 51.0 + behind], [99.0 - behind, 49.0 - behind]])
    return price, np.full((2, 2, 3), 5.0)


def test_a_whole_book_counts_as_it_is() -> None:
    price, size = book()
    masked = transaction_cost.mask_missing_levels(price, size, np.array([True, True]))
    np.testing.assert_array_equal(masked[0], price)
    np.testing.assert_array_equal(masked[1], size)


@pytest.mark.parametrize("odd", [0.0, -1.0, np.inf, np.nan])
@pytest.mark.parametrize("part", [0, 1])
def test_a_level_without_a_price_or_a_size_holds_nothing(part: int, odd: float) -> None:
    both = book()
    both[part][1, 0, 2] = odd
    price, size = transaction_cost.mask_missing_levels(*both, np.array([True, True]))
    assert (price[1, 0, 2], size[1, 0, 2]) == (0.0, 0.0)
    wanted = book()
    for masked, whole in zip((price, size), wanted, strict=True):
        whole[1, 0, 2] = 0.0
        np.testing.assert_array_equal(masked, whole)


def test_an_invalid_book_is_empty_and_the_others_are_unchanged() -> None:
    price, size = transaction_cost.mask_missing_levels(*book(), np.array([False, True]))
    assert not price[:, 0].any()
    assert not size[:, 0].any()
    np.testing.assert_array_equal(price[:, 1], book()[0][:, 1])


def test_an_order_takes_level_after_level_and_what_is_not_there_has_no_cost() -> None:
    price, size = book()
    mid = np.array([100.0, 50.0])
    money = np.array([[700.0, 350.0], [1_500.0, 750.0], [1_501.0, 751.0]])
    costs = transaction_cost.walk_books(price, size, mid, money)
    buying = (5 * 101 + 2 * 102) / 700 - 1  # seven units of the first: five at 101, two at 102
    selling = 1 - (5 * 99 + 2 * 98) / 700
    np.testing.assert_allclose(costs[0, :, 0], [buying * 1e4, selling * 1e4])
    whole = (5 * 101 + 5 * 102 + 5 * 103) / 1_500 - 1
    assert costs[1, 0, 0] == pytest.approx(whole * 1e4)
    assert np.isnan(costs[2]).all()
