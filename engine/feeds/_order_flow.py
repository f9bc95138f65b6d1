"""Order flow from books and trades, bar by bar: imbalance by level, signed volume, spread and depth, and the books at given times."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.domain.record import Floats, Ints
from engine.feeds._recording_files import BookRows, TradeRows

FLOW = ("signed_volume", "trades", "vwap", "spread", "depth")  # the columns of Slice.flow
SECOND = 1e9  # ns
CELL, WINDOW = 10 * 10**9, 1_800 * 10**9  # ns
MIN_CELLS = 20  # per window


def sum_imbalance(rows: BookRows, row_of: Ints, bars: int, stale: int) -> Floats:
    """(bars, D) order-flow imbalance: sums of e_n over the events of each bar, by level (Cont, Kukanov and Stoikov 2014); base units.

    e = [b >= b'] q_b - [b <= b'] q_b' - [a <= a'] q_a + [a >= a'] q_a', a dash marking the book before. `row_of` is the bar of each valid
    book, -1 where it falls into none. A book that follows a silence of more than `stale` ns is no event, because the changes between are
    unknown. A level missing on either side of an event adds nothing.
    """
    at, bid, bid_size, ask, ask_size = _valid_books(rows)
    in_bar = (row_of[1:] >= 0) & (np.diff(at) <= stale)
    out = np.empty((bars, bid.shape[1]))
    for level in range(bid.shape[1]):
        b, q, a, s = bid[:, level], bid_size[:, level], ask[:, level], ask_size[:, level]
        event = np.where(b[1:] >= b[:-1], q[1:], 0.0) - np.where(b[1:] <= b[:-1], q[:-1], 0.0)
        event += np.where(a[1:] >= a[:-1], s[:-1], 0.0) - np.where(a[1:] <= a[:-1], s[1:], 0.0)
        known = in_bar & np.isfinite(event) & np.isfinite(b[1:] + b[:-1] + a[1:] + a[:-1])
        out[:, level] = np.bincount(row_of[1:][known], weights=event[known], minlength=bars)
    return out


def time_weighted_book(rows: BookRows, opens: Ints, closes: Ints, stale: int) -> Floats:
    """(2, bars) time-weighted mean of spread (price) and best size (base units) per bar; a book counts for `stale` ns at most, NaN without one."""
    at, bid, bid_size, ask, ask_size = _valid_books(rows)
    out = np.full((2, len(opens)), np.nan)
    if not len(at):
        return out
    duration = np.minimum(np.diff(at), stale) / SECOND
    covered = _integral(np.ones(len(at)), at, duration, opens, closes, stale)
    with np.errstate(invalid="ignore", divide="ignore"):
        for row, value in enumerate((ask[:, 0] - bid[:, 0], 0.5 * (bid_size[:, 0] + ask_size[:, 0]))):
            out[row] = np.where(covered > 0.0, _integral(value, at, duration, opens, closes, stale) / covered, np.nan)
    return out


def sum_trades(rows: TradeRows, row_of: Ints, bars: int) -> Floats:
    """(3, bars) signed volume (base units), number of trades and VWAP; `row_of` is -1 where a trade falls into no bar."""
    inside = row_of >= 0
    row, size = row_of[inside], rows.size[inside]
    volume = np.bincount(row, weights=size, minlength=bars)
    money = np.bincount(row, weights=size * rows.price[inside], minlength=bars)
    signed = np.bincount(row, weights=size * rows.sign[inside], minlength=bars)
    with np.errstate(invalid="ignore"):
        return np.stack([signed, np.bincount(row, minlength=bars).astype(np.float64), money / volume])


def trades_after(rows: TradeRows, since: Ints, until: Ints, bid: Floats, ask: Floats) -> Floats:
    """(4, bars) of the trades between `since` and `until`: lowest and highest price (NaN without a trade), size sold at `bid` and bought at `ask`.

    Trades at exactly `since` and trades of unknown side do not count: the former may be earlier, the latter of either side.
    """
    first, end = np.searchsorted(rows.at, since, side="right"), np.searchsorted(rows.at, until, side="left")
    has_trades = first < end
    out = np.zeros((4, len(since)))
    out[:2] = np.nan
    ends = np.column_stack([first[has_trades], end[has_trades]]).ravel()
    if len(ends):
        out[0, has_trades] = np.minimum.reduceat(np.append(rows.price, np.inf), ends)[::2]
        out[1, has_trades] = np.maximum.reduceat(np.append(rows.price, -np.inf), ends)[::2]
    bar = np.minimum(np.searchsorted(until, rows.at, side="right"), len(until) - 1)
    inside = (rows.at > since[bar]) & (rows.at < until[bar])
    for row, (price, sign) in enumerate(((bid, -1.0), (ask, 1.0)), start=2):
        counted = inside & (rows.sign == sign) & (rows.price == price[bar])
        out[row] = np.bincount(bar[counted], weights=rows.size[counted], minlength=len(since))
    return out


def books_at(rows: BookRows, times: Ints, stale: int) -> Floats:
    """(4, bars, D) the last book at or before each time, valid or not; NaN where it is more than `stale` ns old."""
    last = np.searchsorted(rows.at, times, side="right") - 1
    in_force = (last >= 0) & (times - rows.at[np.maximum(last, 0)] <= stale)
    return _select_books(rows, last, in_force)


def books_from(rows: BookRows, times: Ints, until: Ints, stale: int) -> Floats:
    """(4, bars, D) the book met by an order that arrives at each time: the first valid one from then on and before `until`.

    Where none follows, the book in force at the arrival: the last one before, if it is valid and no more than `stale` ns old; else NaN.
    """
    valid = np.flatnonzero(rows.valid)
    at = rows.at[valid]
    position = np.searchsorted(at, times, side="left")
    following = valid[np.minimum(position, len(at) - 1)] if len(at) else np.zeros(len(times), dtype=np.int64)
    follows = (position < len(at)) & (rows.at[following] < until)
    before = np.searchsorted(rows.at, times, side="left") - 1
    last = np.maximum(before, 0)
    in_force = (before >= 0) & rows.valid[last] & (times - rows.at[last] <= stale)
    return _select_books(rows, np.where(follows, following, last), follows | in_force)


class FlowCells(NamedTuple):
    """Order flow and the mid in cells of 10 s, over every event of one symbol's books; NaN where no valid book was in force."""

    opens: Ints  # (K,) ns UTC
    flow: Floats  # (K,) imbalance of the best level, base units
    move: Floats  # (K,) change of the mid, price


def measure_cells(rows: BookRows, stale: int) -> FlowCells:
    """The cells from the second one with a valid book to the last; a book older than `stale` ns does not count."""
    at, bid, bid_size, ask, ask_size = _valid_books(rows)
    if not len(at):
        return FlowCells(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))
    best = BookRows(at, bid[:, :1], bid_size[:, :1], ask[:, :1], ask_size[:, :1], np.ones(len(at), dtype=np.bool_))
    number = at // CELL
    cells = np.arange(number[0], number[-1] + 1)
    flow = sum_imbalance(best, number - number[0], len(cells), stale)[:, 0]
    book = books_at(best, (cells + 1) * CELL - 1, stale)[:, :, 0]
    return FlowCells(cells[1:] * CELL, flow[1:], np.diff(0.5 * (book[0] + book[2])))


