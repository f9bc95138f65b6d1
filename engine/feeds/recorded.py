"""A recording played back: every file of the contract on one clock, gaps as gaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.domain.data_counts import DataCounts
from engine.domain.market import Books, MarketSnapshot
from engine.domain.optimization import MemoryBlock
from engine.domain.ports import FeedInfo, FeedKind
from engine.domain.record import Floats
from engine.feeds._clocks import lags
from engine.feeds._contracts import read_contracts, trading_rules_of
from engine.feeds._left_out import find_left_out
from engine.feeds._limits import require_memory
from engine.feeds._order_flow import explained_by_flow
from engine.feeds._recording import Grid, Tape, on_one_clock, read_tape
from engine.feeds._recording_files import BadRecording, read_files, symbol_folders

if TYPE_CHECKING:
    from engine.settings import Settings


_BY_BAR = {"bars": 1, "fresh": 0, "books": 1, "fill_books": 1, "ofi": 0, "flow": 0, "later": 0, "at": 0}  # the axis of bars of each array


class RecordedFeed:
    """DIR/SYMBOL/{bars,books,trades}.{parquet,csv}, any of the three missing; raises BadRecording in one line where it cannot be read.

    `at` is a bar's close. A bar a symbol lacks is NaN and not fresh, never carried. A recorded bar without volume (a halt, a
    fill-in, or a market too thin to trade on) keeps its prices and is not fresh, so that nothing is opened on it. Without recorded
    bars they are made of trades, and of mids where nothing was traded while a book stood: those have volume 0 and are fresh, for a
    standing book can be traded on; their volume is NaN where no trades are recorded at all. Recorded bars of unknown volume (NaN in
    each, or no such column) are fresh, and no order fills on them without a book. The book of a decision is the last at
    or before the close, crossed or not; the book orders meet is the first sound one at or after the decision before + latency, within
    the bar, and where none follows the sound one that stands then. Sizes are base units: contracts are made so by recording.toml
    (docs/recordings.md), Binance's coin-margined ones by their name.
    """

    def __init__(
        self, path: str | Path, *, symbols: tuple[str, ...] = (), interval: int | None = None, since: int | None = None,
        until: int | None = None, latency_ms: float = 250.0, fee_bps: float = 10.0, spread_bps: float = 2.0,
    ) -> None:  # fmt: skip
        folders = symbol_folders(Path(path), symbols)
        require_memory(read_files(folders))
        told = read_contracts(Path(path), tuple(folder.name for folder in folders))
        tapes = tuple(read_tape(folder, told[folder.name]) for folder in folders)
        agreed = tuple(tape.contract for tape in tapes)
        priced, rested = any(one.fee_bps is not None for one in agreed), any(one.maker_fee_bps is not None for one in agreed)
        takers = tuple(fee_bps if one.fee_bps is None else one.fee_bps for one in agreed)
        self._grid = on_one_clock(tapes, interval, since, until, round(latency_ms * 1e6))
        self._lags = lags(folders, self._grid.at, self._grid.interval)
        self._length = len(self._grid.at)
        left_out = find_left_out(Path(path), read_files(folders))
        asked = {folder.name for folder in folders}
        self._left_out = {name: reason for name, reason in left_out.items() if not symbols or name.partition("/")[0] in asked}
        self._info = FeedInfo(
            "recorded", f"recorded: {Path(path).resolve().name}", tuple(tape.symbol for tape in tapes), self._grid.interval,
            levels=self._grid.ofi.shape[2], has_flow=self._grid.flow.shape[2] > 0, simulated=False, fee_bps=fee_bps, spread_bps=spread_bps,
            tick_size=tuple(one.tick for one in agreed),
            fees_bps=takers if priced else (),
            maker_fees_bps=tuple(
                taker if one.maker_fee_bps is None else one.maker_fee_bps for taker, one in zip(takers, agreed, strict=True)
            ) if rested else (),
            rules=trading_rules_of(agreed),
            sessions=tuple(one.session.text if one.session else "" for one in agreed),
            trading_hours=_declared_hours(tapes),
        )  # fmt: skip

    @property
    def info(self) -> FeedInfo:
        return self._info

    @property
    def counts(self) -> tuple[DataCounts, ...]:
        """What each symbol's files came to."""
        return self._grid.counts

    @property
    def left_out(self) -> dict[str, str]:
        """Reasons by name of what lies in the folder and is not read; of the symbols asked for alone where some are."""
        return self._left_out

    def flow_r2(self, since: int, until: int) -> tuple[float | None, ...]:
        """By symbol, how much of the mid's moves order flow explains by cells of 10 s between two times (ns UTC); None without books."""
        return tuple(None if cells is None else explained_by_flow(cells, since, until) for cells in self._grid.flow_cells)

    def __len__(self) -> int:
        return self._length

    def played(self, at: int) -> MemoryBlock:
        """The bars up to `at`, which nobody asks for again once they were decided on."""
        grid = self._grid
        rows, held = int(np.searchsorted(grid.at, at, side="right")), sum(getattr(grid, name).nbytes for name in _BY_BAR)
        return MemoryBlock("recording", rows, held, held * (len(grid.at) - rows) // max(1, len(grid.at)))

    def forget(self, at: int) -> None:
        """Lets go of the bars up to `at`. `slices` is to be asked anew."""
        row = int(np.searchsorted(self._grid.at, at, side="right"))
        self._lags = None if self._lags is None else self._lags[row:].copy()
        for name, axis in _BY_BAR.items():  # one after the other: never is all of it held twice
            part = getattr(self._grid, name)
            self._grid = replace(self._grid, **{name: part[:, row:].copy() if axis else part[row:].copy()})

    def clock_lags(self, at: int) -> Floats | None:
        """(S,) seconds from the venue's clock to the recorder's over the bar that closes `at`; NaN where untold, None where it never is."""
        return None if self._lags is None else np.asarray(self._lags[int(np.searchsorted(self._grid.at, at))])

    def slices(self, after: int | None) -> Iterator[MarketSnapshot]:
        """Closed bars, oldest first, to the recording's end."""
        grid = self._grid
        first = 0 if after is None else int(np.searchsorted(grid.at, after, side="right"))
        times = grid.at.tolist()
        none = None if grid.books.shape[3] else Books(*np.empty((4, len(grid.counts), 0)))
        for row in range(first, len(times)):
            yield _slice(grid, row, times[row], none)

    def switch_signal(self, signal: float, at: int) -> None:
        """Refused: what is recorded has the signal it has."""
        raise ValueError(f"the signal cannot be set to {signal} from {at} on: only the simulated market has a switch, and this is a recording")


def _declared_hours(tapes: Sequence[Tape]) -> tuple[float, ...]:
    hours = tuple(tape.contract.session.hours_per_year if tape.contract.session else 0.0 for tape in tapes)
    return hours if any(hours) else ()


def _slice(grid: Grid, row: int, at: int, none: Books | None) -> MarketSnapshot:
    bars, books, fills = grid.bars, grid.books, grid.fill_books
    return MarketSnapshot(
        at, bars[0, row], bars[1, row], bars[2, row], bars[3, row], bars[4, row], grid.fresh[row],
        none or Books(books[0, row], books[1, row], books[2, row], books[3, row]),
        none or Books(fills[0, row], fills[1, row], fills[2, row], fills[3, row]), grid.ofi[row], grid.flow[row],
        grid.later[row] if grid.later.shape[2] else None,
    )  # fmt: skip


def open_feed(settings: Settings) -> RecordedFeed:
    """The recording the settings name."""
    if settings.feed_path is None:
        raise BadRecording("the recorded feed needs a folder: give --path DIR or set PODIUM_FEED_PATH")
    return RecordedFeed(
        settings.feed_path, symbols=settings.symbols, interval=settings.interval, latency_ms=settings.latency_ms,
        fee_bps=10.0 if settings.fee_bps is None else settings.fee_bps, spread_bps=2.0 if settings.spread_bps is None else settings.spread_bps,
    )  # fmt: skip


FEED = FeedKind("recorded", "a recording of bars, books or trades, played back", open_feed)
