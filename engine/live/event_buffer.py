"""Holds the messages of one symbol until their bar is closed, and knows when its streams were interrupted."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from engine.domain.live import BookUpdate, Trade
from engine.domain.record import Floats
from engine.feeds._recording_files import BookRows, TradeRows

MAX_ROWS = 50_000  # trades or books of one symbol that are held; beyond, the bar counts as interrupted


@dataclass(slots=True)
class StreamCoverage:
    """The times, by the exchange's clock, in which a stream's messages are not known to be complete."""

    down_since: int | None = 0  # ns UTC; None while the stream is up
    last_at: int = 0  # of the newest message
    outages: list[tuple[int, int]] = field(default_factory=list)  # that ended, first and last ns

    def interrupt(self) -> None:
        """Begin an outage: what followed the last message may be lost."""
        if self.down_since is None:
            self.down_since = self.last_at

    def end_outage(self, at: int) -> None:
        """End the outage at a time by the exchange's clock."""
        if self.down_since is not None:
            self.outages.append((self.down_since, max(at, self.down_since)))
            self.down_since = None

    def resume(self, at: int) -> None:
        """Take the time of a message, which ends an outage."""
        self.end_outage(at)
        self.last_at = max(self.last_at, at)

    def covers(self, opened: int, at: int) -> bool:
        """Whether every message of a bar is known to be here."""
        if self.down_since is not None and self.down_since < at:
            return False
        return not any(first < at and last > opened for first, last in self.outages)

    def drop_before(self, at: int) -> None:
        """Forget outages that ended by then."""
        self.outages = [outage for outage in self.outages if outage[1] > at]


class EventBuffer:
    """The trades and books of one symbol from the last closed bar on, in the order of arrival."""

    def __init__(self, levels: int) -> None:
        self._levels = levels
        self._trades: list[tuple[int, float, float, float]] = []  # at, price, size, sign
        self._books: list[tuple[int, Floats]] = [self._no_book(0)]  # at, (4, D)
        self.trades, self.books = StreamCoverage(), StreamCoverage()

    def add_trade(self, trade: Trade) -> None:
        """Hold a trade; a trade without a finite and positive price and size is left out."""
        self.trades.resume(trade.at)
        if not (0.0 < trade.price < math.inf and 0.0 < trade.size < math.inf):
            return
        if len(self._trades) >= MAX_ROWS:
            self._trades.clear()
            self.trades.interrupt()
            self.trades.resume(trade.at)
        self._trades.append((trade.at, trade.price, trade.size, trade.sign))

    def add_book(self, update: BookUpdate) -> None:
        """Hold the levels of a book."""
        self.books.resume(update.at)
        if len(self._books) >= MAX_ROWS:
            self._books = [self._no_book(0)]
            self.books.interrupt()
            self.books.resume(update.at)
        levels = np.full((4, self._levels), np.nan)
        depth = min(self._levels, update.levels.shape[1])
        levels[:, :depth] = update.levels[:, :depth]
        self._books.append((update.at, levels))

    def interrupt_books(self) -> None:
        """Begin an outage of the books: none is in force until the next."""
        if self.books.down_since is None:
            last = max(at for at, _ in self._books)
            self._books.append(self._no_book(last))
        self.books.interrupt()

    def select_trades(self, opened: int, at: int) -> TradeRows:
        """The trades of a bar, in order of time."""
        rows = sorted((row for row in self._trades if opened <= row[0] < at), key=lambda row: row[0])
        columns = np.array(rows, dtype=np.float64).reshape(-1, 4).T
        return TradeRows(np.array([row[0] for row in rows], dtype=np.int64), columns[1].copy(), columns[2].copy(), columns[3].copy(), 0)

    def select_books(self, at: int) -> BookRows:
        """The books up to a bar's close, that of the close itself included, in order of time, from the last valid before its open on."""
        rows = sorted((row for row in self._books if row[0] <= at), key=lambda row: row[0])
        levels = np.stack([row[1] for row in rows], axis=1)
        return BookRows(
            np.array([row[0] for row in rows], dtype=np.int64), levels[0].copy(), levels[1].copy(), levels[2].copy(), levels[3].copy(),
            _find_valid(levels),
        )  # fmt: skip

    def drop_before(self, at: int) -> None:
        """Forget what the bars after `at` do not need: all but the last book and the last valid one."""
        self._trades = [row for row in self._trades if row[0] >= at]
        past = sorted((row for row in self._books if row[0] < at), key=lambda row: row[0])
        valid = np.flatnonzero(_find_valid(np.stack([row[1] for row in past], axis=1)))
        needed = [past[index] for index in sorted({len(past) - 1, *valid[-1:].tolist()})]
        self._books = needed + [row for row in self._books if row[0] >= at]
        self.trades.drop_before(at)
        self.books.drop_before(at)

    def _no_book(self, at: int) -> tuple[int, Floats]:
        return at, np.full((4, self._levels), np.nan)


def _find_valid(levels: Floats) -> np.ndarray:
    """(n,) whether the best bid and ask of (4, n, D) levels are finite, positive and not crossed."""
    bid, bid_size, ask, ask_size = levels[:, :, 0]
    with np.errstate(invalid="ignore"):
        valid = (bid > 0.0) & (ask > bid) & np.isfinite(ask) & (bid_size > 0.0) & (ask_size > 0.0) & np.isfinite(bid_size) & np.isfinite(ask_size)
    return np.asarray(valid, dtype=np.bool_)
