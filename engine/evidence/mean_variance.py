"""Growth-optimal sizes of symbols that move together, with the band in which nothing is traded.

Maximises edge'u - u'Cu / 2 less what trading costs, for 0 <= u <= bound: Markowitz (1952) with proportional costs (Davis and Norman 1990). One
symbol's answer, given the others, is the band of one symbol at its edge less what the others already take of it. Bounds are sizes that each symbol
would have alone, so that nothing is held against its own forecast or beyond it to hedge another: such constraints act as shrinkage of the
correlations (Jagannathan and Ma 2003).
"""

from __future__ import annotations

import numpy as np

from engine.domain.record import Floats

PASSES = 12  # of Newton's method; two or three do as a rule
SWEEPS = 10  # of coordinate descent before the next try
TRIES = 8


def conditional_size(edge: Floats, cost: Floats, held: Floats, bound: Floats) -> Floats:
    """(N,) each symbol's size for the edge that the others leave it: bought up to edge - cost, cut to edge, held between, 0..bound."""
    return np.minimum(np.maximum(np.minimum(np.maximum(held, edge - cost), edge), 0.0), bound)


def optimise_sizes(correlation: Floats, edge: Floats, cost: Floats, held: Floats, bound: Floats) -> Floats:
    """(N,) sizes that are each other's conditional answers: the only maximum, as the correlation (N, N) has an inverse.

    All is in units of risk and to the side of each symbol's bound. Newton's method on the set of symbols that lie on a line of their band ends in a
    few passes (Hintermueller, Ito and Kunisch 2003). Where it goes in circles, coordinate descent, which always comes nearer (Tseng 2001), gives it
    another start.
    """
    start = np.minimum(held, bound)  # what is held was the answer a bar ago
    for _ in range(TRIES):
        size = _newton(correlation, edge, cost, held, start, bound)
        if size is not None:
            return size
        start = _descend(correlation, edge, cost, held, start, bound)
    return start


def _newton(correlation: Floats, edge: Floats, cost: Floats, held: Floats, start: Floats, bound: Floats) -> Floats | None:
    """None where it has not ended."""
    size, before = start, b""
    for _ in range(PASSES):
        left = edge + size - correlation @ size
        buys, cuts = left - cost > held, left < held
        wanted = np.where(buys, left - cost, np.where(cuts, left, held))
        free = (buys | cuts) & (wanted > 0.0) & (wanted < bound)
        place = np.concatenate((buys, cuts, free, wanted >= bound)).tobytes()
        if place == before:
            return size
        size, before = np.minimum(np.maximum(wanted, 0.0), bound), place
        on_line = np.flatnonzero(free)
        if len(on_line):
            size[on_line] = 0.0
            target = (edge - np.where(buys, cost, 0.0) - correlation @ size)[on_line]
            size[on_line] = np.linalg.solve(correlation[on_line[:, None], on_line], target)
    return None


def _descend(correlation: Floats, edge: Floats, cost: Floats, held: Floats, start: Floats, bound: Floats) -> Floats:
    size = start.copy()
    for _ in range(SWEEPS):
        for index in range(len(size)):
            left = float(edge[index] + size[index] - correlation[index] @ size)
            wanted = min(max(float(held[index]), left - float(cost[index])), left)
            size[index] = min(max(wanted, 0.0), float(bound[index]))
    return size
