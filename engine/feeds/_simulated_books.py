"""What a simulated bar is dressed in: its range, volume, order flow and books, none of which knows more than the bar itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.record import Floats, Record
from engine.feeds._simulated_prices import REGIME_SHARE, Path, to_tick

BAR_MONEY = 2_000_000.0  # median money traded in a bar
LEVEL_MONEY = 40_000.0  # median money at the best level; deeper levels hold more
TRADE_MONEY = 4_000.0  # of one trade
SPREAD_FACTOR = (0.9, 1.0, 1.4)  # calm, normal, volatile: what the spread is multiplied by
SPREAD_NOISE = 0.15
SIZE_NOISE = 0.6
_SPREAD_MEAN = float((REGIME_SHARE * np.array(SPREAD_FACTOR)).sum())


@dataclass(frozen=True, slots=True)
class Chunk(Record):
    """Bars ready to be handed out, a row each."""

    open: Floats  # (n, S)
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    books: tuple[Floats, Floats, Floats, Floats]  # (n, S, D) bid price and size, ask price and size, at the close
    fill_books: tuple[Floats, Floats, Floats, Floats]  # (n, S, D) at the open + latency
    ofi: Floats  # (n, S, D)
    flow: Floats  # (n, S, 5)


def dress(path: Path, stream: np.random.Generator, levels: int, spread_bps: float, fraction: float) -> Chunk:
    """`fraction` is the share of the bar that has passed when an order of the decision before is filled."""
    high, low = _range(path, stream)
    volume = _volume(path, stream)
    wanted = _half_spread(path, stream, spread_bps)
    books = _book(path.close, path.tick, wanted, stream, levels)
    fill_books = _book(_inside(path, stream, fraction, high, low), path.tick, wanted, stream, levels)
    shock = path.returns / path.sigma
    signed = volume * np.clip(0.3 * shock + 0.25 * stream.standard_normal(shock.shape), -0.95, 0.95)
    trades = 1.0 + np.rint(volume * path.close / TRADE_MONEY * np.exp(0.2 * stream.standard_normal(shock.shape)))
    middle = (0.5 * (path.open + path.close) - low) / np.where(high > low, high - low, 1.0)
    vwap = low + (high - low) * np.clip(middle + 0.1 * stream.standard_normal(shock.shape), 0.02, 0.98)
    spread = 2.0 * wanted * path.tick
    depth = LEVEL_MONEY / path.close if levels == 0 else 0.25 * (books[1] + books[3] + fill_books[1] + fill_books[3])[:, :, 0]
    flow = np.stack([signed, trades, vwap, spread, depth], axis=2)
    return Chunk(path.open, high, low, path.close, volume, books, fill_books, _imbalance(shock, depth, stream, levels), flow)


def _range(path: Path, stream: np.random.Generator) -> tuple[Floats, Floats]:
    """Extremes of a Brownian bridge from open to close: each has the exact law, the two are drawn apart."""
    move = np.log(path.close / path.open)
    reach = -2.0 * path.sigma**2 * np.log1p(-stream.random((2, *move.shape)))
    up = 0.5 * (move + np.sqrt(move**2 + reach[0]))
    down = 0.5 * (move - np.sqrt(move**2 + reach[1]))
    high = to_tick(path.open * np.exp(up), path.tick, np.ceil)
    low = to_tick(path.open * np.exp(down), path.tick, np.floor)
    return np.maximum(high, np.maximum(path.open, path.close)), np.minimum(low, np.minimum(path.open, path.close))


def _inside(path: Path, stream: np.random.Generator, fraction: float, high: Floats, low: Floats) -> Floats:
    """(n, S) a point of the bridge from open to close."""
    move = np.log(path.close / path.open)
    noise = path.sigma * np.sqrt(fraction * (1.0 - fraction)) * stream.standard_normal(move.shape)
    return to_tick(np.clip(path.open * np.exp(fraction * move + noise), low, high), path.tick)


def _volume(path: Path, stream: np.random.Generator) -> Floats:
    """Base units: clustered, heavy-tailed, larger in volatile times and with large moves of either sign."""
    size = np.abs(path.returns) / path.sigma
    busy = np.exp(0.45 * path.activity + 0.35 * stream.standard_normal(size.shape))
    return np.asarray(BAR_MONEY * busy * (path.sigma / 20e-4) ** 0.7 * (0.6 + 0.5 * size) / path.open, dtype=np.float64)


def _half_spread(path: Path, stream: np.random.Generator, spread_bps: float) -> Floats:
    """(n, S) in ticks, at least one."""
    factor = np.array(SPREAD_FACTOR)[path.regime] / _SPREAD_MEAN
    noise = np.exp(SPREAD_NOISE * stream.standard_normal(path.close.shape) - SPREAD_NOISE**2 / 2.0)
    return np.asarray(np.maximum(1.0, np.rint(0.5e-4 * spread_bps * path.open * factor[:, None] * noise / path.tick)), dtype=np.float64)


def _book(mid: Floats, tick: Floats, half: Floats, stream: np.random.Generator, levels: int) -> tuple[Floats, Floats, Floats, Floats]:
    """(n, S, D) each: both sides start half a spread from the mid; gaps and sizes are drawn alike for both."""
    shape = (2, *mid.shape, levels)
    steps = stream.integers(1, 4, shape, dtype=np.int8).astype(np.float64)
    if levels:
        steps[..., 0] = half
    away = np.cumsum(steps, axis=3)
    noise = stream.standard_normal(shape, dtype=np.float32).astype(np.float64)
    size = np.exp(SIZE_NOISE * noise) * (LEVEL_MONEY * (1.0 + 0.3 * np.arange(levels)) / mid[:, :, None])
    tick, mid = tick[:, :, None], mid[:, :, None]
    return to_tick(mid - away[0] * tick, tick), size[0], to_tick(mid + away[1] * tick, tick), size[1]


def _imbalance(shock: Floats, depth: Floats, stream: np.random.Generator, levels: int) -> Floats:
    """(n, S, D) order-flow imbalance: moves with the bar's own return, less so at deeper levels."""
    lean = 0.8 * 0.85 ** np.arange(levels)
    noise = stream.standard_normal((*shock.shape, levels), dtype=np.float32).astype(np.float64)
    return np.asarray(4.0 * depth[:, :, None] * (lean * shock[:, :, None] + np.sqrt(1.0 - lean**2) * noise), dtype=np.float64)
