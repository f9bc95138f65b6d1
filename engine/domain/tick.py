"""A tick as the service passes it to the store: whole, or not at all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.domain.decision import Fill, Outcome, Span
from engine.domain.evidence import LiquidityForecastRow
from engine.domain.evolution import EvolutionReport
from engine.domain.live import BarTiming
from engine.domain.market import Inputs, MarketSnapshot
from engine.domain.orders import ExecutionRow
from engine.domain.recipe import DEFAULT_RECIPE, Recipe
from engine.domain.record import Floats, Record


@dataclass(frozen=True, slots=True)
class SkillRow(Record):
    """One figure of out-of-sample skill with its interval; None where there is not enough data."""

    scope: str  # ensemble, model, or recent (the ensemble over the short memory that sizes rely on)
    model: str  # "ensemble" or the model's name
    horizon: int  # bars
    regime: str  # of REGIMES, or "all"
    r2: float | None  # 1 - sum (y - f)^2 / sum y^2
    low: float | None  # 95 % interval, valid under continuous watching
    high: float | None
    n: int  # rows scored
    n_effective: float | None


@dataclass(frozen=True, slots=True)
class DeclinedRow(Record):
    """The cost (above 0) or saving (below 0) of a gate, in bps per declined trade; None where there is not enough data."""

    gate: str
    n: int
    mean_bps: float | None
    low: float | None  # 95 % interval, valid under continuous watching
    high: float | None
    n_effective: float  # blocks (see evidence.skill)


@dataclass(frozen=True, slots=True)
class TrainingRow(Record):
    """The training row that a tick adds."""

    tick: int
    features: NDArray[np.float32]  # (S, F) as used in the decision
    price: Floats  # (S,) log price that targets are measured from, NaN where not fresh
    sigma: Floats  # (S,) volatility of a bar, as known then


@dataclass(frozen=True, slots=True)
class Tick(Record):
    """One decision for every symbol, with its inputs, state and evidence."""

    session: int
    decided_at: int  # ns UTC by the wall clock, when the tick was decided
    training_row: TrainingRow  # stored with the snapshot
    snapshot: MarketSnapshot  # the new bar, stored once; windows are rebuilt from these
    inputs: Inputs  # its bars and flow are windows over snapshots and are not stored again
    outcome: Outcome
    fills: tuple[Fill, ...]  # of the previous tick's orders, filled before this decision
    spans: tuple[Span, ...]
    ms: float  # from inputs to outcome
    decisions_digest: str  # Outcome.decisions.digest()
    phase_digests: tuple[str, ...]  # of each phase's result in order of Phase; () where not requested
    serving: tuple[str | None, ...]  # digest of the serving version of each model, in the order of state.models
    is_warmup: bool  # decided over history during the warm-up
    checkpoint: bool  # the state after this tick is to be stored
    skill: tuple[SkillRow, ...]  # the table of skill where it was refreshed at this tick, else ()
    declined: tuple[DeclinedRow, ...]  # likewise
    liquidity_forecast: tuple[LiquidityForecastRow, ...] = ()  # likewise
    execution: tuple[ExecutionRow, ...] = ()  # likewise
    machine: str | None = None  # JSON: readings of the machine at the decision; None where nothing was measured
    evolution: EvolutionReport | None = None  # None where nothing evolves
    no_data: bool = False  # a live tick for which no symbol had a bar in time: nothing was decided on new data
    timing: BarTiming | None = None  # of the inputs of a live tick; None for history and for other feeds


@dataclass(frozen=True, slots=True)
class Artifact(Record):
    """The bytes and the lineage of a fitted model."""

    data_digest: str
    model: str  # the place on the model axis where it serves; the kind of model is the recipe's
    version: str
    data: bytes
    trained_from: int  # tick
    trained_to: int
    rows: int
    seconds: float
    columns: tuple[str, ...]  # (F,) of the training rows; those it was trained on are the recipe's
    serves_from: int  # tick
    recipe: Recipe = DEFAULT_RECIPE  # that it was trained with; the default recipe of `model` where none is given
    origin: str = ""  # trigger of the training, with the number of the evolution that it belongs to; "" where unknown

    def __post_init__(self) -> None:
        Record.__post_init__(self)
        if not self.recipe.model:
            object.__setattr__(self, "recipe", replace(self.recipe, model=self.model))
