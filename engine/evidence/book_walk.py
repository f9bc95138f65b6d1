"""What an order costs that takes level after level of a book."""

from __future__ import annotations

import numpy as np

from engine.domain.market import Books
from engine.domain.record import Bools, Floats

SIDES = np.array([[1.0], [-1.0]])  # to buy, to sell


def sane(books: Books) -> Bools:
    """(S,) both best prices and sizes are there and finite, the bid is below the ask, and no level is better than the one before it."""
    bid, ask, bid_size, ask_size = books.bid_price, books.ask_price, books.bid_size, books.ask_size
    whole = (bid[:, 0] > 0) & (bid[:, 0] < ask[:, 0]) & (ask[:, 0] < np.inf)
    whole &= (bid_size[:, 0] > 0) & (bid_size[:, 0] < np.inf) & (ask_size[:, 0] > 0) & (ask_size[:, 0] < np.inf)
    if bid.shape[1] > 1:
        whole &= ~((bid[:, 1:] > bid[:, :-1]) | (ask[:, 1:] < ask[:, :-1])).any(axis=1)
    return whole


def held(books: Books, whole: Bools) -> tuple[Floats, Floats]:
    """(2, S, D) prices and sizes to be had when buying and when selling, 0 where a level is missing or the book is not sane."""
    price = np.array((books.ask_price, books.bid_price))
    size = np.array((books.ask_size, books.bid_size))
    there = (size > 0) & (size < np.inf) & (price > 0) & (price < np.inf) & whole[:, None]
    return np.where(there, price, 0.0), np.where(there, size, 0.0)


def costs(price: Floats, size: Floats, mid: Floats, money: Floats) -> Floats:
    """(N, 2, S) bps from the mid to buy and to sell (N,) or (N, S) of money at once; NaN where the book does not hold it."""
    units = (money if money.ndim == 2 else money[:, None]) / mid
    reach = size.cumsum(axis=2)
    taken = np.clip(units[:, None, :, None] - (reach - size), 0.0, size)
    paid = np.einsum("nksd,ksd->nks", taken, price) / (units * mid)[:, None]
    return np.where(reach[:, :, -1] >= units[:, None], SIDES * (paid - 1.0) * 1e4, np.nan)
