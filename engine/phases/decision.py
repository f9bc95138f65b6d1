"""Phase 8, the decision: every gate for every symbol, the action, and the smallest change that would have flipped it."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import ACTIONS, Decisions, Liquidity, MarketState, Phase, Predictions, Sizes
from engine.domain.gates import GateResults
from engine.domain.market import Inputs
from engine.domain.orders import AGGRESSIVE, PASSIVE, SLICE, WAIT, keeps_working
from engine.domain.record import Bools, Floats
from engine.evidence import impact, order_size
from engine.phases import gates as phases_gates

HOLD, BUY, SELL = (ACTIONS.index(action) for action in ("hold", "buy", "sell"))


def decide_actions(
    sizes: Sizes,
    liquidity: Liquidity,
    opinions: Predictions,
    mood: MarketState,
    inputs: Inputs,
    degraded: tuple[Phase, ...],
    *,
    waived: tuple[str, ...] = (),
) -> Decisions:
    """Opens or adds only where every gate has passed; reduces or closes wherever the symbol can be traded at all, which needs a bar of this moment.

    `waived` names gates to be taken as passed: for asking what would have happened, never in a decision.
    """
    order = phases_gates.size_orders(sizes, liquidity, inputs)
    gates = phases_gates.evaluate_gates(sizes, order, liquidity, opinions, mood, inputs, degraded)
    passed = gates.passed | np.array([[name in waived] for name in gates.names]) if waived else gates.passed
    asked = [
        rung
        for rung in range(phases_gates.TRADABLE)
        if rung != phases_gates.FRESH_DATA and not (inputs.config.flatten and rung == phases_gates.NO_DEGRADED_PHASE)
    ]
    whole, tradable = np.asarray(passed.all(axis=0)), np.asarray(passed[asked].all(axis=0))  # a person's flatten outranks a fault
    tradable &= passed[phases_gates.FRESH_DATA] | phases_gates.has_current_price(mood, inputs)
    target = _target(sizes, inputs, whole, tradable)
    delta = _delta(target, order, sizes, inputs, passed[phases_gates.MINIMUM_ORDER])
    if inputs.config.rules.lots:
        target = np.where(target == 0.0, target, sizes.current + delta * order.price / max(inputs.account.equity, 1e-9))
    action = np.where(delta > 0, BUY, np.where(delta < 0, SELL, HOLD))
    binding = np.where(action == HOLD, np.where(whole, -1, (~passed).argmax(axis=0)), -1)
    votes = np.where(opinions.reliability > 0, opinions.mean, np.nan)[:, sizes.horizon, :]
    settled = np.where(action == HOLD, sizes.current, target)
    execution = _execution(delta, liquidity, inputs)
    return Decisions(action, settled, delta, sizes.confidence, execution, gates, binding, compute_edge_to_flip(sizes, order, inputs), votes)


def redecide_if_degraded(
    decisions: Decisions, sizes: Sizes, liquidity: Liquidity, opinions: Predictions, mood: MarketState, inputs: Inputs, degraded: tuple[Phase, ...]
) -> Decisions:
    """The decisions as they are, settled again where a phase after them failed: a degraded tick opens nothing."""
    if Phase.DECISION in degraded or not {Phase.LEARNING, Phase.EVOLUTION} & set(degraded):
        return decisions
    return decide_actions(sizes, liquidity, opinions, mood, inputs, degraded)


def hold_all(
    sizes: Sizes,
    liquidity: Liquidity,
    opinions: Predictions,
    mood: MarketState,
    inputs: Inputs,
    degraded: tuple[Phase, ...],
    *,
    waived: tuple[str, ...] = (),
) -> Decisions:
    """Assumes nothing can be decided: holds every symbol, all gates shut."""
    del liquidity, mood, degraded, waived
    count = len(inputs.symbols)
    shape = (len(phases_gates.GATE_NAMES), count)
    zero, codes = np.zeros(count), np.zeros(count, dtype=np.int64)
    gates = GateResults(
        phases_gates.GATE_NAMES,
        phases_gates.GATE_SENSES,
        phases_gates.GATE_UNITS,
        np.full(shape, np.nan),
        np.zeros(shape),
        np.zeros(shape, dtype=bool),
    )
    return Decisions(
        codes,
        sizes.current,
        zero,
        zero + 0.5,
        codes,
        gates,
        codes + phases_gates.NO_DEGRADED_PHASE,
        np.full(count, np.nan),
        opinions.mean[:, sizes.horizon, :] * np.nan,
    )


def compute_edge_to_flip(sizes: Sizes, order: phases_gates.OrderSizes, inputs: Inputs) -> Floats:
    """(S,) a change of the expected move, in bps, that changes the action; NaN where none would.

    It is the smallest, were every other gate passed and the other sizes as they are. As these give way where the symbol's own size changes, less
    may do. The inverse of risk.within_band and of what the others take of the move: the edge at which the wanted change just reaches the smallest
    trade, upwards or downwards.
    """
    held, cost, taken, most, rules = sizes.current, sizes.cost_bps, sizes.shared_edge_bps, inputs.config.max_position, inputs.config.rules
    least = np.maximum(phases_gates.smallest_change(sizes, inputs.config), order.least / max(inputs.account.equity, 1e-9))
    slope = np.where(sizes.slope > 0, sizes.slope / 1e4, np.nan)
    to_buy = _edge_to_buy(held + least, held < 0, cost, taken, slope, most) - sizes.edge_bps
    to_sell = -_edge_to_buy(least - held, held > 0, cost, -taken, slope, most) - sizes.edge_bps
    if rules.shorts:  # what may not be short can only be closed
        to_sell = np.where(order_size.can_sell_short(rules, len(held)) | (held > 0), to_sell, np.nan)
    return np.where(np.isnan(to_sell) | (np.abs(to_buy) <= np.abs(to_sell)), to_buy, to_sell)


def _edge_to_buy(level: Floats, short: Bools, cost: Floats, taken: Floats, slope: Floats, most: float) -> Floats:
    """(S,) lowest edge in bps at which a position of this level is wanted; NaN where none is enough, or any.

    A short is closed at 0 at the latest, new exposure must first cover its cost. What others take counts against a position, and for closing one
    that they make worse; the edge that can be given up to them is at most that of the largest position.
    """
    covering = np.minimum(level, 0.0) / slope
    closing = covering + np.minimum(taken, 0.0)
    opening = cost + level / slope
    wish = cost + most / slope
    closing = np.where((level >= -most) & (closing > -wish), closing, np.nan)
    opening = np.where((level <= most) & (opening + taken <= wish), opening + np.maximum(taken, 0.0), np.nan)
    return np.where(short, closing, opening)


def _target(sizes: Sizes, inputs: Inputs, open_gates: Bools, tradable: Bools) -> Floats:
    held = sizes.current
    if inputs.config.flatten:
        return np.where(tradable, 0.0, held)
    wanted = sizes.target
    growing = (np.abs(wanted) > np.abs(held)) & (wanted * held >= 0)
    crossing = wanted * held < 0
    reduced = np.where(growing, held, np.where(crossing, 0.0, wanted))
    worth = (np.abs(reduced - held) >= phases_gates.smallest_change(sizes, inputs.config)) | ((reduced == 0) & (held != 0))
    reduced = np.where(worth, reduced, held)
    return np.where(open_gates, wanted, np.where(tradable, reduced, held))


def _delta(target: Floats, order: phases_gates.OrderSizes, sizes: Sizes, inputs: Inputs, sent: Bools) -> Floats:
    """(S,) base units to trade. A target is what was wanted, what is held, or nothing; an order that the venue does not take is not sent."""
    positions = inputs.account.positions
    wanted = np.where(sent, order.units, 0.0)
    closed = np.where((target == 0.0) & (np.abs(sizes.current) > 1e-12), -positions, 0.0)
    return np.where(target == sizes.current, 0.0, np.where(target == sizes.target, wanted, closed))


def _execution(delta: Floats, liquidity: Liquidity, inputs: Inputs) -> np.ndarray:
    """Goes on with a working order in the direction wanted; slices what is more than a quarter of the book, rests where what that spares is more
    than what is paid either way, else takes.

    Only where a book stands is there a touch to rest at, and only where trades are known is it ever known to be filled. A kind of order that is
    proven to cost more than taking at once is not recommended, and what a person wants flat is taken at once.
    """
    knobs, resting = inputs.config, _maker_fee(inputs, liquidity)
    money = np.abs(delta) * np.where(np.isfinite(liquidity.mid), liquidity.mid, 0.0)
    booked = np.isfinite(liquidity.depth) & (not knobs.flatten)
    large = booked & (money > 0.25 * np.where(booked, liquidity.depth, 0.0)) & ("slice" not in liquidity.costly_executions)
    spared = liquidity.spread_bps / 2.0 + liquidity.fee_bps - resting
    traded = impact.average_volume(inputs.view.volume) > 0
    passive = booked & traded & (spared > resting + liquidity.impact_bps) & ("passive" not in liquidity.costly_executions)
    chosen = np.where(delta == 0, WAIT, np.where(large, SLICE, np.where(passive, PASSIVE, AGGRESSIVE)))
    for order in inputs.account.working_orders:
        if keeps_working(order, float(delta[order.symbol]), knobs):
            chosen[order.symbol] = order.execution
    return chosen


def _maker_fee(inputs: Inputs, liquidity: Liquidity) -> Floats:
    """(S,) bps of an order that rests; the taker's where no other is set."""
    knobs = inputs.config
    if knobs.maker_fees_bps:
        return np.array(knobs.maker_fees_bps)
    return liquidity.fee_bps if knobs.maker_fee_bps is None else np.full(len(liquidity.fee_bps), knobs.maker_fee_bps)
