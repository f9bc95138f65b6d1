"""A number for a whole book, so that the book of one bar can be compared with the one before without being kept."""

from __future__ import annotations

from functools import cache

import numpy as np

from engine.domain.market import Books
from engine.domain.record import Ints


def fingerprint_books(books: Books) -> Ints:
    """(S,) equal for equal books, bit for bit on every platform, since the sums are of whole numbers; 0 where a symbol has no book.

    Two books that differ have the same number with a chance of about 1 in 2^32 or less.
    """
    count, levels = books.bid_price.shape
    if not levels:
        return np.zeros(count, dtype=np.int64)
    bits = np.concatenate((books.bid_price, books.bid_size, books.ask_price, books.ask_size), axis=1).view(np.uint64)
    mixed = (bits ^ (bits >> np.uint64(32))) * _multipliers(4 * levels)
    number = (mixed ^ (mixed >> np.uint64(29))).sum(axis=1, dtype=np.uint64).view(np.int64)
    return np.where(np.isnan(books.bid_price[:, 0]) & np.isnan(books.ask_price[:, 0]), 0, number)


@cache
def _multipliers(count: int) -> np.ndarray:
    """Odd numbers of 64 bits, one for each place in the book (the increments of SplitMix64)."""
    made = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return (made ^ (made >> np.uint64(31))) | np.uint64(1)
