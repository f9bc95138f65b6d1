"""The feed of a live market: its history by REST, then a bar at every close from the exchange's streams."""

from __future__ import annotations

import asyncio
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.domain.live import BarTiming, Candle, ClosedBar, FeedRecorder, StreamEvent, StreamFault, StreamStatus
from engine.domain.market import Books, MarketSnapshot
from engine.domain.ports import FeedInfo, FeedKind
from engine.domain.record import Floats
from engine.feeds._bar_grid import LONGEST_SILENCE
from engine.feeds._order_flow import FLOW
from engine.live.bar_builder import LiveBarBuilder
from engine.live.candle_checker import AGAIN, CandleChecker
from engine.live.exchange import open_exchange, read_markets
from engine.live.funding_watcher import FundingWatcher
from engine.live.instruments import LiveMarket, describe_live_market
from engine.live.load_pace import LoadPace
from engine.live.streams import DEFAULT_TIMES, LiveStreams, StreamTimes
from engine.settings import count_order_delay_ms

if TYPE_CHECKING:
    from engine.settings import Settings

HISTORY_BARS = 1_500  # that are fetched at the start, or the warm-up where that is longer
CLOSED_BARS = 200  # that can be delivered and looked up again
NS_PER_MS = 1e6
POLL_SECONDS = 0.1
MISSED_ATTEMPTS = 3  # to load the bars that were missed by a stop of the machine


