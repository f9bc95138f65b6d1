"""Idle windows: the same before and after as a run's, drawn at random where nothing was done."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.record import Bools, Floats, Ints, Record

SECOND = 1_000_000_000  # ns


@dataclass(frozen=True, slots=True)
class Plan(Record):
    """How a run is measured, in seconds."""

    before: float = 10.0
    after: float = 10.0
    step: float = 1.0  # between two samples after the run
    rest: float = 60.0  # after a run in which its effect may still be seen: no idle window lies there
    lookback: float = 86_400.0
    widest_gap: float = 8.0  # between two samples of a window; where it is wider the engine was down
    fewest: int = 3  # samples on either side of a window
    most: int = 200  # windows drawn


def differences(at: Ints, values: Floats, busy: tuple[tuple[int, int], ...], seconds: float, plan: Plan, chance: np.random.Generator) -> Floats:
    """(W,) mean after less mean before, W <= plan.most, of windows in which nothing was done: those of `drawn`."""
    return drawn(at, values, busy, seconds, plan, chance)[1]


def drawn(
    at: Ints, values: Floats, busy: tuple[tuple[int, int], ...], seconds: float, plan: Plan, chance: np.random.Generator
) -> tuple[Ints, Floats]:
    """(W,) ns at which each idle window begins, and (W,) its mean after less its mean before, W <= plan.most.

    at (N,) ns ascending, values (N,); busy: spans in ns, both ends included, that no window may touch; seconds: how long the run took, which is the
    pause between before and after in each window too. The windows lie side by side from a random beginning, so none overlaps another and each sample
    counts once; where there are more than enough of them they are drawn with equal chances.
    """
    length = round((plan.before + seconds + plan.after) * SECOND)
    if len(at) == 0 or int(at[-1]) - int(at[0]) < length:
        return np.empty(0, dtype=np.int64), np.empty(0)
    first = int(at[0]) + int(chance.integers(min(length, int(at[-1]) - int(at[0]) - length + 1)))
    starts = np.arange(first, int(at[-1]) - length + 1, length, dtype=np.int64)
    starts = chance.permutation(starts[_is_idle(starts, starts + length, busy)])
    found: list[tuple[int, float]] = []
    for start in starts.tolist():
        difference = _difference(at, values, start, seconds, plan)
        if difference is not None:
            found.append((start, difference))
        if len(found) == plan.most:
            break
    return np.array([start for start, _ in found], dtype=np.int64), np.array([difference for _, difference in found])


def _is_idle(starts: Ints, ends: Ints, busy: tuple[tuple[int, int], ...]) -> Bools:
    idle = np.ones(len(starts), dtype=np.bool_)
    for begun, done in busy:
        idle &= (ends < begun) | (starts > done)
    return idle


def _difference(at: Ints, values: Floats, start: int, seconds: float, plan: Plan) -> float | None:
    """Mean after less mean before of one window; None where samples are too few or too far apart."""
    split, resumed = start + round(plan.before * SECOND), start + round((plan.before + seconds) * SECOND)
    edges = np.searchsorted(at, [start, split, resumed, resumed + round(plan.after * SECOND)], side="left")
    begin, middle, again, end = edges.tolist()
    if min(middle - begin, end - again) < plan.fewest or np.diff(at[begin:end]).max() > plan.widest_gap * SECOND:
        return None
    return float(values[again:end].mean() - values[begin:middle].mean())
