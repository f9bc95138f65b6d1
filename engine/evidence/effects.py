"""Combines measured effects: their sum, their success rate and their median, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.domain.record import Record
from engine.evidence.proportions import quantile_ranks, wilson_interval

PROVED = frozenset({"helped", "harmed"})  # verdicts
MIN_RUNS = 5  # judged runs of a rate with an interval: with fewer, Wilson's spans most of 0..1


@dataclass(frozen=True, slots=True)
class MeasuredEffect(Record):
    """One measured effect with its 95 % interval, above 0 where it is a gain, and the number of control windows."""

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
        """Whether the interval excludes 0."""
        return self.low > 0.0 or self.high < 0.0


def is_effect_proved(verdict: str, low: float | None, high: float | None) -> bool:
    """Whether a run had an effect: by its verdict, and by an interval that excludes 0."""
    return verdict in PROVED and low is not None and high is not None and not low <= 0.0 <= high


def sum_effects(parts: Sequence[MeasuredEffect]) -> EffectTotal | None:
    """The sum of effects; None for no effects.

    Its interval combines theirs: on each side the distances from estimate to bound are added in quadrature, like the variances of independent
    estimates (method of variance estimates recovery, Zou and Donner 2008). Effects measured against the same control windows share their mean, so
    they are not independent: with W windows common to all n, the variance of the sum is n + n^2 / W where independence would give n (1 + 1 / W). The
    distances are therefore widened by the root of that ratio with the smallest W, as though all n had shared their windows: never too narrow.
    """
    if not parts:
        return None
    n, windows = len(parts), max(1, min(part.windows for part in parts))
    wider = math.sqrt((1.0 + n / windows) / (1.0 + 1.0 / windows))
    amount = math.fsum(part.effect for part in parts)
    below = wider * math.hypot(*(part.effect - part.low for part in parts))
    above = wider * math.hypot(*(part.high - part.effect for part in parts))
    return EffectTotal(amount, amount - below, amount + above, n)


def sum_totals(totals: Sequence[EffectTotal]) -> EffectTotal | None:
    """The sum of totals of different metrics, whose errors are independent; None for no totals."""
    if not totals:
        return None
    amount = math.fsum(total.amount for total in totals)
    below = math.hypot(*(total.amount - total.low for total in totals))
    above = math.hypot(*(total.high - total.amount for total in totals))
    return EffectTotal(amount, amount - below, amount + above, sum(total.n for total in totals))


def success_rate(helped: int, judged: int) -> tuple[float, tuple[float, float] | None] | None:
    """The share of judged runs that helped and its 95 % interval (Wilson 1927, accurate for few runs: Brown, Cai and DasGupta 2001).

    The interval is None below 5 judged runs, the result None without any.
    """
    if judged < 1:
        return None
    share = helped / judged
    return share, wilson_interval(share, judged, min_count=MIN_RUNS)


def median_change(changes: Sequence[float]) -> tuple[float, tuple[float, float] | None] | None:
    """The median of the finite changes and its 95 % interval by order statistics, None for too few; None without any change."""
    known = np.sort(np.array([change for change in changes if math.isfinite(change)]))
    if not len(known):
        return None
    ranks = quantile_ranks(0.5, len(known))
    return float(np.median(known)), None if ranks is None else (float(known[ranks[0]]), float(known[ranks[1]]))
