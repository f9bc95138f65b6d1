"""Builds the bars of a live market from its messages by the rules of recordings, without a clock or a connection."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.domain.live import BAR_SOURCES, FAULTS, STATEMENTS, BarTiming, BookUpdate, Candle, ClosedBar, StreamEvent, StreamFault, Trade
from engine.domain.market import BackfilledBars, Books, MarketSnapshot
from engine.domain.record import Bools, Floats, Ints
from engine.feeds._bar_grid import STALE
from engine.feeds._order_flow import FLOW, books_at, books_from, sum_imbalance, sum_trades, time_weighted_book, trades_after
from engine.feeds._recording_files import BookRows, TradeRows
from engine.live.event_buffer import EventBuffer

MISSING, TRADES, MIDS, CANDLE = (BAR_SOURCES.index(name) for name in ("missing", "trades", "mids", "candle"))
MAX_MISSING = 5_000  # bars that wait for a candle; the oldest are given up
COMPARED = 5  # closed bars that a later candle is compared with, or
COMPARED_SPAN = 600 * 10**9  # ns of bars, the longest silence that is noticed late
PRICE_TOLERANCE, VOLUME_TOLERANCE = 1e-9, 1e-6  # relative
NS_PER_MS = 1e6
CandleValues = tuple[float, float, float, float, float]  # open, high, low, close, volume in base units
RESUMING = frozenset({"reconnected", "resynced"})
INTERRUPTING = frozenset(FAULTS) - RESUMING - STATEMENTS - {"crossed"}


class BarCounts(NamedTuple):
    """The counts of each symbol since the start."""

    late_trades: Ints  # (S,) received after their bar was decided on
    revised_candles: Ints  # (S,) candles that differ from the bar that was decided on
    filled_bars: Ints  # (S,) missing bars that a candle filled later


class LiveBarBuilder:
    """Takes messages in the order of arrival and closes bars; the same calls in the same order give the same bits.

    A bar [open, close) is built from trades, or from mids with volume 0 where nothing traded on a valid book. A symbol whose trades were
    interrupted within the bar gets the exchange's candle where that is here, without flow, else no bar. A symbol whose book is not in force
    because its stream is interrupted, and any bar that is closed more than one bar late, is not fresh. Books and flow follow
    engine.feeds._order_flow; flow is NaN for a bar in which the stream of its inputs was interrupted. Memory is bounded: at most
    event_buffer.MAX_ROWS messages per symbol and stream are held. A fault of the kind "clock" states the exchange's clock less this machine's
    in ns as the first word of its detail; it dates the end of an outage until the first bar is closed. One of the kind "missing" states the closes
    (ns UTC) of past bars that an earlier builder did not get: a candle fills them. One of the kind "funding" begins with the symbol's rate per 8 h,
    which is in force from the next bar on.
    """

    def __init__(self, symbols: int, interval: int, levels: int, latency: int) -> None:
        """Begin without any message; `interval` and `latency` (decision to venue) are in ns."""
        self._interval, self._levels, self._latency = interval, levels, latency
        self._stale = max(STALE, interval)
        self._buffers = [EventBuffer(levels) for _ in range(symbols)]
        self._candles: dict[int, dict[int, CandleValues]] = {}  # by close and symbol, of bars that are not closed yet
        self._partial: set[tuple[int, int]] = set()  # close and symbol of bars that were decided on a part of their trades
        self._revised: set[tuple[int, int]] = set()  # and of those whose candle differs
        self._closed: dict[int, tuple[Floats, Ints]] = {}  # by close, oldest first: (5, S) values, sources
        self._compared = max(COMPARED, -(-COMPARED_SPAN // interval))
        self._missing: dict[int, Bools] = {}  # (S,) by close, of closed bars
        self._filled: dict[int, Floats] = {}  # (5, S) by close, for the next snapshot
        self._newest = np.full((2, symbols), np.nan)  # ns UTC of the newest trade and book
        self._funding: Floats | None = None  # (S,) per 8 h
        self._last_close, self._clock_offset = 0, 0
        self._counts = BarCounts(*(np.zeros(symbols, dtype=np.int64) for _ in range(3)))

    @property
    def counts(self) -> BarCounts:
        """The counts so far."""
        return BarCounts(*(values.copy() for values in self._counts))

    @property
    def missing(self) -> dict[int, tuple[int, ...]]:
        """The symbols without a bar, or with a bar of a part of its trades, by the close (ns UTC) of each closed bar, oldest first."""
        return {at: tuple(np.flatnonzero(lacking).tolist()) for at, lacking in sorted(self._missing.items())}

    @property
    def funding(self) -> Floats | None:
        """(S,) the funding rates in force, per 8 h, NaN where none is known; None without any."""
        return None if self._funding is None else self._funding.copy()

    def is_complete(self, symbol: int, at: int) -> bool:
        """Whether the trades of the bar that closes at `at` are all here."""
        return self._buffers[symbol].trades.covers(at - self._interval, at)

    def add(self, event: StreamEvent) -> None:
        """Take a message; in the order of arrival."""
        match event:
            case Trade():
                self._add_trade(event)
            case BookUpdate():
                self._buffers[event.symbol].add_book(event)
                self._newest[1, event.symbol] = np.fmax(self._newest[1, event.symbol], event.at)
            case Candle():
                self._add_candle(event)
            case StreamFault():
                self._add_fault(event)

    def close_bar(self, at: int, read_at: int, clock_offset: int) -> ClosedBar:
        """Build the bar that closes at `at` from the messages taken so far; `at` is later than that of the last call."""
        count, self._clock_offset = len(self._buffers), clock_offset
        values, sources, fresh = np.full((5, count), np.nan), np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.bool_)
        books, fills = np.full((4, count, self._levels), np.nan), np.full((4, count, self._levels), np.nan)
        ofi, flow, later = np.full((count, self._levels), np.nan), np.full((count, len(FLOW)), np.nan), np.full((count, 4), np.nan)
        candles = self._candles.get(at, {})
        in_time = read_at + clock_offset - at < self._interval
        for column, buffer in enumerate(self._buffers):
            trades, rows = buffer.select_trades(at - self._interval, at), buffer.select_books(at)
            books[:, column], fills[:, column] = books_at(rows, _times(at), self._stale)[:, 0], self._fill_book(rows, at)
            later[column] = self._trades_after(trades, at, fills[:, column])
            values[:, column], sources[column] = self._build_bar(buffer, trades, rows, at, candles.get(column))
            ofi[column], flow[column] = self._measure_flow(buffer, trades, rows, at, sources[column])
            usable = sources[column] in (TRADES, MIDS) or (values[4, column] != 0.0 and sources[column] == CANDLE)
            fresh[column] = usable and in_time and buffer.books.down_since is None
            buffer.drop_before(at)
        backfilled = self._remember(at, values, sources)
        for column, candle in candles.items():  # that were here before the close, and are not fetched again
            self._compare(Candle(column, at - self._interval, read_at, candle), at)
        snapshot = MarketSnapshot(
            at, values[0], values[1], values[2], values[3], values[4], fresh, Books(*books), Books(*fills), ofi, flow, later, backfilled,
            self.funding,
        )  # fmt: skip
        ages = (read_at + clock_offset - self._newest) / NS_PER_MS
        return ClosedBar(snapshot, BarTiming(at, read_at, clock_offset, ages), sources)

    def _add_trade(self, trade: Trade) -> None:
        buffer = self._buffers[trade.symbol]
        self._newest[0, trade.symbol] = np.fmax(self._newest[0, trade.symbol], trade.at)
        if trade.at >= self._last_close:
            buffer.add_trade(trade)
        else:
            self._add_late(trade)

    def _add_late(self, trade: Trade) -> None:
        """Count a trade of a closed bar, which the exchange's candle replaces in the window: it was decided on a part of its trades."""
        at = next((close for close in self._closed if close - self._interval <= trade.at < close), None)
        if at is None or self._closed[at][1][trade.symbol] not in (TRADES, MIDS):
            return
        self._counts.late_trades[trade.symbol] += 1
        self._partial.add((at, trade.symbol))
        if (at, trade.symbol) in self._revised:
            self._fill(at, trade.symbol, self._closed[at][0][:, trade.symbol])

    def _add_fault(self, fault: StreamFault) -> None:
        self._take_statement(fault)
        for column in range(len(self._buffers)) if fault.symbol < 0 else (fault.symbol,):
            buffer = self._buffers[column]
            if fault.kind in RESUMING:
                (buffer.trades if fault.stream == "trades" else buffer.books).end_outage(fault.received + self._clock_offset)
            elif fault.kind in INTERRUPTING and fault.stream == "trades":
                buffer.trades.interrupt()
                self._doubt_bars(column, buffer.trades.down_since or 0)
            elif fault.kind in INTERRUPTING and fault.stream == "book":
                buffer.interrupt_books()

    def _take_statement(self, fault: StreamFault) -> None:
        """Take what a message says that is no fault."""
        if fault.kind == "clock":
            self._clock_offset = int(fault.detail.split()[0])
        elif fault.kind == "funding":
            self._funding = np.full(len(self._buffers), np.nan) if self._funding is None else self._funding
            self._funding[fault.symbol] = float(fault.detail.split()[0])
        elif fault.kind == "missing":
            for close in fault.detail.split():
                self._expect_candle(fault.symbol, int(close))

    def _doubt_bars(self, symbol: int, since: int) -> None:
        """Have the closed bars filled again in which an outage began that was noticed only now."""
        for close, (_, sources) in self._closed.items():
            if close > since and sources[symbol] in (TRADES, MIDS):
                self._expect_candle(symbol, close)

    def _expect_candle(self, symbol: int, close: int) -> None:
        self._missing.setdefault(close, np.zeros(len(self._buffers), dtype=np.bool_))[symbol] = True

    def _add_candle(self, candle: Candle) -> None:
        at = candle.opened + self._interval
        if at in self._missing and self._missing[at][candle.symbol]:
            self._fill(at, candle.symbol, candle.values)
            self._missing[at][candle.symbol] = False
            self._counts.filled_bars[candle.symbol] += 1
            self._note_candle(at, candle)
            if not self._missing[at].any():
                del self._missing[at]
        elif at <= self._last_close:
            self._compare(candle, at)
        elif at <= self._last_close + 2 * self._interval or not self._last_close:
            self._candles.setdefault(at, {})[candle.symbol] = candle.values

    def _note_candle(self, at: int, candle: Candle) -> None:
        """Compare later candles with this one, which has filled a bar."""
        if at in self._closed:
            values, sources = self._closed[at]
            values[:, candle.symbol], sources[candle.symbol] = candle.values, CANDLE

    def _fill(self, at: int, symbol: int, values: tuple[float, ...] | Floats) -> None:
        filled = self._filled.setdefault(at, np.full((5, len(self._buffers)), np.nan))
        filled[:, symbol] = values

    def _compare(self, candle: Candle, at: int) -> None:
        """Count a candle that differs from the bar that was decided on; the next candle is compared with this one.

        It replaces a bar in the window that was a candle, too, or that had a part of its trades: of mids where the exchange has trades, or with a
        trade that was late.
        """
        closed = self._closed.get(at)
        if closed is None or closed[1][candle.symbol] == MISSING:
            return
        (values, sources), symbol, theirs = closed, candle.symbol, np.asarray(candle.values)
        if sources[symbol] == MIDS and not candle.values[4] > 0.0:
            return
        own, is_lost = values[:, symbol], sources[symbol] == MIDS
        same = np.allclose(own[:4], theirs[:4], rtol=PRICE_TOLERANCE, atol=0.0)
        if same and (not np.isfinite(theirs[4] + own[4]) or np.isclose(own[4], theirs[4], rtol=VOLUME_TOLERANCE, atol=0.0)):
            return
        (self._counts.filled_bars if is_lost else self._counts.revised_candles)[symbol] += 1
        values[:, symbol] = theirs
        if is_lost:
            sources[symbol] = CANDLE
        self._revised.add((at, symbol))
        if sources[symbol] == CANDLE or (at, symbol) in self._partial:
            self._fill(at, candle.symbol, candle.values)

    def _build_bar(
        self, buffer: EventBuffer, trades: TradeRows, rows: BookRows, at: int, candle: CandleValues | None
    ) -> tuple[Floats, int]:  # fmt: skip
        opened = at - self._interval
        if not buffer.trades.covers(opened, at):
            return (np.full(5, np.nan), MISSING) if candle is None else (np.asarray(candle, dtype=np.float64), CANDLE)
        if len(trades.at):
            price = trades.price
            return np.array([price[0], price.max(), price.min(), price[-1], np.add.reduceat(trades.size, [0])[0]]), TRADES
        mids = _build_of_mids(rows, opened, at, self._stale) if buffer.books.covers(opened, at) else None
        if mids is not None:
            return mids, MIDS
        return (np.full(5, np.nan), MISSING) if candle is None else (np.asarray(candle, dtype=np.float64), CANDLE)

    def _measure_flow(self, buffer: EventBuffer, trades: TradeRows, rows: BookRows, at: int, source: int) -> tuple[Floats, Floats]:
        opened, ofi, flow = at - self._interval, np.full(self._levels, np.nan), np.full(len(FLOW), np.nan)
        if source not in (TRADES, MIDS):
            return ofi, flow
        flow[:3] = sum_trades(trades, np.zeros(len(trades.at), dtype=np.int64), 1)[:, 0]
        if buffer.books.covers(opened, at):
            times = rows.at[rows.valid]
            row_of = np.where((times >= opened) & (times < at), 0, -1)
            ofi = sum_imbalance(rows, row_of, 1, self._stale)[0]
            flow[3:] = time_weighted_book(rows, _times(opened), _times(at), self._stale)[:, 0]
        return ofi, flow

    def _fill_book(self, rows: BookRows, at: int) -> Floats:
        if self._latency >= self._interval:
            return np.full((4, self._levels), np.nan)
        return np.asarray(books_from(rows, _times(at - self._interval + self._latency), _times(at), self._stale)[:, 0])

    def _trades_after(self, trades: TradeRows, at: int, fill: Floats) -> Floats:
        if self._latency >= self._interval:
            return np.full(4, np.nan)
        since = _times(at - self._interval + self._latency)
        return np.asarray(trades_after(trades, since, _times(at), fill[0, :1], fill[2, :1])[:, 0])

    def _remember(self, at: int, values: Floats, sources: Ints) -> BackfilledBars | None:
        """Note a closed bar, and return what was filled since the last."""
        self._last_close = at
        self._candles = {close: candles for close, candles in self._candles.items() if close > at}
        self._closed[at] = (values.copy(), sources.copy())
        if len(self._closed) > self._compared:
            oldest = next(iter(self._closed))
            del self._closed[oldest]
            self._partial, self._revised = ({bar for bar in bars if bar[0] > oldest} for bars in (self._partial, self._revised))
        if (sources == MISSING).any():
            self._missing[at] = sources == MISSING
        while len(self._missing) > MAX_MISSING:
            del self._missing[min(self._missing)]
        if not self._filled:
            return None
        times = sorted(self._filled)
        backfilled = BackfilledBars(np.array(times, dtype=np.int64), np.stack([self._filled[time] for time in times], axis=1))
        self._filled = {}
        return backfilled


def _build_of_mids(rows: BookRows, opened: int, at: int, stale: int) -> Floats | None:
    """(5,) the bar of mids with volume 0, None where no valid book is in force at the close; the same rule as for recordings."""
    times = rows.at[rows.valid]
    mid = 0.5 * (rows.bid_price[rows.valid, 0] + rows.ask_price[rows.valid, 0])
    last = int(np.searchsorted(times, at, side="left")) - 1
    if last < 0 or at - times[last] > stale:
        return None
    before = int(np.searchsorted(times, opened, side="right")) - 1
    opening = mid[before] if before >= 0 and opened - times[before] <= stale else mid[before + 1]
    inside = mid[(times >= opened) & (times < at)]
    extremes = np.concatenate([[opening, mid[last]], inside])
    return np.array([opening, extremes.max(), extremes.min(), mid[last], 0.0])


def _times(at: int) -> Ints:
    return np.array([at], dtype=np.int64)
