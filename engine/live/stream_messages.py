"""Turns what ccxt's watchers return into messages in base units."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.domain.live import BookUpdate, Trade
from engine.feeds._contracts import Contract

NS_PER_MS = 1_000_000
REMEMBERED_IDS = 4_096
COUNTING_STEPS, STEPS_PER_JUMP = 50, 200
_SIGNS = {"buy": 1.0, "sell": -1.0}


class TradeFilter:
    """Leaves out trades that were there already, and counts ids that step back or, where an exchange counts its trades, leave some out.

    Ids of which fewer than 1 in 200 leaves a number out are a count, from the 50th on: ids of trades that an exchange joins leave out more.
    """

    def __init__(self) -> None:
        self._order: deque[str] = deque()
        self._ids: set[str] = set()
        self._highest = -1
        self._steps = self._jumps = 0  # ids that grew by 1, and by more
        self.stepped_back = 0
        self.missing = 0  # before the newest trade, by its id

    def is_new(self, trade_id: str, *, is_up: bool = True) -> bool:
        """Whether a trade of this id was not there yet; a trade without an id is new. Where the stream was not up, nothing counts as left out."""
        self.missing = 0
        if not trade_id:
            return True
        if trade_id in self._ids:
            return False
        if trade_id.isdecimal():
            self._count(int(trade_id), is_up)
        self._order.append(trade_id)
        self._ids.add(trade_id)
        if len(self._order) > REMEMBERED_IDS:
            self._ids.discard(self._order.popleft())
        return True

    def _count(self, number: int, is_up: bool) -> None:
        self.stepped_back += number < self._highest
        if number == self._highest + 1:
            self._steps += 1
        elif number > self._highest >= 0 and is_up:
            if self._steps >= max(COUNTING_STEPS, STEPS_PER_JUMP * self._jumps):
                self.missing = number - self._highest - 1
            self._jumps += 1
        self._highest = max(self._highest, number)


def read_trade(row: Mapping[str, Any], column: int, received: int, contract: Contract) -> Trade | None:
    """Read a trade of ccxt; None where it has no time or no finite and positive price and size."""
    at, price, amount = row.get("timestamp"), _number(row.get("price")), _number(row.get("amount"))
    if not isinstance(at, int | float) or not (0.0 < price < math.inf and 0.0 < amount < math.inf):
        return None
    size = float(contract.units(np.array([amount]), np.array([price]))[0])
    return Trade(column, int(at) * NS_PER_MS, received, price, size, _SIGNS.get(str(row.get("side")), 0.0), str(row.get("id") or ""))


def read_book(book: Mapping[str, Any], column: int, received: int, contract: Contract, levels: int) -> BookUpdate:
    """Read the best levels of a book of ccxt; its time is `received` where ccxt gives none."""
    values = np.full((4, levels), np.nan)
    for row, side in ((0, "bids"), (2, "asks")):
        for level, entry in enumerate(_take_levels(book[side], levels)):
            values[row, level], values[row + 1, level] = _number(entry[0]), _number(entry[1])
        values[row + 1] = contract.units(values[row + 1], values[row])
    at = book.get("timestamp")
    return BookUpdate(column, int(at) * NS_PER_MS if isinstance(at, int | float) else received, received, values)


def explain_book(update: BookUpdate) -> str | None:
    """What is wrong with a book in a few words; None for a valid one."""
    bid, bid_size, ask, ask_size = update.levels[:, 0]
    if not np.isfinite([bid, bid_size, ask, ask_size]).all():
        return "the book is empty on a side"
    return f"the book is crossed: bid {bid:g}, ask {ask:g}" if bid >= ask else None


def _take_levels(side: Sequence[Sequence[Any]], levels: int) -> list[Sequence[Any]]:
    return [side[level] for level in range(min(levels, len(side)))]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
