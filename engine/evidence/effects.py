"""What several measured effects come to: their sum, and the share of them that helped, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.domain.record import Record
from engine.evidence.proportions import wilson_interval
from engine.evidence.quantiles import quantile_ranks

PROVED = frozenset({"helped", "harmed"})  # verdicts
FEWEST_RUNS = 5  # judged runs before a rate has an interval: below that Wilson's would span most of 0..1


@dataclass(frozen=True, slots=True)
class MeasuredEffect(Record):
    """One measured effect with its 95 % interval, above 0 where it is a gain, and the windows it was compared with."""

    effect: float
    low: float
    high: float
    windows: int


@dataclass(frozen=True, slots=True)
class EffectTotal(Record):
    """The sum of n measured effects with its 95 % interval."""

    amount: float
    low: float
    high: float
    n: int

    @property
    def is_proved(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0.0 or self.high < 0.0


def is_effect_proved(verdict: str, low: float | None, high: float | None) -> bool:
    """Whether a run did something: its verdict says so and its interval leaves out 0."""
    return verdict in PROVED and low is not None and high is not None and not low <= 0.0 <= high


def sum_effects(parts: Sequence[MeasuredEffect]) -> EffectTotal | None:
    """The sum of effects; None of none.

    Its interval is made from theirs: on each side the distances from estimate to bound are added in quadrature, as variances of independent
    estimates are (the method of variance estimates recovery: Zou and Donner 2008). Effects judged against the same idle windows share the mean of
    these, so they are not independent: with W windows common to all n the variance of the sum is n + n^2 / W where independence would say
    n (1 + 1 / W). So the distances are widened by the root of that ratio, with the smallest W there is, as though all n had shared their windows:
    never too narrow for it.
    """
    if not parts:
        return None
    n, windows = len(parts), max(1, min(one.windows for one in parts))
    wider = math.sqrt((1.0 + n / windows) / (1.0 + 1.0 / windows))
    amount = math.fsum(one.effect for one in parts)
    below = wider * math.hypot(*(one.effect - one.low for one in parts))
    above = wider * math.hypot(*(one.high - one.effect for one in parts))
    return EffectTotal(amount, amount - below, amount + above, n)


def sum_totals(totals: Sequence[EffectTotal]) -> EffectTotal | None:
    """The sum of sums of different metrics, whose errors are independent."""
    if not totals:
        return None
    amount = math.fsum(one.amount for one in totals)
    below = math.hypot(*(one.amount - one.low for one in totals))
    above = math.hypot(*(one.high - one.amount for one in totals))
    return EffectTotal(amount, amount - below, amount + above, sum(one.n for one in totals))


def success_rate(helped: int, judged: int) -> tuple[float, tuple[float, float] | None] | None:
    """The share of judged runs that helped and its 95 % interval (Wilson 1927, which holds its coverage for few runs: Brown, Cai and DasGupta 2001);
    without the interval below 5 judged, None where none was."""
    if judged < 1:
        return None
    share = helped / judged
    return share, wilson_interval(share, judged, min_count=FEWEST_RUNS)


def median_change(changes: Sequence[float]) -> tuple[float, tuple[float, float] | None] | None:
    """The median of changes and its 95 % interval by order statistics, None where there are too few; None of none."""
    known = np.sort(np.array([one for one in changes if math.isfinite(one)]))
    if not len(known):
        return None
    ends = quantile_ranks(0.5, len(known))
    return float(np.median(known)), None if ends is None else (float(known[ends[0]]), float(known[ends[1]]))
