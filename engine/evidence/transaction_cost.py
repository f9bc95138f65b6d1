"""The cost of an order: walking a book level by level, or the square-root law of market impact where there is no book."""

from __future__ import annotations

import numpy as np

from engine.domain.market import Books
from engine.domain.record import Bools, Floats

AVERAGE_BARS = 48  # bars
SIDES = np.array([[1.0], [-1.0]])  # to buy, to sell


def stack_books(*several: Books) -> tuple[Floats, Floats]:
    """(2, n, D) prices and sizes available to a buyer and to a seller; the symbols of several records of books follow one another."""
    count, levels = several[0].bid_price.shape
    price, size = np.empty((2, 2, count * len(several), levels))
    for index, books in enumerate(several):
        rows = slice(index * count, (index + 1) * count)
        price[0, rows], price[1, rows] = books.ask_price, books.bid_price
        size[0, rows], size[1, rows] = books.ask_size, books.bid_size
    return price, size


def find_valid_books(price: Floats, size: Floats) -> Bools:
    """(n,) whether both best prices and sizes are present and finite, the bid is below the ask, and no level is better than the previous one."""
    ask, bid, best = price[0], price[1], size[:, :, 0]
    smallest, largest = best.min(axis=0), best.max(axis=0)
    valid = (bid[:, 0] > 0) & (bid[:, 0] < ask[:, 0]) & (ask[:, 0] < np.inf) & (smallest > 0) & (largest < np.inf)
    if ask.shape[1] > 1:
        valid &= ~((bid[:, 1:] > bid[:, :-1]) | (ask[:, 1:] < ask[:, :-1])).any(axis=1)
    return np.asarray(valid)


def mask_missing_levels(price: Floats, size: Floats, valid: Bools) -> tuple[Floats, Floats]:
    """The same prices and sizes (2, n, D), 0 where a level is missing or the book (n,) is not valid."""
    if valid.all() and size.min() > 0 and price.min() > 0 and size.max() < np.inf and price.max() < np.inf:
        return price, size
    present = (size > 0) & (size < np.inf) & (price > 0) & (price < np.inf) & valid[:, None]
    return np.where(present, price, 0.0), np.where(present, size, 0.0)


def walk_books(price: Floats, size: Floats, mid: Floats, money: Floats) -> Floats:
    """(N, 2, n) cost in bps from the mid (n,) of buying and selling (N, n) of money at once; NaN where the book is too thin."""
    units = money / mid
    depth = size.cumsum(axis=2)
    filled = np.minimum(np.maximum(units[:, None, :, None] - (depth - size), 0.0), size)
    paid = np.einsum("nksd,ksd->nks", filled, price) / money[:, None]
    return np.where(depth[:, :, -1] >= units[:, None], SIDES * (paid - 1.0) * 1e4, np.nan)


def fill_levels(size: Floats, units: float) -> Floats:
    """(D,) the part of an order of `units` that each level (D,) fills, the best level first."""
    return np.asarray(np.minimum(np.maximum(units - (size.cumsum() - size), 0.0), size))


def average_volume(volume: Floats) -> Floats:
    """(..., S) base units traded per bar, the mean of the last 48 of (..., S, T); NaN where one of them is unknown."""
    return np.asarray(volume[..., -AVERAGE_BARS:].sum(axis=-1) / AVERAGE_BARS)


def square_root_impact(coefficient: float, sigma: Floats | float, share: Floats | float) -> Floats:
    """Impact in bps: `coefficient` bar volatilities times the root of the order's share of the bar's volume (Almgren et al. 2005; Toth et al. 2011).

    `sigma` is the log-return volatility of a bar. An unknown volatility counts as 0: a symbol has one before anything is opened in it.
    """
    return np.asarray(coefficient * np.where(np.isfinite(sigma), sigma, 0.0) * 1e4 * np.sqrt(share))
