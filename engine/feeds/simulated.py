"""The simulated market: seeded, endless, and by construction without any signal but the one that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from engine.domain.market import Books, Slice
from engine.domain.ports import FeedInfo, FeedKind
from engine.feeds._simulated_books import Chunk, dress
from engine.feeds._simulated_prices import Carry, Path, found, names, season_of, signal_gain, tick_of, walk

if TYPE_CHECKING:
    from engine.domain.record import Floats, Ints
    from engine.settings import Settings

START = 1_704_067_200 * 10**9  # 2024-01-01T00:00Z, ns
MINUTE = 60 * 10**9  # ns


class Simulated:
    """Bars of a market that exists only in its equations (docs/simulated_market.md).

    The same arguments and the same signal switches give the same slices, bit for bit on one platform, wherever reading begins.
    """

    def __init__(
        self, *, symbol_count: int = 8, symbols: tuple[str, ...] = (), seed: int = 7, interval: int = MINUTE, signal: float = 0.05,
        persistence: float = 0.95, volatility_bps: float = 20.0, levels: int = 5, spread_bps: float = 2.0, fee_bps: float = 5.0,
        latency_ms: float = 250.0, bars: int | None = None,
    ) -> None:  # fmt: skip
        _check(symbol_count, interval, persistence, volatility_bps)
        self._all = names(symbol_count)
        self._columns = _columns(symbols, self._all)
        self._seed, self._interval, self._bars = seed, interval, bars
        self._levels, self._spread_bps, self._latency_ms = levels, spread_bps, latency_ms
        self._switches: list[tuple[int, float]] = []
        self._market, self._first = found(symbol_count, seed, volatility_bps * 1e-4, persistence)
        self._chunk = max(48, min(1440, 1440 * 16 // symbol_count))  # bars drawn at once; part of what a seed means
        self.switch_signal(signal, 0)
        chosen = [self._all[column] for column in self._columns]
        ticks = tick_of(self._first.close, self._market.volatility)[self._columns]
        self._info = FeedInfo(
            "simulated", "simulated market", tuple(chosen), interval, levels, has_flow=True, simulated=True, fee_bps=fee_bps,
            spread_bps=spread_bps, tick_size=tuple(ticks.tolist()),
        )  # fmt: skip

    @property
    def info(self) -> FeedInfo:
        return self._info

    def slices(self, after: int | None) -> Iterator[Slice]:
        """Closed bars, oldest first; a signal switched meanwhile holds from the next bar that closes after it."""
        bar = 0 if after is None else max(0, (after - START) // self._interval)
        number, carry = 0, self._first
        while self._bars is None or bar < self._bars:
            while (number + 1) * self._chunk <= bar:
                carry = self._walk(number, carry)[1]
                number += 1
            known = len(self._switches)
            path, following = self._walk(number, carry)
            chunk = self._dress(number, path)
            end = (number + 1) * self._chunk if self._bars is None else min((number + 1) * self._chunk, self._bars)
            while bar < end and known == len(self._switches):
                yield self._slice(chunk, bar)
                bar += 1
            if known == len(self._switches):
                number, carry = number + 1, following

    def switch_signal(self, signal: float, at: int) -> None:
        """Sets the one-bar R2 of the best forecast for bars that close after `at`. After a restart, switch again in the same order."""
        if not 0.0 <= signal <= 0.5:
            raise ValueError(f"a signal of {signal} cannot be simulated: it is an R2 between 0 and 0.5")
        self._switches.append((at, signal))

    def truth(self, bars: int) -> Path:
        """The first `bars` bars with what stands behind them: the expected return of each, its volatility and regime; for tests and docs."""
        parts: list[Path] = []
        carry = self._first
        for number in range(-(-bars // self._chunk)):
            path, carry = self._walk(number, carry)
            parts.append(path)
        fields = {name: np.concatenate([getattr(part, name) for part in parts])[:bars] for name in Path.__slots__}
        return Path(**{name: value if value.ndim == 1 else value[:, self._columns] for name, value in fields.items()})

    def _walk(self, number: int, carry: Carry) -> tuple[Path, Carry]:
        opens = START + self._interval * np.arange(number * self._chunk, (number + 1) * self._chunk, dtype=np.int64)
        return walk(self._market, carry, np.random.default_rng([self._seed, 1, number]), season_of(opens), self._gains(opens))

    def _gains(self, opens: Ints) -> Floats:
        gains = np.zeros(len(opens))
        for at, signal in self._switches:
            gains[opens + self._interval > at] = signal_gain(signal, self._market.persistence)
        return gains

    def _dress(self, number: int, path: Path) -> Chunk:
        stream = np.random.default_rng([self._seed, 2, number])
        fraction = min(1.0, self._latency_ms * 1e6 / self._interval)
        chunk = dress(path, stream, self._levels, self._spread_bps, fraction)
        return chunk if len(self._columns) == len(self._all) else _pick(chunk, self._columns)

    def _slice(self, chunk: Chunk, bar: int) -> Slice:
        row = bar % self._chunk
        bid, bid_size, ask, ask_size = chunk.books
        fill_bid, fill_bid_size, fill_ask, fill_ask_size = chunk.fill_books
        return Slice(
            START + (bar + 1) * self._interval, chunk.open[row], chunk.high[row], chunk.low[row], chunk.close[row], chunk.volume[row],
            np.ones(len(self._columns), dtype=np.bool_), Books(bid[row], bid_size[row], ask[row], ask_size[row]),
            Books(fill_bid[row], fill_bid_size[row], fill_ask[row], fill_ask_size[row]), chunk.ofi[row], chunk.flow[row],
        )  # fmt: skip


def _check(symbol_count: int, interval: int, persistence: float, volatility_bps: float) -> None:
    if not 1 <= symbol_count <= 500:
        raise ValueError(f"{symbol_count} symbols cannot be simulated: ask for 1 to 500")
    if interval <= 0:
        raise ValueError(f"an interval of {interval} ns is no bar: it must be above 0")
    if not 0.0 < persistence < 1.0:
        raise ValueError(f"a signal's persistence of {persistence} is not between 0 and 1")
    if not 0.1 <= volatility_bps <= 500.0:
        raise ValueError(f"a bar's volatility of {volatility_bps} bps is not between 0.1 and 500")


def _columns(wanted: tuple[str, ...], known: tuple[str, ...]) -> list[int]:
    for symbol in wanted:
        if symbol not in known:
            raise ValueError(f"the simulated market has no symbol {symbol!r}: it has {', '.join(known[:8])}{' ...' if len(known) > 8 else ''}")
    return [known.index(symbol) for symbol in dict.fromkeys(wanted)] if wanted else list(range(len(known)))


def _pick(chunk: Chunk, columns: list[int]) -> Chunk:
    def of(values: Floats) -> Floats:
        return np.ascontiguousarray(values[:, columns])

    books = (of(chunk.books[0]), of(chunk.books[1]), of(chunk.books[2]), of(chunk.books[3]))
    fills = (of(chunk.fill_books[0]), of(chunk.fill_books[1]), of(chunk.fill_books[2]), of(chunk.fill_books[3]))
    return Chunk(of(chunk.open), of(chunk.high), of(chunk.low), of(chunk.close), of(chunk.volume), books, fills, of(chunk.ofi), of(chunk.flow))


def open_feed(settings: Settings) -> Simulated:
    """The simulated market as the settings want it."""
    return Simulated(
        symbol_count=settings.sim_symbols, symbols=settings.symbols, seed=settings.seed, interval=settings.interval or MINUTE,
        signal=settings.sim_signal, persistence=settings.sim_persistence, volatility_bps=settings.sim_volatility_bps,
        spread_bps=2.0 if settings.spread_bps is None else settings.spread_bps,
        fee_bps=5.0 if settings.fee_bps is None else settings.fee_bps, latency_ms=settings.latency_ms,
    )  # fmt: skip


FEED = FeedKind("simulated", "a seeded market that exists only in its equations, with a known signal or none", open_feed)
