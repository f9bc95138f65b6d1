"""Impossible data in the bar of some symbols: hazards that forbid trading, and hazards that only disturb."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from engine.domain.market import Books, MarketSnapshot
from engine.domain.record import Bools, Floats

Hazard = Callable[[MarketSnapshot, Bools], MarketSnapshot]


def on(parts: tuple[str, ...], value: float) -> Hazard:
    """The named parts of a bar set to a value, for some symbols."""

    def altered(bar: MarketSnapshot, mask: Bools) -> MarketSnapshot:
        new: dict[str, Any] = {name: np.where(mask, value, getattr(bar, name)) for name in parts}
        return replace(bar, **new)

    return altered


def scaled(factor: float) -> Hazard:
    """Prices and books of some symbols multiplied."""

    def altered(bar: MarketSnapshot, mask: Bools) -> MarketSnapshot:
        new: dict[str, Any] = {name: np.where(mask, factor, 1.0) * getattr(bar, name) for name in PRICES}
        return replace(bar, books=_books(bar.books, mask, factor), **new)

    return altered


def _books(books: Books, mask: Bools, factor: float) -> Books:
    by = np.where(mask, factor, 1.0)[:, None]
    return replace(books, bid_price=books.bid_price * by, ask_price=books.ask_price * by)


def booked(**parts: Callable[[Books], Floats]) -> Hazard:
    """Parts of the book replaced, for some symbols."""

    def altered(bar: MarketSnapshot, mask: Bools) -> MarketSnapshot:
        new: dict[str, Any] = {name: np.where(mask[:, None], make(bar.books), getattr(bar.books, name)) for name, make in parts.items()}
        return replace(bar, books=replace(bar.books, **new))

    return altered


def flowing(value: float) -> Hazard:
    return lambda bar, mask: replace(bar, ofi=np.where(mask[:, None], value, bar.ofi), flow=np.where(mask[:, None], value, bar.flow))


def missing_bar(bar: MarketSnapshot, mask: Bools) -> MarketSnapshot:
    missing = on((*PRICES, "volume"), np.nan)(bar, mask)
    return replace(missing, fresh=bar.fresh & ~mask)


PRICES = ("open", "high", "low", "close")
UNTRADABLE: dict[str, Hazard] = {
    "a gap": missing_bar,
    "stale": lambda bar, mask: replace(bar, fresh=bar.fresh & ~mask),
    "NaN prices said to be fresh": on(PRICES, np.nan),
    "an infinite close": on(("close",), np.inf),
    "an infinite high": on(("high",), np.inf),
    "a price of nothing": on(PRICES, 0.0),
    "a negative price": on(PRICES, -1.0),
    "a crossed book": booked(bid_price=lambda books: books.ask_price * 1.001),
    "a locked book": booked(bid_price=lambda books: books.ask_price),
    "a negative bid": booked(bid_price=lambda books: -books.bid_price),
    "negative sizes": booked(bid_size=lambda books: -books.bid_size),
}
DISTURBING: dict[str, Hazard] = {
    "no volume": on(("volume",), 0.0),
    "unknown volume": on(("volume",), np.nan),
    "infinite volume": on(("volume",), np.inf),
    "negative volume": on(("volume",), -5.0),
    "a price that stands still": on(PRICES, 100.0),
    "a jump up": scaled(1e4),
    "a jump down": scaled(1e-4),
    "high below low": lambda bar, mask: replace(bar, high=np.where(mask, bar.low, bar.high), low=np.where(mask, bar.high, bar.low)),
    "a blank book": booked(**{name: lambda books: books.bid_price * np.nan for name in ("bid_price", "bid_size", "ask_price", "ask_size")}),
    "an infinite book": booked(ask_price=lambda books: books.ask_price * np.inf),
    "endless sizes": booked(bid_size=lambda books: books.bid_size * np.inf),
    "an empty book": booked(bid_size=lambda books: books.bid_size * 0, ask_size=lambda books: books.ask_size * 0),
    "blank flow": flowing(np.nan),
    "infinite flow": flowing(np.inf),
}
