"""Puts a recording's symbols on one regular clock: every bar is a row of arrays, and long silences are cut short."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine import units
from engine.domain.ports import RECORDED, UNKNOWN, ZERO, DataCounts
from engine.domain.record import Bools, Floats, Ints, Record
from engine.feeds._bar_spacing import MAX_STRAY_SHARE, describe_off_clock
from engine.feeds._contracts import Contract, contract_by_name, convert_bars, convert_books, convert_trades
from engine.feeds._order_flow import FLOW, FlowCells, books_at, books_from, measure_cells, sum_imbalance, sum_trades, time_weighted_book, trades_after
from engine.feeds._recording_files import BadRecording, BarRows, BookRows, TradeRows, file_of, read_bars, read_books, read_trades
from engine.feeds._recording_folder import require_money

STALE = 60 * 10**9  # ns that a book is in force without an event, or one bar where that is longer
MINUTE = 60 * 10**9  # ns, the interval where there are no bars to derive it from
LONGEST_SILENCE = 13  # empty bars in a row before time jumps: one more than the longest horizon


@dataclass(frozen=True, slots=True)
class Tape(Record):
    """Everything recorded of one symbol, sizes in base units."""

    symbol: str
    bars: BarRows | None
    trades: TradeRows | None
    books: BookRows | None
    contract: Contract


@dataclass(frozen=True, slots=True)
class GridBars(Record):
    """The bars of one symbol, by their number on the clock."""

    number: Ints  # (n,) increasing
    values: Floats  # (5, n) open, high, low, close, volume (NaN where unknown)
    traded: Bools  # (n,) traded, or tradable on a book in force: see `fresh` in recorded


@dataclass(frozen=True, slots=True)
class Grid(Record):
    """K bars of S symbols with D levels; a bar that a symbol lacks is NaN."""

    interval: int  # ns
    at: Ints  # (K,) the bars' closes
    bars: Floats  # (5, K, S) open, high, low, close, volume
    fresh: Bools  # (K, S)
    books: Floats  # (4, K, S, D) bid price and size, ask price and size, at the close
    fill_books: Floats  # (4, K, S, D) at the previous decision + latency
    ofi: Floats  # (K, S, D)
    flow: Floats  # (K, S, 5), or (K, S, 0) without trades and books
    later: Floats  # (K, S, 4) trades after the fill books (_order_flow.trades_after), NaN where unknown; (K, S, 0) without trades and books
    funding: Floats  # (K, S) rates in force per 8 h, NaN where unknown; (K, 0) where no bar has any
    counts: tuple[DataCounts, ...]
    flow_cells: tuple[FlowCells | None, ...]  # by symbol, over every event; None without books


def read_tape(folder: Path, declared: Contract) -> Tape:
    """Read a symbol's files, whichever exist, and convert contracts to base units."""
    files = {kind: file_of(folder, kind) for kind in ("bars", "trades", "books")}
    bars = read_bars(files["bars"]) if files["bars"] else None
    trades = read_trades(files["trades"]) if files["trades"] else None
    books = read_books(files["books"]) if files["books"] else None
    sizes = np.concatenate([size.ravel() for _, size in _prices_and_sizes(bars, trades, books)])
    contract = declared if declared.declared else contract_by_name(folder.name, sizes)
    if contract.inverse or contract.multiplier != 1.0:
        bars = bars and convert_bars(bars, contract)
        trades = trades and convert_trades(trades, contract)
        books = books and convert_books(books, contract)
        for price, size in _prices_and_sizes(bars, trades, books):
            require_money(folder.name, price, size)
    return Tape(folder.name, bars, trades, books, contract)


def align_tapes(tapes: tuple[Tape, ...], wanted: int | None, since: int | None, until: int | None, latency: int) -> Grid:
    """Put tapes on one clock. Raises BadRecording.

    `wanted` is the interval requested, None for the recording's own; `since` and `until` bound the bars' opens and closes; all in ns.
    """
    interval, offset, base = _find_clock(tapes, wanted)
    if latency >= interval and any(tape.books for tape in tapes):
        shown, length = (units.format_ms(ns / 1e6) for ns in (latency, interval))
        raise BadRecording(f"a latency of {shown} does not fit into bars of {length}: lower the latency or lengthen the interval")
    tapes = tuple(_drop_strays(tape, base, offset) for tape in tapes)
    all_bars = [_build_bars(tape, interval, offset) for tape in tapes]
    grids = [_select_session(tape, grid, interval, offset) for tape, grid in zip(tapes, all_bars, strict=True)]
    counts = tuple(_count_rows(tape, grid, whole, interval, offset) for tape, grid, whole in zip(tapes, grids, all_bars, strict=True))
    numbers = np.unique(np.concatenate([grid.number for grid in grids]))
    opens = offset + numbers * interval
    if since is not None:
        numbers, opens = numbers[opens >= since], opens[opens >= since]
    if until is not None:
        numbers = numbers[opens + interval <= until]
    if not len(numbers):
        raise BadRecording("the recording has no bar in the requested time: widen it")
    stale = max(STALE, interval)
    cells = tuple(None if tape.books is None else measure_cells(tape.books, stale) for tape in tapes)
    return replace(_fill_grid(tapes, grids, cut_silences(numbers), interval, offset, latency), counts=counts, flow_cells=cells)


