"""Walking a book: missing or absurd levels are empty, and an invalid book has no levels at all."""

from __future__ import annotations

import numpy as np
import pytest

from engine.domain.market import Books
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


INVALID = {
    "no bid": (1, 0, 0, 0.0),
    "a bid at the ask": (1, 0, 0, 101.0),
    "a bid above the ask": (1, 0, 0, 101.5),
    "no ask": (0, 0, 0, np.nan),
    "an ask at infinity": (0, 0, 0, np.inf),
    "a second ask below the first": (0, 0, 1, 100.5),
    "a second bid above the first": (1, 0, 1, 99.5),
}


@pytest.mark.parametrize("name", INVALID)
def test_a_book_is_valid_while_its_best_prices_stand_apart_and_no_level_is_better_than_the_one_before(name: str) -> None:
    price, size = book()
    assert transaction_cost.find_valid_books(price, size).tolist() == [True, True]
    side, symbol, level, odd = INVALID[name]
    price[side, symbol, level] = odd
    assert transaction_cost.find_valid_books(price, size).tolist() == [False, True]


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("odd", [0.0, -1.0, np.inf, np.nan])
def test_a_book_is_valid_with_a_size_at_both_best_prices(odd: float, side: int) -> None:
    price, size = book()
    size[side, 1, 0] = odd
    assert transaction_cost.find_valid_books(price, size).tolist() == [True, False]
    assert transaction_cost.find_valid_books(price[:, :, :1], size[:, :, :1]).tolist() == [True, False]


def test_levels_of_equal_price_and_missing_ones_leave_a_book_valid() -> None:
    price, size = book()
    price[0, 0], price[1, 0] = [101.0, 101.0, np.nan], [99.0, 99.0, np.nan]
    assert transaction_cost.find_valid_books(price, size).all()


def test_a_price_below_1_is_a_price() -> None:
    both = book()
    both[0][:, 0] /= 1_000.0
    both[1][1, 1, 2] = 0.0
    price, size = transaction_cost.mask_missing_levels(*both, np.array([True, True]))
    np.testing.assert_array_equal(price[:, 0], both[0][:, 0])
    np.testing.assert_array_equal(size[:, 0], both[1][:, 0])


def test_books_are_stacked_with_the_asks_for_a_buyer_and_the_bids_for_a_seller() -> None:
    price, size = book()
    first = Books(price[1], size[1] + 1.0, price[0], size[0])
    second = Books(price[1] - 50.0, size[1] + 3.0, price[0] - 50.0, size[0] + 2.0)
    stacked, sizes = transaction_cost.stack_books(first, second)
    assert stacked.shape == sizes.shape == (2, 4, 3)
    np.testing.assert_array_equal(stacked, np.concatenate((price, price - 50.0), axis=1))
    assert sizes[:, :, 0].tolist() == [[5.0, 5.0, 7.0, 7.0], [6.0, 6.0, 8.0, 8.0]]


def test_the_average_volume_is_of_48_bars_and_impact_follows_the_root_of_the_share() -> None:
    volume = np.concatenate((np.full((2, 10), 1e9), np.full((2, 24), 10.0), np.full((2, 24), 30.0)), axis=1)
    volume[1, 30] = np.nan
    average = transaction_cost.average_volume(volume)
    assert average[0] == 20.0
    assert np.isnan(average[1])
    assert transaction_cost.square_root_impact(0.1, np.array([0.002, np.nan]), np.array([0.25, 0.25])).tolist() == pytest.approx([1.0, 0.0])


def test_a_level_gives_what_is_left_to_fill_and_no_more_than_it_holds() -> None:
    assert transaction_cost.fill_levels(np.array([5.0, 2.0, 4.0]), 6.5).tolist() == [5.0, 1.5, 0.0]
    assert transaction_cost.fill_levels(np.array([5.0, 2.0, 4.0]), 20.0).tolist() == [5.0, 2.0, 4.0]