class LiveFeed:
    """Implements Feed and LiveSource; connections begin with the first call of `wait` or `slices`.

    History comes first, without books and flow; where the caller continues a session (`after` is given), its bars are not fresh, because
    nothing may be decided on what was missed. Then a bar closes at each multiple of the interval by the exchange's clock, `settle_ms` later.
    """

    def __init__(
        self, market: LiveMarket, connect: Callable[[], Any], settings: Settings, *, history_bars: int | None = None,
        times: StreamTimes = DEFAULT_TIMES,
    ) -> None:  # fmt: skip
        """Prepare without a connection; `connect` makes an object of ccxt.pro in the thread that uses it."""
        self._info, interval, symbols = market.info, market.info.interval, market.info.symbols
        self._notes = market.notes
        self._interval, self._settle = interval, round(settings.settle_ms * NS_PER_MS)
        self._history_bars = max(HISTORY_BARS, settings.warmup_bars) if history_bars is None else history_bars
        self._lock = threading.Lock()
        self._builder = LiveBarBuilder(len(symbols), interval, settings.book_levels, round(count_order_delay_ms(settings) * NS_PER_MS))
        self._streams = LiveStreams(connect, symbols, market.contracts, settings, interval, self._take, times=times)
        self._candles = CandleChecker(self._streams, self._builder, symbols, settings, interval, self._take, self._lock)
        self._funding = FundingWatcher(self._streams, market, settings, self._take, times)
        self._streams.jobs += [self._keep_history, self._candles.run, self._funding.run]
        self._pace = LoadPace(len(symbols), interval, LONGEST_SILENCE)
        self._recorder: FeedRecorder | None = None
        self._history: list[MarketSnapshot] = []
        self._history_end: int | None = None
        self._loaded, self._closing, self._is_started = threading.Event(), threading.Event(), False
        self._next_close = 0
        self._delivered: int | None = None  # the newest bar that was given out
        self._continues: bool | None = None  # whether the first caller continued a session
        self._closed: deque[ClosedBar] = deque(maxlen=CLOSED_BARS)

    @property
    def info(self) -> FeedInfo:
        return self._info

    @property
    def notes(self) -> tuple[str, ...]:
        """What the exchange does not give, a line each."""
        return self._notes

    @property
    def history_end(self) -> int | None:
        return self._history_end

    @property
    def progress(self) -> str | None:
        if self._loaded.is_set():
            return None
        return self._candles.progress or "connecting to the exchange"

    @property
    def recorder(self) -> FeedRecorder | None:
        """The recorder of every message; None where nothing is recorded."""
        return self._recorder

    def set_recorder(self, recorder: FeedRecorder | None) -> None:
        """Record every message from now on, before the bar builder takes it, and every bar; None ends that."""
        with self._lock:
            self._recorder = recorder

    def request_bars(self, missing: Mapping[int, Sequence[int]]) -> None:
        """Fetch these bars, which earlier ticks were decided without: closes (ns UTC) by column. They travel in a later bar as `backfilled`.

        The request is recorded like a message, so that the bars can be built again.
        """
        now = self._streams.timer.now()
        for column, closes in missing.items():
            self._take(StreamFault(column, "candles", "missing", now, " ".join(str(close) for close in closes)))

    @property
    def funding(self) -> Floats | None:
        """(S,) the funding rates in force, per 8 h, NaN where that of the start is; None where it is for each symbol."""
        with self._lock:
            return self._builder.funding

    def state_funding(self, rates: Floats) -> None:
        """Begin with these rates (S,) per 8 h of an earlier feed, NaN where none is known, which hold until others are read; a recorded message."""
        now = self._streams.timer.now()
        for column in np.flatnonzero(np.isfinite(rates)).tolist():
            self._take(StreamFault(column, "candles", "funding", now, f"{float(rates[column])!r} per 8 h"))

    def wait(self, seconds: float, after: int | None = None) -> bool:
        """Wait at most so long for a bar later than `after` (ns UTC) and than those delivered; whether there is one. A closed feed has none."""
        self._start()
        deadline = self._streams.timer.tick() + seconds
        while self._closing.is_set() or not self._has_bar(after):
            self._require_streams()
            left = deadline - self._streams.timer.tick()
            if left <= 0.0 or self._closing.wait(min(left, POLL_SECONDS)):
                return False
        return True

    def slices(self, after: int | None) -> Iterator[MarketSnapshot]:
        """Yield the history after `after` (ns UTC), then closed bars; waits for each unless `wait` was true. Ends when the feed is closed."""
        self._start()
        if self._continues is None:
            self._continues = after is not None
        last = after
        while not self._closing.is_set():
            snapshot = self._next_snapshot(last)
            if snapshot is None:
                self._require_streams()
                self._closing.wait(min(POLL_SECONDS, self._seconds_left()) if self._loaded.is_set() else POLL_SECONDS)
                continue
            last = self._delivered = snapshot.at
            yield snapshot

    def switch_signal(self, signal: float, at: int) -> None:
        """Raise ValueError: a market has no switch."""
        raise ValueError(f"the signal cannot be set to {signal} from {at} on: only the simulated market has a switch, and this market is live")

    def read_timing(self, at: int) -> BarTiming | None:
        """When the inputs of the bar that closed at `at` were there; None for history and for bars long past."""
        with self._lock:
            return next((closed.timing for closed in self._closed if closed.timing.at == at), None)

    def read_streams(self) -> tuple[StreamStatus, ...]:
        """Every stream of every symbol, in the order of the symbols."""
        now = self._streams.timer.now()
        with self._lock:
            counts, statuses = self._builder.counts, []
            for column, candles in enumerate(self._candles.statistics):
                trades, book = (stream.statistics for stream in self._streams.streams[2 * column : 2 * column + 2])
                statuses += [trades.describe(now, late_trades=int(counts.late_trades[column])), book.describe(now)]
                revised, filled = int(counts.revised_candles[column]), int(counts.filled_bars[column])
                statuses.append(candles.describe(now, revised_candles=revised, filled_bars=filled))
        return tuple(statuses)

    @property
    def clock_problem(self) -> str | None:
        """A line about an exchange's clock that differs by more than 1 s from this machine's."""
        return self._streams.clock.problem

    @property
    def problem(self) -> str | None:
        """A line about bars that cannot be loaded as fast as they close, about the exchange's clock, or about a funding rate that cannot be
        read; None where all is well."""
        return self._pace.problem or self.clock_problem or self._funding.problem

    def close(self) -> None:
        """End connections and threads, and write what is to be recorded."""
        self._closing.set()
        self._streams.close()
        if self._recorder is not None:
            self._recorder.close()

    def _start(self) -> None:
        with self._lock:
            starting, self._is_started = not self._is_started, True
        if starting and not self._closing.is_set():
            self._streams.start()

    def _take(self, event: StreamEvent) -> None:
        with self._lock:
            if self._recorder is not None:
                self._recorder.add_event(event)
            self._builder.add(event)

    async def _keep_history(self) -> None:
        """Load the history at the start, and what is missing whenever the feed has fallen behind."""
        while True:
            await (self._load_history() if self._history_end is None else self._load_missed(self._next_close - self._interval))
            while self._loaded.is_set():  # noqa: ASYNC110 - it is cleared in another thread
                await asyncio.sleep(POLL_SECONDS)

    async def _load_history(self) -> None:
        end = self._newest_close()
        candles = await self._candles.fetch_history(end - self._history_bars * self._interval, end)
        self._begin_after(*await self._catch_up(candles, end))

    async def _load_missed(self, since: int) -> None:
        """Load the bars after the last that was closed, within a few attempts: what the exchange does not give stays a gap."""
        end = self._newest_close()
        since = max(since, end - self._history_bars * self._interval)
        candles = await self._candles.fetch_history(since, end, attempts=MISSED_ATTEMPTS)
        self._pace.add_load(self._candles.exchange_time() - end)
        self._continues = True
        self._begin_after(*await self._catch_up(candles, end, MISSED_ATTEMPTS), since)

    async def _catch_up(self, candles: list[tuple[Candle, ...]], end: int, attempts: int | None = None) -> tuple[list[tuple[Candle, ...]], int]:
        """Load the bars that closed meanwhile, again and again until the streams' own bars can follow; returns all candles and their end (ns UTC).

        Ends where bars close faster than they are loaded, which `problem` says. The newest candle of a load may come a moment late, so that the
        next load begins with it.
        """
        while (newest := self._newest_close()) - end > LONGEST_SILENCE * self._interval:
            candles = _join_candles(candles, await self._candles.fetch_history(end - self._interval, newest, attempts))
            end = newest
            if not self._pace.add_load(self._candles.exchange_time() - end):
                break
        if any(rows and rows[-1].opened < end - self._interval for rows in candles):
            await asyncio.sleep(AGAIN)
            candles = _join_candles(candles, await self._candles.fetch_history(end - self._interval, end, attempts))
        return candles, end

    def _newest_close(self) -> int:
        return self._candles.exchange_time() // self._interval * self._interval

    def _begin_after(self, candles: list[tuple[Candle, ...]], end: int, since: int | None = None) -> None:
        with self._lock:
            self._history = build_history(candles, self._interval, self._info.levels, end, since, self._builder.funding)
            self._history_end, self._next_close = end, end + self._interval
            self._loaded.set()

    def _require_streams(self) -> None:
        """Raise RuntimeError where the thread of the streams has ended by a fault, so that the feed is opened again."""
        if self._streams.error is not None:
            raise RuntimeError(f"the streams of the exchange ended: {type(self._streams.error).__name__}: {self._streams.error}")

    def _seconds_left(self) -> float:
        return max(0.001, (self._next_close + self._settle - self._candles.exchange_time()) / 1e9)

    def _is_due(self) -> bool:
        return self._candles.exchange_time() >= self._next_close + self._settle

    def _has_bar(self, after: int | None) -> bool:
        if not self._loaded.is_set():
            return False
        newest = max((bars[-1].at for bars in (self._history, [closed.snapshot for closed in self._closed]) if bars), default=0)
        return newest > (after if after is not None else self._delivered or 0) or self._is_next_due()

    def _is_next_due(self) -> bool:
        """Whether the next bar is to be closed; has the missed bars loaded first where more have passed than are closed one by one."""
        if self._candles.exchange_time() - self._settle - self._next_close > LONGEST_SILENCE * self._interval:
            self._loaded.clear()
            return False
        return self._is_due()

    def _next_snapshot(self, last: int | None) -> MarketSnapshot | None:
        """The oldest bar after `last`, closing a bar that is due; None where none is. A bar that is too late to act on is not fresh."""
        with self._lock:
            if not self._loaded.is_set():
                return None
            closed = next((bar for bar in self._closed if last is None or bar.snapshot.at > last), None)
            past = bisect_right(self._history, -1 if last is None else last, key=attrgetter("at"))
            if past < len(self._history) and (closed is None or self._history[past].at < closed.snapshot.at):
                return self._history[past].as_stale() if self._continues else self._history[past]
            if closed is not None:
                return self._deliver_again(closed).snapshot
            return self._close_bar().snapshot if self._is_next_due() else None

    def _deliver_again(self, closed: ClosedBar) -> ClosedBar:
        """A bar that was given out, but not taken: where it is too late by now, it is recorded again as not fresh."""
        if not closed.snapshot.fresh.any() or self._candles.exchange_time() - closed.snapshot.at < self._interval:
            return closed
        late = replace(closed, snapshot=closed.snapshot.as_stale())
        self._closed = deque((late if bar is closed else bar for bar in self._closed), maxlen=CLOSED_BARS)
        if self._recorder is not None:
            self._recorder.add_bar(late)
        return late

    def _close_bar(self) -> ClosedBar:
        closed = self._builder.close_bar(self._next_close, self._streams.timer.now(), self._streams.clock.offset)
        self._next_close += self._interval
        self._closed.append(closed)
        if self._candles.exchange_time() - closed.snapshot.at < self._interval:
            self._pace.clear()
        if self._recorder is not None:
            self._recorder.add_bar(closed)
        return closed


