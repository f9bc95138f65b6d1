"""The verdict on an action for a metric, by all its windows together: treated windows against controls."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from engine.domain.optimization import EffectEstimate, Judgement, WindowOutcome
from engine.domain.record import Bools, Floats
from engine.optimizer.randomisation_test import HARMED, HELPED, NO_EFFECT, NOT_ENOUGH_DATA
from engine.optimizer.wager import wealth

MIN_WINDOWS = 8  # treated windows, and as many controls, at least
HELPED_ALPHA = 0.02  # probability that an action without an effect is ever called helpful
HARMED_ALPHA = 0.02  # probability that it is ever called harmful, shared by the metric, the latency and the clean rate
INTERVAL_ALPHA = 0.05  # probability that an interval ever misses
GRID = 12  # effects tried on either side of the estimate, per spread of the changes
WIDE = 8.0  # scales of the change that its spread is limited to, however far outliers lie
HALVINGS = 6  # of the grid step that holds an interval's end
SCALED = 6  # windows from which on the scale is taken around two medians; with fewer around one, or two windows would seem to prove much
POOL_WINDOWS = 200  # windows judged together, after which a new pool begins


def judge_pooled(outcomes: Sequence[WindowOutcome], better: int, *, bounds: bool = True) -> Judgement:
    """The verdict on an action for a metric; better: -1 where a fall of the metric is a cure, +1 where a rise is.

    Each question is a wager of its own (engine/optimizer/wager.py), which may be read after every window. Helped: the metric moved to the better
    side, at level HELPED_ALPHA. Harmed: it moved to the worse side, or ticks take longer, or fewer are clean, each at a third of HARMED_ALPHA; harm
    outweighs help. The estimates are differences of means weighted by the inverse treatment probabilities (Hajek 1971), since these may change with
    time. Their intervals hold the constant effects u that a wager on the changes less u never rejected at INTERVAL_ALPHA, so 0 is not in the interval
    of an action that helped. Where the difference of means lies outside the interval, the least rejected effect takes its place. `bounds` False omits
    the intervals.
    """
    treated = np.array([outcome.treated for outcome in outcomes], dtype=np.bool_)
    chance = np.array([outcome.probability for outcome in outcomes])
    change = np.array([outcome.change for outcome in outcomes], dtype=np.float64)
    latency = np.array([outcome.latency for outcome in outcomes], dtype=np.float64)
    clean = np.array([outcome.clean for outcome in outcomes], dtype=np.float64)
    known = np.isfinite(change)
    counts = int((treated & known).sum()), int((~treated & known).sum())
    effect, slower, cleaner = (_estimate(treated, chance, values, bounds=bounds) for values in (change, latency, clean))
    worse = (("the metric", change, -better), ("ticks take longer", latency, 1), ("fewer ticks are clean", clean, -1))
    harms = {name: _evidence(treated, chance, values, rising=side > 0) for name, values, side in worse}
    helps = _evidence(treated, chance, change, rising=better > 0)
    return Judgement(*counts, effect, slower, cleaner, *_verdict(counts, helps, harms))


def standardised_gain(outcomes: Sequence[WindowOutcome], better: int) -> tuple[float, float, int, int]:
    """How much more the metric improves with the action than without, in scales of the change; that scale; the treated windows and the controls."""
    known = [outcome for outcome in outcomes if math.isfinite(outcome.change)]
    with_it = np.array([outcome.change for outcome in known if outcome.treated])
    without = np.array([outcome.change for outcome in known if not outcome.treated])
    parts = (with_it, without) if len(known) >= SCALED else (np.concatenate((with_it, without)),)
    apart = np.concatenate([part - np.median(part) for part in parts if len(part)] or [np.empty(0)])
    scale = 1.4826 * float(np.median(np.abs(apart))) if len(apart) else 0.0
    if not len(with_it) or not len(without):
        return 0.0, scale, len(with_it), len(without)
    raw = better * float(np.median(with_it) - np.median(without))
    scale = max(scale, 0.05 * abs(raw))
    return (raw / scale if scale > 0.0 else 0.0), scale, len(with_it), len(without)


def _evidence(treated: Bools, chance: Floats, change: Floats, *, rising: bool) -> float:
    """The wager's highest wealth so far; NaN where nothing was measured."""
    known = np.isfinite(change)
    if not known.any():
        return math.nan
    return float(wealth(treated[known], chance[known], change[known], rising=rising).max())


