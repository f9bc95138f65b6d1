"""Puts a recording's symbols on one clock: every bar a row of arrays, ready to be handed out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.domain.data_counts import RECORDED, UNKNOWN, ZERO, DataCounts
from engine.domain.record import Bools, Floats, Ints, Record
from engine.feeds._bar_spacing import STRAY, describe_off_clock
from engine.feeds._bars import GridBars, from_mids, from_rows, from_trades, joined
from engine.feeds._clock_grid import bar_numbers, interval_of, kept_bars
from engine.feeds._contracts import Contract, contract_by_name, convert_bars, convert_books, convert_trades
from engine.feeds._limits import require_money
from engine.feeds._order_flow import FLOW, FlowCells, books_at, books_from, measure_cells, sum_imbalance, sum_trades, time_weighted_book, trades_after
from engine.feeds._recording_files import BadRecording, BarRows, BookRows, TradeRows, file_of, read_bars, read_books, read_trades

STALE = 60 * 10**9  # ns a book stands without an event, or one bar where that is longer


@dataclass(frozen=True, slots=True)
class Tape(Record):
    """All that is recorded of one symbol, sizes in base units."""

    symbol: str
    bars: BarRows | None
    trades: TradeRows | None
    books: BookRows | None
    contract: Contract


@dataclass(frozen=True, slots=True)
class Grid(Record):
    """K bars of S symbols with D levels; a bar a symbol does not have is NaN."""

    interval: int  # ns
    at: Ints  # (K,) the bars' closes
    bars: Floats  # (5, K, S) open, high, low, close, volume
    fresh: Bools  # (K, S)
    books: Floats  # (4, K, S, D) bid price and size, ask price and size, at the close
    fill_books: Floats  # (4, K, S, D) after the decision before + latency
    ofi: Floats  # (K, S, D)
    flow: Floats  # (K, S, 5), or (K, S, 0) without trades and books
    later: Floats  # (K, S, 4) traded after fill_books were met (_order_flow.traded_after), NaN where not known; (K, S, 0) without trades and books
    counts: tuple[DataCounts, ...]
    flow_cells: tuple[FlowCells | None, ...]  # by symbol, over every event; None without books


def read_tape(folder: Path, told: Contract) -> Tape:
    """A symbol's files, whichever there are, with contracts made base units."""
    files = {kind: file_of(folder, kind) for kind in ("bars", "trades", "books")}
    bars = read_bars(files["bars"]) if files["bars"] else None
    trades = read_trades(files["trades"]) if files["trades"] else None
    books = read_books(files["books"]) if files["books"] else None
    sizes = np.concatenate([size.ravel() for _, size in _sized(bars, trades, books)])
    contract = told if told.declared else contract_by_name(folder.name, sizes)
    if contract.inverse or contract.multiplier != 1.0:
        bars = bars and convert_bars(bars, contract)
        trades = trades and convert_trades(trades, contract)
        books = books and convert_books(books, contract)
        for price, size in _sized(bars, trades, books):
            require_money(folder.name, price, size)
    return Tape(folder.name, bars, trades, books, contract)


def _sized(bars: BarRows | None, trades: TradeRows | None, books: BookRows | None) -> list[tuple[Floats, Floats]]:
    """Prices and sizes."""
    sized = [(bars.values[3], bars.values[4])] if bars else []
    sized += [(trades.price, trades.size)] if trades else []
    return sized + ([(books.bid_price, books.bid_size), (books.ask_price, books.ask_size)] if books else [])


