"""What kinds of order come to: how much of them is filled, and what they cost against taking at once at the moment they arrived.

The shortfall of an order is what it paid more, fees included, than the part of it that taking at once would have filled then would have cost. What
was not filled in the end, whether out of time or cancelled, is counted at the mid when it was over (Perold 1988): an order that is only filled
when the market comes its way does not look cheap. Orders of a moment are alike, so the interval is made of blocks of ticks, by a ratio estimator as
in evidence.regret, with the bound of evidence.skill, valid under continuous watching.

A kind of order is recommended until it is proven to cost more than taking at once: until the interval lies above 0 as a whole.
"""

from __future__ import annotations

import math

import numpy as np

from engine.domain.orders import AGGRESSIVE, EXECUTIONS, KINDS, Done, Execution, ExecutionRow
from engine.domain.record import Floats
from engine.evidence.skill import FEWEST, SHOWN_ALPHA, radius

ORDERS, ASKED, FILLED, ROWS, BPS, BLOCKS, BPS_SQUARED, BPS_ROWS, ROWS_SQUARED, OPEN_BPS, OPEN_ROWS = range(11)


def empty() -> Execution:
    """No order is over."""
    return Execution(np.zeros((len(KINDS), 11)))


def add(before: Execution, done: tuple[Done, ...], *, closes: bool) -> Execution:
    """With the orders that were over with this bar; a block ends with it where it `closes`."""
    if not (done or closes):
        return before
    sums = before.sums.copy()
    for order in done:
        row = sums[order.execution - 1]
        row[ORDERS] += 1.0
        row[ASKED] += order.asked
        row[FILLED] += order.filled
        if np.isfinite(order.shortfall_bps):
            row[OPEN_BPS] += order.shortfall_bps
            row[OPEN_ROWS] += 1.0
    if closes:
        money, rows = sums[:, OPEN_BPS].copy(), sums[:, OPEN_ROWS].copy()
        sums[:, ROWS] += rows
        sums[:, BPS] += money
        sums[:, BLOCKS] += rows > 0
        sums[:, BPS_SQUARED] += money * money
        sums[:, BPS_ROWS] += money * rows
        sums[:, ROWS_SQUARED] += rows * rows
        sums[:, OPEN_BPS:] = 0.0
    return Execution(sums)


def shortfall(told: Execution) -> tuple[Floats, Floats, Floats]:
    """(3,) mean shortfall in bps per order and the ends of its interval, a kind each; NaN with fewer than skill.FEWEST blocks."""
    sums = told.sums
    rows = np.maximum(sums[:, ROWS], 1.0)
    mean = sums[:, BPS] / rows
    variance = sums[:, BPS_SQUARED] - 2.0 * mean * sums[:, BPS_ROWS] + mean * mean * sums[:, ROWS_SQUARED]
    reach = radius(np.maximum(variance, 0.0), sums[:, BLOCKS], SHOWN_ALPHA) / rows
    known = (sums[:, BLOCKS] >= FEWEST) & np.isfinite(reach)
    mean, reach = np.where(known, mean, np.nan), np.where(known, reach, np.nan)
    return mean, mean - reach, mean + reach


def too_dear(told: Execution) -> tuple[str, ...]:
    """The kinds of order that are proven to cost more than taking at once."""
    if not (told.sums[:, BLOCKS] >= FEWEST).any():
        return ()
    return tuple(kind for kind, low in zip(KINDS, shortfall(told)[1].tolist(), strict=True) if low > 0.0)


def table(told: Execution) -> tuple[ExecutionRow, ...]:
    """A row a kind of order."""
    refused = too_dear(told)
    rows = []
    for index, (kind, mean, low, high) in enumerate(zip(KINDS, *(part.tolist() for part in shortfall(told)), strict=True)):
        orders, asked, filled = (float(value) for value in told.sums[index, :ROWS])
        share = filled / asked if asked > 0.0 else None
        compared = kind != EXECUTIONS[AGGRESSIVE]
        bps, least, most = (mean, low, high) if compared and math.isfinite(mean) else (None, None, None)
        n = int(told.sums[index, ROWS] + told.sums[index, OPEN_ROWS]) if compared else 0
        rows.append(ExecutionRow(kind, int(orders), share, None if share is None else 1.0 - share, bps, least, most, n, kind not in refused))
    return tuple(rows)
