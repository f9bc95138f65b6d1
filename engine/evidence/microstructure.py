"""Metrics of the order books of a run: how far order flow explains moves of the mid, and how far quoted costs were from realised ones."""

from __future__ import annotations

import numpy as np

from engine.domain.evidence import NOTIONALS
from engine.domain.record import Floats, Ints
from engine.domain.tick import Tick

SECOND = 10**9  # ns
CELL, WINDOW = 10 * SECOND, 1_800 * SECOND
NORMAL = 1.959964  # the 97.5 % quantile of a standard normal
MIN_COSTS = 30  # realised costs per figure
MIN_CELLS = 20  # per window
EDGES = np.concatenate(([0.0], np.geomspace(1e-5, 1e4, 2_080)))  # bps, 1 % apart: the resolution of a quantile
BLOCK = 256  # ticks between two counts


class FlowRegression:
    """R2 of the change of the mid on order-flow imbalance of the best level, by cells of equal length within windows; mean over windows."""

    def __init__(self, symbols: int, interval: int, cell: int) -> None:
        self._interval, self._cell = interval, cell
        self._window = max(WINDOW, MIN_COSTS * cell)
        self._at: int | None = None
        self._flow: Floats = np.zeros(symbols)  # of the current cell
        self._start: Floats = np.full(symbols, np.nan)  # the mid at its start
        self._open: int | None = None  # the current window
        self._sums = np.zeros((6, symbols))  # rows, x, y, x^2, x y, y^2
        self._r2, self._windows = np.zeros((2, symbols))

    def add(self, at: int, mid: Floats, flow: Floats) -> None:
        """Add a bar: its close (ns UTC), the mid then, and the imbalance of the bar."""
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
        """R2 by symbol; None where no window had enough cells."""
        self._close()
        return [float(r2 / count) if count else None for r2, count in zip(self._r2, self._windows, strict=True)]

    def _close(self) -> None:
        rows, x, y, xx, xy, yy = self._sums
        some = np.maximum(rows, 1.0)
        x_spread, y_spread = xx - x * x / some, yy - y * y / some
        good = (rows >= MIN_CELLS) & (x_spread > 0) & (y_spread > 0)
        self._r2 += np.where(good, (xy - x * y / some) ** 2 / np.where(good, x_spread * y_spread, 1.0), 0.0)
        self._windows += good
        self._sums = np.zeros_like(self._sums)


class CostErrorHistogram:
    """|quoted - realised cost| by notional in bins of 1 %, for the forecast and for the last book, in constant memory."""

    def __init__(self) -> None:
        kinds = len(NOTIONALS)
        self._bins: Ints = np.zeros((2, kinds, len(EDGES) + 1), dtype=np.int64)
        self._off = np.zeros((4, kinds))  # over ticks, of the sum s and the number n of a tick's errors: s, s^2, s n, n^2
        self._requested, self._unfilled = np.zeros((2, kinds), dtype=np.int64)
        self._held: list[Floats] = []

    def add(self, forecast: Floats, last: Floats, met: Floats, there: Floats) -> None:
        """Add the costs of a tick, (2, 2, S) each; `there` (S,) is finite where a symbol had a sane book."""
        self._held.append(np.stack((forecast - met, last - met, forecast, np.broadcast_to(there, forecast.shape))))
        if len(self._held) >= BLOCK:
            self._count()

    def summarize(self) -> dict[str, dict[str, float | int | None]]:
        """By notional: n, the 90 % quantile of the error of the forecast and of the last book, the bias with its 95 % interval clustered by tick, and
        the share of orders beyond the depth of the book."""
        self._count()
        report: dict[str, dict[str, float | int | None]] = {}
        for kind, notional in enumerate(NOTIONALS):
            n, requested = int(self._bins[0, kind].sum()), int(self._requested[kind])
            enough = n >= MIN_COSTS
            bias, low, high = _bias(self._off[:, kind], n) if enough else (None, None, None)
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
        if not self._held:
            return
        ours, last, forecast, there = np.stack(self._held, axis=1)  # (ticks, 2, 2, S) each
        self._held = []
        for kind in range(len(NOTIONALS)):
            known = np.isfinite(ours[:, kind])
            for row, errors in enumerate((ours, last)):
                bins = np.searchsorted(EDGES, np.abs(errors[:, kind][known]), side="left")
                self._bins[row, kind] += np.bincount(bins, minlength=len(EDGES) + 1)
            sums, counts = np.where(known, ours[:, kind], 0.0).sum(axis=(1, 2)), known.sum(axis=(1, 2))
            self._off[:, kind] += (sums.sum(), sums @ sums, sums @ counts, counts @ counts)
            requested = np.isfinite(there[:, kind])
            self._requested[kind] += requested.sum()
            self._unfilled[kind] += (requested & np.isnan(forecast[:, kind])).sum()


def _bias(off: Floats, n: int) -> tuple[float, float, float]:
    """Mean and 95 % interval of a ratio of sums over ticks (Cochran 1977, 6.3)."""
    mean = float(off[0]) / n
    reach = NORMAL * float(np.sqrt(max(0.0, off[1] - 2.0 * mean * off[2] + mean * mean * off[3]))) / n
    return mean, mean - reach, mean + reach


class MicrostructureMetrics:
    """Order-book metrics over the ticks of a run; null for a market without books."""

    def __init__(self, symbols: tuple[str, ...], interval: int) -> None:
        self._symbols = symbols
        self._costs = CostErrorHistogram()
        self._by_bar = FlowRegression(len(symbols), interval, interval)
        self._by_ten = FlowRegression(len(symbols), interval, CELL) if CELL % interval == 0 else None
        self._last: Tick | None = None
        self._booked = False

    def add(self, tick: Tick) -> None:
        """Add a tick."""
        bar, last, self._last = tick.snapshot, self._last, tick
        if not bar.books.bid_price.shape[1]:
            return
        self._booked = True
        current = tick.outcome.liquidity.book_metrics.liquidity_forecast
        if current.tick != tick.inputs.tick:
            return  # the books were not read at this tick
        if bar.ofi.shape[1]:
            for fit in (self._by_bar, self._by_ten):
                if fit is not None:
                    fit.add(bar.at, current.pending.mid, bar.ofi[:, 0])
        if last is not None and last.inputs.tick == tick.inputs.tick - 1:
            then = last.outcome.liquidity.book_metrics
            self._costs.add(then.forecast_cost_bps, then.quoted_bps, current.pending.cost_at_fill, then.liquidity_forecast.pending.mid)

    def summarize(self, explained: tuple[float | None, ...] | None = None) -> dict[str, object]:
        """The metrics as JSON; `cost_error_bps` is the 90 % quantile for 10,000.

        `ofi_r2_10s` is of what the engine saw where bars are no longer than 10 s, else what the feed says it `explained` of the events in its bars.
        """
        if not self._booked:
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


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _quantile(bins: Ints) -> float:
    """The upper edge of the bin of the 90 % quantile."""
    place = int(np.searchsorted(np.cumsum(bins), 0.9 * bins.sum()))
    return float(EDGES[min(place, len(EDGES) - 1)])
