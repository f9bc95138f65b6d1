"""Attribution of the change of equity to symbols, bars and groups of them; the parts add up to the whole."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.domain.record import Bools, Floats, Ints
from engine.evidence.neighbours import mean_by_blocks
from engine.evidence.skill import MIN_BLOCK_TICKS


@dataclass(frozen=True, slots=True)
class PnlGroup:
    """The P&L of one group, and its mean per bar with a position."""

    name: str
    pnl: float  # money, the sum
    mean: float | None  # money per bar with a position; None without one
    low: float | None  # of the 95 % interval of the mean, by blocks of bars; None with too few blocks
    high: float | None
    n: int  # bars with a position


def attribute_pnl(units: Floats, price: Floats, paid: Floats) -> Floats:
    """Return (T - 1, S) the P&L of each bar: the change in the value of the positions less what was paid for them.

    `units` (T, S) are the positions after the fills of each bar, `price` (T, S) their marks, `paid` (T, S) the money paid for the fills of the
    bar, fees included, below 0 where it was received. The price of a flat position may be unknown.
    """
    value = np.where(units == 0.0, 0.0, units * np.where(units == 0.0, 0.0, price))
    return np.asarray(np.diff(value, axis=0) - paid[1:])


def sum_groups(pnl: Floats, held: Bools, ticks: Ints, groups: Sequence[Sequence[Hashable]], names: Sequence[Hashable]) -> tuple[PnlGroup, ...]:
    """Sum the P&L (T, S) by the group of each cell, in the order of `names`.

    `held` (T, S) marks the bars with a position. The bars of a group are its ticks with a position in any of its cells.
    """
    labels = np.empty(pnl.shape, dtype=object)
    for row, given in enumerate(groups):
        labels[row, :] = list(given)
    return tuple(_sum_group(str(name), pnl, held & (labels == name), labels == name, ticks) for name in names)


def _sum_group(name: str, pnl: Floats, held: Bools, inside: Bools, ticks: Ints) -> PnlGroup:
    by_tick = np.where(inside, pnl, 0.0).sum(axis=1)
    active = held.any(axis=1)
    mean, low, high, _ = mean_by_blocks(by_tick[active], ticks[active], MIN_BLOCK_TICKS)
    return PnlGroup(name, float(by_tick.sum()), mean, low, high, int(active.sum()))
