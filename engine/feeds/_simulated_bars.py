"""Builds the simulated market's bars from its agents' steps: range, volume and flow, and the books at the close and at the fill."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.record import Floats, Record
from engine.feeds._simulated_agents import (
    LOOK_BACK,
    QUEUE_PERSISTENCE,
    SPREAD_NOISE,
    SPREAD_PERSISTENCE,
    STEPS,
    RandomDraws,
    Singles,
    StepInputs,
    Steps,
    half_spread_ticks,
    prepare_steps,
    queue_sizes,
    simulate_steps,
)
from engine.feeds._simulated_prices import PriceModel, PricePath, Reals, snap_to_tick

GAP_SHARE = 0.3  # distance of two levels over the mean spread: 0.15 on AMZN, 0.3 on the thin bitstamp book
DEPTH_SLOPE = 0.3  # size added by each level, as a share of the best level's size
DEEP_SPREAD = 0.6  # deviation of the log size at a deeper level
RENEWAL_RATE = -float(np.log(QUEUE_PERSISTENCE))  # of queues and levels, per step
SHARED_FLICKER = 0.6  # share of the best level's flicker that the other levels follow

Sides = tuple[Floats, Floats, Floats, Floats]  # (n, S, D) bid price and size, ask price and size


@dataclass(frozen=True, slots=True)
class BarChunk(Record):
    """n finished bars of S symbols with D levels."""

    open: Floats  # (n, S)
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    books: Sides  # at the close
    fill_books: Sides  # at the open + latency
    ofi: Floats  # (n, S, D)
    flow: Floats  # (n, S, 5)
    later: Floats  # (n, S, 4) lowest and highest price in the steps after that of the fill, NaN without one; then two NaN columns: unknown
    steps: Steps  # (n + 1, 12, S), the bar before first


@dataclass(frozen=True, slots=True)
class BookState(Record):
    """The state of the books at one point of each of n bars."""

    mid: Floats  # (n, S)
    half_spread: Reals  # (n, S) ticks
    best: Floats  # (2, n, S) base units at the best bid and ask
    depth: Floats  # (n, S) mean base units at the best levels
    sizes: Singles  # (2, n, S, D) unit normal
    gaps: Singles  # (2, n, S, D) unit exponential


def build_bars(path: PricePath, draws: RandomDraws, market: PriceModel, levels: int, spread_bps: float, fraction: float) -> BarChunk:
    """The bars of `path` after the first 8, which serve as history; `fraction` is the share of a bar that has passed when an order is filled."""
    inputs = prepare_steps(path, market, spread_bps)
    steps = simulate_steps(inputs, draws, market)
    here = slice(LOOK_BACK, None)
    opening, close, tick = path.open[here], path.close[here], path.tick[here]
    gap = np.maximum(GAP_SHARE * spread_bps * 1e-4 * opening / tick, 1.05)
    (high, low), later = _range(path, steps, draws, min(int(fraction * STEPS), STEPS - 1) + 1)
    books = _book(_at_close(path, inputs, steps, draws), tick, gap, levels)
    fill_books = _book(_at_fill(path, inputs, steps, draws, (high, low), fraction), tick, gap, levels)
    totals = {name: getattr(steps, name)[1:] for name in ("signed", "volume", "trades", "half_spread", "bid", "ask")}
    volume = totals["volume"].sum(axis=1).astype(np.float64)
    signed = totals["signed"].sum(axis=1) / opening
    spread = 2.0 * tick * totals["half_spread"].mean(axis=1)
    depth = 0.5 * (totals["bid"] + totals["ask"]).mean(axis=1) / opening
    vwap = np.clip(_vwap(opening, tick, steps, volume), low, high)
    flow = np.stack([signed, 1.0 + totals["trades"].sum(axis=1), vwap, spread, depth], axis=2)
    return BarChunk(opening, high, low, close, volume / opening, books, fill_books, _imbalance(steps, draws, opening, levels), flow, later, steps)


def _range(path: PricePath, steps: Steps, draws: RandomDraws, after: int) -> tuple[tuple[Floats, Floats], Floats]:
    """High and low of the mid, and those from step `after` on: within each step by the exact law of a Brownian bridge's extremes."""
    opening, close, tick, sigma = (part[LOOK_BACK:] for part in (path.open, path.close, path.tick, path.sigma))
    change = steps.change[1:]
    exponentials = draws.reach.reshape(2, -1, *change.shape[1:])[:, LOOK_BACK:]
    variance = (2.0 * sigma.astype(np.float32) ** 2)[:, None] * steps.clock[1:]
    before = steps.rise[1:] - change
    up = before + 0.5 * (change + np.sqrt(change**2 + variance * exponentials[0]))
    down = before + 0.5 * (change - np.sqrt(change**2 + variance * exponentials[1]))
    high = snap_to_tick(opening * np.exp(up.max(axis=1).astype(np.float64)), tick, np.ceil)
    low = snap_to_tick(opening * np.exp(down.min(axis=1).astype(np.float64)), tick, np.floor)
    extremes = np.maximum(high, np.maximum(opening, close)), np.minimum(low, np.minimum(opening, close))
    later = np.full((*opening.shape, 4), np.nan)
    if after < STEPS:
        later[..., 0] = np.maximum(snap_to_tick(opening * np.exp(down[:, after:].min(axis=1).astype(np.float64)), tick, np.floor), extremes[1])
        later[..., 1] = np.minimum(snap_to_tick(opening * np.exp(up[:, after:].max(axis=1).astype(np.float64)), tick, np.ceil), extremes[0])
    return extremes, later


