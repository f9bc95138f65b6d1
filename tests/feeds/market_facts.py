"""Stylised facts of a market in steps of five seconds, computed alike for recordings and the simulated market."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.domain.record import Floats
from engine.feeds._order_flow import books_at, sum_imbalance, sum_trades
from engine.feeds._recording_files import read_books, read_trades
from engine.feeds._simulated_prices import snap_to_tick
from engine.feeds.simulated import SimulatedFeed

STEP = 5 * 10**9  # ns; a twelfth of the simulated market's minute
SCALES = (1, 2, 6, 12, 24)  # steps: 5 s, 10 s, 30 s, 1 min, 2 min
LAGS = (1, 2, 5, 10, 20, 50)
WINDOW = 360  # steps, 30 minutes: a regression is fitted in each
FOREVER = 1 << 62
QUANTILES = np.linspace(0.02, 0.98, 25)


@dataclass(frozen=True, slots=True)
class Series:
    """A market in n steps."""

    mid: Floats  # (n + 1,)
    spread: Floats  # (n,) bps, at the step's end
    bid: Floats  # (n,) size at the best bid, at the step's end
    ask: Floats  # (n,)
    ofi: Floats  # (n,) at the best level
    signed: Floats  # (n,)
    volume: Floats  # (n,)
    trades: Floats  # (n,)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is compared; by scale a value for each of SCALES that has ten windows' worth of steps, NaN elsewhere; by lag one for each of LAGS."""

    steps: int
    spread_bps: float  # median
    spread: Floats  # QUANTILES of it, over the median
    depth: Floats  # the same of the mean best size
    depth_memory: Floats  # autocorrelation of its log, by lag
    lean: float  # deviation of (bid - ask) / (bid + ask)
    lean_memory: Floats  # by lag
    signature: Floats  # variance of the mid's return over scale and over that of one step, by scale
    kurtosis: Floats  # by scale
    memory: Floats  # autocorrelation of returns, by lag
    clustering: Floats  # of their absolute values
    ofi_r2: Floats  # of the mid's return on order-flow imbalance of the same time, by scale
    signed_r2: Floats  # the same on signed volume
    dispersion: float  # variance of the number of trades a step, over its mean
    trades_memory: Floats  # by lag
    volume_and_size: float  # correlation of volume and absolute return
    one_sided: float  # absolute signed volume over volume, by step
    unmoved: float  # share of steps


def recorded(folder: Path) -> Series:
    """One symbol of a recording with books and trades."""
    books, trades = read_books(folder / "books.parquet"), read_trades(folder / "trades.parquet")
    count = int((books.at[-1] - books.at[0]) // STEP)
    edges = books.at[0] + STEP * np.arange(count + 1)

    def step_of(times: np.ndarray) -> np.ndarray:
        number = np.searchsorted(edges, times, side="left") - 1
        return np.where((number >= 0) & (number < count), number, -1)

    flow = sum_trades(trades, step_of(trades.at), count)
    volume = np.bincount(step_of(trades.at) + 1, weights=trades.size, minlength=count + 1)[1:].astype(np.float64)
    bid, bid_size, ask, ask_size = books_at(books, edges, FOREVER)[:, :, 0]
    mid = 0.5 * (bid + ask)
    return Series(
        mid, ((ask - bid) / mid * 1e4)[1:], bid_size[1:], ask_size[1:], sum_imbalance(books, step_of(books.at[books.valid]), count, FOREVER)[:, 0],
        flow[0], volume, flow[1],
    )  # fmt: skip


def simulated(bars: int, seed: int = 7, symbols: int = 8) -> list[Series]:
    """The symbols of a simulated market without a signal, with its default settings."""
    mids, step_columns = [], []
    for path, steps in SimulatedFeed(signal=0.0, seed=seed, symbol_count=symbols).simulated_steps(bars):
        opening, tick = path.open[:, None], path.tick[:, None]
        mids.append(snap_to_tick(opening * np.exp(steps.rise[1:].astype(np.float64)), tick).reshape(-1, symbols))
        spread = 2e4 * steps.half_spread[1:] * tick / opening
        parts = (spread, *(getattr(steps, name)[1:] for name in ("bid", "ask", "ofi", "signed", "volume", "trades")))
        step_columns.append([np.asarray(part, dtype=np.float64).reshape(-1, symbols) for part in parts])
    mid = np.concatenate([mids[0][:1], *mids])
    columns = [np.concatenate(parts) for parts in zip(*step_columns, strict=True)]
    return [Series(mid[:, symbol], *(column[:, symbol] for column in columns)) for symbol in range(symbols)]


def facts(series: Series) -> Facts:
    """Counts everything once."""
    returns = np.diff(np.log(series.mid))
    depth, lean = 0.5 * (series.bid + series.ask), (series.bid - series.ask) / (series.bid + series.ask)
    by_scale = [summed(returns, scale) for scale in SCALES]
    size = np.abs(returns)
    return Facts(
        len(returns), float(np.median(series.spread)), over_median(series.spread), over_median(depth), memory(np.log(depth)), float(lean.std()),
        memory(lean), np.array([part.var() / scale for scale, part in zip(SCALES, by_scale, strict=True)]) / returns.var(),
        np.array([kurtosis(part) for part in by_scale]), memory(returns), memory(size), explained(returns, series.ofi),
        explained(returns, series.signed), float(series.trades.var() / series.trades.mean()), memory(series.trades),
        float(np.corrcoef(size, series.volume)[0, 1]), float(np.abs(series.signed).sum() / series.volume.sum()), float((returns == 0.0).mean()),
    )  # fmt: skip


def summed(values: Floats, scale: int) -> Floats:
    count = len(values) // scale * scale
    return np.asarray(values[:count].reshape(-1, scale).sum(axis=1))


def over_median(values: Floats) -> Floats:
    return np.asarray(np.quantile(values, QUANTILES) / np.median(values))


def kurtosis(values: Floats) -> float:
    centred = values - values.mean()
    return float((centred**4).mean() / (centred**2).mean() ** 2) if len(values) >= 100 else float("nan")


def memory(values: Floats) -> Floats:
    """Autocorrelation at LAGS; NaN where there are fewer than ten times as many values."""
    centred = values - values.mean()
    power = (centred**2).mean()
    return np.array([(centred[lag:] * centred[:-lag]).mean() / power if len(values) >= 10 * lag else np.nan for lag in LAGS])


def explained(returns: Floats, flow: Floats) -> Floats:
    """R2 of a line fitted in windows of 30 minutes (of the whole, where it is shorter), their mean, by scale; NaN below ten points."""
    out = np.full(len(SCALES), np.nan)
    for number, scale in enumerate(SCALES):
        x, y = summed(flow, scale), summed(returns, scale)
        width = min(WINDOW // scale, len(x))
        if width >= 10:
            pairs = [(x[at : at + width], y[at : at + width]) for at in range(0, len(x) - width + 1, width)]
            out[number] = np.mean([np.corrcoef(a, b)[0, 1] ** 2 for a, b in pairs if a.std() > 0 and b.std() > 0])
    return out
