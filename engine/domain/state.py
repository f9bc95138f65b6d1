"""The engine's state: everything a decision depends on that is not in its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from engine.domain.evidence import LiquidityForecast, RegimeModel, SkillSums, Succession, VolatilityModel
from engine.domain.evolution import EvolutionState
from engine.domain.incidents import IncidentState
from engine.domain.orders import ExecutionSums
from engine.domain.record import Floats, Ints, Record


@dataclass(frozen=True, slots=True)
class PendingForecasts(Record):
    """Forecasts whose horizon has not ended, newest first; L = the longest horizon."""

    mean: Floats  # (L, M + 1, H, S) models, then the ensemble; NaN where there is none
    half_width: Floats  # (L, H, R, 2) half-widths of the 80 % and 90 % intervals, by regime
    scale_factor: Floats  # (L, H, S, 2) factor that multiplied the half-widths
    probability: Floats  # (L, H, S)
    sigma: Floats  # (L, S) volatility of a bar, as known at the forecast
    price: Floats  # (L, S) log close, NaN where the bar was not fresh
    regime: Ints  # (L, S)
    constant_half_width: Floats  # (L, H, 2, S) log return, half-widths of the reference intervals of constant width


@dataclass(frozen=True, slots=True)
class Intervals(Record):
    """Half-widths in force by horizon and regime, and the sums behind their coverage and sharpness (see evidence.conformal)."""

    half_width: Floats  # (H, R, 2) half-widths of the 80 % and 90 % intervals, in horizon volatilities
    symbol_half_width: Floats  # (H, 2, S) log return, half-widths adapted to each symbol's own misses
    covered: Floats  # (H, R, 2)
    rows: Floats  # (H, R)
    zero_mass: Floats  # (H, R) discounted share of targets that were exactly 0, starting at 0
    constant_half_width: Floats  # (H, 2, S) log return, half-widths of the reference intervals of constant width
    winkler: Floats  # (H, 2) summed over rows, log return
    winkler_constant: Floats  # (H, 2)


@dataclass(frozen=True, slots=True)
class Direction(Record):
    """The probability of the next move's direction, and the sums behind its Brier score and reliability curve, among the rows that moved."""

    slope: Floats  # (H,) of the log odds in the forecast
    information: Floats  # (H,) behind the slope
    rows: Floats  # (H,)
    brier: Floats  # (H,) summed; always stating 1/2 would score a quarter per row
    stated: Floats  # (H, 10) sum of stated probabilities by tenth
    observed: Floats  # (H, 10)
    counted: Floats  # (H, 10)


@dataclass(frozen=True, slots=True)
class PendingHolds(Record):
    """Held-back trades whose horizon has not ended, newest first; L = the longest horizon."""

    gate: Ints  # (L, S) the gate that bound, -1 where none did
    side: Floats  # (L, S) -1, 0 or 1: the direction of the forecast
    cost_bps: Floats  # (L, S) of the round trip
    horizon: Ints  # (L,) index of the horizon acted on


@dataclass(frozen=True, slots=True)
class DeclinedTrades(Record):
    """The result of the trades that each gate declined (see evidence.declined_trades)."""

    pending: PendingHolds
    scores: SkillSums  # (1, 1, G) bps as gain, trades as power


@dataclass(frozen=True, slots=True)
class SelectionGain(Record):
    """The gain of using only the preferred models (see evidence.selection_gain)."""

    pending: Floats  # (L, 2, H, S) pending forecasts of all models and of the preferred ones, newest first; NaN where there is none
    gain: SkillSums  # (1, 1, 1) excess of the squared error of all models over that of the preferred ones, over all horizons


@dataclass(frozen=True, slots=True)
class OnlineInputs(Record):
    """The inputs of one online-learning model at this tick."""

    model: int  # index on the model axis
    version: str
    decay: float  # factor by which a tick discounts the sums
    columns: NDArray[np.float32]  # (S, K) standardised; single precision because pending columns make up most of the memory


@dataclass(frozen=True, slots=True)
class OnlineMemory(Record):
    """What a model has learned since its training: sums over scored forecasts (see evidence.recursive_least_squares), K columns."""

    model: int
    version: str
    gram: Floats  # (K, K) discounted
    moment: Floats  # (K, H)
    pending_columns: NDArray[np.float32]  # (L, S, K) columns of the pending forecasts, newest first


@dataclass(frozen=True, slots=True)
class State(Record):
    """The whole state. It is checkpointed every 100 ticks and rolled forward by a replay."""

    SHAPES: ClassVar[dict[str, str]] = {"regime_probabilities": "SR", "gram": "HMM", "moment": "HM", "weights": "MH", "weight_rows": "HM"}

    tick: int  # of the last tick learned from, -1 before the first
    decided: int  # number of ticks decided since the state was blank
    models: tuple[str, ...]
    regime_probabilities: Floats  # (S, R) filtered probabilities
    regime_model: RegimeModel  # the regime model
    incident_state: IncidentState  # detection of data faults
    pending: PendingForecasts
    gram: Floats  # (H, M, M) discounted moments of the models' forecasts
    moment: Floats  # (H, M)
    weights: Floats  # (M, H) the ensemble's weights in force
    skill: SkillSums  # over the whole session
    recent: SkillSums  # (2, H, 1) discounted over a long and a short memory, of the ensemble over all regimes; scales positions
    intervals: Intervals
    volatility: VolatilityModel
    direction: Direction
    declined_trades: DeclinedTrades
    weight_rows: Floats  # (H, M) discounted rows behind gram and moment
    conditions: Floats  # (M, C, C + 1) discounted moments of each model's relative loss on market conditions, for selection
    context: Floats  # (L, C) market conditions of the pending forecasts, newest first
    selection_gain: SelectionGain
    last_training: int  # tick at which training was last requested, -1 never
    training_requests: int  # number of trainings requested
    online_memories: tuple[OnlineMemory, ...]  # of the online-learning models; () before any serves
    liquidity_forecast: LiquidityForecast
    succession: Succession
    execution: ExecutionSums  # results by kind of order
    evolution: EvolutionState