def on_one_clock(tapes: tuple[Tape, ...], wanted: int | None, since: int | None, until: int | None, latency: int) -> Grid:
    """`wanted` is the interval asked for, None for the recording's own; since and until bound the bars' opens and closes; all ns."""
    interval, offset, base = _clock(tapes, wanted)
    if latency >= interval and any(tape.books for tape in tapes):
        raise BadRecording(
            f"a latency of {latency / 1e6:g} ms does not fit into bars of {interval / 1e6:g} ms: lower the latency or lengthen the interval"
        )
    tapes = tuple(_on_beat(tape, base, offset) for tape in tapes)
    whole = [_bars_of(tape, interval, offset) for tape in tapes]
    grids = [_in_session(tape, grid, interval, offset) for tape, grid in zip(tapes, whole, strict=True)]
    counts = tuple(count_rows(tape, grid, every, interval, offset) for tape, grid, every in zip(tapes, grids, whole, strict=True))
    numbers = np.unique(np.concatenate([grid.number for grid in grids]))
    opens = offset + numbers * interval
    if since is not None:
        numbers, opens = numbers[opens >= since], opens[opens >= since]
    if until is not None:
        numbers = numbers[opens + interval <= until]
    if not len(numbers):
        raise BadRecording("the recording has no bar in the time asked for: widen it")
    kept = kept_bars(numbers)
    stale = max(STALE, interval)
    cells = tuple(None if tape.books is None else measure_cells(tape.books, stale) for tape in tapes)
    return replace(_filled(tapes, grids, kept, interval, offset, latency), counts=counts, flow_cells=cells)


def _clock(tapes: tuple[Tape, ...], wanted: int | None) -> tuple[int, int, int]:
    """Interval, offset of the clock from the epoch, and the length of the recorded bars."""
    spacings = {tape.symbol: spacing for tape in tapes if tape.bars and (spacing := tape.bars.spacing)}
    interval = interval_of(spacings, wanted)
    base = next(iter(spacings.values()), interval)
    opened = [tape.bars.opened % base for tape in tapes if tape.bars]
    if not opened:
        return interval, 0, base
    places, counts = np.unique(np.concatenate(opened), return_counts=True)
    return interval, int(places[np.argmax(counts)]), base


def _on_beat(tape: Tape, base: int, offset: int) -> Tape:
    """The tape without the bars that open off the clock."""
    if tape.bars is None:
        return tape
    rows = tape.bars
    on = (rows.opened - offset) % base == 0
    strays = int((~on).sum())
    if strays > STRAY * len(on):
        raise BadRecording(f"{strays} of {len(on)} bars of {tape.symbol} open {describe_off_clock(rows.opened[~on], base, offset)}")
    if not strays:
        return tape
    return replace(tape, bars=replace(rows, opened=rows.opened[on], values=rows.values[:, on], faulty=rows.faulty + strays))


def _bars_of(tape: Tape, interval: int, offset: int) -> GridBars:
    """Recorded bars where there are some, else of trades, and of mids where nothing was traded on a live book."""
    if tape.bars is not None:
        return from_rows(tape.bars, interval, offset)
    stale = max(STALE, interval)
    if tape.trades is not None and len(tape.trades.at):
        trades = from_trades(tape.trades, interval, offset)
        return trades if tape.books is None else joined(trades, from_mids(tape.books, interval, offset, stale, volume=0.0))
    if tape.books is None or not tape.books.sound.any():
        raise BadRecording(f"{tape.symbol} has neither a sound trade nor a sound book: leave the symbol out")
    return from_mids(tape.books, interval, offset, stale, volume=np.nan)


def _in_session(tape: Tape, grid: GridBars, interval: int, offset: int) -> GridBars:
    """The bars that open within the symbol's session."""
    session = tape.contract.session
    if session is None:
        return grid
    inside = session.covers(offset + grid.number * interval)
    if not inside.any():
        raise BadRecording(f"{tape.symbol} has no bar in its session of {session.text}: correct recording.toml")
    return GridBars(grid.number[inside], grid.values[:, inside], grid.traded[inside])


