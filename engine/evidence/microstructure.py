"""Microstructure metrics of a backtest: how well order flow explains the mid's moves, and the error of quoted costs."""

from __future__ import annotations

import numpy as np

from engine.domain.outlook import NOTIONALS
from engine.domain.record import Floats, Ints
from engine.domain.tick import Tick

SECOND = 10**9  # ns
CELL, WINDOW = 10 * SECOND, 1_800 * SECOND
Z_95 = 1.959964  # the 97.5 % quantile of a standard normal
MIN_COSTS = 30  # costs behind a figure
MIN_CELLS = 20  # per window
EDGES = np.concatenate(([0.0], np.geomspace(1e-5, 1e4, 2_080)))  # bps, 1 % apart: the resolution of quantiles
BLOCK = 256  # ticks between two counts


class FlowRegression:
    """R2 of the mid's change on the best level's order-flow imbalance, in cells of one length; mean over windows (Cont, Kukanov and Stoikov 2014)."""

    def __init__(self, symbols: int, interval: int, cell: int) -> None:
        self._interval, self._cell = interval, cell
        self._window = max(WINDOW, MIN_COSTS * cell)
        self._at: int | None = None
        self._flow: Floats = np.zeros(symbols)  # of the current cell
        self._start: Floats = np.full(symbols, np.nan)  # mid at its start
        self._open: int | None = None  # the current window
        self._sums = np.zeros((6, symbols))  # rows, x, y, x^2, x y, y^2
        self._r2, self._windows = np.zeros((2, symbols))

    def add(self, at: int, mid: Floats, flow: Floats) -> None:
        """Add a bar by its close (ns UTC), the mid (S,) then and its imbalance (S,)."""
        if self._at is None or at - self._at != self._interval:
            self._start = np.full_like(mid, np.nan)
        self._at = at
        self._flow = self._flow + flow
        if (at - at % self._interval) % self._cell:
            return
        window = (at - 1) // self._window
        if window != self._open:
            self._close()
            self._open = window
        x, y = self._flow, mid - self._start
        known = np.isfinite(x + y)
        x, y = np.where(known, x, 0.0), np.where(known, y, 0.0)
        self._sums += np.array((known, x, y, x * x, x * y, y * y))
        self._flow, self._start = np.zeros_like(mid), mid

    def r_squared(self) -> list[float | None]:
        """The R2 by symbol, None where no window had enough cells."""
        self._close()
        return [float(r2 / count) if count else None for r2, count in zip(self._r2, self._windows, strict=True)]

    def _close(self) -> None:
        rows, x, y, xx, xy, yy = self._sums
        count = np.maximum(rows, 1.0)
        x_spread, y_spread = xx - x * x / count, yy - y * y / count
        good = (rows >= MIN_CELLS) & (x_spread > 0) & (y_spread > 0)
        self._r2 += np.where(good, (xy - x * y / count) ** 2 / np.where(good, x_spread * y_spread, 1.0), 0.0)
        self._windows += good
        self._sums = np.zeros_like(self._sums)


class CostErrorHistogram:
    """Histogram of |quoted - met| cost by notional in bins of 1 %, for the forecast and for the last book, in constant memory."""

    def __init__(self) -> None:
        kinds = len(NOTIONALS)
        self._bins: Ints = np.zeros((2, kinds, len(EDGES) + 1), dtype=np.int64)
        self._error_sums = np.zeros((4, kinds))  # sums over ticks of s, s^2, s n, n^2, with s the sum and n the number of a tick's errors
        self._requested, self._unfilled = np.zeros((2, kinds), dtype=np.int64)
        self._pending: list[Floats] = []

    def add(self, forecast: Floats, last: Floats, met: Floats, quotable: Floats) -> None:
        """Add a tick's costs, (2, 2, S) each; `quotable` (S,) is finite where a symbol had a valid book."""
        self._pending.append(np.stack((forecast - met, last - met, forecast, np.broadcast_to(quotable, forecast.shape))))
        if len(self._pending) >= BLOCK:
            self._count()

    def summarize(self) -> dict[str, dict[str, float | int | None]]:
        """By notional: n, the 90 % quantiles of the forecast's error and of the last book's, the bias with its 95 % interval by ticks (errors of one
        tick are correlated), and the share of orders too large for the book."""
        self._count()
        report: dict[str, dict[str, float | int | None]] = {}
        for kind, notional in enumerate(NOTIONALS):
            n, requested = int(self._bins[0, kind].sum()), int(self._requested[kind])
            enough = n >= MIN_COSTS
            bias, low, high = _bias(self._error_sums[:, kind], n) if enough else (None, None, None)
            report[f"{notional:.0f}"] = {
                "n": n,
                "p90_bps": _quantile(self._bins[0, kind]) if enough else None,
                "p90_last_book_bps": _quantile(self._bins[1, kind]) if enough else None,
                "bias_bps": bias,
                "bias_low_bps": low,
                "bias_high_bps": high,
                "cannot_fill": int(self._unfilled[kind]) / requested if requested else None,
            }
        return report

    def _count(self) -> None:
        if not self._pending:
            return
        ours, last, forecast, quotable = np.stack(self._pending, axis=1)  # (ticks, 2, 2, S) each
        self._pending = []
        for kind in range(len(NOTIONALS)):
            known = np.isfinite(ours[:, kind])
            for row, errors in enumerate((ours, last)):
                bin_index = np.searchsorted(EDGES, np.abs(errors[:, kind][known]), side="left")
                self._bins[row, kind] += np.bincount(bin_index, minlength=len(EDGES) + 1)
            sums, counts = np.where(known, ours[:, kind], 0.0).sum(axis=(1, 2)), known.sum(axis=(1, 2))
            self._error_sums[:, kind] += (sums.sum(), sums @ sums, sums @ counts, counts @ counts)
            requested = np.isfinite(quotable[:, kind])
            self._requested[kind] += requested.sum()
            self._unfilled[kind] += (requested & np.isnan(forecast[:, kind])).sum()


