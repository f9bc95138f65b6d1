"""The gate ladder: what must hold before new risk is taken, and how every symbol stood to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from engine.domain.record import Bools, Floats, Record

GATES = (  # of the gate ladder, in order: name, sense and unit; a gate has passed when `value sense limit`
    ("fresh data", "<=", "bars"),
    ("not paused", "<=", ""),
    ("no degraded phase", "<=", "phases"),
    ("valid book", "<=", ""),
    ("not flattened", "<=", ""),
    ("history", ">=", "bars"),
    ("spread", "<=", "bps"),
    ("active models", ">=", "models"),
    ("proven skill", ">", "%"),
    ("in distribution", "<=", "%"),
    ("agreement", ">=", "%"),
    ("edge above cost", ">=", "bps"),
    ("cooldown", ">=", "bars"),
    ("daily loss", "<=", "%"),
    ("drawdown", "<=", "%"),
    ("minimum trade", ">=", "%"),
    ("risk limits", ">=", "%"),
    ("minimum order", ">=", "money"),
)


class Gate(NamedTuple):
    """One rung of the ladder, for every symbol."""

    name: str
    sense: str
    unit: str
    value: Floats  # (S,)
    limit: Floats  # (S,)
    passed: Bools  # (S,)


@dataclass(frozen=True, slots=True)
class GateResults(Record):
    """Every gate for every symbol, a row a gate: three arrays instead of three a gate, which is what a tick can afford."""

    SHAPES: ClassVar[dict[str, str]] = {"value": "GS?", "limit": "GS", "passed": "GS"}

    names: tuple[str, ...]
    senses: tuple[str, ...]
    units: tuple[str, ...]
    value: Floats  # (G, S)
    limit: Floats  # (G, S)
    passed: Bools  # (G, S)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, rung: int) -> Gate:
        return Gate(self.names[rung], self.senses[rung], self.units[rung], self.value[rung], self.limit[rung], self.passed[rung])

    def __iter__(self) -> Iterator[Gate]:
        return (self[rung] for rung in range(len(self)))