def _filled(tapes: tuple[Tape, ...], grids: list[GridBars], kept: Ints, interval: int, offset: int, latency: int) -> Grid:
    closes = offset + (kept + 1) * interval
    decided = np.concatenate([[closes[0] - interval], closes[:-1]])
    bars, symbols, stale = len(kept), len(tapes), max(STALE, interval)
    levels = max((tape.books.bid_price.shape[1] for tape in tapes if tape.books), default=0)
    columns = len(FLOW) if any(tape.books or tape.trades for tape in tapes) else 0
    values, fresh = np.full((5, bars, symbols), np.nan), np.zeros((bars, symbols), dtype=np.bool_)
    books, fills = np.full((4, bars, symbols, levels), np.nan), np.full((4, bars, symbols, levels), np.nan)
    ofi, flow = np.full((bars, symbols, levels), np.nan), np.full((bars, symbols, columns), np.nan)
    later = np.full((bars, symbols, 4 if any(tape.books and tape.trades for tape in tapes) else 0), np.nan)
    for column, (tape, grid) in enumerate(zip(tapes, grids, strict=True)):
        row = _rows(kept, grid.number)
        inside = row >= 0
        values[:, row[inside], column] = grid.values[:, inside]
        fresh[row[inside], column] = grid.traded[inside]
        if tape.trades is not None:
            flow[:, column, :3] = sum_trades(tape.trades, _rows(kept, bar_numbers(tape.trades.at, interval, offset)), bars).T
        if tape.books is not None:
            own = tape.books.bid_price.shape[1]
            sound = _rows(kept, bar_numbers(tape.books.at[tape.books.sound], interval, offset))
            ofi[:, column, :own] = sum_imbalance(tape.books, sound, bars, stale)
            flow[:, column, 3:] = time_weighted_book(tape.books, closes - interval, closes, stale).T
            books[:, :, column, :own] = books_at(tape.books, closes, stale)
            fills[:, :, column, :own] = books_from(tape.books, decided + latency, closes, stale)
        if tape.books is not None and tape.trades is not None:
            later[:, column] = trades_after(tape.trades, decided + latency, closes, fills[0, :, column, 0], fills[2, :, column, 0]).T
        missing = np.isnan(values[3, :, column])
        ofi[missing, column], flow[missing, column] = np.nan, np.nan
    return Grid(interval, closes, values, fresh, books, fills, ofi, flow, later, (), ())


def _rows(kept: Ints, numbers: Ints) -> Ints:
    """The row of each bar number, -1 where the clock has no such row."""
    row = np.minimum(np.searchsorted(kept, numbers), len(kept) - 1)
    return np.asarray(np.where(kept[row] == numbers, row, -1), dtype=np.int64)


def count_rows(tape: Tape, grid: GridBars, every: GridBars, interval: int, offset: int) -> DataCounts:
    """What a symbol's files came to; `grid` is its bars within its session, `every` all of them."""
    bars, trades, books, volume = tape.bars, tape.trades, tape.books, grid.values[4]
    rows = len(bars.opened) + bars.duplicates + bars.faulty if bars else 0
    rows += len(trades.at) + trades.faulty if trades else 0
    signed = int((trades.sign != 0.0).sum()) if trades else 0
    placed = _rows(every.number, bar_numbers(trades.at, interval, offset)) >= 0 if trades else np.ones(0, dtype=np.bool_)
    return DataCounts(
        symbol=tape.symbol,
        rows=rows + (len(books.at) if books else 0),
        bars=len(grid.number),
        without_volume=int((~(volume > 0.0)).sum()) if bars else 0,
        duplicate_bars=bars.duplicates if bars else 0,
        faulty_bars=bars.faulty if bars else 0,
        faulty_trades=trades.faulty if trades else 0,
        faulty_books=int((~books.sound).sum()) if books else 0,
        signed_trades=signed,
        unsigned_trades=len(trades.at) - signed if trades else 0,
        outside_session=len(every.number) - len(grid.number),
        moved_bars=bars.moved if bars else 0,
        trades_without_bar=int((~placed).sum()),
        volume=UNKNOWN if np.isnan(volume).all() else RECORDED if (volume > 0.0).any() else ZERO,
        has_books=books is not None,
    )
