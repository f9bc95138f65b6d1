"""What the trials of an action say together."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.record import Record


@dataclass(frozen=True, slots=True)
class WindowOutcome(Record):
    """One window after a trigger: whether the action was run in it, with which chance, and what changed: after less before, NaN where unmeasured."""

    treated: bool
    probability: float  # that the action was run, known before the draw
    change: float  # of the metric that fired
    latency: float  # of the time a tick takes, ms
    clean: float  # of the share of ticks without a fallback, %


@dataclass(frozen=True, slots=True)
class EffectEstimate(Record):
    """An effect with its 95 % interval; None where there is too little to bound it."""

    effect: float  # NaN with nothing to estimate from
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Judgement(Record):
    """The verdict on an action for a metric."""

    treated: int
    placebos: int
    effect: EffectEstimate
    latency: EffectEstimate
    clean: EffectEstimate
    verdict: str  # helped, no measurable effect, harmed, not enough data
    why: str  # one sentence with the figures