def _prices_and_sizes(bars: BarRows | None, trades: TradeRows | None, books: BookRows | None) -> list[tuple[Floats, Floats]]:
    pairs = [(bars.values[3], bars.values[4])] if bars else []
    pairs += [(trades.price, trades.size)] if trades else []
    return pairs + ([(books.bid_price, books.bid_size), (books.ask_price, books.ask_size)] if books else [])


def _find_clock(tapes: tuple[Tape, ...], wanted: int | None) -> tuple[int, int, int]:
    """Interval, offset of the clock from the epoch, and length of the recorded bars, ns."""
    spacings = {tape.symbol: spacing for tape in tapes if tape.bars and (spacing := tape.bars.spacing)}
    interval = _choose_interval(spacings, wanted)
    base = next(iter(spacings.values()), interval)
    opened = [tape.bars.opened % base for tape in tapes if tape.bars]
    if not opened:
        return interval, 0, base
    places, counts = np.unique(np.concatenate(opened), return_counts=True)
    return interval, int(places[np.argmax(counts)]), base


def _choose_interval(spacings: dict[str, int], wanted: int | None) -> int:
    """The interval requested where every symbol's bars fit into it, else the one that all have."""
    if wanted is None:
        kinds = sorted(set(spacings.values()))
        if len(kinds) > 1:
            examples = ", ".join(f"{next(s for s, spacing in spacings.items() if spacing == kind)} {_format_span(kind)}" for kind in kinds[:3])
            raise BadRecording(f"the symbols' bars differ in length ({examples}): set PODIUM_INTERVAL to a multiple of each")
        return kinds[0] if kinds else MINUTE
    for symbol, spacing in spacings.items():
        if wanted % spacing:
            raise BadRecording(
                f"an interval of {_format_span(wanted)} cannot be made of {symbol}'s bars of {_format_span(spacing)}: set it to a multiple"
            )
    return wanted


def _format_span(ns: int) -> str:
    for unit, size in (("d", 86_400 * 10**9), ("h", 3_600 * 10**9), ("m", MINUTE), ("s", 10**9)):
        if ns % size == 0:
            return f"{ns // size}{unit}"
    return f"{ns / 1e9:g}s"


def _drop_strays(tape: Tape, base: int, offset: int) -> Tape:
    """The tape without bars that open off the clock; raises BadRecording for more than 1 % of these."""
    if tape.bars is None:
        return tape
    rows = tape.bars
    on_clock = (rows.opened - offset) % base == 0
    strays = int((~on_clock).sum())
    if strays > MAX_STRAY_SHARE * len(on_clock):
        raise BadRecording(f"{strays} of {len(on_clock)} bars of {tape.symbol} open {describe_off_clock(rows.opened[~on_clock], base, offset)}")
    if not strays:
        return tape
    return replace(tape, bars=replace(rows, opened=rows.opened[on_clock], values=rows.values[:, on_clock], faulty=rows.faulty + strays))


def _build_bars(tape: Tape, interval: int, offset: int) -> GridBars:
    """Recorded bars where there are some, else bars of trades, with bars of mids where nothing was traded on a live book."""
    if tape.bars is not None:
        return _merge_bars(tape.bars, interval, offset)
    stale = max(STALE, interval)
    if tape.trades is not None and len(tape.trades.at):
        trades = _bars_of_trades(tape.trades, interval, offset)
        return trades if tape.books is None else _join_bars(trades, _bars_of_mids(tape.books, interval, offset, stale, volume=0.0))
    if tape.books is None or not tape.books.valid.any():
        raise BadRecording(f"{tape.symbol} has neither a valid trade nor a valid book: leave the symbol out")
    return _bars_of_mids(tape.books, interval, offset, stale, volume=np.nan)


