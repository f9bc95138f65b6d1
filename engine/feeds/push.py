"""The feed of a market that a program posts: history as warm-up, then a bar as soon as it is whole, or at the latest when its time is up."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from engine.domain.live import BarTiming, BookUpdate, Candle, ClosedBar, StreamFault, StreamStatus, Trade
from engine.domain.market import Books, MarketSnapshot
from engine.domain.ports import Clock, FeedInfo, FeedKind
from engine.domain.record import Floats, Ints, Record
from engine.feeds._bar_grid import LONGEST_SILENCE, cut_silences
from engine.feeds._contracts import Contract
from engine.feeds._push_posts import MarketPost, PostConflicts, PostRefused, PostTooEarly, SymbolBars, check_post
from engine.feeds._push_streams import PushStreams
from engine.feeds._push_terms import describe_push_market
from engine.feeds._timestamps import format_time
from engine.feeds.live import build_bare_snapshot
from engine.live.bar_builder import LiveBarBuilder
from engine.live.machine_clock import MachineClock
from engine.settings import count_order_delay_ms

if TYPE_CHECKING:
    from engine.settings import Settings

SKEW = 10**9  # ns that the clock of the program may be ahead of this machine's
HISTORY_ROWS = 1_000_000  # bars of all symbols that wait to be decided
REMEMBERED_BARS = 1_000  # accepted bars of each symbol that a repeat is compared with
REMEMBERED_POSTS = 4_096
CLOSED_BARS = 200  # that can be delivered and looked up again
POLL_SECONDS = 0.1
NS_PER_MS = 1e6
TRADES, BOOKS = "trades", "books"


@dataclass(frozen=True, slots=True)
class PostReceipt(Record):
    """What became of a post that was accepted."""

    rows: int
    repeated: int  # rows of bars that had been accepted before, or all rows of a repeated post
    bar_at: int | None  # ns UTC, the close of the newest bar that the post belongs to; None for an empty post


class PushFeed:
    """Implements Feed and LiveSource. A post is taken whole or refused whole; the same post again changes nothing and gets the same receipt.

    Until the first bar that is posted within its own length after its close, or the first such trade, everything is history: it is decided on as
    fast as it goes, as the warm-up; where the caller continues a session (`after` is given), it is not fresh. From then on a bar closes as soon as
    every symbol's is there; where trades are posted, or bars are missing, it closes `settle_ms` after its end.
    """

    def __init__(self, info: FeedInfo, contracts: tuple[Contract, ...], settings: Settings, clock: Clock | None = None) -> None:
        self._info, self._contracts, self._interval = info, contracts, info.interval
        self._clock: Clock = clock or MachineClock()
        self._kinds = frozenset(settings.push_data.split("+"))
        self._settle = round(settings.settle_ms * NS_PER_MS)
        self._changed = threading.Condition()
        self._builder = LiveBarBuilder(len(info.symbols), info.interval, max(1, info.levels), round(count_order_delay_ms(settings) * NS_PER_MS))
        self._streams = PushStreams(info.symbols, self._kinds, info.interval, self._settle, self._clock)
        if BOOKS not in self._kinds:  # no book is missing
            self._builder.add(StreamFault(-1, "book", "reconnected", self._clock.now(), "no books are posted"))
        self._pending: dict[int, dict[int, Floats]] = {}  # by close and column: bars that are not closed yet
        self._pending_rows = 0
        self._accepted: list[OrderedDict[int, Floats]] = [OrderedDict() for _ in info.symbols]  # by close
        self._newest = np.zeros((3, len(info.symbols)), dtype=np.int64)  # ns UTC of the newest bar (its close), trade and book of each symbol
        self._posts: OrderedDict[str, PostReceipt] = OrderedDict()  # by digest
        self._closed: deque[tuple[MarketSnapshot, BarTiming | None]] = deque(maxlen=CLOSED_BARS)
        self._produced = 0  # ns UTC, the newest bar that was built
        self._taken: int | None = None  # ns UTC, the newest bar whose tick is stored
        self._delivered: int | None = None  # ns UTC, the newest bar that was given out
        self._next_close: int | None = None  # of the next bar; None until the history has ended
        self._history_end: int | None = None
        self._is_open = self._is_closing = self._continues = False

    @property
    def info(self) -> FeedInfo:
        return self._info

    @property
    def contracts(self) -> tuple[Contract, ...]:
        """The terms of each symbol."""
        return self._contracts

    @property
    def history_end(self) -> int | None:
        return self._history_end

    @property
    def progress(self) -> str | None:
        if self._history_end is not None:
            return None
        return "waiting for the first post to /api/v1/market" if not self._newest.any() else "taking history; a bar of this moment ends it"

    @property
    def stored_until(self) -> int:
        """The close (ns UTC) of the newest bar whose tick is stored; 0 before the first."""
        return self._taken or 0

    def restore_bars(self, at: Ints, values: Floats) -> None:
        """Recognise repeats of bars that an earlier process decided on: closes (T,) in ns UTC, 0 where there is none, values (5, S, T)."""
        with self._changed:
            for column in range(len(self._accepted)):
                for place in np.flatnonzero((at > 0) & np.isfinite(values[3, column])).tolist():
                    self._remember_bar(column, int(at[place]), values[:, column, place].copy())
            self._produced = max(self._produced, int(at.max(initial=0)))

    def continue_from(self, before: PushFeed) -> None:
        """Take over what was posted to the feed before, which failed: bars that are accepted are decided on."""
        with before._changed, self._changed:
            self._pending, self._pending_rows, self._accepted = before._pending, before._pending_rows, before._accepted
            self._newest, self._posts, self._produced = before._newest, before._posts, max(self._produced, before._produced)
            if before._next_close is not None and self._pending:
                self._begin(min([close for close in self._pending if close >= before._next_close], default=before._next_close))

    def parse_post(self, tables: dict[str, pa.Table]) -> MarketPost:
        """Check the tables of a post, without what was posted before. Raises PostRefused."""
        return check_post(tables, self._info.symbols, self._contracts, self._interval, max(1, self._info.levels))

    def take(self, post: MarketPost) -> PostReceipt:
        """Accept a post, all of it. Raises PostRefused, PostConflicts or PostTooEarly, after which nothing has changed."""
        with self._changed:
            if not self._is_open:
                raise PostTooEarly("the engine is starting and takes no bars yet: send the post again")
            now = self._clock.now()
            self._require_kinds(post)
            if post.key in self._posts and post.kinds:
                receipt = self._posts[post.key]
                return replace(receipt, repeated=receipt.rows)
            self._check_times(post, now)
            repeated = self._check_bars(post)
            self._check_order(post, now)
            receipt = PostReceipt(post.rows, repeated, self._apply(post, now))
            if post.kinds:
                self._posts[post.key] = receipt
                while len(self._posts) > REMEMBERED_POSTS:
                    self._posts.popitem(last=False)
            self._changed.notify_all()
            return receipt

    def wait(self, seconds: float, after: int | None = None) -> bool:
        """Wait at most so long for a bar later than `after` (ns UTC) and than those delivered; whether there is one. A closed feed has none."""
        deadline = self._clock.tick() + seconds
        with self._changed:
            self._open(after)
            self._taken = after
            while self._is_closing or not self._has_bar(after):
                left = deadline - self._clock.tick()
                if left <= 0.0 or self._is_closing:
                    return False
                self._changed.wait(min(left, POLL_SECONDS))
        return True

    def slices(self, after: int | None) -> Iterator[MarketSnapshot]:
        """Yield the history after `after` (ns UTC), then closed bars; waits for each unless `wait` was true. Ends when the feed is closed."""
        with self._changed:
            self._open(after)
        last = after
        while True:
            with self._changed:
                snapshot = None if self._is_closing else self._next_snapshot(last)
                if self._is_closing:
                    return
                if snapshot is None:
                    self._changed.wait(POLL_SECONDS)
                    continue
                last = self._delivered = snapshot.at
            yield snapshot

    def switch_signal(self, signal: float, at: int) -> None:
        """Raise ValueError: a market has no switch."""
        raise ValueError(f"the signal cannot be set to {signal} from {at} on: only the simulated market has a switch, and this market is posted")

    def read_timing(self, at: int) -> BarTiming | None:
        """When the inputs of the bar that closed at `at` were there; None for history and for bars long past."""
        with self._changed:
            return next((timing for snapshot, timing in self._closed if snapshot.at == at), None)

    def read_streams(self) -> tuple[StreamStatus, ...]:
        """What is posted of every symbol, in the order of the symbols; what is silent since a while is stale from here on."""
        with self._changed:
            self._interrupt_silent()
            return self._streams.describe()

    def close(self) -> None:
        """Give no more bars, and take no more posts."""
        with self._changed:
            self._is_closing, self._is_open = True, False
            self._changed.notify_all()

    def _open(self, after: int | None) -> None:
        if not self._is_open and not self._is_closing:
            self._is_open, self._continues = True, after is not None
            self._produced = max(self._produced, after or 0)

    def _require_kinds(self, post: MarketPost) -> None:
        for kind in post.kinds:
            if kind not in self._kinds and kind != "bars":
                with_it = "+".join(sorted({*self._kinds, kind} - ({"bars"} if kind == TRADES else set()), reverse=True))
                raise PostRefused(f"{kind} are not expected: set push_data = {json.dumps(with_it)} and start again, or post no {kind}")

    def _check_times(self, post: MarketPost, now: int) -> None:
        for kind, parts in (("trades", post.trades), ("books", post.books)):
            for part in parts:
                if part.rows.at[-1] > now + SKEW:
                    name, when = f"{kind} of {self._info.symbols[part.column]}", _describe_future(int(part.rows.at[-1]), now)
                    raise PostRefused(f"{name}: {when}: set the clocks of both machines")
        for bars in post.bars:
            if bars.closes[-1] > now + SKEW:
                name, when = f"bars of {self._info.symbols[bars.column]}", _describe_future(int(bars.closes[-1]), now)
                raise PostRefused(f"{name}: a close at {when}: post a bar when it has closed, or set the clocks of both machines")

    def _check_bars(self, post: MarketPost) -> int:
        """The number of posted bars that were accepted before. Raises PostConflicts for late and revised ones."""
        repeated = fresh = 0
        for bars in post.bars:
            name, known = f"bars of {self._info.symbols[bars.column]}", self._accepted[bars.column]
            for place, close in enumerate(bars.closes.tolist()):
                before = known.get(close)
                if before is not None and np.array_equal(before, bars.values[:, place], equal_nan=True):
                    repeated += 1
                elif before is not None:
                    opened = format_time(np.int64(close - self._interval))
                    raise PostConflicts(f"{name}: the bar of {opened} differs from the one that was accepted: what is decided on is not revised")
                elif close <= max(self._produced, int(self._newest[0, bars.column])):
                    opened, last = (format_time(np.int64(at)) for at in (close - self._interval, max(self._produced, self._newest[0, bars.column])))
                    raise PostConflicts(
                        f"{name}: the bar of {opened} is late, the bars up to the close at {last} are taken: post bars in order of time"
                    )
                else:
                    fresh += 1
        if self._pending_rows + fresh > HISTORY_ROWS:
            raise PostTooEarly(f"{self._pending_rows:,} bars wait to be decided, at most {HISTORY_ROWS:,} may: post fewer bars, or wait")
        return repeated

    def _check_order(self, post: MarketPost, now: int) -> None:
        """Raise PostConflicts for trades and books that are late: of a bar that is taken, or before what was accepted of their symbol."""
        oldest = now - self._interval if self._next_close is None else max(self._produced, self._next_close - self._interval)
        for row, parts in ((1, post.trades), (2, post.books)):
            for part in parts:
                first, last = int(part.rows.at[0]), int(self._newest[row, part.column])
                name = f"{(TRADES, BOOKS)[row - 1]} of {self._info.symbols[part.column]}"
                if first < oldest or first < last:
                    what = "history is posted as bars" if self._next_close is None else "the bars up to then are taken"
                    limit = format_time(np.int64(max(oldest, last)))
                    raise PostConflicts(f"{name}: {format_time(np.int64(first))} is late, after {limit} ({what}): post what happens as it happens")

    def _apply(self, post: MarketPost, now: int) -> int | None:
        """Take a post that was checked; returns the close (ns UTC) of its newest bar."""
        newest = 0
        for bars in post.bars:
            newest = max(newest, self._take_bars(bars, now))
        for trades in post.trades:
            rows, symbol = trades.rows, trades.column
            for place, at in enumerate(rows.at.tolist()):
                price, size, sign = float(rows.price[place]), float(rows.size[place]), float(rows.sign[place])
                self._builder.add(Trade(symbol, at, now, price, size, sign, trades.ids[place]))
            newest = max(newest, self._note(1, symbol, "trades", rows.at, now))
        for books in post.books:
            sides = (books.rows.bid_price, books.rows.bid_size, books.rows.ask_price, books.rows.ask_size)
            for place, at in enumerate(books.rows.at.tolist()):
                self._builder.add(BookUpdate(books.column, at, now, np.stack([side[place] for side in sides])))
            newest = max(newest, self._note(2, books.column, "book", books.rows.at, now))
        if post.trades and self._next_close is None:
            self._begin((now // self._interval + 1) * self._interval)
        return newest or None

    def _take_bars(self, bars: SymbolBars, now: int) -> int:
        known = self._accepted[bars.column]
        for place, close in enumerate(bars.closes.tolist()):
            if close in known:
                continue
            values = bars.values[:, place].copy()
            self._remember_bar(bars.column, close, values)
            self._pending.setdefault(close, {})[bars.column] = values
            self._pending_rows += 1
            if self._next_close is None and now - close < self._interval and TRADES not in self._kinds:
                self._begin(close)
        if "bars" in self._kinds:
            self._streams.note(bars.column, "candles", now, int(bars.closes[-1]), len(bars.closes))
        return int(bars.closes[-1])

    def _note(self, row: int, column: int, stream: str, at: Ints, now: int) -> int:
        """Note what a stream gave; returns the close of the bar that it belongs to."""
        self._newest[row, column] = at[-1]
        self._streams.note(column, stream, now, int(at[-1]), len(at))
        return (int(at[-1]) // self._interval + 1) * self._interval

    def _remember_bar(self, column: int, close: int, values: Floats) -> None:
        known = self._accepted[column]
        known[close] = values
        self._newest[0, column] = max(self._newest[0, column], close)
        while len(known) > REMEMBERED_BARS:
            known.popitem(last=False)

    def _begin(self, close: int) -> None:
        """End the history before the bar that closes at `close` (ns UTC)."""
        self._next_close, self._history_end = close, close - self._interval
        self._streams.begin()

    def _interrupt_silent(self) -> None:
        for column, stream in self._streams.find_silent():
            if stream != "candles":
                self._builder.add(StreamFault(column, stream, "silent", self._clock.now(), "nothing was posted"))

    def _has_bar(self, after: int | None) -> bool:
        last = after if after is not None else self._delivered or 0
        return any(snapshot.at > last for snapshot, _ in self._closed) or bool(self._list_history()) or self._is_due()

    def _list_history(self) -> list[int]:
        """The closes of posted bars that can be decided on as history, oldest first: no bar before the last of them can still be posted."""
        end = int(self._newest[0].min()) if self._next_close is None else self._next_close - self._interval
        return sorted(close for close in self._pending if close <= end)

    def _is_due(self) -> bool:
        """Whether the next bar is to be closed: it is whole, or its time is up. Time jumps where more bars have passed than are closed one by one."""
        if self._next_close is None:
            return False
        now = self._clock.now()
        if now - self._settle - self._next_close > LONGEST_SILENCE * self._interval:
            self._next_close = now // self._interval * self._interval
        is_whole = TRADES not in self._kinds and len(self._pending.get(self._next_close, ())) == len(self._info.symbols)
        return is_whole or now >= self._next_close + self._settle

    def _next_snapshot(self, last: int | None) -> MarketSnapshot | None:
        """The oldest bar after `last`; builds the history's bars in order, then the bar that is due; None where none is."""
        while True:
            ready = next((snapshot for snapshot, _ in self._closed if last is None or snapshot.at > last), None)
            if ready is not None:
                return ready
            history = self._list_history()
            if history:
                self._build_history(history[0])
            elif self._is_due():
                self._close_bar()
            else:
                return None

    def _build_history(self, close: int) -> None:
        """Build the bar that closes at `close`, after up to 13 empty ones where bars before it are missing."""
        first = self._produced // self._interval if self._produced else close // self._interval - 1
        for number in cut_silences(np.array([first, close // self._interval]))[1:].tolist():
            at = number * self._interval
            values = np.full((5, len(self._info.symbols)), np.nan)
            for column, bar in self._pop_pending(at).items():
                values[:, column] = bar
            snapshot = self._fit(build_bare_snapshot(at, values, self._info.levels))
            self._closed.append((snapshot.as_stale() if self._continues else snapshot, None))
            self._produced = at

    def _close_bar(self) -> None:
        at = self._next_close
        assert at is not None
        self._interrupt_silent()
        now = self._clock.now()
        for column, values in sorted(self._pop_pending(at).items()):
            first_price, high, low, last_price, volume = values.tolist()
            self._builder.add(Candle(column, at - self._interval, now, (first_price, high, low, last_price, volume)))
        closed: ClosedBar = self._builder.close_bar(at, now, 0)
        self._closed.append((self._fit(replace(closed.snapshot, backfilled=None)), closed.timing))
        self._produced, self._next_close = at, at + self._interval

    def _pop_pending(self, close: int) -> Mapping[int, Floats]:
        bars = self._pending.pop(close, {})
        self._pending_rows -= len(bars)
        return bars

    def _fit(self, snapshot: MarketSnapshot) -> MarketSnapshot:
        """The snapshot without what this feed never has: books, flow, or trades after an order's arrival."""
        if BOOKS not in self._kinds:
            none = np.empty((len(self._info.symbols), 0))
            snapshot = replace(snapshot, books=Books(none, none, none, none), fill_books=Books(none, none, none, none), ofi=none)
        if not self._info.has_flow:
            snapshot = replace(snapshot, flow=snapshot.flow[:, :0])
        return snapshot if {BOOKS, TRADES} <= self._kinds else replace(snapshot, trades_after_arrival=None)


def _describe_future(at: int, now: int) -> str:
    times = [format_time(np.int64(time)) for time in (at, now)]
    return f"{times[0]} lies in the future, it is {times[1]} here"


def open_push_feed(settings: Settings) -> PushFeed:
    """Open the feed of the settings. Raises ValueError in one line."""
    return PushFeed(*describe_push_market(settings), settings)


FEED = FeedKind("push", "a market whose bars, books or trades a program posts to the server", open_push_feed)
