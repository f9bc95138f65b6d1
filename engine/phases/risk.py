"""Phase 7, risk and sizing: how much of each symbol to hold, and what each limit made of the wish."""

from __future__ import annotations

import math

import numpy as np

from engine.domain.control import Knobs
from engine.domain.decision import LIMITS, Forecast, Liquidity, Mood, Sizes
from engine.domain.market import Account, Inputs
from engine.domain.record import Floats
from engine.domain.state import State
from engine.evidence import skill as proven

YEAR = 365 * 86_400 * 10**9  # ns


def size(forecast: Forecast, mood: Mood, liquidity: Liquidity, inputs: Inputs, state: State) -> Sizes:
    """Growth-optimal sizes, scaled by proven skill, traded only beyond the band that costs make (Davis and Norman 1990), then limited in order."""
    knobs = inputs.knobs
    low, estimate = proven.bound(state.recent, knobs)
    horizon = acted_on(low, knobs)
    held = shares(inputs.account, liquidity.mid)
    scale = forecast.scale[horizon]
    edge = forecast.mean[horizon] * scale
    cost = 2.0 * liquidity.cost_bps * knobs.edge_margin / 1e4
    optimal = np.where(scale > 0, 1.0 / np.where(scale > 0, scale * scale, 1.0), 0.0)
    slope = optimal * knobs.kelly * reliance(low[horizon], estimate[horizon])
    wanted = edge * optimal
    banded = within_band(held, edge, cost, slope)
    alone = np.clip(banded, -knobs.max_position, knobs.max_position)
    steps = [wanted, wanted * knobs.kelly, edge * slope, banded, alone, *_portfolio(alone, held, mood, liquidity, inputs)]
    probability = forecast.probability[horizon]
    confidence = np.where(edge >= 0, probability, 1.0 - probability)
    return Sizes(held, alone, steps[-1], LIMITS, np.stack(steps), edge * 1e4, cost * 1e4, slope, horizon, confidence, low, estimate)


def keep_positions(forecast: Forecast, mood: Mood, liquidity: Liquidity, inputs: Inputs, state: State) -> Sizes:
    """Assumes nothing about the future: keeps what is held, wants nothing more."""
    del forecast, mood, state
    held = shares(inputs.account, liquidity.mid)
    zero = np.zeros(len(held))
    none = np.full(len(inputs.knobs.horizons), np.nan)
    steps = np.repeat(held[None, :], len(LIMITS) + 1, axis=0)
    return Sizes(held, held, held, LIMITS, steps, zero, 2.0 * liquidity.cost_bps, zero, len(none) - 1, zero + 0.5, none, none)


def within_band(held: Floats, edge: Floats, cost: Floats, slope: Floats) -> Floats:
    """(S,) what to hold, as a share of equity, when a round trip costs `cost` (log return) and each unit of edge is worth `slope` of size.

    New exposure is worth its full round trip: buy up to slope (edge - cost) where that is positive, sell down to slope (edge + cost) where that
    is negative. Exposure already there is cut only to slope x edge, its exit being paid for either way. Between the two nothing is traded.
    """
    buy_to = np.where(edge >= cost, slope * (edge - cost), slope * np.minimum(edge, 0.0))
    sell_to = np.where(edge <= -cost, slope * (edge + cost), slope * np.maximum(edge, 0.0))
    return np.clip(held, buy_to, sell_to)


def reliance(low: float, estimate: float) -> float:
    """Share of the full size that proven skill allows: the lower bound of R2 over its estimate; 0 where the bound is not above 0."""
    return min(1.0, low / estimate) if low > 0 and estimate > 0 else 0.0


def acted_on(low: Floats, knobs: Knobs) -> int:
    """Index of the horizon with the largest proven move, root of (bound x bars); the longest where none is proven."""
    moves = np.where(low > 0.0, low, 0.0) * np.array(knobs.horizons)
    return int(moves.argmax()) if moves.max() > 0 else len(knobs.horizons) - 1


def shares(account: Account, mid: Floats) -> Floats:
    """(S,) positions as shares of equity."""
    price = np.where(np.isfinite(mid), mid, np.where(np.isfinite(account.mark), account.mark, 0.0))
    return np.asarray(account.positions * price / max(account.equity, 1e-9))


def day_loss(account: Account) -> float:
    """Loss since the day began, as a share of the day's opening equity; 0 for a gain."""
    return max(0.0, 1.0 - account.equity / account.day_open) if account.day_open > 0 else 0.0


def drawdown(account: Account) -> float:
    """Fall from the highest equity, as a share of it."""
    return max(0.0, 1.0 - account.equity / account.peak) if account.peak > 0 else 0.0


def _portfolio(alone: Floats, held: Floats, mood: Mood, liquidity: Liquidity, inputs: Inputs) -> list[Floats]:
    """The limits of the portfolio, one after the other: volatility target, gross, net, daily loss, drawdown, participation."""
    knobs = inputs.knobs
    steps = [alone * _volatility_scale(alone, mood, inputs)]
    gross = float(np.abs(steps[-1]).sum())
    steps.append(steps[-1] * min(1.0, knobs.max_gross / gross) if gross > 0 else steps[-1])
    steps.append(_limit_net(steps[-1], knobs.max_net))
    smaller = np.where(np.sign(steps[-1]) == np.sign(held), np.sign(held) * np.minimum(np.abs(steps[-1]), np.abs(held)), 0.0)
    steps.append(smaller if day_loss(inputs.account) > knobs.max_daily_loss else steps[-1])
    steps.append(np.zeros_like(alone) if drawdown(inputs.account) > knobs.max_drawdown else steps[-1])
    steps.append(_fillable(steps[-1], held, liquidity.room / max(inputs.account.equity, 1e-9)))
    return steps


def _fillable(target: Floats, held: Floats, room: Floats) -> Floats:
    """Adds no more than a bar may fill; what closes is wanted whole, and is filled bar by bar. A room that is NaN is no limit."""
    most, least = np.maximum(held, 0.0) + room, np.minimum(held, 0.0) - room
    return np.fmax(np.fmin(target, most), least)


def _volatility_scale(target: Floats, mood: Mood, inputs: Inputs) -> float:
    """Factor that brings the portfolio's yearly volatility to the target, with one correlation for all pairs."""
    risk = target * np.where(np.isfinite(mood.sigma), mood.sigma, 0.0)
    shared = max(mood.correlation, 0.0)
    variance = shared * float(risk.sum()) ** 2 + (1.0 - shared) * float(risk @ risk)
    yearly = math.sqrt(variance * YEAR / inputs.interval)
    return min(1.0, inputs.knobs.target_volatility / yearly) if yearly > 0 else 1.0


def _limit_net(target: Floats, limit: float) -> Floats:
    """Scales down the heavier side until |long - short| is within the limit."""
    net = float(target.sum())
    if abs(net) <= limit:
        return target
    heavy = np.sign(target) == np.sign(net)
    side = float(np.abs(target[heavy]).sum())
    return np.where(heavy, target * (1.0 - (abs(net) - limit) / side), target)
