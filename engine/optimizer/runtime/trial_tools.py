"""What a trial is made with and made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from engine.domain.optimization import Action, ActionResult, Actuators, Trial
from engine.domain.ports import Clock
from engine.domain.record import Floats, Ints, Record
from engine.domain.rules import Rule
from engine.optimizer.planner import EngineActivity
from engine.optimizer.runtime.experiment import ReadingSource, StopSignal, TrialLog
from engine.optimizer.runtime.readings_buffer import ReadingsBuffer
from engine.optimizer.windows import MeasurementPlan, WindowTiming
from engine.store.read.optimizer_history import FinishedTrial


class TrialHistory(Protocol):
    """The reading side of the store."""

    def readings(self, source: str, name: str, since: int) -> tuple[Ints, Floats]: ...

    def runs(self, since: int) -> tuple[tuple[int, float], ...]: ...

    def ticks(self, since: int) -> tuple[Ints, Floats, Floats]: ...


class TrialStore(TrialLog, Protocol):
    """The writing side."""

    def finish_trial(self, number: int, trial: Trial) -> None: ...


@dataclass(frozen=True, slots=True)
class ExperimentParts:
    """All a trial may use."""

    pen: TrialStore
    past: TrialHistory
    recent: ReadingsBuffer
    probes: ReadingSource
    home: Path
    clock: Clock
    stop: StopSignal
    levers: Actuators
    slot: Callable[[], EngineActivity]
    plan: MeasurementPlan


@dataclass(frozen=True, slots=True)
class TriggeredCase(Record):
    """What is answered: a rule that fired, the actions that may answer, best draw first, and what they did before on this metric."""

    rule: Rule
    at: int  # ns UTC, when it fired
    seed: int


@dataclass(frozen=True, slots=True)
class ExperimentResult:
    """What came of it. `trial` None where nothing could be begun; `said` in one sentence."""

    said: str
    trial: Trial | None = None
    action: Action | None = None
    harmed: str | None = None  # by which proof
    failed: str | None = None  # the action raised


@dataclass(slots=True)
class TrialWindow:
    """A trial in the making."""

    action: Action
    metric: str
    better: int
    tried: tuple[FinishedTrial, ...]
    treated: bool
    chance: float
    planned: float  # s between before and after, fixed before the coin fell
    timing: WindowTiming  # as it was; its pause is longer than planned only where the action, or the store, took longer
    begun: int = 0
    before: Floats = field(default_factory=lambda: np.empty(0))
    after: Floats = field(default_factory=lambda: np.empty(0))
    unit: str = ""
    measured: ActionResult | None = None
    failed: str | None = None
    seconds: float = 0.0

    @property
    def change(self) -> float:
        return float(self.after.mean() - self.before.mean()) if len(self.before) and len(self.after) else math.nan
