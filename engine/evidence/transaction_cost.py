"""What an order costs that takes level after level of a book."""

from __future__ import annotations

import numpy as np

from engine.domain.market import Books
from engine.domain.record import Bools, Floats

SIDES = np.array([[1.0], [-1.0]])  # to buy, to sell


def stack_books(*several: Books) -> tuple[Floats, Floats]:
    """(2, n, D) prices and sizes to be had when buying and when selling, the symbols of one record of books after those of another."""
    count, levels = several[0].bid_price.shape
    price, size = np.empty((2, 2, count * len(several), levels))
    for index, books in enumerate(several):
        rows = slice(index * count, (index + 1) * count)
        price[0, rows], price[1, rows] = books.ask_price, books.bid_price
        size[0, rows], size[1, rows] = books.ask_size, books.bid_size
    return price, size


def find_valid_books(price: Floats, size: Floats) -> Bools:
    """(n,) both best prices and sizes are there and finite, the bid is below the ask, and no level is better than the one before it."""
    ask, bid, best = price[0], price[1], size[:, :, 0]
    least, most = best.min(axis=0), best.max(axis=0)
    whole = (bid[:, 0] > 0) & (bid[:, 0] < ask[:, 0]) & (ask[:, 0] < np.inf) & (least > 0) & (most < np.inf)
    if ask.shape[1] > 1:
        whole &= ~((bid[:, 1:] > bid[:, :-1]) | (ask[:, 1:] < ask[:, :-1])).any(axis=1)
    return np.asarray(whole)


def mask_missing_levels(price: Floats, size: Floats, whole: Bools) -> tuple[Floats, Floats]:
    """The same prices and sizes, 0 where a level is missing or the book is not sane."""
    if whole.all() and size.min() > 0 and price.min() > 0 and size.max() < np.inf and price.max() < np.inf:
        return price, size
    there = (size > 0) & (size < np.inf) & (price > 0) & (price < np.inf) & whole[:, None]
    return np.where(there, price, 0.0), np.where(there, size, 0.0)


def walk_books(price: Floats, size: Floats, mid: Floats, money: Floats) -> Floats:
    """(N, 2, n) bps from the mid to buy and to sell (N, n) of money at once; NaN where the book does not hold it."""
    units = money / mid
    reach = size.cumsum(axis=2)
    taken = np.minimum(np.maximum(units[:, None, :, None] - (reach - size), 0.0), size)
    paid = np.einsum("nksd,ksd->nks", taken, price) / money[:, None]
    return np.where(reach[:, :, -1] >= units[:, None], SIDES * (paid - 1.0) * 1e4, np.nan)