def _vwap(opening: Floats, tick: Floats, steps: Steps, volume: Floats) -> Floats:
    """(n, S) VWAP: a step's trades are spread evenly over its price path, half a spread above the mid when bought and below when sold."""
    money, change = steps.volume[1:], steps.change[1:]
    rise = (money * (steps.rise[1:] - 0.5 * change)).sum(axis=1) / volume
    offset = (steps.signed[1:] * steps.half_spread[1:]).sum(axis=1) / volume
    return np.asarray(opening * np.exp(rise) + offset * tick, dtype=np.float64)


def _imbalance(steps: Steps, draws: RandomDraws, opening: Floats, levels: int) -> Floats:
    """(n, S, D) order-flow imbalance in base units: the steps' sum at the best level; deeper levels follow the price with more noise."""
    best, moved = steps.ofi[1:].sum(axis=1), steps.moved[1:].sum(axis=1)
    spread = np.sqrt((steps.flicker[1:] ** 2).sum(axis=1))
    out = np.empty((*best.shape, levels))
    for level in range(levels):
        own = float(np.sqrt(1.0 - SHARED_FLICKER**2)) + 0.25 * level
        deeper = moved + SHARED_FLICKER * (best - moved) + own * spread * draws.deep[LOOK_BACK:, :, level]
        out[:, :, level] = (best if level == 0 else deeper * (1.0 + DEPTH_SLOPE * level)) / opening
    return out


def _at_close(path: PricePath, inputs: StepInputs, steps: Steps, draws: RandomDraws) -> BookState:
    close = path.close[LOOK_BACK:]
    best = np.stack([steps.bid[1:, -1], steps.ask[1:, -1]]) / close
    return BookState(
        close, steps.half_spread[1:, -1].astype(np.float64), best, inputs.depth[LOOK_BACK:] / close, draws.sizes[0][:, LOOK_BACK:],
        draws.gaps[0][:, LOOK_BACK:],
    )  # fmt: skip


def _at_fill(path: PricePath, inputs: StepInputs, steps: Steps, draws: RandomDraws, extremes: tuple[Floats, Floats], fraction: float) -> BookState:
    """At open + latency: the book at the last step's end (in the first step, the previous close), partly renewed, around a new mid."""
    number = min(int(fraction * STEPS), STEPS - 1)
    part = fraction * STEPS - number
    bar, last = (slice(1, None), number - 1) if number else (slice(0, -1), -1)
    rows = slice(LOOK_BACK, None) if number else slice(LOOK_BACK - 1, -1)
    opening, tick = path.open[LOOK_BACK:], path.tick[LOOK_BACK:]
    clock, change = steps.clock[1:, number], steps.change[1:, number]
    rise = steps.rise[1:, number] - (1.0 - part) * change
    noise = path.sigma[LOOK_BACK:] * np.sqrt(clock * (part * (1.0 - part))) * draws.fill("mid")[LOOK_BACK:]
    mid = snap_to_tick(np.clip(opening * np.exp(rise + noise), extremes[1], extremes[0]), tick)
    depth, lean = inputs.depth[rows], steps.lean[bar, last]
    best = [
        queue_sizes(depth, _evolve(steps.queues[side][bar, last], draws.fill(name)[LOOK_BACK:], QUEUE_PERSISTENCE**part), lean * sign)
        for side, (name, sign) in enumerate((("bid", 1.0), ("ask", -1.0)))
    ]
    wide = SPREAD_NOISE * _evolve(steps.wide[bar, last] / SPREAD_NOISE, draws.fill("spread")[LOOK_BACK:], SPREAD_PERSISTENCE**part)
    passed = fraction * STEPS
    sizes = _evolve(draws.sizes[0][:, LOOK_BACK - 1 : -1], draws.sizes[1][:, LOOK_BACK:], QUEUE_PERSISTENCE**passed)
    renewed = draws.gaps[2][:, LOOK_BACK:] < passed * RENEWAL_RATE
    gaps = np.where(renewed, draws.gaps[1][:, LOOK_BACK:], draws.gaps[0][:, LOOK_BACK - 1 : -1])
    mean_ticks = inputs.half_spread[rows] * path.tick[rows] / tick
    return BookState(mid, half_spread_ticks(mean_ticks, wide), np.stack(best) / mid, depth / mid, sizes, gaps)


def _evolve(state: Singles, news: Singles, persistence: float) -> Singles:
    return persistence * state + float(np.sqrt(1.0 - persistence**2)) * news


def _book(state: BookState, tick: Floats, gap: Floats, levels: int) -> Sides:
    """Both sides of the book: best levels half a spread from the mid, deeper ones at whole ticks, `gap` of them on average (geometric)."""
    steps = 1.0 + np.floor(state.gaps / np.log(gap / (gap - 1.0))[:, :, None])
    size = np.exp(DEEP_SPREAD * state.sizes - DEEP_SPREAD**2 / 2.0) * (state.depth[:, :, None] * (1.0 + DEPTH_SLOPE * np.arange(levels)))
    if levels:
        steps[..., 0] = state.half_spread
        size[..., 0] = state.best
    distance = np.cumsum(steps, axis=3)
    tick, mid = tick[:, :, None], state.mid[:, :, None]
    return snap_to_tick(mid - distance[0] * tick, tick), size[0], snap_to_tick(mid + distance[1] * tick, tick), size[1]