def _merge_bars(rows: BarRows, interval: int, offset: int) -> GridBars:
    """Recorded bars, merged into longer ones where the clock is slower.

    A bar of volume 0 is a halt, a fill-in or too thin to trade on; a bar of unknown volume (NaN) counts as traded.
    """
    number = _bar_numbers(rows.opened, interval, offset)
    starts = _find_starts(number)
    if len(starts) == len(number):
        return GridBars(number, rows.values, rows.values[4] != 0.0)
    first_price, high, low, last_price, volume = rows.values
    values = np.stack([
        first_price[starts], np.maximum.reduceat(high, starts), np.minimum.reduceat(low, starts), last_price[_find_ends(starts, len(number))],
        np.add.reduceat(volume, starts),
    ])  # fmt: skip
    return GridBars(number[starts], values, values[4] != 0.0)


def _bars_of_trades(rows: TradeRows, interval: int, offset: int) -> GridBars:
    """A bar for every interval of the clock with a trade in it."""
    number = _bar_numbers(rows.at, interval, offset)
    starts = _find_starts(number)
    ends = _find_ends(starts, len(number))
    values = np.stack([
        rows.price[starts], np.maximum.reduceat(rows.price, starts), np.minimum.reduceat(rows.price, starts), rows.price[ends],
        np.add.reduceat(rows.size, starts),
    ])  # fmt: skip
    return GridBars(number[starts], values, np.ones(len(starts), dtype=np.bool_))


