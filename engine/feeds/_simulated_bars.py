"""What the agents of the simulated market leave behind of each bar: its range, volume and flow, and the books at its close and at the fill."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.record import Floats, Record
from engine.feeds._simulated_agents import (
    QUEUE_PERSISTENCE,
    SPREAD_NOISE,
    SPREAD_PERSISTENCE,
    StepInputs,
    Steps,
    half_spread_ticks,
    prepare_steps,
    queue_sizes,
    simulate_steps,
)
from engine.feeds._simulated_draws import LOOK_BACK, STEPS, RandomDraws, Singles
from engine.feeds._simulated_prices import PriceModel, PricePath, Reals, snap_to_tick

GAP_SHARE = 0.3  # distance of two levels over the usual spread: 0.15 on AMZN, 0.3 on the thin bitstamp book
DEEPER = 0.3  # each level holds so much more than the best, in parts of it
DEEP_SPREAD = 0.6  # of the log of what waits at a deeper level
FORGET = -float(np.log(QUEUE_PERSISTENCE))  # how fast queues and levels are renewed, a step
SHARED_FLICKER = 0.6  # of what comes and goes at the best level also does at the others

Sides = tuple[Floats, Floats, Floats, Floats]  # (n, S, D) bid price and size, ask price and size


@dataclass(frozen=True, slots=True)
class BarChunk(Record):
    """Bars ready to be handed out, a row each."""

    open: Floats  # (n, S)
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    books: Sides  # at the close
    fill_books: Sides  # at the open + latency
    ofi: Floats  # (n, S, D)
    flow: Floats  # (n, S, 5)
    later: Floats  # (n, S, 4) lowest and highest price in the steps after that of the fill, NaN where there is none; then NaN: not known
    steps: Steps  # (n + 1, 12, S), the bar before first


@dataclass(frozen=True, slots=True)
class BookState(Record):
    """The state of the market at one point of each of n bars."""

    mid: Floats  # (n, S)
    half_spread: Reals  # (n, S) ticks
    best: Floats  # (2, n, S) base units at the best bid and ask
    depth: Floats  # (n, S) base units that usually wait there
    sizes: Singles  # (2, n, S, D) unit normal
    gaps: Singles  # (2, n, S, D) unit exponential


def build_bars(path: PricePath, draws: RandomDraws, market: PriceModel, levels: int, spread_bps: float, fraction: float) -> BarChunk:
    """The bars of `path` but the first 8, which are only remembered; `fraction` is the share of a bar that has passed when an order is filled."""
    known = prepare_steps(path, market, spread_bps)
    steps = simulate_steps(known, draws, market)
    here = slice(LOOK_BACK, None)
    opening, close, tick = path.open[here], path.close[here], path.tick[here]
    gap = np.maximum(GAP_SHARE * spread_bps * 1e-4 * opening / tick, 1.05)
    (high, low), later = _range(path, steps, draws, min(int(fraction * STEPS), STEPS - 1) + 1)
    books = _book(_at_close(path, known, steps, draws), tick, gap, levels)
    fill_books = _book(_at_fill(path, known, steps, draws, (high, low), fraction), tick, gap, levels)
    acted = {name: getattr(steps, name)[1:] for name in ("signed", "volume", "trades", "half_spread", "bid", "ask")}
    volume = acted["volume"].sum(axis=1).astype(np.float64)
    signed = acted["signed"].sum(axis=1) / opening
    spread = 2.0 * tick * acted["half_spread"].mean(axis=1)
    depth = 0.5 * (acted["bid"] + acted["ask"]).mean(axis=1) / opening
    vwap = np.clip(_vwap(opening, tick, steps, volume), low, high)
    flow = np.stack([signed, 1.0 + acted["trades"].sum(axis=1), vwap, spread, depth], axis=2)
    return BarChunk(opening, high, low, close, volume / opening, books, fill_books, _imbalance(steps, draws, opening, levels), flow, later, steps)


def _range(path: PricePath, steps: Steps, draws: RandomDraws, after: int) -> tuple[tuple[Floats, Floats], Floats]:
    """Extremes of the mid: within each step those of a Brownian bridge, each by the exact law, the two drawn apart. Then from step `after` on."""
    opening, close, tick, sigma = (part[LOOK_BACK:] for part in (path.open, path.close, path.tick, path.sigma))
    change = steps.change[1:]
    reach = draws.reach.reshape(2, -1, *change.shape[1:])[:, LOOK_BACK:]
    wander = (2.0 * sigma.astype(np.float32) ** 2)[:, None] * steps.clock[1:]
    before = steps.rise[1:] - change
    up = before + 0.5 * (change + np.sqrt(change**2 + wander * reach[0]))
    down = before + 0.5 * (change - np.sqrt(change**2 + wander * reach[1]))
    high = snap_to_tick(opening * np.exp(up.max(axis=1).astype(np.float64)), tick, np.ceil)
    low = snap_to_tick(opening * np.exp(down.min(axis=1).astype(np.float64)), tick, np.floor)
    whole = np.maximum(high, np.maximum(opening, close)), np.minimum(low, np.minimum(opening, close))
    later = np.full((*opening.shape, 4), np.nan)
    if after < STEPS:
        later[..., 0] = np.maximum(snap_to_tick(opening * np.exp(down[:, after:].min(axis=1).astype(np.float64)), tick, np.floor), whole[1])
        later[..., 1] = np.minimum(snap_to_tick(opening * np.exp(up[:, after:].max(axis=1).astype(np.float64)), tick, np.ceil), whole[0])
    return whole, later


def _vwap(opening: Floats, tick: Floats, steps: Steps, volume: Floats) -> Floats:
    """Trades of a step are taken to happen evenly on its way, half a spread above the mid when bought and below when sold."""
    money, change = steps.volume[1:], steps.change[1:]
    rise = (money * (steps.rise[1:] - 0.5 * change)).sum(axis=1) / volume
    aside = (steps.signed[1:] * steps.half_spread[1:]).sum(axis=1) / volume
    return np.asarray(opening * np.exp(rise) + aside * tick, dtype=np.float64)


def _imbalance(steps: Steps, draws: RandomDraws, opening: Floats, levels: int) -> Floats:
    """(n, S, D) base units: at the best level the sum of the steps; deeper ones go with the price alike and come and go more by themselves."""
    first, moved = steps.ofi[1:].sum(axis=1), steps.moved[1:].sum(axis=1)
    spread = np.sqrt((steps.flicker[1:] ** 2).sum(axis=1))
    out = np.empty((*first.shape, levels))
    for level in range(levels):
        alone = float(np.sqrt(1.0 - SHARED_FLICKER**2)) + 0.25 * level
        deeper = moved + SHARED_FLICKER * (first - moved) + alone * spread * draws.deep[LOOK_BACK:, :, level]
        out[:, :, level] = (first if level == 0 else deeper * (1.0 + DEEPER * level)) / opening
    return out


def _at_close(path: PricePath, known: StepInputs, steps: Steps, draws: RandomDraws) -> BookState:
    close = path.close[LOOK_BACK:]
    best = np.stack([steps.bid[1:, -1], steps.ask[1:, -1]]) / close
    return BookState(
        close, steps.half_spread[1:, -1].astype(np.float64), best, known.depth[LOOK_BACK:] / close, draws.sizes[0][:, LOOK_BACK:],
        draws.gaps[0][:, LOOK_BACK:],
    )  # fmt: skip


def _at_fill(path: PricePath, known: StepInputs, steps: Steps, draws: RandomDraws, extremes: tuple[Floats, Floats], fraction: float) -> BookState:
    """At open + latency: the book of the last step's end (of the close before, within the first step), in part renewed since, round a new mid."""
    number = min(int(fraction * STEPS), STEPS - 1)
    part = fraction * STEPS - number
    bar, last = (slice(1, None), number - 1) if number else (slice(0, -1), -1)
    rows = slice(LOOK_BACK, None) if number else slice(LOOK_BACK - 1, -1)
    opening, tick = path.open[LOOK_BACK:], path.tick[LOOK_BACK:]
    clock, change = steps.clock[1:, number], steps.change[1:, number]
    rise = steps.rise[1:, number] - (1.0 - part) * change
    noise = path.sigma[LOOK_BACK:] * np.sqrt(clock * (part * (1.0 - part))) * draws.fill("mid")[LOOK_BACK:]
    mid = snap_to_tick(np.clip(opening * np.exp(rise + noise), extremes[1], extremes[0]), tick)
    depth, lean = known.depth[rows], steps.lean[bar, last]
    best = [
        queue_sizes(depth, _later(steps.queues[side][bar, last], draws.fill(name)[LOOK_BACK:], QUEUE_PERSISTENCE**part), lean * sign)
        for side, (name, sign) in enumerate((("bid", 1.0), ("ask", -1.0)))
    ]
    wide = SPREAD_NOISE * _later(steps.wide[bar, last] / SPREAD_NOISE, draws.fill("spread")[LOOK_BACK:], SPREAD_PERSISTENCE**part)
    passed = fraction * STEPS
    sizes = _later(draws.sizes[0][:, LOOK_BACK - 1 : -1], draws.sizes[1][:, LOOK_BACK:], QUEUE_PERSISTENCE**passed)
    gone = draws.gaps[2][:, LOOK_BACK:] < passed * FORGET
    gaps = np.where(gone, draws.gaps[1][:, LOOK_BACK:], draws.gaps[0][:, LOOK_BACK - 1 : -1])
    usual = known.half_spread[rows] * path.tick[rows] / tick
    return BookState(mid, half_spread_ticks(usual, wide), np.stack(best) / mid, depth / mid, sizes, gaps)


def _later(state: Singles, news: Singles, kept: float) -> Singles:
    return kept * state + float(np.sqrt(1.0 - kept**2)) * news


def _book(moment: BookState, tick: Floats, gap: Floats, levels: int) -> Sides:
    """Both sides start half a spread from the mid; deeper levels follow at whole ticks, `gap` of them in the mean (geometric)."""
    steps = 1.0 + np.floor(moment.gaps / np.log(gap / (gap - 1.0))[:, :, None])
    size = np.exp(DEEP_SPREAD * moment.sizes - DEEP_SPREAD**2 / 2.0) * (moment.depth[:, :, None] * (1.0 + DEEPER * np.arange(levels)))
    if levels:
        steps[..., 0] = moment.half_spread
        size[..., 0] = moment.best
    away = np.cumsum(steps, axis=3)
    tick, mid = tick[:, :, None], moment.mid[:, :, None]
    return snap_to_tick(mid - away[0] * tick, tick), size[0], snap_to_tick(mid + away[1] * tick, tick), size[1]
