"""Whether a metric has left its own usual level: a change-point test that assumes no distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.record import Floats

MIN_BASELINE = 20  # blocks of usual behaviour before anything is said
BET_EXPONENTS = (0.15, 0.3, 0.5, 0.75)
NEW_BASELINE_BLOCKS = 60  # blocks after which a level that stays is the new usual one


@dataclass(frozen=True, slots=True)
class ChangePointState:
    """The blocks that are the usual, and the evidence that it is over."""

    baseline: tuple[float, ...] = ()  # one value a block, oldest first
    evidence: float = 0.0  # against "nothing has changed"; an alarm at the mean number of blocks between false alarms


NO_EVIDENCE = ChangePointState()


def update_evidence(change: ChangePointState, value: float, *, above: bool, most: int) -> ChangePointState:
    """The evidence after one more block.

    The block's rank among all blocks of the usual, counted from the bad side, gives `p = #(as bad or worse, itself counted) / (n + 1)`. While nothing
    changes the blocks are exchangeable, so whatever their distribution the ranks are independent and p is at least uniform. A bet `f(p)`, the mean of
    `e p^(e - 1)` over BETS, then multiplies money by 1 on average at most, and `R = (1 + R) f(p)` grows by 1 a block on average at most: an alarm at
    `R >= c` comes after c blocks on average at the earliest (Shiryaev-Roberts on conformal p-values: Vovk, Petej, Nouretdinov, Ahlberg, Carlsson and
    Gammerman 2021, "Retrain or not retrain: conformal test martingales for change-point detection"; Shin, Ramdas and Rinaldo 2024, "E-detectors").
    The promise rests on blocks that are long enough not to depend on one another; the older half is let go when there are more than `most`.
    """
    usual = (*change.baseline, value) if len(change.baseline) < most else (*change.baseline[most // 2 :], value)
    if len(change.baseline) < MIN_BASELINE:
        return ChangePointState(usual, 0.0)
    p = conformal_p_value(change.baseline, value, above=above)
    bet = sum(e * p ** (e - 1.0) for e in BET_EXPONENTS) / len(BET_EXPONENTS)
    return ChangePointState(usual, (1.0 + change.evidence) * bet)


def conformal_p_value(usual: tuple[float, ...], value: float, *, above: bool) -> float:
    """The share of the blocks, the new one counted, that are as bad as it or worse."""
    worse = sum(one >= value for one in usual) if above else sum(one <= value for one in usual)
    return (1 + worse) / (len(usual) + 1)


def baseline_quartile(usual: tuple[float, ...], *, above: bool) -> float:
    """The quartile of the usual on the bad side: back at it, the trouble is over."""
    return float(np.quantile(np.array(usual), 0.75 if above else 0.25))


def median_or_nan(values: Floats | tuple[float, ...]) -> float:
    """The median; NaN of nothing."""
    return float(np.median(np.asarray(values))) if len(values) else float("nan")
