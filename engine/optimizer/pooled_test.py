"""What an action does to a metric, by all its windows together: those it was run in against those in which nothing was done."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from engine.domain.judging import EffectEstimate, Judgement, WindowOutcome
from engine.domain.record import Bools, Floats
from engine.optimizer.randomisation_test import HARMED, HELPED, NO_EFFECT, NOT_ENOUGH_DATA
from engine.optimizer.wager import wealth

MIN_WINDOWS = 8  # treated windows, and as many placebo windows, below which nothing is said
HELPED_ALPHA = 0.02  # chance that an action without effect is ever called helpful
HARMED_ALPHA = 0.02  # chance that it is ever called harmful, shared by the metric, the latency and the honest rate
INTERVAL_ALPHA = 0.05  # chance that an interval ever misses
GRID = 12  # effects tried on either side of the estimate for each reach of the changes
WIDE = 8.0  # scales of the change that count as its reach, however far odd windows lie out
HALVINGS = 6  # of the step in which an interval's end lies
SCALED = 6  # windows from which on the scale is taken round the two middles; round one of fewer, else two windows would seem to prove much
POOL_WINDOWS = 200  # windows judged together; after them a new pool begins


def judge_pooled(outcomes: Sequence[WindowOutcome], better: int, *, bounds: bool = True) -> Judgement:
    """The verdict on an action for a metric; better: -1 when a fall of the metric is a cure, +1 when a rise is.

    Each question is a wager of its own (engine/optimizer/wager.py), which may be looked at after every window. Helped: the metric moved to the better
    side, at HELPS. Harmed: it moved to the worse side, or ticks take longer, or fewer are honest, each at a third of HARMS; harm outweighs help. The
    estimates are differences of means weighted by the chances (Hajek 1971), since these may change with time; their intervals hold the constant
    effects u that a wager on the changes less u never refused at COVER, so that 0 is not in the interval of what helped; where the means lie outside
    it, the effect refused least is told in their place. `bounds` False leaves the intervals out.
    """
    treated = np.array([one.treated for one in outcomes], dtype=np.bool_)
    chance = np.array([one.probability for one in outcomes])
    changes = tuple(np.array([getattr(one, name) for one in outcomes], dtype=np.float64) for name in ("change", "latency", "honest"))
    told = np.isfinite(changes[0])
    counts = int((treated & told).sum()), int((~treated & told).sum())
    effect, latency, honest = (_estimate(treated, chance, change, bounds=bounds) for change in changes)
    worse = (("the metric", changes[0], -better), ("ticks take longer", changes[1], 1), ("fewer ticks are honest", changes[2], -1))
    harms = {name: _evidence(treated, chance, change, rising=side > 0) for name, change, side in worse}
    helps = _evidence(treated, chance, changes[0], rising=better > 0)
    verdict, why = _verdict(counts, helps, harms)
    return Judgement(*counts, effect, latency, honest, verdict, why)


def standardised_gain(outcomes: Sequence[WindowOutcome], better: int) -> tuple[float, float, int, int]:
    """How much more the metric improves with the action than without, in scales of the change, that scale, and how many windows of either kind."""
    told = [one for one in outcomes if math.isfinite(one.change)]
    with_it = np.array([one.change for one in told if one.treated])
    without = np.array([one.change for one in told if not one.treated])
    parts = (with_it, without) if len(told) >= SCALED else (np.concatenate((with_it, without)),)
    apart = np.concatenate([part - np.median(part) for part in parts if len(part)] or [np.empty(0)])
    scale = 1.4826 * float(np.median(np.abs(apart))) if len(apart) else 0.0
    if not len(with_it) or not len(without):
        return 0.0, scale, len(with_it), len(without)
    raw = better * float(np.median(with_it) - np.median(without))
    scale = max(scale, 0.05 * abs(raw))
    return (raw / scale if scale > 0.0 else 0.0), scale, len(with_it), len(without)


def _evidence(treated: Bools, chance: Floats, change: Floats, *, rising: bool) -> float:
    """The most the wager was ever worth; NaN where nothing was measured."""
    told = np.isfinite(change)
    if not told.any():
        return math.nan
    return float(wealth(treated[told], chance[told], change[told], rising=rising).max())


def _verdict(counts: tuple[int, int], helps: float, harms: dict[str, float]) -> tuple[str, str]:
    n = f"{counts[0]} windows with it and {counts[1]} without"
    if min(counts) < MIN_WINDOWS:
        return NOT_ENOUGH_DATA, f"{n}: at least {MIN_WINDOWS} of either are needed"
    for name, evidence in harms.items():
        if evidence >= len(harms) / HARMED_ALPHA:  # false where it is NaN
            return HARMED, f"{n}: {'it makes the metric worse' if name == 'the metric' else name}, evidence {evidence:.0f} to 1"
    if helps >= 1.0 / HELPED_ALPHA:
        return HELPED, f"{n}: evidence that it helps {helps:.0f} to 1"
    return NO_EFFECT, f"{n}: evidence that it helps {helps:.1f} to 1, asked {1.0 / HELPED_ALPHA:.0f} to 1"


def _estimate(treated: Bools, chance: Floats, change: Floats, *, bounds: bool) -> EffectEstimate:
    told = np.isfinite(change)
    treated, chance, change = treated[told], chance[told], change[told]
    if not treated.any() or treated.all():
        return EffectEstimate(math.nan)
    effect = float(np.average(change[treated], weights=1.0 / chance[treated]) - np.average(change[~treated], weights=1.0 / (1.0 - chance[~treated])))
    if not bounds or min(int(treated.sum()), int((~treated).sum())) < MIN_WINDOWS:
        return EffectEstimate(effect)
    middle = float(np.median(change[treated]) - np.median(change[~treated]))
    apart = np.abs(change - np.where(treated, np.median(change[treated]), np.median(change[~treated])))
    reach = min(float(np.ptp(change)), WIDE * 1.4826 * float(np.median(apart))) or float(np.ptp(change)) or max(abs(effect), 1e-12)

    def against(shift: float) -> float:
        left = change - shift * treated
        return float((wealth(treated, chance, left, rising=True) + wealth(treated, chance, left, rising=False)).max()) / 2.0

    low, high = _ends(lambda shift: against(shift) >= 1.0 / INTERVAL_ALPHA, middle, reach)
    if (low is not None and effect < low) or (high is not None and effect > high):  # a few odd windows have pulled the means out of it
        ends = (middle - reach if low is None else low, middle + reach if high is None else high)
        effect = min(np.linspace(*ends, 2 * GRID + 1).tolist(), key=against)
    return EffectEstimate(effect, low, high)


def _ends(refused: Callable[[float], bool], middle: float, reach: float) -> tuple[float | None, float | None]:
    """The outermost effects that are not refused; None where they lie beyond twice the reach of the changes, or there are none."""
    tried = [middle + reach * step / GRID for step in range(-2 * GRID, 2 * GRID + 1)]
    held = [place for place, shift in enumerate(tried) if not refused(shift)]
    if not held:
        return None, None
    ends: list[float | None] = []
    for place, outwards in ((held[0], -1), (held[-1], 1)):
        if not 0 <= place + outwards < len(tried):
            ends.append(None)
            continue
        inside, outside = tried[place], tried[place + outwards]
        for _ in range(HALVINGS):
            between = (inside + outside) / 2.0
            inside, outside = (inside, between) if refused(between) else (between, outside)
        ends.append(outside)
    return ends[0], ends[1]
