"""The simulated market's feed: seeded, endless, and by construction without any signal but the one that is configured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.domain.market import Books, MarketSnapshot
from engine.domain.ports import FeedInfo, FeedKind
from engine.domain.signal_changes import SignalChange, format_changes, parse_changes
from engine.domain.trading_config import TradingRules
from engine.feeds._simulated_agents import BLOCK, LOOK_BACK, Steps, draw_bars
from engine.feeds._simulated_bars import BarChunk, Sides, build_bars
from engine.feeds._simulated_changes import SignalGains, schedule_gains, shared_share
from engine.feeds._simulated_prices import (
    VOL_CORRELATION,
    PricePath,
    PriceState,
    initial_market,
    seasonal_factor,
    simulate_prices,
    symbol_names,
    tick_size_at,
)

if TYPE_CHECKING:
    from engine.domain.record import Floats, Ints
    from engine.settings import Settings

START = 1_704_067_200 * 10**9  # 2024-01-01T00:00Z, ns
MINUTE = 60 * 10**9  # ns
MAKER_FEE_BPS = 2.0  # of a passive fill
LOT_MONEY = 1.0  # a lot is the largest power of ten worth no more than this at the first price
MIN_NOTIONAL = 10.0  # money
BORROW_RATE = 0.02  # per year, of the value of a short


class SimulatedFeed:
    """Bars of a market that exists only in its equations (docs/simulated_market.md).

    The same arguments and the same signal switches give the same slices, bit for bit on one platform, from any starting point.
    """

    def __init__(
        self, *, symbol_count: int = 8, symbols: tuple[str, ...] = (), seed: int = 7, interval: int = MINUTE, signal: float = 0.05,
        persistence: float = 0.95, volatility_bps: float = 20.0, levels: int = 5, spread_bps: float = 2.0, fee_bps: float = 5.0,
        latency_ms: float = 250.0, bars: int | None = None, changes: str = "",
    ) -> None:  # fmt: skip
        _validate(symbol_count, interval, persistence, volatility_bps)
        self._all = symbol_names(symbol_count)
        self._columns = _find_columns(symbols, self._all)
        self._changes = parse_changes(changes)
        _require_several(self._changes, len(self._columns))
        self._seed, self._interval, self._bars = seed, interval, bars
        self._levels, self._spread_bps, self._latency_ms = levels, spread_bps, latency_ms
        self._switches: list[tuple[int, float]] = []
        self._market, self._first = initial_market(symbol_count, seed, volatility_bps * 1e-4, persistence)
        self._chunk = max(48, min(1440, 1440 * 16 // symbol_count // BLOCK * BLOCK))  # bars of prices simulated at once; it sets a seed's market
        self._span = max(48, self._chunk // 6 // BLOCK * BLOCK)  # bars of agents' steps simulated at once
        self._shared = shared_share(self._market.loadings, VOL_CORRELATION)
        self.switch_signal(signal, 0)
        chosen = [self._all[column] for column in self._columns]
        ticks = tick_size_at(self._first.close, self._market.volatility)[self._columns]
        self._info = FeedInfo(
            "simulated", _label(self._changes), tuple(chosen), interval, levels, has_flow=True, simulated=True, fee_bps=fee_bps,
            spread_bps=spread_bps, tick_size=tuple(ticks.tolist()), maker_fee_bps=min(MAKER_FEE_BPS, fee_bps),
            rules=_trading_rules(self._first.close[self._columns]),
        )  # fmt: skip

    @property
    def info(self) -> FeedInfo:
        return self._info

    def slices(self, after: int | None) -> Iterator[MarketSnapshot]:
        """Closed bars after `after` (ns UTC, None for all), oldest first; a switched signal applies to bars that close after the switch."""
        bar = 0 if after is None else max(0, (after - START) // self._interval)
        number, carry, before = 0, self._first, self._prehistory()
        while (number + 1) * self._chunk <= bar:
            path, carry = self._simulate(number, carry)
            number, before = number + 1, _rows(path, -LOOK_BACK, None)
        while self._bars is None or bar < self._bars:
            path, following = self._simulate(number, carry)
            known = len(self._switches)
            for closed in self._play(number, _joined(before, path), bar):
                yield closed
                bar += 1
            if known == len(self._switches):
                number, carry, before = number + 1, following, _rows(path, -LOOK_BACK, None)

    def switch_signal(self, signal: float, at: int) -> None:
        """Set the one-bar R2 of the best forecast for bars that close after `at` (ns UTC). After a restart, repeat the switches in order.

        Raises ValueError outside of 0 to 0.5.
        """
        if not 0.0 <= signal <= 0.5:
            raise ValueError(f"a signal of {signal} cannot be simulated: it is an R2 between 0 and 0.5")
        self._switches.append((at, signal))

    def truth(self, bars: int) -> PricePath:
        """The first `bars` bars with their true expected returns, volatilities and regimes; for tests and docs."""
        parts: list[PricePath] = []
        carry = self._first
        for number in range(-(-bars // self._chunk)):
            path, carry = self._simulate(number, carry)
            parts.append(path)
        whole = _rows(_joined(*parts), 0, bars)
        return PricePath(**{name: value if value.ndim == 1 else value[:, self._columns] for name, value in _fields(whole)})

    def simulated_steps(self, bars: int) -> Iterator[tuple[PricePath, Steps]]:
        """Stretches of the first `bars` bars with the agents' steps, of every symbol of the market; for tests and docs.

        Steps begin one bar earlier. The last stretch may reach beyond `bars`.
        """
        carry, before = self._first, self._prehistory()
        for first in range(0, bars, self._chunk):
            path, carry = self._simulate(first // self._chunk, carry)
            whole, before = _joined(before, path), _rows(path, -LOOK_BACK, None)
            for offset in range(0, min(self._chunk, bars - first), self._span):
                end = min(offset + self._span, self._chunk)
                yield _rows(path, offset, end), self._build_all(_rows(whole, offset, end + LOOK_BACK), first + offset).steps

    def _prehistory(self) -> PricePath:
        """The agents' history at the first bar: eight bars as the first eight would be without a signal."""
        path = _rows(self._simulate(0, self._first)[0], 0, LOOK_BACK)
        innovation = path.returns - path.expected
        close = path.open[0] * np.exp(np.cumsum(innovation, axis=0))
        return replace(path, returns=innovation, open=np.vstack([path.open[:1], close[:-1]]), close=close)

    def _play(self, number: int, whole: PricePath, bar: int) -> Iterator[MarketSnapshot]:
        """The bars of a chunk from `bar` on, until its end or a switch of the signal; `whole` begins eight bars earlier."""
        known, start = len(self._switches), number * self._chunk
        end = start + self._chunk if self._bars is None else min(start + self._chunk, self._bars)
        while bar < end:
            offset = (bar - start) // self._span * self._span
            length = min(self._span, self._chunk - offset)
            chunk = self._build(_rows(whole, offset, offset + length + LOOK_BACK), start + offset)
            for row in range(bar - start - offset, min(length, end - start - offset)):
                yield self._slice(chunk, row, start + offset + row)
                if known != len(self._switches):
                    return
            bar = start + offset + length

    def _simulate(self, number: int, carry: PriceState) -> tuple[PricePath, PriceState]:
        bars = np.arange(number * self._chunk, (number + 1) * self._chunk, dtype=np.int64)
        season = seasonal_factor(START + self._interval * bars)
        return simulate_prices(self._market, carry, np.random.default_rng([self._seed, 1, number]), season, self.gains_at(bars))

    def gains_at(self, bars: Ints) -> SignalGains:
        """The gains of the signal at these bars (n,), with its switches so far and its scheduled changes."""
        signals = np.zeros(len(bars))
        for at, signal in self._switches:
            signals[START + self._interval * (bars + 1) > at] = signal
        return schedule_gains(signals, self._market.persistence, bars, self._changes, (len(self._all), self._shared))

    def _build(self, path: PricePath, first: int) -> BarChunk:
        chunk = self._build_all(path, first)
        return chunk if len(self._columns) == len(self._all) else _pick(chunk, self._columns)

    def _build_all(self, path: PricePath, first: int) -> BarChunk:
        """Bars from number `first` on; `path` begins eight bars earlier."""
        draws = draw_bars(self._seed, first - LOOK_BACK, len(path.regime), len(self._all), self._levels)
        fraction = min(1.0, self._latency_ms * 1e6 / self._interval)
        return build_bars(path, draws, self._market, self._levels, self._spread_bps, fraction)

    def _slice(self, chunk: BarChunk, row: int, bar: int) -> MarketSnapshot:
        bid, bid_size, ask, ask_size = chunk.books
        fill_bid, fill_bid_size, fill_ask, fill_ask_size = chunk.fill_books
        return MarketSnapshot(
            START + (bar + 1) * self._interval, chunk.open[row], chunk.high[row], chunk.low[row], chunk.close[row], chunk.volume[row],
            np.ones(len(self._columns), dtype=np.bool_), Books(bid[row], bid_size[row], ask[row], ask_size[row]),
            Books(fill_bid[row], fill_bid_size[row], fill_ask[row], fill_ask_size[row]), chunk.ofi[row], chunk.flow[row],
            chunk.later[row],
        )  # fmt: skip


