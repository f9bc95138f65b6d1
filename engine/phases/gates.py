"""The gates: every condition for taking new risk, in order, with its value and limit for every symbol."""

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

GATE_NAMES, GATE_SENSES, GATE_UNITS = (tuple(gate[part] for gate in GATES) for part in range(3))
Value = NDArray[Any] | float
AT_MOST, MORE = (np.array([[sense == operator] for sense in GATE_SENSES]) for operator in ("<=", ">"))
TRADABLE = 4  # the first four gates must pass for any trade, exits included; instead of the first, an exit only needs a current bar
FRESH_DATA = GATE_NAMES.index("fresh data")
NO_DEGRADED_PHASE = GATE_NAMES.index("no degraded phase")
MINIMUM_ORDER = GATE_NAMES.index("minimum order")


class OrderSizes(NamedTuple):
    """The order that takes each position to its size after every limit, by the venue's rules."""

    units: Floats  # (S,) base units, whole lots
    price: Floats  # (S,) mid, 1 where there is none
    least: Floats | float  # (S,) money, the smallest order that the venue accepts; 0 where it has no rule


def evaluate_gates(
    sizes: Sizes,
    order: OrderSizes,
    liquidity: Liquidity,
    predictions: Predictions,
    market_state: MarketState,
    inputs: Inputs,
    degraded: tuple[Phase, ...],
) -> GateResults:
    """Return every gate, in order. An unknown value is NaN and does not pass.

    Data are fresh where the newest bar is present and the feed has no fault; otherwise the value is the number of bars since that held.
    """
    config, account, count = inputs.config, inputs.account, len(inputs.symbols)
    since_loss = np.minimum(inputs.tick - account.last_loss_tick, 10**6).astype(float)
    change = sizes.target - sizes.current
    unconstrained_change = np.abs(sizes.unconstrained - sizes.current)
    closing = (sizes.unconstrained == 0) & (sizes.current != 0)
    booked = inputs.books.bid_price.shape[1] > 0 and Phase.MICROSTRUCTURE not in degraded
    unbooked = np.isnan(liquidity.depth) & booked  # no book for this symbol on a market with books: nothing could be filled
    least, part = smallest_change(sizes, config), np.maximum(config.min_trade / 10.0, config.rebalance_threshold * np.abs(sizes.current))
    measured: dict[str, tuple[Value, Value]] = {  # value and limit
        "fresh data": (_age(market_state, inputs), 0.0),
        "not paused": (float(config.paused), 0.0),
        "no degraded phase": (float(len(degraded)), 0.0),
        "valid book": ((liquidity.invalid_book | unbooked | ~(liquidity.mid > 0)) * 1.0, 0.0),
        "not flattened": (float(config.flatten), 0.0),
        "history": (inputs.view.known * 1.0, float(config.min_history)),
        "spread": (liquidity.spread_bps, config.max_spread_bps),
        "active models": (predictions.active_models, float(min(config.min_models, len(predictions.models)))),
        "proven skill": (float(sizes.skill_bound[sizes.horizon]) * 100.0, 0.0),
        "in distribution": (predictions.out_of_distribution * 100.0, config.max_out_of_distribution * 100.0),
        "agreement": (predictions.agreement[sizes.horizon] * 100.0, config.min_agreement * 100.0),
        "edge above cost": (np.abs(sizes.edge_bps), sizes.cost_bps),
        "cooldown": (since_loss, float(config.cooldown_bars)),
        "daily loss": (risk.compute_daily_loss(account) * 100.0, config.max_daily_loss * 100.0),
        "drawdown": (risk.compute_drawdown(account) * 100.0, config.max_drawdown * 100.0),
        "minimum trade": (np.where(closing, np.maximum(unconstrained_change, least), unconstrained_change) * 100.0, least * 100.0),
        "risk limits": (np.sign(sizes.unconstrained - sizes.current) * change * 100.0, np.where(closing, 0.0, part) * 100.0),
        "minimum order": (
            np.abs(order.units) * order.price,
            order.least if np.ndim(order.least) == 0 else np.where(sizes.target == 0.0, 0.0, order.least),
        ),
    }
    values, limits = np.empty((2, len(GATES), count))
    for index, name in enumerate(GATE_NAMES):
        values[index], limits[index] = measured[name]
    return GateResults(GATE_NAMES, GATE_SENSES, GATE_UNITS, values, limits, passes_limit(values, limits))


def size_orders(sizes: Sizes, liquidity: Liquidity, inputs: Inputs) -> OrderSizes:
    """Return the order that takes each position to its target, in whole lots toward zero, and the smallest order that the venue accepts.

    A position is closed completely, even where it is no multiple of a lot; a reversal closes completely and rounds the rest.
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


def has_current_price(market_state: MarketState, inputs: Inputs) -> Bools:
    """Return (S,) where the newest bar is current, whatever other faults the feed has: a position can still be closed at its price."""
    return np.asarray(inputs.fresh & (inputs.view.age == 0) & ~market_state.incident_state.faults.frozen_bar)


def _age(market_state: MarketState, inputs: Inputs) -> Floats:
    """Return (S,) the number of bars since the newest one present in a feed without a fault; 0 where it is this one."""
    faults = market_state.incident_state.faults
    sound = inputs.fresh & (inputs.view.age == 0) & (faults.kind == NO_FAULT)
    return np.where(sound, 0.0, np.maximum(np.maximum(inputs.view.age, faults.bars), 1.0))


def smallest_change(sizes: Sizes, config: TradingConfig) -> Floats:
    """Return (S,) the share of equity below which a change is not worth an order, unless it closes the position."""
    return np.maximum(config.min_trade, config.rebalance_threshold * np.abs(sizes.current))


def passes_limit(value: Floats, limit: Floats) -> Bools:
    """Return (G, S) whether `value sense limit` holds, by the sense of each gate; False where the value is NaN."""
    return np.asarray(np.where(AT_MOST, value <= limit, np.where(MORE, value > limit, value >= limit)))
