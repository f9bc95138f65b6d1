"""What kinds of order come to: how much of them is filled, and what they cost against taking at once at the moment they arrived.

The shortfall of an order is what it paid more, fees included, than the part of it that taking at once would have filled then would have cost. What
was not filled in the end, whether out of time or cancelled, is counted at the mid when it was over (Perold 1988): an order that is only filled
when the market comes its way does not look cheap. Shares and shortfalls are ratios, with the blocks and intervals of evidence.skill, valid under
continuous watching.

A kind of order is recommended until it is proven to cost more than taking at once: until the interval lies above 0 as a whole.
"""

from __future__ import annotations

import math

import numpy as np

from engine.domain.orders import AGGRESSIVE, EXECUTIONS, ORDER_KINDS, ExecutionRow, ExecutionSums, FinishedOrder
from engine.domain.record import Floats
from engine.evidence import skill

SHARE, SHORTFALL = range(2)  # the first axis of Execution.scored


def empty_execution() -> ExecutionSums:
    """No order is over."""
    return ExecutionSums(np.zeros(len(ORDER_KINDS)), skill.empty_skill(2, 1, len(ORDER_KINDS)))


def add_finished_orders(before: ExecutionSums, done: tuple[FinishedOrder, ...], *, closes: Floats) -> ExecutionSums:
    """With the orders that were over with this bar; `closes` (1,) ends a block."""
    if not (done or closes.any()):
        return before
    orders, sums = before.orders.copy(), np.zeros((4, 2, 1, len(ORDER_KINDS)))
    for order in done:
        kind = order.execution - 1
        orders[kind] += 1.0
        sums[:, SHARE, 0, kind] += _row(2.0 * order.filled - order.requested, order.requested)
        if math.isfinite(order.shortfall_bps):
            sums[:, SHORTFALL, 0, kind] += _row(order.shortfall_bps, 1.0)
    return ExecutionSums(orders, skill.add_scores(before.scores, sums, closes))


def _row(gain: float, power: float) -> tuple[float, float, float, float]:
    return gain, gain * gain, power, 1.0


def find_costly_kinds(execution: ExecutionSums) -> tuple[str, ...]:
    """The kinds of order that are proven to cost more than taking at once."""
    if not (execution.scores.blocks[SHORTFALL] >= skill.MIN_BLOCKS - 1).any():
        return ()
    mean, half, _ = (part[SHORTFALL, 0] for part in skill.confidence_interval(execution.scores))
    return tuple(kind for kind, low in zip(ORDER_KINDS, (mean - half).tolist(), strict=True) if low > 0.0)


def execution_table(execution: ExecutionSums) -> tuple[ExecutionRow, ...]:
    """A row per kind of order."""
    refused, scored = find_costly_kinds(execution), execution.scores
    ratio, half, _ = (part[:, 0] for part in skill.confidence_interval(scored))
    rows = []
    for index, kind in enumerate(ORDER_KINDS):
        asked = float(scored.power[SHARE, 0, index])
        share = (1.0 + float(scored.gain[SHARE, 0, index]) / asked) / 2.0 if asked > 0.0 else None
        low, high = _interval(share, float(half[SHARE, index]) / 2.0)
        least, most = None if low is None else max(low, 0.0), None if high is None else min(high, 1.0)
        compared = kind != EXECUTIONS[AGGRESSIVE]
        known = compared and math.isfinite(half[SHORTFALL, index])
        mean = float(ratio[SHORTFALL, index]) if known else None
        bps = _interval(mean, float(half[SHORTFALL, index]))
        n = int(scored.rows[SHORTFALL, 0, index]) if compared else 0
        unfilled = None if share is None else 1.0 - share
        rows.append(ExecutionRow(kind, int(execution.orders[index]), share, least, most, unfilled, mean, *bps, n, kind not in refused))
    return tuple(rows)


def _interval(middle: float | None, half: float) -> tuple[float | None, float | None]:
    return (middle - half, middle + half) if middle is not None and math.isfinite(half) else (None, None)
