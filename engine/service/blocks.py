"""Blocks of a backtest or a warm-up: what needs no state is computed for many bars at once, by the code that a live tick runs with one bar.

A block is a leading axis of the arrays, so a matrix product is the same call for each bar and its bits do not depend on the cut. A tick that finds no
prepared values computes its own: where past bars are filled in, where a bar was dropped, and where a function failed on the block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from engine import window
from engine.domain.market import Bars, MarketSnapshot, MarketView, OrderFlow
from engine.domain.model import PLUGIN_ERRORS, FeatureFamily
from engine.domain.ports import Feed, FeedInfo
from engine.domain.record import Floats
from engine.phases import market, microstructure
from engine.service.block_predictions import BlockPredictions
from engine.service.windows import MarketWindow

MAX_BARS, MAX_ROWS = 128, 512  # bars of a block, and bars times symbols: they bound its memory
Function = Callable[[MarketView], Any]


class BlockWindow(MarketWindow):
    """A window that reads bars ahead of their decisions and prepares their views; `halflife` (bars) is that of the volatility."""

    def __init__(
        self, info: FeedInfo, families: tuple[FeatureFamily, ...], halflife: float, bars: int | None = None,
        predictions: BlockPredictions | None = None,
    ) -> None:  # fmt: skip
        """After `bars` bars nothing is read ahead; None reads ahead to the end of the feed. `predictions` receives the features of each block."""
        super().__init__(info)
        self._left = bars
        self._families, self._functions = families, tuple(family.build for family in families if family.takes_blocks)
        self._predictions = predictions
        self._halflife = halflife
        self.length = max(1, min(MAX_BARS, MAX_ROWS // len(info.symbols)))  # bars of the next block
        self._views: dict[int, _PreparedView] = {}  # by time (ns UTC) of the bar

    def read(self, feed: Feed, after: int | None) -> Iterator[MarketSnapshot]:
        """See MarketWindow; bars are read ahead by a block. An error of the feed is raised after the bars before it."""
        slices, error = feed.slices(after), None
        while error is None:
            block: list[MarketSnapshot] = []
            try:
                length = self.length if self._left is None else max(1, min(self.length, self._left))
                while len(block) < length and (bar := next(slices, None)) is not None:
                    block.append(bar)
            except PLUGIN_ERRORS as raised:
                error = raised
            if not block and error is None:
                return
            self._views = {}
            if self._predictions is not None:
                self._predictions.set_features(None)
            with suppress(*PLUGIN_ERRORS):  # bars that do not fit: the tick reports them
                self._prepare(block)
            for place, bar in enumerate(block, 1):
                self.bars_ahead = len(block) - place
                yield bar
        raise error

    def append(self, bar: MarketSnapshot) -> None:
        """See MarketWindow."""
        super().append(bar)
        if self._left:
            self._left -= 1

    def drop_last(self) -> None:
        """See MarketWindow; the bars read ahead are decided from a window without the dropped one."""
        super().drop_last()
        self._views = {}

    def _view(self, bar: MarketSnapshot, bars: Bars, flow: OrderFlow, halflife: float) -> MarketView:
        prepared = self._views.pop(bar.at, None)
        if prepared is None or halflife != self._halflife:
            return super()._view(bar, bars, flow, halflife)
        return prepared.build(bar, flow, self._info.interval)

    def _prepare(self, block: list[MarketSnapshot]) -> None:
        """Compute the views of bars that follow the newest one."""
        if len(block) < 2 or any(bar.backfilled is not None for bar in block):
            return
        new = np.array([(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in block])  # (B, 5, S)
        past = self._bars[:, :, self._end - window.WINDOW_BARS + 1 : self._end]
        strip = np.concatenate((past, new.transpose(1, 2, 0)), axis=2)
        with np.errstate(invalid="ignore", divide="ignore"):
            np.log(strip[:4], out=strip[:4])
            cut = sliding_window_view(strip, window.WINDOW_BARS, axis=2)  # (5, S, B, T)
            parts = [np.ascontiguousarray(part.swapaxes(0, 1)) for part in cut]
            series = window.build_series(parts[:4], parts[4], self._halflife)
            first = _first_known(series)
            values = self._evaluate(_pick(series, slice(first, None)), block[-1])
            if self._predictions is not None and self._builds_ahead():
                self._expect_features(self._predictions, block[first:], _pick(series, slice(first, None)), values)
        self._views = {bar.at: _PreparedView(series, place, values, place - first) for place, bar in enumerate(block)}

    def _evaluate(self, series: window.Series, bar: MarketSnapshot) -> dict[Function, Any]:
        """The values of the functions that need no state for a block, the last bar of which is given."""
        functions: tuple[Function, ...] = (*self._functions, market.measure_market, microstructure.measure_bars)
        if (series.known == series.log_close.shape[-1]).all():
            functions += (microstructure.estimate_spread,)
        view = MarketView(bar.at, self._info.interval, *series, bar.books, self._flow_window())
        values: dict[Function, Any] = {}
        for function in functions if len(series.sigma) else ():
            with suppress(*PLUGIN_ERRORS):  # the tick calls it again, and reports the error
                value = function(view)
                if _has_rows(value, len(series.sigma)):
                    values[function] = value
        return values

    def _builds_ahead(self) -> bool:
        """Whether all features of a bar can be built before its tick: not where there is order flow, whose window would have to be known ahead."""
        return not self._info.has_flow and all(family.takes_blocks or family.builds_ahead for family in self._families)

    def _expect_features(
        self, predictions: BlockPredictions, block: list[MarketSnapshot], series: window.Series, values: dict[Function, Any]
    ) -> None:
        """Complete the values by those of the families that take no blocks, and expect the features of all."""
        flow, rest = self._flow_window(), [family.build for family in self._families if not family.takes_blocks]
        views = [_PreparedView(series, place, {}, -1).build(bar, flow, self._info.interval) for place, bar in enumerate(block)]
        with suppress(*PLUGIN_ERRORS):  # the tick calls it again, and reports the error
            values |= {build: np.array([build(view) for view in views]) for build in rest}
            predictions.set_features(np.concatenate([values[family.build] for family in self._families], axis=2) if views else None)


def _first_known(series: window.Series) -> int:
    """The first bar from which all is known; before it, bars are evaluated alone, for the sign of a NaN depends on its place in a block."""
    unknown = np.flatnonzero(~np.isfinite(series.sigma.sum(axis=1) + series.volume.sum(axis=(1, 2))))
    return int(unknown[-1]) + 1 if len(unknown) else 0


class _PreparedView:
    """The place of a bar in its block."""

    __slots__ = ("_place", "_row", "_series", "_values")

    def __init__(self, series: window.Series, place: int, values: dict[Function, Any], row: int) -> None:
        self._series, self._place, self._values, self._row = series, place, values, row

    def build(self, bar: MarketSnapshot, flow: OrderFlow, interval: int) -> MarketView:
        """The view of this bar, with its prepared values."""
        series: window.Series = _pick(self._series, self._place)
        values = {function: _pick(value, self._row) for function, value in self._values.items()} if self._row >= 0 else None
        return MarketView(bar.at, interval, *series, bar.books, flow, values)


def _has_rows(value: Any, count: int) -> bool:
    """Whether every array has a row per bar of the block."""
    return (
        len(value) == count
        if isinstance(value, np.ndarray) and value.ndim
        else isinstance(value, tuple) and all(_has_rows(part, count) for part in value)
    )


def _pick(value: Any, place: int | slice) -> Any:
    """The part of a bar, or of several, in a block: of an array, of a tuple of arrays, or of a tuple of these."""
    if isinstance(value, np.ndarray):
        return value[place]
    parts: list[Floats] = [_pick(part, place) for part in value]
    return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
