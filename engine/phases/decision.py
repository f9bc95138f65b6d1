"""Phase 8, the decision: every gate for every symbol, the action, and the smallest change that would flip it."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import ACTIONS, Decisions, Liquidity, MarketState, Phase, Predictions, Sizes
from engine.domain.gates import GateResults
from engine.domain.market import Inputs
from engine.domain.orders import AGGRESSIVE, PASSIVE, SLICE, WAIT, keeps_working
from engine.domain.record import Bools, Floats
from engine.evidence import order_size, transaction_cost
from engine.phases import gates

HOLD, BUY, SELL = (ACTIONS.index(action) for action in ("hold", "buy", "sell"))


def decide_actions(
    sizes: Sizes,
    liquidity: Liquidity,
    predictions: Predictions,
    market_state: MarketState,
    inputs: Inputs,
    degraded: tuple[Phase, ...],
    *,
    waived: tuple[str, ...] = (),
) -> Decisions:
    """Open or add only where every gate passes; reduce or close wherever the symbol can be traded at all, which needs a current bar.

    `waived` names gates to treat as passed, for counterfactuals only, never in a decision.
    """
    order = gates.size_orders(sizes, liquidity, inputs)
    results = gates.evaluate_gates(sizes, order, liquidity, predictions, market_state, inputs, degraded)
    passed = results.passed | np.array([[name in waived] for name in results.names]) if waived else results.passed
    exempt = {gates.FRESH_DATA, gates.NO_DEGRADED_PHASE} if inputs.config.flatten else {gates.FRESH_DATA}  # a flatten command outranks a fault
    required = [index for index in range(gates.TRADABLE) if index not in exempt]
    all_passed, tradable = np.asarray(passed.all(axis=0)), np.asarray(passed[required].all(axis=0))
    tradable &= passed[gates.FRESH_DATA] | gates.has_current_price(market_state, inputs)
    target, delta = sizes.current, np.zeros(len(inputs.symbols))
    if inputs.config.flatten or np.count_nonzero(sizes.target != sizes.current):
        target = _target(sizes, inputs, all_passed, tradable)
        delta = _delta(target, order, sizes, inputs, passed[gates.MINIMUM_ORDER])
    if inputs.config.rules.lots:
        target = np.where(target == 0.0, target, sizes.current + delta * order.price / max(inputs.account.equity, 1e-9))
    action = np.where(delta > 0, BUY, np.where(delta < 0, SELL, HOLD))
    binding = np.where(action == HOLD, np.where(all_passed, -1, (~passed).argmax(axis=0)), -1)
    votes = np.where(predictions.reliability[:, sizes.horizon] > 0, predictions.mean[:, sizes.horizon], np.nan)
    target = np.where(action == HOLD, sizes.current, target)
    execution = _choose_execution(delta, liquidity, inputs)
    return Decisions(action, target, delta, sizes.confidence, execution, results, binding, compute_edge_to_flip(sizes, order, inputs), votes)


def redecide_if_degraded(
    decisions: Decisions,
    sizes: Sizes,
    liquidity: Liquidity,
    predictions: Predictions,
    market_state: MarketState,
    inputs: Inputs,
    degraded: tuple[Phase, ...],
) -> Decisions:
    """Return the decisions, made again where a later phase failed: a degraded tick opens nothing."""
    if Phase.DECISION in degraded or not {Phase.LEARNING, Phase.EVOLUTION} & set(degraded):
        return decisions
    return decide_actions(sizes, liquidity, predictions, market_state, inputs, degraded)


def hold_all(
    sizes: Sizes,
    liquidity: Liquidity,
    predictions: Predictions,
    market_state: MarketState,
    inputs: Inputs,
    degraded: tuple[Phase, ...],
    *,
    waived: tuple[str, ...] = (),
) -> Decisions:
    """Fall back to holding every symbol, with all gates failed."""
    del liquidity, market_state, degraded, waived
    count = len(inputs.symbols)
    shape = (len(gates.GATE_NAMES), count)
    zero, codes = np.zeros(count), np.zeros(count, dtype=np.int64)
    unknown, failed = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    results = GateResults(gates.GATE_NAMES, gates.GATE_SENSES, gates.GATE_UNITS, unknown, np.zeros(shape), failed)
    votes = predictions.mean[:, sizes.horizon, :] * np.nan
    return Decisions(codes, sizes.current, zero, zero + 0.5, codes, results, codes + gates.NO_DEGRADED_PHASE, np.full(count, np.nan), votes)


def compute_edge_to_flip(sizes: Sizes, order: gates.OrderSizes, inputs: Inputs) -> Floats:
    """Return (S,) the smallest change of the expected move, in bps, that changes the action; NaN where none does.

    It assumes that every other gate passes and that the other sizes stay as they are; because these adapt to the symbol's own size, a smaller
    change may do. It inverts risk.apply_no_trade_band and the part of the move that correlated symbols use: the edge at which the change in position
    just reaches the smallest trade, upwards or downwards.
    """
    if not np.count_nonzero(sizes.slope > 0):  # no edge supports any size
        return np.full(len(sizes.slope), np.nan)
    current, cost, shared, config = sizes.current, sizes.cost_bps, sizes.shared_edge_bps, inputs.config
    most, rules = config.max_position, config.rules
    least = np.maximum(gates.smallest_change(sizes, config), order.least / max(inputs.account.equity, 1e-9))
    slope = np.where(sizes.slope > 0, sizes.slope / 1e4, np.nan)
    to_buy = _edge_to_buy(current + least, current < 0, cost, shared, slope, most) - sizes.edge_bps
    to_sell = -_edge_to_buy(least - current, current > 0, cost, -shared, slope, most) - sizes.edge_bps
    if rules.shorts:  # a symbol without short selling can only be closed
        to_sell = np.where(order_size.can_sell_short(rules, len(current)) | (current > 0), to_sell, np.nan)
    return np.where(np.isnan(to_sell) | (np.abs(to_buy) <= np.abs(to_sell)), to_buy, to_sell)


def _edge_to_buy(level: Floats, short: Bools, cost: Floats, shared: Floats, slope: Floats, most: float) -> Floats:
    """Return (S,) the lowest edge in bps at which the desired position reaches this level; NaN where no edge does, or any.

    A short is closed at an edge of 0 at the latest; new exposure must first cover its cost. The edge that correlated symbols use counts against
    a position, and in favour of closing one that they make worse; it is at most that of the largest position.
    """
    covering = np.minimum(level, 0.0) / slope
    closing = covering + np.minimum(shared, 0.0)
    opening = cost + level / slope
    largest = cost + most / slope
    closing = np.where((level >= -most) & (closing > -largest), closing, np.nan)
    opening = np.where((level <= most) & (opening + shared <= largest), opening + np.maximum(shared, 0.0), np.nan)
    return np.where(short, closing, opening)


def _target(sizes: Sizes, inputs: Inputs, all_passed: Bools, tradable: Bools) -> Floats:
    """Return (S,) the target where all gates pass, else its part that reduces the position, else the position."""
    current, target = sizes.current, sizes.target
    if inputs.config.flatten:
        return np.where(tradable, 0.0, current)
    growing = (np.abs(target) > np.abs(current)) & (target * current >= 0)
    crossing = target * current < 0
    reduced = np.where(growing, current, np.where(crossing, 0.0, target))
    worth = (np.abs(reduced - current) >= gates.smallest_change(sizes, inputs.config)) | ((reduced == 0) & (current != 0))
    reduced = np.where(worth, reduced, current)
    return np.where(all_passed, target, np.where(tradable, reduced, current))


def _delta(target: Floats, order: gates.OrderSizes, sizes: Sizes, inputs: Inputs, sent: Bools) -> Floats:
    """Return (S,) base units to trade: to the size after every limit, to 0, or none; an order below the venue's minimum is not sent."""
    positions = inputs.account.positions
    to_size = np.where(sent, order.units, 0.0)
    to_zero = np.where((target == 0.0) & (np.abs(sizes.current) > 1e-12), -positions, 0.0)
    return np.where(target == sizes.current, 0.0, np.where(target == sizes.target, to_size, to_zero))