def _trading_rules(price: Floats) -> TradingRules:
    count = len(price)
    lots = np.power(10.0, np.floor(np.log10(LOT_MONEY / price)))
    return TradingRules(lots=tuple(lots.tolist()), min_notionals=(MIN_NOTIONAL,) * count, borrow_rates=(BORROW_RATE,) * count)


def _validate(symbol_count: int, interval: int, persistence: float, volatility_bps: float) -> None:
    if not 1 <= symbol_count <= 500:
        raise ValueError(f"{symbol_count} symbols cannot be simulated: ask for 1 to 500")
    if interval <= 0:
        raise ValueError(f"an interval of {interval} ns is no bar: it must be above 0")
    if not 0.0 < persistence < 1.0:
        raise ValueError(f"a signal's persistence of {persistence} is not between 0 and 1")
    if not 0.1 <= volatility_bps <= 500.0:
        raise ValueError(f"a bar's volatility of {volatility_bps} bps is not between 0.1 and 500")


def _require_several(changes: tuple[SignalChange, ...], count: int) -> None:
    for change in changes:
        if change.kind in {"other", "interaction"} and count < 2:
            raise ValueError(f"the change {change.bar}:{change.kind} relates a symbol to the others: simulate at least 2 symbols")


def _label(changes: tuple[SignalChange, ...]) -> str:
    return f"simulated market, changes {format_changes(changes)}" if changes else "simulated market"


