"""The ports of the optimizer: what it needs from the store, the machine and the engine, and what people have set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine.domain.optimization import ActionResult, Actuators, Firing, Judgement, Reading, Trial
from engine.domain.ports import Clock
from engine.domain.record import Floats, Ints, Record
from engine.domain.rules import Rule
from engine.optimizer.planner import EngineActivity
from engine.optimizer.runtime.readings_buffer import ReadingsBuffer
from engine.optimizer.windows import MeasurementPlan
from engine.store.read.optimizer_history import ActionStatus, FinishedTrial


class ReadingSource(Protocol):
    """The probes."""

    def read(self) -> tuple[Reading, ...]: ...


class StopSignal(Protocol):
    """Set when the engine stops; waiting for it is how time passes."""

    def wait(self, timeout: float | None = None) -> bool: ...

    def is_set(self) -> bool: ...


class RunHistory(Protocol):
    """The reading side of the store, as far as windows are drawn from it."""

    def readings(self, source: str, name: str, since: int) -> tuple[Ints, Floats]: ...

    def runs(self, since: int) -> tuple[tuple[int, float], ...]: ...

    def ticks(self, since: int) -> tuple[Ints, Floats, Floats]: ...


class TrialWriter(Protocol):
    """The writing side of the store, as far as an experiment needs it."""

    def tune(self) -> ActionResult: ...

    def save_trial(self, trial: Trial) -> int: ...

    def finish_trial(self, number: int, trial: Trial) -> None: ...


class OptimizerReader(Protocol):
    """The reading side of the store, as far as the loop needs it."""

    def finished_trials(self, metric: str) -> dict[str, tuple[FinishedTrial, ...]]: ...

    def action_statuses(self) -> dict[str, ActionStatus]: ...

    def modes(self) -> dict[str, str]: ...

    def rules(self) -> dict[str, dict[str, str]]: ...

    def last_rule_states(self) -> dict[str, str]: ...


class OptimizerWriter(TrialWriter, Protocol):
    """The writing side of the store, as far as the loop needs it."""

    def save_firing(self, firing: Firing) -> int: ...

    def flush(self) -> None: ...

    def open_session(self, modes: Mapping[str, str]) -> int: ...

    def save_answer(self, number: int, text: str) -> None: ...

    def save_judgement(self, action: str, metric: str, unit: str, at: int, judgement: Judgement) -> None: ...

    def set_licence(self, action: str, licence: str, why: str, at: int) -> None: ...


class FailureReporter(Protocol):
    """Where a job reports that it failed or went well."""

    def on_failure(self, component: str, job: str, error: str) -> None: ...

    def on_success(self, component: str, job: str) -> None: ...


@dataclass(frozen=True, slots=True)
class ExperimentParts:
    """The parts of the engine that an experiment works with."""

    writer: TrialWriter
    history: RunHistory
    probes: ReadingSource
    home: Path
    clock: Clock
    stop: StopSignal
    actuators: Actuators
    plan: MeasurementPlan
    buffer: ReadingsBuffer | None = None  # None where no engine fills a buffer
    activity: Callable[[], EngineActivity] = lambda: EngineActivity(False, False, 0, 0.0, None, 0.0)


@dataclass(frozen=True, slots=True)
class OptimizerSettings(Record):
    """The optimizer's part of podium.toml."""

    rules: tuple[Rule, ...] = ()  # they replace the default rules of the same name
    modes: tuple[tuple[str, str], ...] = ()  # by action
    seed: int = 7


@dataclass(frozen=True, slots=True)
class ApprovalRequest(Record):
    """A question that waits for a person's approval."""

    action: str
    rule: str
    until: float  # s of the monotonic clock
