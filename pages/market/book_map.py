"""The order book over time: money by distance from the mid, as a heat map."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from engine import units
from engine.domain.record import Floats, Ints
from engine.store.read.market import MarketHistory
from pages.ui import theme
from pages.ui.charts import Figure

MOST_BINS = 14  # per side; no more than a side has levels
TITLE = "<b>Order book over time</b>, money by distance from the mid in bps, asks above; stronger: more"
NARROW = "<b>Order book over time</b>, bps from the mid"
BRIGHTEST = 0.98  # quantile of the money that has the full colour


def bin_levels(levels: Floats, ticks: Ints, bins: int) -> tuple[Floats, Floats]:
    """Return (2B,) the middle of each of B bins per side, bps from the mid, and (2B, T) the money in it at each tick.

    `levels` (K, 3) are tick, distance and money. NaN beyond the deepest level of a side and at a tick without a book, since nothing is known there;
    0 between levels. Bins reach to the 95th percentile of the distances, or a little further.
    """
    inside = levels[np.isin(levels[:, 0], ticks)]
    span = float(np.quantile(np.abs(inside[:, 1]), 0.95)) if len(inside) else 0.0
    width = _round_width(span / (bins - 0.5)) if span > 0 else 1.0
    place = np.floor(inside[:, 1] / width).astype(np.int64) + bins
    near = (place >= 0) & (place < 2 * bins)
    column = np.searchsorted(ticks, inside[:, 0])
    low, high = np.full(len(ticks), 2 * bins), np.full(len(ticks), -1)
    np.minimum.at(low, column, place)
    np.maximum.at(high, column, place)
    money = np.zeros((2 * bins, len(ticks)))
    np.add.at(money, (place[near], column[near]), inside[near, 2])
    rows = np.arange(2 * bins)[:, None]
    return np.asarray((np.arange(2 * bins) - bins + 0.5) * width, dtype=np.float64), np.where((rows >= low) & (rows <= high), money, np.nan)


def draw_book_map(figure: Figure, history: MarketHistory, bars: pd.DataFrame, axis: str) -> None:
    """Draw the ticks that have their levels read; earlier ones stay empty."""
    shown = bars[bars["tick"] >= history.book_levels[0, 0]]
    distance, money = bin_levels(history.book_levels, shown["tick"].to_numpy(), min(MOST_BINS, _count_levels(history)))
    known = money[money > 0]
    colours = [[share, theme.with_alpha(theme.UP, alpha)] for share, alpha in ((0.0, 0.0), (0.1, 0.25), (0.4, 0.6), (1.0, 1.0))]
    figure.add_trace(
        "heatmap", name="book", x=(shown["at"] // units.MS).to_numpy(), y=np.round(distance, 2), z=np.round(money), yaxis=axis, showscale=False,
        colorscale=colours, zmin=0, zmax=float(f"{np.quantile(known, BRIGHTEST):.2g}") if len(known) else 1.0,
        hovertemplate="%{z:,.0f} money %{y:+.1f} bps from the mid<br>%{x|%m-%d %H:%M:%S} UTC<extra></extra>",
    )  # fmt: skip
    figure.set_axis(f"yaxis{axis[1:]}", ticksuffix=" bps", nticks=5)


def _round_width(width: float) -> float:
    """Round up to two digits out of a few, so that the bins stay the same from tick to tick, and most of the map need not be sent again."""
    power = 10.0 ** math.floor(math.log10(width))
    return next(step for step in (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0) if step * power >= width * (1 - 1e-9)) * power


def _count_levels(history: MarketHistory) -> int:
    """Return the levels of the deepest side of any book."""
    ticks = history.book_levels[:, 0].astype(np.int64)
    bids = history.book_levels[:, 1] < 0
    return int(max(np.bincount(ticks[side] - ticks[0]).max(initial=1) for side in (bids, ~bids)))