def _find_columns(wanted: tuple[str, ...], known: tuple[str, ...]) -> list[int]:
    for symbol in wanted:
        if symbol not in known:
            raise ValueError(f"the simulated market has no symbol {symbol!r}: it has {', '.join(known[:8])}{' ...' if len(known) > 8 else ''}")
    return [known.index(symbol) for symbol in dict.fromkeys(wanted)] if wanted else list(range(len(known)))


def _pick(chunk: BarChunk, columns: list[int]) -> BarChunk:
    def of(values: Floats) -> Floats:
        return np.ascontiguousarray(values[:, columns])

    def all_of(sides: Sides) -> Sides:
        return of(sides[0]), of(sides[1]), of(sides[2]), of(sides[3])

    return BarChunk(
        of(chunk.open), of(chunk.high), of(chunk.low), of(chunk.close), of(chunk.volume), all_of(chunk.books), all_of(chunk.fill_books),
        of(chunk.ofi), of(chunk.flow), of(chunk.later), chunk.steps,
    )  # fmt: skip


def _fields(path: PricePath) -> list[tuple[str, Any]]:
    return [(name, getattr(path, name)) for name in PricePath.__slots__]


def _rows(path: PricePath, first: int, end: int | None) -> PricePath:
    return PricePath(**{name: value[first:end] for name, value in _fields(path)})


def _joined(*parts: PricePath) -> PricePath:
    return PricePath(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in PricePath.__slots__})


def open_feed(settings: Settings) -> SimulatedFeed:
    """Open the simulated market of the settings. Raises ValueError."""
    return SimulatedFeed(
        symbol_count=settings.sim_symbols, symbols=settings.symbols, seed=settings.seed, interval=settings.interval or MINUTE,
        signal=settings.sim_signal, persistence=settings.sim_persistence, volatility_bps=settings.sim_volatility_bps,
        spread_bps=2.0 if settings.spread_bps is None else settings.spread_bps,
        fee_bps=5.0 if settings.fee_bps is None else settings.fee_bps, latency_ms=settings.latency_ms,
        changes=settings.sim_changes,
    )  # fmt: skip


FEED = FeedKind("simulated", "a seeded market that exists only in its equations, with a known signal or none", open_feed)