def _verdict(counts: tuple[int, int], helps: float, harms: dict[str, float]) -> tuple[str, str]:
    n = f"{counts[0]} treated windows and {counts[1]} controls"
    if min(counts) < MIN_WINDOWS:
        return NOT_ENOUGH_DATA, f"{n}: at least {MIN_WINDOWS} of each are needed"
    for name, evidence in harms.items():
        if evidence >= len(harms) / HARMED_ALPHA:  # false where it is NaN
            return HARMED, f"{n}: {'it makes the metric worse' if name == 'the metric' else name}, evidence {evidence:.0f} to 1"
    if helps >= 1.0 / HELPED_ALPHA:
        return HELPED, f"{n}: evidence that it helps {helps:.0f} to 1"
    return NO_EFFECT, f"{n}: evidence that it helps {helps:.1f} to 1, {1.0 / HELPED_ALPHA:.0f} to 1 needed"


def _estimate(treated: Bools, chance: Floats, change: Floats, *, bounds: bool) -> EffectEstimate:
    known = np.isfinite(change)
    treated, chance, change = treated[known], chance[known], change[known]
    if not treated.any() or treated.all():
        return EffectEstimate(math.nan)
    effect = float(np.average(change[treated], weights=1.0 / chance[treated]) - np.average(change[~treated], weights=1.0 / (1.0 - chance[~treated])))
    if not bounds or min(int(treated.sum()), int((~treated).sum())) < MIN_WINDOWS:
        return EffectEstimate(effect)
    middle = float(np.median(change[treated]) - np.median(change[~treated]))
    apart = np.abs(change - np.where(treated, np.median(change[treated]), np.median(change[~treated])))
    spread = min(float(np.ptp(change)), WIDE * 1.4826 * float(np.median(apart))) or float(np.ptp(change)) or max(abs(effect), 1e-12)

    def against(shift: float) -> float:
        left = change - shift * treated
        return float((wealth(treated, chance, left, rising=True) + wealth(treated, chance, left, rising=False)).max()) / 2.0

    low, high = _ends(lambda shift: against(shift) >= 1.0 / INTERVAL_ALPHA, middle, spread)
    if (low is not None and effect < low) or (high is not None and effect > high):  # a few outliers have pulled the means out of it
        ends = (middle - spread if low is None else low, middle + spread if high is None else high)
        effect = min(np.linspace(*ends, 2 * GRID + 1).tolist(), key=against)
    return EffectEstimate(effect, low, high)


def _ends(rejected: Callable[[float], bool], middle: float, spread: float) -> tuple[float | None, float | None]:
    """The outermost effects that are not rejected; None where they lie beyond twice the spread of the changes, or there are none."""
    grid = [middle + spread * step / GRID for step in range(-2 * GRID, 2 * GRID + 1)]
    accepted = [place for place, shift in enumerate(grid) if not rejected(shift)]
    if not accepted:
        return None, None
    ends: list[float | None] = []
    for place, outwards in ((accepted[0], -1), (accepted[-1], 1)):
        if not 0 <= place + outwards < len(grid):
            ends.append(None)
            continue
        inside, outside = grid[place], grid[place + outwards]
        for _ in range(HALVINGS):
            between = (inside + outside) / 2.0
            inside, outside = (inside, between) if rejected(between) else (between, outside)
        ends.append(outside)
    return ends[0], ends[1]