def _bars_of_mids(rows: BookRows, interval: int, offset: int, stale: int, *, volume: float) -> GridBars:
    """A bar of mids wherever a valid book no older than `stale` ns is in force at its close; `volume` is 0 where trades are recorded, else NaN."""
    at = rows.at[rows.valid]
    mid = 0.5 * (rows.bid_price[rows.valid, 0] + rows.ask_price[rows.valid, 0])
    if not len(at):
        return GridBars(np.empty(0, dtype=np.int64), np.empty((5, 0)), np.empty(0, dtype=np.bool_))
    event = _bar_numbers(at, interval, offset)
    starts = _find_starts(event)
    number = cut_silences(event[starts], -(-stale // interval))
    opens = offset + number * interval
    before = np.searchsorted(at, opens, side="right") - 1  # the book in force when the bar opens
    last = np.searchsorted(at, opens + interval, side="left") - 1  # and when it closes
    in_force = (before >= 0) & (opens - at[np.maximum(before, 0)] <= stale)
    opening = np.where(in_force, mid[np.maximum(before, 0)], mid[np.minimum(before + 1, len(at) - 1)])
    closing = mid[last]
    high, low = np.maximum(opening, closing), np.minimum(opening, closing)
    here = np.searchsorted(number, event[starts])
    high[here] = np.maximum(high[here], np.maximum.reduceat(mid, starts))
    low[here] = np.minimum(low[here], np.minimum.reduceat(mid, starts))
    live = opens + interval - at[last] <= stale
    values = np.stack([opening, high, low, closing, np.full(len(number), volume)])[:, live]
    return GridBars(number[live], values, np.ones(int(live.sum()), dtype=np.bool_))


def _join_bars(first: GridBars, second: GridBars) -> GridBars:
    """The bars of `first`, and those of `second` where it has none."""
    new = ~np.isin(second.number, first.number, assume_unique=True)
    number = np.concatenate([first.number, second.number[new]])
    order = np.argsort(number, kind="stable")
    values = np.concatenate([first.values, second.values[:, new]], axis=1)[:, order]
    return GridBars(number[order], values, np.concatenate([first.traded, second.traded[new]])[order])


def _bar_numbers(times: Ints, interval: int, offset: int) -> Ints:
    """The number of the bar of each time: bar k opens at offset + k * interval and ends before the next opens."""
    return np.asarray((times - offset) // interval, dtype=np.int64)


def cut_silences(numbers: Ints, silence: int = LONGEST_SILENCE) -> Ints:
    """Every bar from the first of `numbers` to the last, each stretch without any cut to its first `silence`; sorted and unique."""
    runs = np.minimum(np.diff(numbers), silence + 1)
    steps = np.repeat(numbers[:-1] - np.concatenate([[0], np.cumsum(runs)[:-1]]), runs) + np.arange(int(runs.sum()))
    return np.concatenate([steps, numbers[-1:]])


def _find_starts(number: Ints) -> Ints:
    return np.concatenate([[0], np.flatnonzero(np.diff(number)) + 1]).astype(np.int64)


def _find_ends(starts: Ints, count: int) -> Ints:
    return np.concatenate([starts[1:], [count]]).astype(np.int64) - 1


def _select_session(tape: Tape, grid: GridBars, interval: int, offset: int) -> GridBars:
    """The bars that open within the symbol's session. Raises BadRecording where there are none."""
    session = tape.contract.session
    if session is None:
        return grid
    inside = session.covers(offset + grid.number * interval)
    if not inside.any():
        raise BadRecording(f"{tape.symbol} has no bar in its session of {session.text}: correct recording.toml")
    return GridBars(grid.number[inside], grid.values[:, inside], grid.traded[inside])


def _fill_grid(tapes: tuple[Tape, ...], grids: list[GridBars], numbers: Ints, interval: int, offset: int, latency: int) -> Grid:
    closes = offset + (numbers + 1) * interval
    decided = np.concatenate([[closes[0] - interval], closes[:-1]])
    bars, symbols, stale = len(numbers), len(tapes), max(STALE, interval)
    levels = max((tape.books.bid_price.shape[1] for tape in tapes if tape.books), default=0)
    columns = len(FLOW) if any(tape.books or tape.trades for tape in tapes) else 0
    values, fresh = np.full((5, bars, symbols), np.nan), np.zeros((bars, symbols), dtype=np.bool_)
    books, fills = np.full((4, bars, symbols, levels), np.nan), np.full((4, bars, symbols, levels), np.nan)
    ofi, flow = np.full((bars, symbols, levels), np.nan), np.full((bars, symbols, columns), np.nan)
    later = np.full((bars, symbols, 4 if any(tape.books and tape.trades for tape in tapes) else 0), np.nan)
    for column, (tape, grid) in enumerate(zip(tapes, grids, strict=True)):
        row = _find_rows(numbers, grid.number)
        inside = row >= 0
        values[:, row[inside], column] = grid.values[:, inside]
        fresh[row[inside], column] = grid.traded[inside]
        if tape.trades is not None:
            flow[:, column, :3] = sum_trades(tape.trades, _find_rows(numbers, _bar_numbers(tape.trades.at, interval, offset)), bars).T
        if tape.books is not None:
            own = tape.books.bid_price.shape[1]
            row_of_book = _find_rows(numbers, _bar_numbers(tape.books.at[tape.books.valid], interval, offset))
            ofi[:, column, :own] = sum_imbalance(tape.books, row_of_book, bars, stale)
            flow[:, column, 3:] = time_weighted_book(tape.books, closes - interval, closes, stale).T
            books[:, :, column, :own] = books_at(tape.books, closes, stale)
            fills[:, :, column, :own] = books_from(tape.books, decided + latency, closes, stale)
        if tape.books is not None and tape.trades is not None:
            later[:, column] = trades_after(tape.trades, decided + latency, closes, fills[0, :, column, 0], fills[2, :, column, 0]).T
        missing = np.isnan(values[3, :, column])
        ofi[missing, column], flow[missing, column] = np.nan, np.nan
    return Grid(interval, closes, values, fresh, books, fills, ofi, flow, later, np.empty((len(closes), 0)), (), ())


def _find_rows(clock: Ints, numbers: Ints) -> Ints:
    """The row of each bar number, -1 where the clock has no such row."""
    row = np.minimum(np.searchsorted(clock, numbers), len(clock) - 1)
    return np.asarray(np.where(clock[row] == numbers, row, -1), dtype=np.int64)


def _count_rows(tape: Tape, grid: GridBars, whole: GridBars, interval: int, offset: int) -> DataCounts:
    """The counts of a symbol's rows; `grid` is its bars within its session, `whole` all of them."""
    bars, trades, books, volume = tape.bars, tape.trades, tape.books, grid.values[4]
    rows = len(bars.opened) + bars.duplicates + bars.faulty if bars else 0
    rows += len(trades.at) + trades.faulty if trades else 0
    signed = int((trades.sign != 0.0).sum()) if trades else 0
    placed = _find_rows(whole.number, _bar_numbers(trades.at, interval, offset)) >= 0 if trades else np.ones(0, dtype=np.bool_)
    return DataCounts(
        symbol=tape.symbol,
        rows=rows + (len(books.at) if books else 0),
        bars=len(grid.number),
        without_volume=int((~(volume > 0.0)).sum()) if bars else 0,
        duplicate_bars=bars.duplicates if bars else 0,
        faulty_bars=bars.faulty if bars else 0,
        faulty_trades=trades.faulty if trades else 0,
        faulty_books=int((~books.valid).sum()) if books else 0,
        signed_trades=signed,
        unsigned_trades=len(trades.at) - signed if trades else 0,
        outside_session=len(whole.number) - len(grid.number),
        moved_bars=bars.moved if bars else 0,
        trades_without_bar=int((~placed).sum()),
        volume=UNKNOWN if np.isnan(volume).all() else RECORDED if (volume > 0.0).any() else ZERO,
        has_books=books is not None,
    )
