"""What the optimizer's loop asks of the store and the board, and what it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from engine.domain.judging import Judgement
from engine.domain.optimization import Firing
from engine.domain.record import Record
from engine.domain.rules import Rule
from engine.optimizer.runtime.trial_tools import TrialStore
from engine.store.read.optimizer_history import ActionStatus, FinishedTrial


class OptimizerWriter(TrialStore, Protocol):
    """The writing side of the store, as far as the loop needs it."""

    def save_firing(self, told: Firing) -> int: ...

    def flush(self) -> None: ...

    def open_session(self, modes: Mapping[str, str]) -> int: ...

    def save_answer(self, number: int, text: str) -> None: ...

    def save_judgement(self, action: str, metric: str, unit: str, at: int, told: Judgement) -> None: ...

    def set_licence(self, action: str, licence: str, why: str, at: int) -> None: ...


class OptimizerReader(Protocol):
    """The reading side."""

    def finished_trials(self, metric: str) -> dict[str, tuple[FinishedTrial, ...]]: ...

    def action_statuses(self) -> dict[str, ActionStatus]: ...

    def modes(self) -> dict[str, str]: ...

    def rules(self) -> dict[str, dict[str, str]]: ...

    def last_rule_states(self) -> dict[str, str]: ...


class FailureReporter(Protocol):
    def on_failure(self, component: str, job: str, error: str) -> None: ...

    def on_success(self, component: str, job: str) -> None: ...


@dataclass(frozen=True, slots=True)
class OptimizerSettings(Record):
    """What podium.toml says about the optimizer."""

    rules: tuple[Rule, ...] = ()  # in the place of the defaults of the same name
    modes: tuple[tuple[str, str], ...] = ()  # by action
    seed: int = 7


@dataclass(frozen=True, slots=True)
class ApprovalRequest(Record):
    """A question that waits for a person."""

    action: str
    rule: str
    until: float  # s of the monotonic clock
