"""What the engine carries from tick to tick: everything a decision depends on that is not in its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from engine.domain.record import Floats, Ints, Record


@dataclass(frozen=True, slots=True)
class Pending(Record):
    """Forecasts that have not come due, newest first; L = the longest horizon."""

    mean: Floats  # (L, M + 1, H, S) models then the ensemble, NaN where none
    width: Floats  # (L, H, 2) half-widths of the 80 % and 90 % intervals
    probability: Floats  # (L, H, S)
    sigma: Floats  # (L, S) volatility of a bar, as known then
    price: Floats  # (L, S) log close, NaN where the bar was not fresh
    regime: Ints  # (L, S)


@dataclass(frozen=True, slots=True)
class Skill(Record):
    """Sums a skill figure is made of, for (models + ensemble) x horizons x (regimes + all).

    gain is y^2 - (y - f)^2, so R2 = sum gain / sum y^2; a block is `horizon` ticks, over all symbols, so that
    overlapping targets and correlated symbols count once (see evidence.skill).
    """

    rows: Floats  # (M + 1, H, R + 1)
    gain: Floats  # (M + 1, H, R + 1)
    gain_squared: Floats  # (M + 1, H, R + 1) by row
    power: Floats  # (M + 1, H, R + 1) sum of y^2
    blocks: Floats  # (M + 1, H, R + 1)
    block_squared: Floats  # (M + 1, H, R + 1) sum of squared block gains
    open_gain: Floats  # (M + 1, H, R + 1) the running block


@dataclass(frozen=True, slots=True)
class Calibration(Record):
    """Sums behind coverage, Brier score and the reliability curve, by horizon."""

    quantile: Floats  # (H, 2) running half-widths of the 80 % and 90 % intervals
    covered: Floats  # (H, 2)
    rows: Floats  # (H,)
    brier: Floats  # (H,)
    stated: Floats  # (H, 10) sum of stated probabilities by tenth
    observed: Floats  # (H, 10)
    counted: Floats  # (H, 10)
    slope: Floats  # (H, 2) moments of the direction's logit: sum f * (up - 1/2), sum f^2 / 4
    brier_naive: Floats  # (H,) of always saying 1/2


@dataclass(frozen=True, slots=True)
class State(Record):
    """Checkpointed every 100 ticks and rolled forward by replay."""

    SHAPES: ClassVar[dict[str, str]] = {"regime": "SR", "gram": "HMM", "moment": "HM", "weights": "MH", "weight_rows": "H"}

    tick: int  # of the last tick learned from, -1 before the first
    decided: int  # ticks decided since the state was blank
    models: tuple[str, ...]
    regime: Floats  # (S, R) filtered probabilities
    pending: Pending
    gram: Floats  # (H, M, M) discounted moments of the models' forecasts
    moment: Floats  # (H, M)
    weights: Floats  # (M, H) the ensemble's weights in force
    skill: Skill  # of all time
    recent: Skill  # discounted; sizes positions. Only the ensemble and "all regimes": (1, H, 1)
    calibration: Calibration
    weight_rows: Floats  # (H,) discounted rows behind gram and moment
    conditions: Floats  # (M, C, C + 1) discounted moments of each model's relative loss on market conditions, for selection
    context: Floats  # (L, C) market conditions of the pending forecasts, newest first
    last_training: int  # tick at which training was last asked for, -1 never
    asked: int  # trainings asked for
