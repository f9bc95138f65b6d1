"""What the optimizer's loop asks of the store and the board, and what it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from engine.domain.judging import Judgement
from engine.domain.record import Record
from engine.domain.rules import Rule
from engine.domain.tuning import Firing
from engine.shell.trial_tools import Pen
from engine.store.optimizer_past import Standing, Tried


class TunerPen(Pen, Protocol):
    """The writing side of the store, as far as the loop needs it."""

    def save_firing(self, told: Firing) -> int: ...

    def settle(self) -> None: ...

    def open(self, modes: Mapping[str, str]) -> int: ...

    def answer(self, number: int, text: str) -> None: ...

    def keep_judgement(self, action: str, metric: str, unit: str, at: int, told: Judgement) -> None: ...

    def set_licence(self, action: str, licence: str, why: str, at: int) -> None: ...


class TunerPast(Protocol):
    """The reading side."""

    def tried(self, metric: str) -> dict[str, tuple[Tried, ...]]: ...

    def standing(self) -> dict[str, Standing]: ...

    def modes(self) -> dict[str, str]: ...

    def rules(self) -> dict[str, dict[str, str]]: ...

    def last_words(self) -> dict[str, str]: ...


class Board(Protocol):
    def failed(self, component: str, job: str, error: str) -> None: ...

    def went_well(self, component: str, job: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Wishes(Record):
    """What podium.toml says about the optimizer."""

    rules: tuple[Rule, ...] = ()  # in the place of the defaults of the same name
    modes: tuple[tuple[str, str], ...] = ()  # by action
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Asked(Record):
    """A question that waits for a person."""

    action: str
    rule: str
    until: float  # s of the monotonic clock
