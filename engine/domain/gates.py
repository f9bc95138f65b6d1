"""The gates: the conditions for taking new risk, and their results for every symbol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from engine.domain.record import Bools, Floats, Record

GATES = (  # in order of evaluation: name, sense and unit; a gate passes when `value sense limit`
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
    """The results of one gate, for every symbol."""

    name: str
    sense: str
    unit: str
    value: Floats  # (S,)
    limit: Floats  # (S,)
    passed: Bools  # (S,)


@dataclass(frozen=True, slots=True)
class GateResults(Record):
    """Every gate for every symbol, one row per gate: three arrays in all instead of three per gate, to keep a tick fast."""

    SHAPES: ClassVar[dict[str, str]] = {"value": "GS?", "limit": "GS", "passed": "GS"}

    names: tuple[str, ...]
    senses: tuple[str, ...]
    units: tuple[str, ...]
    value: Floats  # (G, S)
    limit: Floats  # (G, S)
    passed: Bools  # (G, S)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Gate:
        return Gate(self.names[index], self.senses[index], self.units[index], self.value[index], self.limit[index], self.passed[index])

    def __iter__(self) -> Iterator[Gate]:
        return (self[index] for index in range(len(self)))
