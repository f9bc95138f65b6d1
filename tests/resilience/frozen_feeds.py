"""Feeds that freeze: from some bar on, bars or books of some symbols repeat exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from engine.domain.market import Books, MarketSnapshot
from engine.domain.record import Bools

PARTS = ("open", "high", "low", "close", "volume", "ofi", "flow")


def freeze(
    bars: Sequence[MarketSnapshot], first: int, mask: Bools, *, until: int | None = None, prices: bool = True, books: bool = True
) -> list[MarketSnapshot]:
    """The bars, with those from `first` to before `until` repeating bar `first` - 1 in the masked symbols: bars with flow, books, or both."""
    last = bars[first - 1]

    def frozen(bar: MarketSnapshot) -> MarketSnapshot:
        if prices:
            new: dict[str, Any] = {name: _mixed(mask, getattr(last, name), getattr(bar, name)) for name in PARTS}
            bar = replace(bar, **new)
        return replace(bar, books=_books(mask, last.books, bar.books), fill_books=_books(mask, last.books, bar.fill_books)) if books else bar

    return [frozen(bar) if first <= number < (until or len(bars)) else bar for number, bar in enumerate(bars)]


def _books(mask: Bools, last: Books, now: Books) -> Books:
    names = ("bid_price", "bid_size", "ask_price", "ask_size")
    return Books(*(_mixed(mask, getattr(last, name), getattr(now, name)) for name in names))


def _mixed(mask: Bools, last: np.ndarray, now: np.ndarray) -> np.ndarray:
    return np.where(mask.reshape(-1, *(1,) * (now.ndim - 1)), last, now)