class MicrostructureMetrics:
    """Accumulates the metrics over the ticks of a run; all null for a market without books."""

    def __init__(self, symbols: tuple[str, ...], interval: int) -> None:
        self._symbols = symbols
        self._costs = CostErrorHistogram()
        self._by_bar = FlowRegression(len(symbols), interval, interval)
        self._by_ten = FlowRegression(len(symbols), interval, CELL) if CELL % interval == 0 else None
        self._last: Tick | None = None
        self._has_books = False

    def add(self, tick: Tick) -> None:
        """Add one tick."""
        bar, last, self._last = tick.snapshot, self._last, tick
        if not bar.books.bid_price.shape[1]:
            return
        self._has_books = True
        forecast = tick.outcome.liquidity.book_metrics.liquidity_forecast
        if forecast.tick != tick.inputs.tick:
            return  # the books were not read at this tick
        if bar.ofi.shape[1]:
            for fit in (self._by_bar, self._by_ten):
                if fit is not None:
                    fit.add(bar.at, forecast.pending.mid, bar.ofi[:, 0])
        if last is not None and last.inputs.tick == tick.inputs.tick - 1:
            quoted = last.outcome.liquidity.book_metrics
            self._costs.add(quoted.forecast_cost_bps, quoted.quoted_bps, forecast.pending.cost_at_fill, quoted.liquidity_forecast.pending.mid)

    def summarize(self, explained: tuple[float | None, ...] | None = None) -> dict[str, object]:
        """The metrics; `cost_error_bps` is the 90 % quantile for 10,000; null without books.

        `ofi_r2_10s` is measured by the engine where bars are no longer than 10 s, else `explained` by the feed from the events within its bars.
        """
        if not self._has_books:
            return {"ofi_r2_10s": None, "cost_error_bps": None}
        costs = self._costs.summarize()
        by_ten = self._by_ten.r_squared() if self._by_ten is not None else list(explained or (None,) * len(self._symbols))
        by_bar = self._by_bar.r_squared()
        return {
            "ofi_r2_10s": _mean(by_ten),
            "cost_error_bps": costs[f"{NOTIONALS[0]:.0f}"]["p90_bps"],
            "ofi_r2_bar": _mean(by_bar),
            "ofi_r2_by_symbol": {
                symbol: {"10s": ten, "bar": bar} for symbol, ten, bar in zip(self._symbols, by_ten, by_bar, strict=True)
            },
            "cost": costs,
        }  # fmt: skip


def _bias(sums: Floats, n: int) -> tuple[float, float, float]:
    """Mean and 95 % interval of a ratio of sums over ticks (Cochran 1977, 6.3)."""
    mean = float(sums[0]) / n
    half_width = Z_95 * float(np.sqrt(max(0.0, sums[1] - 2.0 * mean * sums[2] + mean * mean * sums[3]))) / n
    return mean, mean - half_width, mean + half_width


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _quantile(bins: Ints) -> float:
    """The upper edge of the bin in which the 90 % quantile lies."""
    place = int(np.searchsorted(np.cumsum(bins), 0.9 * bins.sum()))
    return float(EDGES[min(place, len(EDGES) - 1)])
