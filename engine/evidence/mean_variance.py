"""Growth-optimal sizes of correlated symbols, with a no-trade band.

Maximises edge'u - u'Cu / 2 less trading costs for 0 <= u <= bound: mean-variance optimisation (Markowitz 1952) with proportional costs (Davis and
Norman 1990). The optimal size of one symbol, given the others, is its single-symbol band at its edge less their covariance with it. Bounds are the
sizes that each symbol would have alone, so that nothing is held against its own forecast or beyond it to hedge another: such constraints act as
shrinkage of the correlations (Jagannathan and Ma 2003).
"""

from __future__ import annotations

import numpy as np

from engine.domain.record import Floats

MAX_ITERATIONS = 12  # of Newton's method; two or three suffice as a rule
SWEEPS = 10  # of coordinate descent before the next attempt
MAX_ATTEMPTS = 8


def conditional_size(edge: Floats, cost: Floats, current: Floats, bound: Floats) -> Floats:
    """(N,) each symbol's size for its remaining edge: bought up to edge - cost, cut to edge, unchanged between, within 0..bound."""
    return np.minimum(np.maximum(np.minimum(np.maximum(current, edge - cost), edge), 0.0), bound)


def optimise_sizes(correlation: Floats, edge: Floats, cost: Floats, current: Floats, bound: Floats) -> Floats:
    """(N,) the optimal sizes, each conditional on the others; the maximum is unique, as the correlation (N, N) has an inverse.

    Everything is in units of risk, with the sign of each symbol's bound. The primal-dual active-set method (Hintermueller, Ito and Kunisch 2003) ends
    in a few Newton iterations. Where it cycles, coordinate descent, which always improves (Tseng 2001), gives it another start.
    """
    start = np.minimum(current, bound)  # the current size was the optimum a bar ago
    for _ in range(MAX_ATTEMPTS):
        size = _newton(correlation, edge, cost, current, start, bound)
        if size is not None:
            return size
        start = _descend(correlation, edge, cost, current, start, bound)
    return start


def _newton(correlation: Floats, edge: Floats, cost: Floats, current: Floats, start: Floats, bound: Floats) -> Floats | None:
    """The sizes, or None where the iterations have not converged."""
    size, before = start, b""
    for _ in range(MAX_ITERATIONS):
        remaining = edge + size - correlation @ size
        buys, cuts = remaining - cost > current, remaining < current
        desired = np.where(buys, remaining - cost, np.where(cuts, remaining, current))
        free = (buys | cuts) & (desired > 0.0) & (desired < bound)
        active_set = np.concatenate((buys, cuts, free, desired >= bound)).tobytes()
        if active_set == before:
            return size
        size, before = np.minimum(np.maximum(desired, 0.0), bound), active_set
        on_line = np.flatnonzero(free)
        if len(on_line):
            size[on_line] = 0.0
            target = (edge - np.where(buys, cost, 0.0) - correlation @ size)[on_line]
            size[on_line] = np.linalg.solve(correlation[on_line[:, None], on_line], target)
    return None


def _descend(correlation: Floats, edge: Floats, cost: Floats, current: Floats, start: Floats, bound: Floats) -> Floats:
    size = start.copy()
    for _ in range(SWEEPS):
        for index in range(len(size)):
            remaining = float(edge[index] + size[index] - correlation[index] @ size)
            desired = min(max(float(current[index]), remaining - float(cost[index])), remaining)
            size[index] = min(max(desired, 0.0), float(bound[index]))
    return size
