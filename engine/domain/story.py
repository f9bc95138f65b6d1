"""The answers to questions about one stored decision: contributions of features, a change and its effect, and similar decisions."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.record import Record

Known = float | None  # None where unknown


@dataclass(frozen=True, slots=True)
class FeatureContribution(Record):
    """A feature's part in a forecast."""

    feature: str
    value: Known  # of the feature; None where it was blank
    bps: float


@dataclass(frozen=True, slots=True)
class ModelContributions(Record):
    """The exact contributions of the features to one model's forecast: base plus their sum is the forecast."""

    model: str
    version: str
    kind: str
    weight: float  # of its forecast in the ensemble's: blend weight times reliability
    forecast_bps: float
    base_bps: Known = None
    baseline: str = ""  # what the contributions are measured from
    features: tuple[FeatureContribution, ...] = ()  # largest first
    reason: str = ""  # for which there are none


@dataclass(frozen=True, slots=True)
class ForecastContributions(Record):
    """The contributions to the ensemble's forecast of one symbol over one horizon: base plus features plus whole models is the forecast."""

    tick: int
    symbol: str
    horizon: int  # bars
    forecast_bps: float
    base_bps: float
    features: tuple[FeatureContribution, ...]  # over all models with exact contributions, by weight; largest first
    whole_models: tuple[FeatureContribution, ...]  # weighted forecasts of the models without
    models: tuple[ModelContributions, ...]


@dataclass(frozen=True, slots=True)
class GateReading(Record):
    """One gate of a decision, as decided or as it would have been."""

    name: str
    unit: str
    value: Known
    limit: Known
    passed: bool


@dataclass(frozen=True, slots=True)
class DecidedSummary(Record):
    """One symbol's decision in numbers."""

    action: str
    intent: str
    reason: str
    target: Known  # share of equity
    position: Known  # share of equity before
    delta: Known  # base units
    edge_bps: Known
    cost_bps: Known
    confidence: Known
    horizon: int  # bars
    binding_gate: str | None
    gates: tuple[GateReading, ...]
    limits: tuple[tuple[str, Known], ...]  # the desired size, then the size after each limit


@dataclass(frozen=True, slots=True)
class WhatIf(Record):
    """A stored tick decided again with changes, beside what was decided. It is an answer to a question and never stored as a decision."""

    tick: int
    symbol: str
    changes: tuple[str, ...]  # in words
    before: DecidedSummary  # as decided again without the changes
    after: DecidedSummary
    flipped: tuple[str, ...]  # gates of this symbol that passed and now fail, or the other way round
    others: tuple[str, ...]  # other symbols whose action changed
    changed_phases: tuple[str, ...]  # whose result differs
    identical: bool  # every phase and every decision has the same bits
    reproduced: bool  # without the changes every phase has the bits that were stored
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SimilarDecision(Record):
    """A past decision like this one, and its outcome."""

    tick: int
    symbol: str
    action: str
    distance: float  # root mean square of the differences in ranks, 0 to 1
    edge_bps: Known
    outcome_bps: float  # price move in the direction of its forecast over the horizon


@dataclass(frozen=True, slots=True)
class SimilarDecisions(Record):
    """Past decisions like this one whose outcomes were known at its time, nearest first, and what they came to after costs."""

    tick: int
    symbol: str
    horizon: int  # bars
    searched: int  # decisions with a known outcome
    nearest: tuple[SimilarDecision, ...]
    n: int
    blocks: int  # of time, which are the units of the interval
    mean_bps: Known  # outcome after the round-trip cost; None without any
    low_bps: Known  # 95 % interval; None with too few blocks
    high_bps: Known
    hit_rate: Known  # share of outcomes in the direction of the forecast
