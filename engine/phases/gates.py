"""The gate ladder: every condition for taking new risk, in order, with its value and limit for every symbol."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.domain.decision import Liquidity, MarketState, Phase, Predictions, Sizes
from engine.domain.gates import GATES, GateResults
from engine.domain.incidents import NO_FAULT
from engine.domain.market import Inputs
from engine.domain.record import Bools, Floats
from engine.domain.trading_config import TradingConfig
from engine.evidence import order_size
from engine.phases import risk

GATE_NAMES, GATE_SENSES, GATE_UNITS = (tuple(rung[part] for rung in GATES) for part in range(3))
Value = NDArray[Any] | float
AT_MOST, MORE = (np.array([[sense == one] for sense in GATE_SENSES]) for one in ("<=", ">"))
TRADABLE = 4  # the first four must pass for any trade at all, exits included; of the first, exits need only a bar of this moment (see current)
FRESH_DATA = GATE_NAMES.index("fresh data")
NO_DEGRADED_PHASE = GATE_NAMES.index("no degraded phase")
MINIMUM_ORDER = GATE_NAMES.index("minimum order")


class OrderSizes(NamedTuple):
    """The order that takes each position to its target after every limit, as the venue takes it."""

    units: Floats  # (S,) base units, whole lots
    price: Floats  # (S,) mid, 1 where there is none
    least: Floats | float  # (S,) money, the smallest order that is taken; 0 where the venue has no rule


def evaluate_gates(
    sizes: Sizes, order: OrderSizes, liquidity: Liquidity, opinions: Predictions, mood: MarketState, inputs: Inputs, degraded: tuple[Phase, ...]
) -> GateResults:
    """Every gate in the order of RUNGS. A value that is not known is NaN and does not pass.

    Data are fresh where the newest bar is there and nothing is wrong with the feed; else their value is the bars since it was so.
    """
    knobs, account, count = inputs.config, inputs.account, len(inputs.symbols)
    since_loss = np.minimum(inputs.tick - account.last_loss_tick, 10**6).astype(float)
    change = sizes.target - sizes.current
    alone = np.abs(sizes.unconstrained - sizes.current)
    closing = (sizes.unconstrained == 0) & (sizes.current != 0)
    booked = inputs.books.bid_price.shape[1] > 0 and Phase.MICROSTRUCTURE not in degraded
    unbooked = np.isnan(liquidity.depth) & booked  # the market has books and here none stands: nothing could be filled
    least, part = smallest_change(sizes, knobs), np.maximum(knobs.min_trade / 10.0, knobs.rebalance_threshold * np.abs(sizes.current))
    measured: tuple[tuple[Value, Value], ...] = (
        (_age(mood, inputs), 0.0),
        (float(knobs.paused), 0.0),
        (float(len(degraded)), 0.0),
        ((liquidity.invalid_book | unbooked | ~(liquidity.mid > 0)) * 1.0, 0.0),
        (float(knobs.flatten), 0.0),
        (inputs.view.known * 1.0, float(knobs.min_history)),
        (liquidity.spread_bps, knobs.max_spread_bps),
        (opinions.active_models, float(min(knobs.min_models, len(opinions.models)))),
        (float(sizes.skill_bound[sizes.horizon]) * 100.0, 0.0),
        (opinions.out_of_distribution * 100.0, knobs.max_out_of_distribution * 100.0),
        (opinions.agreement[sizes.horizon] * 100.0, knobs.min_agreement * 100.0),
        (np.abs(sizes.edge_bps), sizes.cost_bps),
        (since_loss, float(knobs.cooldown_bars)),
        (risk.compute_daily_loss(account) * 100.0, knobs.max_daily_loss * 100.0),
        (risk.compute_drawdown(account) * 100.0, knobs.max_drawdown * 100.0),
        (np.where(closing, np.maximum(alone, least), alone) * 100.0, least * 100.0),
        (np.sign(sizes.unconstrained - sizes.current) * change * 100.0, np.where(closing, 0.0, part) * 100.0),
        (np.abs(order.units) * order.price, order.least if np.ndim(order.least) == 0 else np.where(sizes.target == 0.0, 0.0, order.least)),
    )
    values, limits = np.empty((2, len(GATES), count))
    for rung, (value, limit) in enumerate(measured):
        values[rung], limits[rung] = value, limit
    return GateResults(GATE_NAMES, GATE_SENSES, GATE_UNITS, values, limits, passes_limit(values, limits))


def size_orders(sizes: Sizes, liquidity: Liquidity, inputs: Inputs) -> OrderSizes:
    """Base units that take each position to its target, in whole lots toward zero, and the smallest order that the venue takes.

    A position is closed whole, whatever it is a multiple of; one that turns round is closed whole and the rest is rounded.
    """
    positions, rules, target = inputs.account.positions, inputs.config.rules, sizes.target
    price = np.where(liquidity.mid > 0, liquidity.mid, 1.0)
    moved = target - sizes.current
    moved = np.where(np.abs(moved) > 1e-12, moved, 0.0)
    units = moved * inputs.account.equity / price
    closed = np.where((target * positions <= 0) & (moved != 0), -positions, 0.0)
    if rules.lots:
        units = np.asarray(closed + np.where(target == 0, 0.0, order_size.round_to_lot(units - closed, price, rules)))
    else:
        units = np.where((target == 0) & (closed != 0), closed, units)
    least = order_size.minimum_order_size(price, rules) * price if rules.lots or rules.min_notionals else 0.0
    return OrderSizes(units, price, least)


def has_current_price(mood: MarketState, inputs: Inputs) -> Bools:
    """(S,) where the newest bar is one of this moment, whatever else is wrong with the feed: the price at which a position can still be closed."""
    return np.asarray(inputs.fresh & (inputs.view.age == 0) & ~mood.incident_state.faults.frozen_bar)


def _age(mood: MarketState, inputs: Inputs) -> Floats:
    """(S,) bars since the newest bar that was there and of a feed without a fault, 0 where it is this one."""
    faults = mood.incident_state.faults
    sound = inputs.fresh & (inputs.view.age == 0) & (faults.kind == NO_FAULT)
    return np.where(sound, 0.0, np.maximum(np.maximum(inputs.view.age, faults.bars), 1.0))


def smallest_change(sizes: Sizes, knobs: TradingConfig) -> Floats:
    """(S,) share of equity below which a change is not worth an order, unless it closes the position."""
    return np.maximum(knobs.min_trade, knobs.rebalance_threshold * np.abs(sizes.current))


def passes_limit(value: Floats, limit: Floats) -> Bools:
    """(G, S) `value sense limit`, each row by its gate's sense; False where the value is NaN."""
    return np.asarray(np.where(AT_MOST, value <= limit, np.where(MORE, value > limit, value >= limit)))
