"""Rolling windows over the feed: bars and flow for decisions, features and prices for training."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import numpy as np

from engine import window
from engine.domain.decision import Outcome
from engine.domain.market import Account, BackfilledBars, Bars, Inputs, MarketSnapshot, MarketView, OrderFlow
from engine.domain.model import TrainingSet
from engine.domain.optimization import MemoryBlock
from engine.domain.ports import Feed, FeedInfo
from engine.domain.record import Bools, Floats, Ints
from engine.domain.tick import TrainingRow
from engine.domain.trading_config import Event, TradingConfig
from engine.evidence import scoring

FLOW_LENGTH = 48  # bars of order flow that features look back on
BUFFER_WINDOWS = 4  # windows that a buffer holds before its end is moved to its front
COMPACT_BARS = window.WINDOW_BARS + window.WINDOW_BARS // 4  # bars of a compact buffer, which is moved more often
MIN_ROWS = 1_024  # rows that a block starts with
SPARE_SHARE = 1 / 8  # of the rows, left free for new ones in a compact block


class MarketWindow:
    """The last 300 bars, and the last 48 of flow, of every symbol."""

    bars_ahead = 0  # bars that were read and are not decided yet, beyond the one that was taken last

    def __init__(self, info: FeedInfo) -> None:
        self._info = info
        symbols, length = len(info.symbols), window.WINDOW_BARS * BUFFER_WINDOWS
        self._bars = np.full((5, symbols, length), np.nan)
        self._flow = np.full((5, symbols, length if info.has_flow else 0), np.nan)
        self._ofi = np.full((symbols, length if info.has_flow else 0, info.levels), np.nan)
        self._at = np.zeros(length, dtype=np.int64)  # ns UTC, the close of each column; 0 where there is none
        self._end = window.WINDOW_BARS
        self._last: MarketSnapshot | None = None
        self._overwritten: list[tuple[int, Floats]] = []  # by the last bar: columns and the (5, S) values that they had

    def read(self, feed: Feed, after: int | None) -> Iterator[MarketSnapshot]:
        """The feed's closed bars after `after` (ns UTC, None for all), in the order in which they are to be appended."""
        return feed.slices(after)

    def append(self, bar: MarketSnapshot) -> None:
        """Append the newest bar, after filling in the past bars that it brings. Raises ValueError where it is not newer than the last."""
        if self._last is not None and bar.at <= self._last.at:
            raise ValueError(f"bars go back in time: {bar.at} after {self._last.at}")
        if self._end == self._bars.shape[2]:
            self._move_to_front()
        self._overwritten = [] if bar.backfilled is None else self._fill_in(bar.backfilled)
        for row, part in enumerate((bar.open, bar.high, bar.low, bar.close, bar.volume)):
            self._bars[row, :, self._end] = part
        if self._info.has_flow:
            self._flow[:, :, self._end] = bar.flow.T
            self._ofi[:, self._end] = bar.ofi
        self._at[self._end] = bar.at
        self._end += 1
        self._last = bar

    def _fill_in(self, past: BackfilledBars) -> list[tuple[int, Floats]]:
        """Overwrite the bars of these closes where they are in the window, symbol by symbol; their order flow stays unknown."""
        first, overwritten = self._end - window.WINDOW_BARS, list[tuple[int, Floats]]()
        closes = self._at[first : self._end]
        for row, at in enumerate(past.at.tolist()):
            places = np.flatnonzero(closes == at)
            if at > 0 and len(places):
                column, values = first + int(places[0]), past.values[:, row]
                overwritten.append((column, self._bars[:, :, column].copy()))
                given = np.isfinite(values).any(axis=0)
                self._bars[:, given, column] = values[:, given]
        return overwritten

    def recent_bars(self) -> tuple[Ints, Floats]:
        """Return the bars of the window: closes (T,) in ns UTC, 0 where there is none, and values (5, S, T)."""
        first = self._end - window.WINDOW_BARS
        return self._at[first : self._end].copy(), self._bars[:, :, first : self._end].copy()

    def find_missing_bars(self, span: int) -> dict[int, list[int]]:
        """Return the closes (ns UTC) without a bar, by column, oldest first; of columns that lack none, nothing.

        With them go the bars in doubt: those without a trade before them, or before the window's end, and the bar of the trades before those.
        A silence may have begun there and been noticed later, but at most `span` (ns), or a bar where that is longer.
        """
        first, longest = self._end - window.WINDOW_BARS, max(span, self._info.interval)
        closes, volumes, at = self._bars[3, :, first : self._end], self._bars[4, :, first : self._end], self._at[first : self._end]
        marked = {column: _mark_doubted(np.isnan(close), volumes[column] == 0.0, at, longest) for column, close in enumerate(closes)}
        return {column: at[places].tolist() for column, places in marked.items() if places.any()}

    def drop_last(self) -> None:
        """Remove the newest bar and the past bars that it brought, as when its tick was lost."""
        self._end -= 1
        for column, values in self._overwritten:
            self._bars[:, :, column] = values
        self._overwritten = []

    def build_inputs(self, tick: int, account: Account, config: TradingConfig, events: tuple[Event, ...]) -> Inputs:
        """The inputs of a decision at the newest bar, with its view of the window."""
        bar = self._last
        if bar is None:
            raise ValueError("there is no bar yet")
        bars = Bars(*self._cut(self._bars, window.WINDOW_BARS))
        flow = self._flow_window()
        view = self._view(bar, bars, flow, config.volatility_halflife)
        symbols, interval = self._info.symbols, self._info.interval
        return Inputs(tick, bar.at, interval, symbols, bars, bar.books, flow, bar.fresh, account, config, events, view, bar.fill_books)

    def _view(self, bar: MarketSnapshot, bars: Bars, flow: OrderFlow, halflife: float) -> MarketView:
        with np.errstate(invalid="ignore", divide="ignore"):
            return window.build_view(bars, bar.books, flow, bar.at, self._info.interval, halflife)

    def _flow_window(self) -> OrderFlow:
        if not self._info.has_flow:
            blank = np.empty((len(self._info.symbols), 0))
            return OrderFlow(np.empty((len(self._info.symbols), 0, 0)), blank, blank, blank, blank, blank)
        ofi = np.ascontiguousarray(self._ofi[:, self._end - FLOW_LENGTH : self._end])
        return OrderFlow(ofi, *self._cut(self._flow, FLOW_LENGTH))

    def _cut(self, buffer: Floats, length: int) -> list[Floats]:
        return [part[:, self._end - length : self._end].copy() for part in buffer]  # never a view: past columns may be filled in later

    def memory_block(self) -> MemoryBlock:
        """The bytes that the buffers hold and that they need."""
        length, symbols = self._bars.shape[2], len(self._info.symbols)
        held = self._bars.nbytes + self._flow.nbytes + self._ofi.nbytes + self._at.nbytes
        return MemoryBlock("window", symbols * max(0, length - COMPACT_BARS), held, held * min(length, COMPACT_BARS) // length)

    def compact(self) -> None:
        """Hold little more than the window from now on, and no memory of the feed."""
        self._last = deepcopy(self._last)
        if self._bars.shape[2] <= COMPACT_BARS:
            return
        self._move_to_front()
        self._bars, self._at = self._bars[:, :, :COMPACT_BARS].copy(), self._at[:COMPACT_BARS].copy()
        self._flow, self._ofi = self._flow[:, :, :COMPACT_BARS].copy(), self._ofi[:, :COMPACT_BARS].copy()

    def _move_to_front(self) -> None:
        for buffer in (self._bars, self._flow):
            if buffer.shape[2]:
                buffer[:, :, : window.WINDOW_BARS] = buffer[:, :, self._end - window.WINDOW_BARS : self._end].copy()
        if self._ofi.shape[1]:
            self._ofi[:, : window.WINDOW_BARS] = self._ofi[:, self._end - window.WINDOW_BARS : self._end].copy()
        shift = self._end - window.WINDOW_BARS
        self._at[: window.WINDOW_BARS] = self._at[shift : self._end].copy()
        self._overwritten = [(column - shift, values) for column, values in self._overwritten if column >= shift]
        self._end = window.WINDOW_BARS


def _mark_doubted(lacking: Bools, quiet: Bools, at: Ints, span: int) -> Bools:
    """Mark the bars of one symbol that are lacking or in doubt; `at` has their closes (ns UTC), 0 before the first bar."""
    marked, is_silent, end = lacking & (at > 0), True, int(at[-1])
    for place in range(len(at) - 1, -1, -1):
        if marked[place]:
            is_silent, end = True, int(at[place])
        elif is_silent and at[place] > 0 and at[place] >= end - span:
            follower = bool(marked[place + 1]) if place + 1 < len(at) else False
            marked[place], is_silent = quiet[place] or follower, bool(quiet[place])
        else:
            is_silent = False
    return marked


class TrainingRows:
    """The rows of the last bars, in one block of float32 of limited size."""

    def __init__(self, symbols: int, columns: tuple[str, ...], bars: int) -> None:
        self._columns = columns
        self._capacity = bars
        self._features = np.empty((0, symbols, len(columns)), dtype=np.float32)
        self._price = np.empty((0, symbols))
        self._sigma = np.empty((0, symbols))
        self._tick = np.empty(0, dtype=np.int64)
        self._count = 0
        self._is_small = False

    def append(self, row: TrainingRow) -> None:
        """Append a tick's row; it replaces the oldest where the block is full."""
        if self._count == len(self._tick) < self._capacity:
            self._grow()
        place = self._count % self._capacity
        self._features[place], self._price[place], self._sigma[place], self._tick[place] = row.features, row.price, row.sigma, row.tick
        self._count += 1

    def _grow(self) -> None:
        held = len(self._tick)
        size = min(self._capacity, max(MIN_ROWS, held + int(held * SPARE_SHARE) + 1 if self._is_small else 2 * held))
        for name in ("_features", "_price", "_sigma", "_tick"):
            old = getattr(self, name)
            new = np.empty((size, *old.shape[1:]), dtype=old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)

    def memory_block(self) -> MemoryBlock:
        """The bytes that the rows hold and that they need: the block doubles as it grows, so up to half of it may be empty."""
        size = len(self._tick)
        held = self._features.nbytes + self._price.nbytes + self._sigma.nbytes + self._tick.nbytes
        needed = min(size, self._compact_size())
        return MemoryBlock("training rows", size - needed, held, held * needed // size if size else 0)

    def compact(self) -> None:
        """Free the empty end of the block; from now on it grows by little at a time."""
        size, self._is_small = self._compact_size(), True
        if size < len(self._tick):
            for name in ("_features", "_price", "_sigma", "_tick"):
                setattr(self, name, getattr(self, name)[:size].copy())

    def _compact_size(self) -> int:
        return min(len(self._tick), max(MIN_ROWS, self._count + int(self._count * SPARE_SHARE) + 1))

    def training_set(self, until: int, horizons: tuple[int, ...], most: int) -> TrainingSet:
        """The rows up to tick `until`, oldest first, with their targets, thinned evenly in time to at most `most` rows (0: all).

        A target that needs a bar later than `until` is NaN: purged. Rows before a symbol has a volatility are omitted.
        """
        order = self._order(until)
        return self._build_set(order, horizons, until, most)

    def first_tick(self, until: int, spare: int) -> int | None:
        """The oldest tick that is still among the rows `spare` ticks after `until`; None without any row."""
        order = self._order(until)
        return max(int(self._tick[order[0]]), until + spare + 1 - self._capacity) if len(order) else None

    def sample(self, first: int, until: int, horizons: tuple[int, ...], most: int) -> TrainingSet:
        """The same from tick `first` on; the same rows even where older ones have made room for newer."""
        order = self._order(until)
        order = order[self._tick[order] >= first]
        return self._build_set(order, horizons, until, most)

    def _build_set(self, order: Ints, horizons: tuple[int, ...], until: int, most: int) -> TrainingSet:
        ticks, price, sigma = self._tick[order], self._price[order], self._sigma[order]
        targets = np.stack([_target(ticks, price, sigma, horizon) for horizon in horizons], axis=-1)
        step = max(1, -(-price.size // most)) if most else 1
        rows = np.arange(len(order))[::-1][::step][::-1]
        valid = np.isfinite(sigma[rows]) & np.isfinite(price[rows])
        x = self._features[order[rows]][valid]
        tick = np.broadcast_to(ticks[rows][:, None], valid.shape)[valid]
        return TrainingSet(self._columns, horizons, x, targets[rows][valid], np.ascontiguousarray(tick), until)

    def newest_features(self, ticks: int, most: int, fewest: int) -> Floats:
        """(N, F) features of the newest `ticks` ticks, thinned evenly in time to `most` rows, but at least `fewest` ticks; as in training."""
        order = self._order(np.iinfo(np.int64).max)[-ticks:]
        step = max(1, -(-len(order) // max(fewest, most // max(1, self._price.shape[1]))))
        rows = order[::-1][::step][::-1]
        valid = np.isfinite(self._sigma[rows]) & np.isfinite(self._price[rows])
        return self._features[rows][valid].astype(np.float64)

    def _order(self, until: int) -> Ints:
        held = min(self._count, len(self._tick))
        order = np.argsort(self._tick[:held], kind="stable")
        return order[self._tick[order] <= until]


def _target(ticks: Ints, price: Floats, sigma: Floats, horizon: int) -> Floats:
    """(N, S) targets of every tick; NaN where the bar `horizon` ticks later is not among the rows."""
    out = np.full_like(price, np.nan)
    later = np.searchsorted(ticks, ticks + horizon)
    known = later < len(ticks)
    known[known] = ticks[later[known]] == ticks[known] + horizon
    out[known] = scoring.forecast_target(price[later[known]], price[known], sigma[known], horizon)
    return out


def build_row(tick: int, outcome: Outcome) -> TrainingRow:
    """The training row of a tick."""
    pending = outcome.state.pending
    return TrainingRow(tick, outcome.features.values.astype(np.float32), pending.price[0], pending.sigma[0])
