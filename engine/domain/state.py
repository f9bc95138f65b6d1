"""What the engine carries from tick to tick: everything a decision depends on that is not in its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from engine.domain.evidence import SkillSums
from engine.domain.incidents import IncidentState
from engine.domain.orders import ExecutionSums
from engine.domain.outlook import LiquidityForecast
from engine.domain.record import Floats, Ints, Record
from engine.domain.regimes import RegimeModel
from engine.domain.succession import Succession
from engine.domain.volatility import VolatilityModel


@dataclass(frozen=True, slots=True)
class PendingForecasts(Record):
    """Forecasts that have not come due, newest first; L = the longest horizon."""

    mean: Floats  # (L, M + 1, H, S) models then the ensemble, NaN where none
    half_width: Floats  # (L, H, R, 2) half-widths of the 80 % and 90 % intervals, by regime
    scale_factor: Floats  # (L, H, S, 2) what the widths were multiplied by
    probability: Floats  # (L, H, S)
    sigma: Floats  # (L, S) volatility of a bar, as known then
    price: Floats  # (L, S) log close, NaN where the bar was not fresh
    regime: Ints  # (L, S)
    constant_half_width: Floats  # (L, H, 2, S) log return, half-widths of the intervals of constant width to compare with


@dataclass(frozen=True, slots=True)
class Intervals(Record):
    """Widths in force by horizon and regime, and the sums behind their coverage and sharpness (see evidence.intervals)."""

    half_width: Floats  # (H, R, 2) half-widths of the 80 % and 90 % intervals, in horizon volatilities
    symbol_half_width: Floats  # (H, 2, S) log return, half-widths that a symbol's own misses have come to need
    covered: Floats  # (H, R, 2)
    rows: Floats  # (H, R)
    zero_mass: Floats  # (H, R) of late, of targets that were exactly 0, faded from a start at 0
    constant_half_width: Floats  # (H, 2, S) log return, half-widths of the intervals of constant width to compare with
    winkler: Floats  # (H, 2) summed over rows, log return
    winkler_constant: Floats  # (H, 2)


@dataclass(frozen=True, slots=True)
class Direction(Record):
    """The probability of the next move's direction, and the sums behind its Brier score and reliability curve, among the rows that moved."""

    slope: Floats  # (H,) of the log odds in the forecast
    information: Floats  # (H,) behind the slope
    rows: Floats  # (H,)
    brier: Floats  # (H,) summed; that of always saying 1/2 is a quarter a row
    stated: Floats  # (H, 10) sum of stated probabilities by tenth
    observed: Floats  # (H, 10)
    counted: Floats  # (H, 10)


@dataclass(frozen=True, slots=True)
class PendingHolds(Record):
    """Holds that have not come due, newest first; L = the longest horizon."""

    gate: Ints  # (L, S) the gate that bound, -1 where none did
    side: Floats  # (L, S) -1, 0 or 1: the direction of the forecast
    cost_bps: Floats  # (L, S) of the round trip
    horizon: Ints  # (L,) index of the horizon acted on


@dataclass(frozen=True, slots=True)
class DeclinedTrades(Record):
    """What each gate's declined trades came to (see evidence.regret)."""

    pending: PendingHolds
    scores: SkillSums  # (1, 1, G) bps as gain, trades as power


@dataclass(frozen=True, slots=True)
class SelectionGain(Record):
    """What hearing only the models preferred has been worth (see evidence.silencing)."""

    pending: Floats  # (L, 2, H, S) forecasts of all and of those preferred that have not come due, newest first, NaN where none
    gain: SkillSums  # (1, 1, 1) by which the squared error of all exceeds that of those preferred, over all horizons


@dataclass(frozen=True, slots=True)
class OnlineInputs(Record):
    """What a model that learns at every tick looked at in this one."""

    model: int  # index on the model axis
    version: str
    decay: float  # what a tick leaves of the sums
    columns: NDArray[np.float32]  # (S, K) standardised; single precision, as pending columns are most of what a memory holds


@dataclass(frozen=True, slots=True)
class OnlineMemory(Record):
    """What a model has learned since it was trained: sums over what came due (see evidence.online), K columns."""

    model: int
    version: str
    gram: Floats  # (K, K) discounted
    moment: Floats  # (K, H)
    pending_columns: NDArray[np.float32]  # (L, S, K) columns of the forecasts that have not come due, newest first


@dataclass(frozen=True, slots=True)
class State(Record):
    """Checkpointed every 100 ticks and rolled forward by replay."""

    SHAPES: ClassVar[dict[str, str]] = {"regime_probabilities": "SR", "gram": "HMM", "moment": "HM", "weights": "MH", "weight_rows": "H"}

    tick: int  # of the last tick learned from, -1 before the first
    decided: int  # ticks decided since the state was blank
    models: tuple[str, ...]
    regime_probabilities: Floats  # (S, R) filtered probabilities
    regime_model: RegimeModel  # the regime model
    incident_state: IncidentState  # what faults of the data are told by
    pending: PendingForecasts
    gram: Floats  # (H, M, M) discounted moments of the models' forecasts
    moment: Floats  # (H, M)
    weights: Floats  # (M, H) the ensemble's weights in force
    skill: SkillSums  # of all time
    recent: SkillSums  # discounted; sizes positions. Only the ensemble and "all regimes", over a long and a short memory: (2, H, 1)
    intervals: Intervals
    volatility: VolatilityModel
    direction: Direction
    declined_trades: DeclinedTrades
    weight_rows: Floats  # (H,) discounted rows behind gram and moment
    conditions: Floats  # (M, C, C + 1) discounted moments of each model's relative loss on market conditions, for selection
    context: Floats  # (L, C) market conditions of the pending forecasts, newest first
    selection_gain: SelectionGain
    last_training: int  # tick at which training was last asked for, -1 never
    training_requests: int  # trainings asked for
    online_memories: tuple[OnlineMemory, ...]  # of the models that learn at every tick, () before any serves
    liquidity_forecast: LiquidityForecast
    succession: Succession
    execution: ExecutionSums  # what kinds of order have come to
