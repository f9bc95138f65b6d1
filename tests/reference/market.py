"""The market of the reference sessions: a made-up one in which, at fixed bars, data go missing, freeze, cross, jump and are counted otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.domain.market import Books, MarketSnapshot
from engine.domain.ports import FeedInfo
from engine.domain.record import Floats
from tests.makers import START

LEVELS = 5  # of the books
PRICES = ("open", "high", "low", "close")
Fault = Callable[[MarketSnapshot, MarketSnapshot, int], MarketSnapshot]  # the bar, the bar before, a symbol


@dataclass(frozen=True)
class MadeMarket:
    """Bars, books and trades of symbols whose returns continue with a share `persistence`, by additions and products alone.

    So every machine makes the same bits: a function such as exp may differ in the last digit, which a rounding to ticks can turn into a tick.
    """

    symbols: int
    bars: int
    interval: int  # ns
    seed: int
    persistence: float = 0.6
    volatility: float = 2e-3  # of the new part of a return

    def slices(self) -> Iterator[MarketSnapshot]:
        """Every bar."""
        draw = np.random.default_rng(self.seed)
        ticks = np.array(tick_sizes(self.symbols))
        close, last = ticks * 6_400.0, np.zeros(self.symbols)
        shared_part, wave = np.linspace(0.3, 0.7, self.symbols), 1.0
        for place in range(self.bars):
            wave = 0.97 * wave + 0.03 * (0.3 + 1.7 * float(draw.random()))
            fresh_part = _noise(draw, self.symbols) * (1.0 - shared_part) + float(_noise(draw, 1)[0]) * shared_part
            last = self.persistence * last + self.volatility * wave * fresh_part
            yield self._bar(draw, place, close, last, ticks, wave)
            close = _to_ticks(close * (1.0 + last), ticks)

    def _bar(self, draw: np.random.Generator, place: int, before: Floats, moved: Floats, ticks: Floats, wave: float) -> MarketSnapshot:
        count = self.symbols
        opened, close = before + ticks * draw.integers(-1, 2, count), _to_ticks(before * (1.0 + moved), ticks)
        high = np.maximum(opened, close) + ticks * draw.integers(0, 9, count)
        low = np.minimum(opened, close) - ticks * draw.integers(0, 9, count)
        volume = (40.0 + 400.0 * draw.random(count)) * wave * (1.0 + 200.0 * np.abs(moved)) * 6_400.0 * 0.015625 / before
        hour = place * self.interval // (30 * 60 * 10**9) % 48
        volume = volume * (1.0 + 0.5 * (hour in range(16, 34)))
        pressure = moved * 90.0 + 0.4 * _noise(draw, count)
        signed = volume * pressure / (1.0 + np.abs(pressure))
        books, fills = self._books(draw, close, ticks, volume), self._books(draw, opened, ticks, volume)
        ofi = np.stack([signed * (0.9 - 0.2 * level) + 0.2 * volume * _noise(draw, count) for level in range(LEVELS)], axis=1)
        vwap = (opened + close + high + low) / 4.0
        flow = np.stack((signed, np.floor(volume / 2.0) + 1.0, vwap, books.ask_price[:, 0] - books.bid_price[:, 0], books.bid_size[:, 0]), axis=1)
        touched = draw.random((2, count))
        after = np.stack(
            (low + ticks * (touched[0] < 0.5), high - ticks * (touched[1] < 0.5), volume * touched[0] * 0.2, volume * touched[1] * 0.2), axis=1
        )
        at = START + (place + 1) * self.interval
        return MarketSnapshot(at, opened, high, low, close, volume, np.ones(count, dtype=bool), books, fills, ofi, flow, after)

    def _books(self, draw: np.random.Generator, price: Floats, ticks: Floats, volume: Floats) -> Books:
        levels = np.arange(LEVELS)
        apart = draw.integers(1, 3, self.symbols)
        bid = price[:, None] - ticks[:, None] * (levels + 0.0)
        ask = price[:, None] + ticks[:, None] * (levels + apart[:, None])
        sizes = volume[:, None] * (0.02 + 0.1 * draw.random((2, self.symbols, LEVELS))) * (1.0 + levels)
        return Books(bid, sizes[0], ask, sizes[1])


def tick_sizes(symbols: int) -> tuple[float, ...]:
    """Powers of two, so that prices are exact."""
    return tuple(2.0 ** (-6 + 2 * (place % 3) - place) for place in range(symbols))


def _noise(draw: np.random.Generator, count: int) -> Floats:
    """(count,) sums of four uniform numbers less their mean, of variance 1."""
    return np.asarray((draw.random((4, count)).sum(axis=0) - 2.0) * 1.7320508075688772)


def _to_ticks(price: Floats, ticks: Floats) -> Floats:
    return np.asarray(np.round(price / ticks) * ticks)


@dataclass
class FaultyMarket:
    """A feed with faults: (first bar, last bar, symbol, fault); `dropped` bars are never delivered, so that time jumps."""

    market: MadeMarket
    info: FeedInfo
    faults: tuple[tuple[int, int, int, Fault], ...] = ()
    dropped: frozenset[int] = frozenset()
    lags: dict[int, tuple[float, ...]] = field(default_factory=dict)  # by bar: seconds from the venue's clock to the receiver's
    has_books: bool = True

    def slices(self, after: int | None) -> Iterator[MarketSnapshot]:
        """The bars after a time (ns UTC), with the faults; each fault sees the bar before as it was delivered."""
        before: MarketSnapshot | None = None
        for place, bar in enumerate(self.market.slices()):
            changed = bar if self.has_books else without_books(bar)
            for first, last, symbol, fault in self.faults:
                if first <= place <= last and before is not None:
                    changed = fault(changed, before, symbol)
            before = changed
            if place not in self.dropped and (after is None or bar.at > after):
                yield changed

    def switch_signal(self, signal: float, at: int) -> None:
        """Refuse: what is made has no other signal."""
        raise ValueError(f"the reference market has no other signal than its own: {signal} at {at}")

    def clock_lags(self, at: int) -> Floats | None:
        """The lags in force for the bar that closes at `at` (ns UTC)."""
        known = [place for place in self.lags if place <= (at - START) // self.info.interval - 1]
        return np.array(self.lags[max(known)]) if known else np.zeros(len(self.info.symbols))


def without_books(bar: MarketSnapshot) -> MarketSnapshot:
    """The bar of a market that publishes bars only."""
    count = len(bar.close)
    none = Books(*(np.empty((count, 0)) for _ in range(4)))
    return replace(bar, books=none, fill_books=none, ofi=np.empty((count, 0)), flow=np.empty((count, 0)), trades_after_arrival=None)


def absent(bar: MarketSnapshot, before: MarketSnapshot, symbol: int) -> MarketSnapshot:
    """No bar of the symbol."""
    del before
    parts: dict[str, Any] = {name: _changed(getattr(bar, name), symbol, np.nan) for name in (*PRICES, "volume")}
    return replace(bar, **parts, fresh=_changed(bar.fresh, symbol, False))


def frozen(bar: MarketSnapshot, before: MarketSnapshot, symbol: int) -> MarketSnapshot:
    """The bar and the book of the symbol repeat those before."""
    parts: dict[str, Any] = {name: _changed(getattr(bar, name), symbol, getattr(before, name)[symbol]) for name in (*PRICES, "volume")}
    return replace(frozen_book(bar, before, symbol), **parts)


def frozen_book(bar: MarketSnapshot, before: MarketSnapshot, symbol: int) -> MarketSnapshot:
    """The book of the symbol repeats the one before, while it trades."""
    return replace(bar, books=_book_of(bar.books, symbol, before.books), fill_books=_book_of(bar.fill_books, symbol, before.fill_books))


def quiet(bar: MarketSnapshot, before: MarketSnapshot, symbol: int) -> MarketSnapshot:
    """A bar that was filled in: no trades, at the close before."""
    parts: dict[str, Any] = {name: _changed(getattr(bar, name), symbol, before.close[symbol]) for name in PRICES}
    return replace(bar, **parts, volume=_changed(bar.volume, symbol, 0.0))


def crossed(bar: MarketSnapshot, before: MarketSnapshot, symbol: int) -> MarketSnapshot:
    """The bid stands above the ask."""
    del before
    bid = bar.books.bid_price.copy()
    bid[symbol] *= 1.01
    return replace(bar, books=replace(bar.books, bid_price=bid))


def one_sided(bar: MarketSnapshot, before: MarketSnapshot, symbol: int) -> MarketSnapshot:
    """Nobody bids."""
    del before
    bid, size = _changed(bar.books.bid_price, symbol, np.nan), _changed(bar.books.bid_size, symbol, np.nan)
    return replace(bar, books=replace(bar.books, bid_price=bid, bid_size=size))


def thin(bar: MarketSnapshot, before: MarketSnapshot, symbol: int) -> MarketSnapshot:
    """Hardly anything stands in the books."""
    del before
    return replace(bar, books=_scaled(bar.books, symbol, 1.0, 0.002), fill_books=_scaled(bar.fill_books, symbol, 1.0, 0.002))


def fallen(bar: MarketSnapshot, before: MarketSnapshot, symbol: int) -> MarketSnapshot:
    """All prices are 12 % lower than they would be."""
    del before
    parts: dict[str, Any] = {name: _changed(getattr(bar, name), symbol, getattr(bar, name)[symbol] * 0.88) for name in PRICES}
    books, fills = _scaled(bar.books, symbol, 0.88, 1.0), _scaled(bar.fill_books, symbol, 0.88, 1.0)
    return replace(bar, **parts, books=books, fill_books=fills)


def crowded(bar: MarketSnapshot, before: MarketSnapshot, symbol: int) -> MarketSnapshot:
    """Volume is counted twelve times."""
    del before
    return replace(bar, volume=_changed(bar.volume, symbol, bar.volume[symbol] * 12.0))


def twin(bar: MarketSnapshot, before: MarketSnapshot, symbol: int) -> MarketSnapshot:
    """The symbol moves as the first one does."""
    del before
    parts: dict[str, Any] = {
        name: _changed(getattr(bar, name), symbol, getattr(bar, name)[0] + 2.0**-6 * (bar.at // (60 * 10**9) % 7)) for name in PRICES
    }
    return replace(bar, **parts)


def _changed(values: NDArray[Any], symbol: int, value: object) -> NDArray[Any]:
    copied = values.copy()
    copied[symbol] = value
    return copied


def _book_of(books: Books, symbol: int, others: Books) -> Books:
    parts = (_changed(getattr(books, name), symbol, getattr(others, name)[symbol]) for name in Books.__slots__)
    return Books(*parts)


def _scaled(books: Books, symbol: int, price: float, size: float) -> Books:
    parts = {name: price if name.endswith("price") else size for name in Books.__slots__}
    return Books(*(_changed(getattr(books, name), symbol, getattr(books, name)[symbol] * factor) for name, factor in parts.items()))
