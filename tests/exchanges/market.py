"""A random market of one symbol: book, trades and candles in whole ticks and lots, the same for the same seed."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SECOND = 1_000  # ms
NS = 1_000_000  # ns per ms


@dataclass(frozen=True, slots=True)
class MarketTrade:
    """A trade as it happened."""

    id: int
    at: int  # ms UTC by the exchange's clock
    price: int  # ticks
    size: int  # lots
    buy: bool  # the aggressor bought


@dataclass(frozen=True, slots=True)
class TradeTruth:
    """A trade in the units of the project."""

    id: str
    at: int  # ns UTC by the exchange's clock
    price: float
    size: float  # base units
    sign: float  # +1 where the aggressor bought


@dataclass(frozen=True, slots=True)
class CandleTruth:
    """A candle in the units of the project."""

    opened: int  # ns UTC
    open: float
    high: float
    low: float
    close: float
    volume: float  # base units


@dataclass(frozen=True, slots=True)
class BookTruth:
    """The best levels after an update, best first."""

    at: int  # ns UTC by the exchange's clock
    sequence: int
    bids: tuple[tuple[float, float], ...]  # price, size
    asks: tuple[tuple[float, float], ...]


@dataclass(slots=True)
class Bar:
    """Open, high, low and close in ticks, volumes in lots, and the number of trades."""

    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    trades: int = 0
    bought: int = 0

    def add(self, price: int, size: int, buy: bool) -> None:
        """Take a trade."""
        if not self.trades:
            self.open = self.high = self.low = price
        self.high, self.low, self.close = max(self.high, price), min(self.low, price), price
        self.volume, self.trades, self.bought = self.volume + size, self.trades + 1, self.bought + size * buy


def join_bars(bars: Sequence[Bar]) -> Bar:
    """Return the bar over consecutive bars."""
    traded = [bar for bar in bars if bar.trades]
    first = (traded or bars)[0]
    priced = traded or bars
    return Bar(
        first.open,
        max(bar.high for bar in priced),
        min(bar.low for bar in priced),
        bars[-1].close,
        sum(bar.volume for bar in bars),
        sum(bar.trades for bar in bars),
        sum(bar.bought for bar in bars),
    )


@dataclass(frozen=True, slots=True)
class BookChange:
    """The levels that a step changed, in ticks and lots; 0 lots means removed."""

    first: int  # number of the first change
    last: int
    bids: dict[int, int]
    asks: dict[int, int]


class SymbolMarket:
    """The market of one symbol, moved in steps."""

    def __init__(self, symbol: str, place: int, *, seed: int, rate: float, levels: int, started: int, history: int) -> None:
        """Build `history` seconds of past up to `started` (s UTC); `rate` is in trades per second, `levels` per side."""
        self.symbol, self.levels, self.rate = symbol, levels, rate
        self.base, self.quote = symbol.split("/")
        self.price_decimals, self.size_decimals = (2, 5) if place % 2 == 0 else (4, 4)
        self.price_scale, self.size_scale = int(10**self.price_decimals), int(10**self.size_decimals)
        self._rng = np.random.default_rng([seed, place])
        start = (60_000, 3_000, 150, 40, 12, 5)[place % 6] * self.price_scale
        self.gap = max(1, round(start * 0.5e-4))  # ticks between levels
        self._centre = start // self.gap  # the best bid, in gaps
        self.sequence = 1_000 * (place + 1)
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.crossed, self.without = False, ""  # standing faults of the book: crossed, and the sides that are empty
        self.trades: list[MarketTrade] = []
        self.books: deque[tuple[int, int, tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]] = deque(maxlen=5_000)
        self.seconds: dict[int, Bar] = {}
        self._next_trade = 10_000 * (place + 1)
        self._build_history(np.random.default_rng([seed, place, 1]), started, history)
        self._second = started - 1
        self._move_book(0)

    def step(self, at: int, seconds: float) -> tuple[list[MarketTrade], BookChange]:
        """Move the market by a step that ends at `at` (ms UTC); return what happened."""
        self._open_seconds(at // SECOND)
        before = (dict(self.bids), dict(self.asks))
        trades = [self._trade(at) for _ in range(int(self._rng.poisson(self.rate * seconds)))]
        self._move_book(int(self._rng.choice((-1, 0, 0, 1))))
        bids, asks = _differ(before[0], self.bids), _differ(before[1], self.asks)
        first = self.sequence + 1
        self.sequence += len(bids) + len(asks)
        self.books.append((at, self.sequence, tuple(self.best_bids()[:10]), tuple(self.best_asks()[:10])))
        return trades, BookChange(first, self.sequence, bids, asks)

    def skip(self, at: int) -> None:
        """Let the time to `at` (ms UTC) pass without a market: there are no candles."""
        self._second = max(self._second, at // SECOND)

    def add_to_candles(self, at: int, price: int, size: int, buy: bool) -> None:
        """Take a trade at `at` (ms UTC) into the candles: ticks, lots."""
        self.seconds.setdefault(at // SECOND, Bar(price, price, price, price)).add(price, size, buy)
        self.last = price

    def open_candles(self, at: int) -> None:
        """Have a candle for each second up to `at` (ms UTC)."""
        self._open_seconds(at // SECOND)

    def best_bids(self) -> list[tuple[int, int]]:
        """Return (price, size) of every bid, best first."""
        return sorted(self.bids.items(), reverse=True)

    def best_asks(self) -> list[tuple[int, int]]:
        """Return (price, size) of every ask, best first."""
        return sorted(self.asks.items())

    def bars(self, interval: int, first: int | None = None, last: int | None = None, newest: int | None = None) -> list[tuple[int, Bar]]:
        """Return (opened in ms, bar) of `interval` ms that open from `first` to `last` ms, or only the `newest`; the last may be open."""
        length = interval // SECOND
        if newest is not None and first is None:
            end = self._second if last is None else min(self._second, last // SECOND)
            first = (end // length - newest + 1) * interval
        groups: dict[int, list[Bar]] = {}
        for second, bar in self.seconds.items():
            opened = second // length * interval
            if (first is None or opened >= first) and (last is None or opened <= last):
                groups.setdefault(opened, []).append(bar)
        return [(opened, join_bars(group)) for opened, group in sorted(groups.items())]

    def bar(self, interval: int, opened: int) -> Bar | None:
        """Return the bar that opened at `opened` ms."""
        seconds = [self.seconds[second] for second in range(opened // SECOND, (opened + interval) // SECOND) if second in self.seconds]
        return join_bars(seconds) if seconds else None

    def revise(self, opened: int) -> None:
        """Correct the candle that opened at `opened` ms: a trade above its high is added, at its first second."""
        bar = self.seconds[opened // SECOND]
        close = bar.close
        bar.add(bar.high + self.gap, 1 + bar.volume, True)
        bar.close = close

    def price(self, ticks: int) -> float:
        """Return a price from ticks."""
        return ticks / self.price_scale

    def size(self, lots: int) -> float:
        """Return base units from lots."""
        return lots / self.size_scale

    def price_text(self, ticks: int) -> str:
        """Return a price with all its decimals."""
        return _decimal(ticks, self.price_decimals)

    def size_text(self, lots: int) -> str:
        """Return a size with all its decimals."""
        return _decimal(lots, self.size_decimals)

    def true_trades(self) -> list[TradeTruth]:
        """Return every trade since the start."""
        return [TradeTruth(str(t.id), t.at * NS, self.price(t.price), self.size(t.size), 1.0 if t.buy else -1.0) for t in self.trades]

    def true_candles(self, interval: int) -> list[CandleTruth]:
        """Return the candles of `interval` ms from the start of the history."""
        return [
            CandleTruth(opened * NS, self.price(b.open), self.price(b.high), self.price(b.low), self.price(b.close), self.size(b.volume))
            for opened, b in self.bars(interval)
        ]

    def true_books(self) -> list[BookTruth]:
        """Return the ten best levels of each side after each update."""
        return [BookTruth(at * NS, sequence, self._floats(bids), self._floats(asks)) for at, sequence, bids, asks in self.books]

    def _floats(self, levels: tuple[tuple[int, int], ...]) -> tuple[tuple[float, float], ...]:
        return tuple((self.price(price), self.size(size)) for price, size in levels)

    def _build_history(self, rng: np.random.Generator, started: int, history: int) -> None:
        moves = rng.integers(-1, 2, history)
        closes = self._centre - np.concatenate((np.cumsum(moves[::-1])[::-1], [0]))
        extra = rng.integers(0, 2, (2, history))
        volumes, counts = rng.integers(2, 2_000, history), rng.integers(1, 9, history)
        for place in range(history):
            opened, closed = int(closes[place]), int(closes[place + 1])
            high, low = max(opened, closed) + int(extra[0, place]), min(opened, closed) - int(extra[1, place])
            first, top, bottom, last = (value * self.gap for value in (opened, high, low, closed))
            self.seconds[started - history + place] = Bar(first, top, bottom, last, int(volumes[place]), int(counts[place]), int(volumes[place]) // 2)
        self.last = int(closes[-1]) * self.gap

    def _open_seconds(self, second: int) -> None:
        for opened in range(self._second + 1, second + 1):
            self.seconds[opened] = Bar(self.last, self.last, self.last, self.last)
        self._second = max(self._second, second)

    def _trade(self, at: int) -> MarketTrade:
        buy = bool(self._rng.random() < 0.5)
        price = (self._centre + buy) * self.gap
        trade = MarketTrade(self._next_trade, at, price, 1 + int(self._rng.exponential(2_000.0)), buy)
        self._next_trade += 1
        self.trades.append(trade)
        self.add_to_candles(at, price, trade.size, buy)
        return trade

    def _move_book(self, move: int) -> None:
        self._centre = max(self.levels + 2, self._centre + move)
        bids = [(self._centre - place) * self.gap for place in range(self.levels)]
        asks = [(self._centre + 1 + place) * self.gap for place in range(self.levels)]
        sizes = self._rng.integers(1_000, 500_000, 2 * self.levels)
        renewed = set(self._rng.integers(0, 2 * self.levels, 2).tolist())
        prices = bids + asks
        old = [self.bids.get(price, 0) for price in bids] + [self.asks.get(price, 0) for price in asks]
        new = [int(sizes[place]) if place in renewed or not size else size for place, size in enumerate(old)]
        self.bids = {} if "b" in self.without else dict(zip(prices[: self.levels], new[: self.levels], strict=True))
        self.asks = {} if "a" in self.without else dict(zip(prices[self.levels :], new[self.levels :], strict=True))
        if self.crossed:
            self.bids[asks[2]] = 1_234


def _differ(before: dict[int, int], after: dict[int, int]) -> dict[int, int]:
    changed = {price: size for price, size in after.items() if before.get(price) != size}
    return changed | dict.fromkeys(before.keys() - after.keys(), 0)


def _decimal(value: int, decimals: int) -> str:
    scale = int(10**decimals)
    return f"{value // scale}.{value % scale:0{decimals}d}"
