"""Execution quality by kind of order: fill rate, and implementation shortfall against taking at once on arrival.

The shortfall of an order is its cost, fees included, less that of taking at once on arrival as much as the book would have filled. The unfilled
remainder of an order that expired or was cancelled counts at the mid at its end (Perold 1988), so that an order which only fills when the market
comes its way does not look cheap. Fill rates and shortfalls are ratios with the blocks and intervals of evidence.skill, valid at every tick at once.

A kind of order is recommended until it is proven to cost more than taking at once, which is when its whole interval lies above 0.
"""

from __future__ import annotations

import math

import numpy as np

from engine.domain.orders import AGGRESSIVE, EXECUTIONS, ORDER_KINDS, ExecutionRow, ExecutionSums, FinishedOrder
from engine.domain.record import Floats
from engine.evidence import skill

FILL_RATE, SHORTFALL = range(2)  # the first axis of ExecutionSums.scores


def empty_execution() -> ExecutionSums:
    """The sums before any order has ended."""
    return ExecutionSums(np.zeros(len(ORDER_KINDS)), skill.empty_skill(2, 1, len(ORDER_KINDS)))


def add_finished_orders(before: ExecutionSums, done: tuple[FinishedOrder, ...], *, closes: Floats) -> ExecutionSums:
    """Add the orders that ended with this bar; `closes` (1,) is 1 where a block ends."""
    if not (done or closes.any()):
        return before
    orders, sums = before.orders.copy(), np.zeros((4, 2, 1, len(ORDER_KINDS)))
    for order in done:
        kind = order.execution - 1
        orders[kind] += 1.0
        sums[:, FILL_RATE, 0, kind] += _row(2.0 * order.filled - order.requested, order.requested)
        if math.isfinite(order.shortfall_bps):
            sums[:, SHORTFALL, 0, kind] += _row(order.shortfall_bps, 1.0)
    return ExecutionSums(orders, skill.add_scores(before.scores, sums, closes))


def find_costly_kinds(execution: ExecutionSums) -> tuple[str, ...]:
    """The kinds of order proven to cost more than taking at once."""
    if not (execution.scores.blocks[SHORTFALL] >= skill.MIN_BLOCKS - 1).any():
        return ()
    mean, half, _ = (part[SHORTFALL, 0] for part in skill.confidence_interval(execution.scores))
    return tuple(kind for kind, low in zip(ORDER_KINDS, (mean - half).tolist(), strict=True) if low > 0.0)


def execution_table(execution: ExecutionSums) -> tuple[ExecutionRow, ...]:
    """One row per kind of order: shares of money, shortfall in bps; None where there is not enough data."""
    costly, scored = find_costly_kinds(execution), execution.scores
    ratio, half, _ = (part[:, 0] for part in skill.confidence_interval(scored))
    rows = []
    for index, kind in enumerate(ORDER_KINDS):
        requested = float(scored.power[FILL_RATE, 0, index])
        share = (1.0 + float(scored.gain[FILL_RATE, 0, index]) / requested) / 2.0 if requested > 0.0 else None
        low, high = _interval(share, float(half[FILL_RATE, index]) / 2.0)
        filled_low, filled_high = None if low is None else max(low, 0.0), None if high is None else min(high, 1.0)
        compared = kind != EXECUTIONS[AGGRESSIVE]
        known = compared and math.isfinite(half[SHORTFALL, index])
        mean = float(ratio[SHORTFALL, index]) if known else None
        bps = _interval(mean, float(half[SHORTFALL, index]))
        n = int(scored.rows[SHORTFALL, 0, index]) if compared else 0
        unfilled = None if share is None else 1.0 - share
        rows.append(ExecutionRow(kind, int(execution.orders[index]), share, filled_low, filled_high, unfilled, mean, *bps, n, kind not in costly))
    return tuple(rows)


def _row(gain: float, power: float) -> tuple[float, float, float, float]:
    return gain, gain * gain, power, 1.0


def _interval(middle: float | None, half: float) -> tuple[float | None, float | None]:
    return (middle - half, middle + half) if middle is not None and math.isfinite(half) else (None, None)