def _choose_execution(delta: Floats, liquidity: Liquidity, inputs: Inputs) -> np.ndarray:
    """Return (S,) codes: continue a working order, slice an order above a quarter of the book, rest where that saves more than it costs, else take.

    Resting needs a book with a touch, and known trades, without which no fill could be confirmed. A kind of order that is proven to cost more than
    an immediate fill is not recommended, and a flatten command is executed at once.
    """
    if not (np.count_nonzero(delta) or inputs.account.working_orders):
        return np.full(len(delta), WAIT)
    config, maker_fee = inputs.config, _maker_fee(inputs, liquidity)
    money = np.abs(delta) * np.where(np.isfinite(liquidity.mid), liquidity.mid, 0.0)
    booked = np.isfinite(liquidity.depth) & (not config.flatten)
    large = booked & (money > 0.25 * np.where(booked, liquidity.depth, 0.0)) & ("slice" not in liquidity.costly_executions)
    saved = liquidity.spread_bps / 2.0 + liquidity.fee_bps - maker_fee
    traded = transaction_cost.average_volume(inputs.view.volume) > 0
    passive = booked & traded & (saved > maker_fee + liquidity.impact_bps) & ("passive" not in liquidity.costly_executions)
    execution = np.where(delta == 0, WAIT, np.where(large, SLICE, np.where(passive, PASSIVE, AGGRESSIVE)))
    for order in inputs.account.working_orders:
        if keeps_working(order, float(delta[order.symbol]), config):
            execution[order.symbol] = order.execution
    return execution


def _maker_fee(inputs: Inputs, liquidity: Liquidity) -> Floats:
    """Return (S,) the fee of a resting order in bps; the taker fee where no maker fee is set."""
    config = inputs.config
    if config.maker_fees_bps:
        return np.array(config.maker_fees_bps)
    return liquidity.fee_bps if config.maker_fee_bps is None else np.full(len(liquidity.fee_bps), config.maker_fee_bps)
