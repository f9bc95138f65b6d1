"""A change-point test without a distributional assumption: whether a metric has left its baseline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.record import Floats

MIN_BASELINE = 20  # blocks of the baseline before there is any evidence
BET_EXPONENTS = (0.15, 0.3, 0.5, 0.75)
NEW_BASELINE_BLOCKS = 60  # blocks after which a level that stays becomes the new baseline


@dataclass(frozen=True, slots=True)
class ChangePointState:
    """The blocks of the baseline, and the evidence against it."""

    baseline: tuple[float, ...] = ()  # one value per block, oldest first
    evidence: float = 0.0  # against "nothing has changed"; the alarm threshold is the mean number of blocks between false alarms


NO_EVIDENCE = ChangePointState()


def update_evidence(state: ChangePointState, value: float, *, above: bool, most: int) -> ChangePointState:
    """The evidence after one more block.

    The block's rank among the baseline's blocks, counted from the bad side, gives `p = #(as bad or worse, itself included) / (n + 1)`. While nothing
    changes, the blocks are exchangeable, so the ranks are independent and p is at least uniform, whatever the distribution. A bet `f(p)`, the mean of
    `e p^(e - 1)` over BET_EXPONENTS, then multiplies money by at most 1 on average, and `R = (1 + R) f(p)` grows by at most 1 per block on average:
    an alarm at `R >= c` comes after c blocks on average at the earliest (Shiryaev-Roberts on conformal p-values: Vovk, Petej, Nouretdinov, Ahlberg,
    Carlsson and Gammerman 2021, "Retrain or not retrain: conformal test martingales for change-point detection"; Shin, Ramdas and Rinaldo 2024,
    "E-detectors"). The promise assumes blocks long enough to be independent. Beyond `most` blocks the older half of the baseline is dropped.
    """
    before = state.baseline if len(state.baseline) < most else state.baseline[most // 2 :]
    baseline = (*before, value)
    if len(state.baseline) < MIN_BASELINE:
        return ChangePointState(baseline, 0.0)
    p = conformal_p_value(state.baseline, value, above=above)
    bet = sum(e * p ** (e - 1.0) for e in BET_EXPONENTS) / len(BET_EXPONENTS)
    return ChangePointState(baseline, (1.0 + state.evidence) * bet)


def conformal_p_value(baseline: tuple[float, ...], value: float, *, above: bool) -> float:
    """The share of the blocks, the new one included, that are as bad or worse."""
    worse = sum(block >= value for block in baseline) if above else sum(block <= value for block in baseline)
    return (1 + worse) / (len(baseline) + 1)


def baseline_quartile(baseline: tuple[float, ...], *, above: bool) -> float:
    """The baseline's quartile on the bad side: the trouble is over once the metric is back at it."""
    return float(np.quantile(np.array(baseline), 0.75 if above else 0.25))


def median_or_nan(values: Floats | tuple[float, ...]) -> float:
    """The median; NaN of nothing."""
    return float(np.median(np.asarray(values))) if len(values) else float("nan")