def explained_by_flow(cells: FlowCells, since: int, until: int) -> float | None:
    """R2 of the mid's change on the best level's imbalance, in cells of 10 s between two times (ns UTC); mean over windows of half an hour.

    None where no window has 20 cells.
    """
    part = (cells.opens >= since) & (cells.opens + CELL <= until)
    flow, move, window = cells.flow[part], cells.move[part], cells.opens[part] // WINDOW
    scores = [_r2(flow[window == number], move[window == number]) for number in np.unique(window)]
    known = [r2 for r2 in scores if r2 is not None]
    return float(np.mean(known)) if known else None


def _r2(flow: Floats, move: Floats) -> float | None:
    known = np.isfinite(flow) & np.isfinite(move)
    flow, move = flow[known], move[known]
    if len(flow) < MIN_CELLS or flow.std() == 0 or move.std() == 0:
        return None
    return float(np.corrcoef(flow, move)[0, 1] ** 2)


def _select_books(rows: BookRows, index: Ints, known: np.ndarray) -> Floats:
    out = np.full((4, len(index), rows.bid_price.shape[1]), np.nan)
    for side, values in enumerate((rows.bid_price, rows.bid_size, rows.ask_price, rows.ask_size)):
        out[side, known] = values[index[known]]
    return out


def _valid_books(rows: BookRows) -> tuple[Ints, Floats, Floats, Floats, Floats]:
    if rows.valid.all():
        return rows.at, rows.bid_price, rows.bid_size, rows.ask_price, rows.ask_size
    keep = rows.valid
    return rows.at[keep], rows.bid_price[keep], rows.bid_size[keep], rows.ask_price[keep], rows.ask_size[keep]


def _integral(value: Floats, at: Ints, duration: Floats, opens: Ints, closes: Ints, stale: int) -> Floats:
    """The integral over each bar of a step function that holds each value until the next, for `stale` ns at most; value x seconds."""
    sums = np.concatenate([[0.0], np.cumsum(value[:-1] * duration)])

    def integrate_to(times: Ints) -> Floats:
        last = np.searchsorted(at, times, side="right") - 1
        elapsed = np.minimum(times - at[np.maximum(last, 0)], stale) / SECOND
        return np.asarray(np.where(last >= 0, sums[np.maximum(last, 0)] + value[np.maximum(last, 0)] * elapsed, 0.0), dtype=np.float64)

    return integrate_to(closes) - integrate_to(opens)
