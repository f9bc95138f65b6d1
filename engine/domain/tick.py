"""A tick as the shell hands it to the store: whole, or not at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.domain.decision import Fill, Outcome, Span
from engine.domain.market import Inputs, MarketSnapshot
from engine.domain.orders import ExecutionRow
from engine.domain.outlook import LiquidityForecastRow
from engine.domain.record import Floats, Record


@dataclass(frozen=True, slots=True)
class SkillRow(Record):
    """One figure of out-of-sample skill with its evidence; None where there is not enough data."""

    scope: str  # ensemble, model, or recent: the ensemble over the short memory that sizes rely on
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
    """What a gate cost (above 0) or saved (below 0), in bps a declined trade; None where there is not enough data."""

    gate: str
    n: int
    mean_bps: float | None
    low: float | None  # 95 % interval, valid under continuous watching
    high: float | None
    n_effective: float  # blocks (see evidence.skill)


@dataclass(frozen=True, slots=True)
class TrainingRow(Record):
    """What a tick adds to the rows that models are trained on."""

    tick: int
    features: NDArray[np.float32]  # (S, F) as decided with
    price: Floats  # (S,) log price that targets are measured from, NaN where not fresh
    sigma: Floats  # (S,) volatility of a bar, as known then


@dataclass(frozen=True, slots=True)
class Tick(Record):
    """One decision of every symbol and all it came from."""

    session: int
    decided_at: int  # ns UTC by the wall clock, when the tick was decided
    training_row: TrainingRow  # kept with the slice
    snapshot: MarketSnapshot  # the bar that came in: kept once; windows are made of these
    inputs: Inputs  # its bars and flow are windows over slices and are not stored again
    outcome: Outcome
    fills: tuple[Fill, ...]  # of the orders of the tick before, made before this decision
    spans: tuple[Span, ...]
    ms: float  # inputs to outcome
    decisions_digest: str  # Outcome.decisions.digest()
    phase_digests: tuple[str, ...]  # of each phase's result in order of Phase; () where not asked for
    serving: tuple[str | None, ...]  # digest of the model that served, as state.models
    is_warmup: bool  # decided over history while warming up
    checkpoint: bool  # the state after this tick is to be kept
    skill: tuple[SkillRow, ...]  # the table of skill where it was refreshed at this tick, else ()
    declined: tuple[DeclinedRow, ...]  # likewise
    liquidity_forecast: tuple[LiquidityForecastRow, ...] = ()  # likewise
    execution: tuple[ExecutionRow, ...] = ()  # likewise
    machine: str | None = None  # JSON: what the machine was like when the tick was decided, by reading; None where nothing was measured


@dataclass(frozen=True, slots=True)
class Artifact(Record):
    """A fitted model's bytes and lineage."""

    data_digest: str
    model: str
    version: str
    data: bytes
    trained_from: int  # tick
    trained_to: int
    rows: int
    seconds: float
    columns: tuple[str, ...]
    serves_from: int  # tick
