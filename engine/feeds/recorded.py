"""The feed that plays back a recording: all its files on one clock, with gaps as gaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.domain.market import Books, MarketSnapshot
from engine.domain.optimization import MemoryBlock
from engine.domain.ports import DataCounts, FeedInfo, FeedKind
from engine.domain.record import Floats
from engine.feeds._bar_grid import Grid, Tape, align_tapes, read_tape
from engine.feeds._clock_skew import measure_lags
from engine.feeds._contracts import read_contracts, trading_rules_of
from engine.feeds._decided_bars import load_decided_grid
from engine.feeds._order_flow import explained_by_flow
from engine.feeds._recording_files import BadRecording, read_files, symbol_folders
from engine.feeds._recording_folder import find_left_out, require_memory

if TYPE_CHECKING:
    from engine.settings import Settings


_BAR_AXES = {
    "bars": 1,
    "fresh": 0,
    "books": 1,
    "fill_books": 1,
    "ofi": 0,
    "flow": 0,
    "later": 0,
    "funding": 0,
    "at": 0,
}  # the axis of bars of each array


class RecordedFeed:
    """DIR/SYMBOL/{bars,books,trades}.{parquet,csv}; any of the three may be missing. Raises BadRecording where it cannot be read.

    `at` is a bar's close. A bar that a symbol lacks is NaN and not fresh, never carried forward. A recorded bar without volume (a halt, a
    fill-in, or a market too thin to trade on) keeps its prices and is not fresh, so that nothing is opened on it. Without recorded bars,
    bars are built from trades, and from mids where nothing was traded while a book was in force: the latter have volume 0 and are fresh,
    because the book can be traded on; their volume is NaN where no trades are recorded at all. Recorded bars of unknown volume (NaN in
    every row, or no such column) are fresh, and no order fills on them without a book. The book of a decision is the last at or before the
    close, crossed or not. The book that orders meet is the first valid one at or after the previous decision + latency within the bar, or,
    where none follows, the valid book in force then. Sizes are base units: recording.toml converts contracts (docs/recordings.md), and
    Binance's coin-margined contracts are recognised by their name.
    """

    def __init__(
        self, path: str | Path, *, symbols: tuple[str, ...] = (), interval: int | None = None, since: int | None = None,
        until: int | None = None, latency_ms: float = 250.0, fee_bps: float = 10.0, spread_bps: float = 2.0,
    ) -> None:  # fmt: skip
        folders = symbol_folders(Path(path), symbols)
        require_memory(read_files(folders))
        declared = read_contracts(Path(path), tuple(folder.name for folder in folders))
        tapes = tuple(read_tape(folder, declared[folder.name]) for folder in folders)
        contracts = tuple(tape.contract for tape in tapes)
        has_fees, has_maker_fees = (any(getattr(terms, name) is not None for terms in contracts) for name in ("fee_bps", "maker_fee_bps"))
        taker_fees = tuple(fee_bps if terms.fee_bps is None else terms.fee_bps for terms in contracts)
        self._grid = align_tapes(tapes, interval, since, until, round(latency_ms * 1e6))
        decided = load_decided_grid(Path(path), self._grid, tuple(folder.name for folder in folders), since, until, latency_ms)
        self._grid, self._backfilled = (self._grid, {}) if decided is None else decided
        self._lags = measure_lags(folders, self._grid.at, self._grid.interval)
        self._length = len(self._grid.at)
        left_out = find_left_out(Path(path), read_files(folders))
        names = {folder.name for folder in folders}
        self._left_out = {name: reason for name, reason in left_out.items() if not symbols or name.partition("/")[0] in names}
        self._info = FeedInfo(
            "recorded", f"recorded: {Path(path).resolve().name}", tuple(tape.symbol for tape in tapes), self._grid.interval,
            levels=self._grid.ofi.shape[2], has_flow=self._grid.flow.shape[2] > 0, simulated=False, fee_bps=fee_bps, spread_bps=spread_bps,
            tick_size=tuple(terms.tick for terms in contracts),
            fees_bps=taker_fees if has_fees else (),
            maker_fees_bps=tuple(
                taker if terms.maker_fee_bps is None else terms.maker_fee_bps for taker, terms in zip(taker_fees, contracts, strict=True)
            ) if has_maker_fees else (),
            rules=trading_rules_of(contracts),
            sessions=tuple(terms.session.text if terms.session else "" for terms in contracts),
            trading_hours=_declared_hours(tapes),
        )  # fmt: skip

    @property
    def info(self) -> FeedInfo:
        return self._info

    @property
    def counts(self) -> tuple[DataCounts, ...]:
        """The row counts of each symbol's files."""
        return self._grid.counts

    @property
    def left_out(self) -> dict[str, str]:
        """Reasons by name for entries of the folder that are not read; only of the requested symbols where some were named."""
        return self._left_out

    def flow_r2(self, since: int, until: int) -> tuple[float | None, ...]:
        """By symbol, the R2 of the mid's moves on order flow in cells of 10 s between two times (ns UTC); None without books."""
        return tuple(None if cells is None else explained_by_flow(cells, since, until) for cells in self._grid.flow_cells)

    def __len__(self) -> int:
        return self._length

    def played(self, at: int) -> MemoryBlock:
        """The bars up to `at` (ns UTC), which are no longer needed once decisions on them are made."""
        grid = self._grid
        rows, total = int(np.searchsorted(grid.at, at, side="right")), sum(getattr(grid, name).nbytes for name in _BAR_AXES)
        return MemoryBlock("recording", rows, total, total * (len(grid.at) - rows) // max(1, len(grid.at)))

    def forget(self, at: int) -> None:
        """Release the bars up to `at` (ns UTC). Call `slices` again afterwards."""
        row = int(np.searchsorted(self._grid.at, at, side="right"))
        self._lags = None if self._lags is None else self._lags[row:].copy()
        self._backfilled = {close: bars for close, bars in self._backfilled.items() if close > at}
        for name, axis in _BAR_AXES.items():  # one by one, so that memory never holds everything twice
            part = getattr(self._grid, name)
            self._grid = replace(self._grid, **{name: part[:, row:].copy() if axis else part[row:].copy()})

    def clock_lags(self, at: int) -> Floats | None:
        """(S,) seconds from the venue's clock to the recorder's over the bar that closes `at`; NaN where unknown, None where it always is."""
        return None if self._lags is None else np.asarray(self._lags[int(np.searchsorted(self._grid.at, at))])

    def slices(self, after: int | None) -> Iterator[MarketSnapshot]:
        """Closed bars after `after` (ns UTC, None for all), oldest first, to the recording's end."""
        grid = self._grid
        first = 0 if after is None else int(np.searchsorted(grid.at, after, side="right"))
        times = grid.at.tolist()
        no_books = None if grid.books.shape[3] else Books(*np.empty((4, len(grid.counts), 0)))
        for row in range(first, len(times)):
            closed = _slice(grid, row, times[row], no_books)
            yield replace(closed, backfilled=self._backfilled[closed.at]) if closed.at in self._backfilled else closed

    def switch_signal(self, signal: float, at: int) -> None:
        """Raise ValueError: a recording's signal cannot be changed."""
        raise ValueError(f"the signal cannot be set to {signal} from {at} on: only the simulated market has a switch, and this is a recording")


def _declared_hours(tapes: Sequence[Tape]) -> tuple[float, ...]:
    hours = tuple(tape.contract.session.hours_per_year if tape.contract.session else 0.0 for tape in tapes)
    return hours if any(hours) else ()


def _slice(grid: Grid, row: int, at: int, no_books: Books | None) -> MarketSnapshot:
    bars, books, fills = grid.bars, grid.books, grid.fill_books
    return MarketSnapshot(
        at, bars[0, row], bars[1, row], bars[2, row], bars[3, row], bars[4, row], grid.fresh[row],
        no_books or Books(books[0, row], books[1, row], books[2, row], books[3, row]),
        no_books or Books(fills[0, row], fills[1, row], fills[2, row], fills[3, row]), grid.ofi[row], grid.flow[row],
        grid.later[row] if grid.later.shape[2] else None,
        funding=grid.funding[row] if grid.funding.shape[1] and np.isfinite(grid.funding[row]).any() else None,
    )  # fmt: skip


def open_feed(settings: Settings) -> RecordedFeed:
    """Open the recording of the settings. Raises BadRecording."""
    if settings.feed_path is None:
        raise BadRecording("the recorded feed needs a folder: give --path DIR or set PODIUM_FEED_PATH")
    return RecordedFeed(
        settings.feed_path, symbols=settings.symbols, interval=settings.interval, latency_ms=settings.latency_ms,
        fee_bps=10.0 if settings.fee_bps is None else settings.fee_bps, spread_bps=2.0 if settings.spread_bps is None else settings.spread_bps,
    )  # fmt: skip


FEED = FeedKind("recorded", "a recording of bars, books or trades, played back", open_feed)
