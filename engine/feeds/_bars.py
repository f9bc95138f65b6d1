"""Bars on a clock, from recorded bars, from trades, or from the mids of books."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.record import Bools, Floats, Ints, Record
from engine.feeds._clock_grid import bar_numbers, kept_bars
from engine.feeds._recording_files import BarRows, BookRows, TradeRows


@dataclass(frozen=True, slots=True)
class GridBars(Record):
    """The bars of one symbol, by their number on the clock."""

    number: Ints  # (n,) increasing
    values: Floats  # (5, n) open, high, low, close, volume (NaN where it is not known)
    traded: Bools  # (n,) traded, or tradable on a standing book: see fresh in recorded


def from_rows(rows: BarRows, interval: int, offset: int) -> GridBars:
    """Recorded bars, joined into longer ones where the clock is slower.

    A bar of volume 0 is a halt, a fill-in or too thin to trade on; one of unknown volume (NaN) is none of these as far as is known.
    """
    number = bar_numbers(rows.opened, interval, offset)
    starts = _starts(number)
    if len(starts) == len(number):
        return GridBars(number, rows.values, rows.values[4] != 0.0)
    first_price, high, low, last_price, volume = rows.values
    values = np.stack([
        first_price[starts], np.maximum.reduceat(high, starts), np.minimum.reduceat(low, starts), last_price[_ends(starts, len(number))],
        np.add.reduceat(volume, starts),
    ])  # fmt: skip
    return GridBars(number[starts], values, values[4] != 0.0)


def from_trades(rows: TradeRows, interval: int, offset: int) -> GridBars:
    """A bar for every stretch of the clock with a trade in it."""
    number = bar_numbers(rows.at, interval, offset)
    starts = _starts(number)
    ends = _ends(starts, len(number))
    values = np.stack([
        rows.price[starts], np.maximum.reduceat(rows.price, starts), np.minimum.reduceat(rows.price, starts), rows.price[ends],
        np.add.reduceat(rows.size, starts),
    ])  # fmt: skip
    return GridBars(number[starts], values, np.ones(len(starts), dtype=np.bool_))


def from_mids(rows: BookRows, interval: int, offset: int, stale: int, *, volume: float) -> GridBars:
    """A bar of mids wherever a sound book no older than `stale` ns stands at its close; `volume` is 0 where trades are recorded, else NaN."""
    at = rows.at[rows.sound]
    mid = 0.5 * (rows.bid_price[rows.sound, 0] + rows.ask_price[rows.sound, 0])
    if not len(at):
        return GridBars(np.empty(0, dtype=np.int64), np.empty((5, 0)), np.empty(0, dtype=np.bool_))
    event = bar_numbers(at, interval, offset)
    starts = _starts(event)
    number = kept_bars(event[starts], -(-stale // interval))
    opens = offset + number * interval
    before = np.searchsorted(at, opens, side="right") - 1  # the book that stands when the bar opens
    last = np.searchsorted(at, opens + interval, side="left") - 1  # and when it closes
    stands = (before >= 0) & (opens - at[np.maximum(before, 0)] <= stale)
    opening = np.where(stands, mid[np.maximum(before, 0)], mid[np.minimum(before + 1, len(at) - 1)])
    closing = mid[last]
    high, low = np.maximum(opening, closing), np.minimum(opening, closing)
    here = np.searchsorted(number, event[starts])
    high[here] = np.maximum(high[here], np.maximum.reduceat(mid, starts))
    low[here] = np.minimum(low[here], np.minimum.reduceat(mid, starts))
    live = opens + interval - at[last] <= stale
    values = np.stack([opening, high, low, closing, np.full(len(number), volume)])[:, live]
    return GridBars(number[live], values, np.ones(int(live.sum()), dtype=np.bool_))


def joined(first: GridBars, second: GridBars) -> GridBars:
    """The bars of `first`, and those of `second` where it has none."""
    new = ~np.isin(second.number, first.number, assume_unique=True)
    number = np.concatenate([first.number, second.number[new]])
    order = np.argsort(number, kind="stable")
    values = np.concatenate([first.values, second.values[:, new]], axis=1)[:, order]
    return GridBars(number[order], values, np.concatenate([first.traded, second.traded[new]])[order])


def _starts(number: Ints) -> Ints:
    return np.concatenate([[0], np.flatnonzero(np.diff(number)) + 1]).astype(np.int64)


def _ends(starts: Ints, count: int) -> Ints:
    return np.concatenate([starts[1:], [count]]).astype(np.int64) - 1