def _join_candles(candles: list[tuple[Candle, ...]], later: list[tuple[Candle, ...]]) -> list[tuple[Candle, ...]]:
    """The candles of each symbol, those of both loads."""
    return [(*rows, *more) for rows, more in zip(candles, later, strict=True)]


def build_history(
    candles: list[tuple[Candle, ...]], interval: int, levels: int, end: int, since: int | None = None, funding: Floats | None = None
) -> list[MarketSnapshot]:  # fmt: skip
    """Build a snapshot without books and flow for every close from `since`, by default the first candle's opening, to `end` (ns UTC).

    A bar that a symbol lacks is NaN. `funding` (S,) are the rates in force, per 8 h.
    """
    opened = [candle.opened for rows in candles for candle in rows]
    if not opened:
        return []
    first = min(opened) if since is None else min(since, *opened)
    count, symbols = (end - first) // interval, len(candles)
    values = np.full((count, 5, symbols), np.nan)
    for column, rows in enumerate(candles):
        for candle in rows:
            values[(candle.opened - first) // interval, :, column] = candle.values
    return [build_bare_snapshot(first + (row + 1) * interval, values[row].copy(), levels, funding) for row in range(count)]


def build_bare_snapshot(at: int, values: Floats, levels: int, funding: Floats | None = None) -> MarketSnapshot:
    """Build the snapshot of bars (5, S) that close at `at` (ns UTC), without books and flow; a bar without volume is not fresh."""
    (first_price, high, low, last_price, volume), symbols = values, values.shape[1]
    books, flow = Books(*np.full((4, symbols, levels), np.nan)), np.full((symbols, len(FLOW)), np.nan)
    ofi, later = np.full((symbols, levels), np.nan), np.full((symbols, 4), np.nan)
    fresh = np.isfinite(last_price) & (volume != 0.0)
    return MarketSnapshot(at, first_price, high, low, last_price, volume, fresh, books, books, ofi, flow, later, funding=funding)


def open_live_feed(settings: Settings) -> LiveFeed:
    """Open the live market of the settings. Raises ExchangeRefused and LibraryError in one line."""
    markets = read_markets(settings)

    def connect() -> Any:
        exchange = open_exchange(settings)
        markets.install(exchange)
        return exchange

    return LiveFeed(describe_live_market(settings, markets), connect, settings)


FEED = FeedKind("live", "a live market of an exchange, through ccxt", open_live_feed)
