"""Times a phase with a clock it is given, checks what it gives, and puts its fallback in its place when it fails."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Generic, ParamSpec, TypeVar

import numpy as np

from engine.domain.decision import LIMITS, REGIMES, Phase, Span
from engine.domain.gates import GATES
from engine.domain.market import Inputs
from engine.domain.model import Catalog
from engine.domain.record import Floats, Record, field_names

P = ParamSpec("P")
R = TypeVar("R", bound=Record)
LARGEST = float(np.finfo(np.float32).max)  # models learn, and the store keeps, in single precision
SAFE = LARGEST * LARGEST  # of a sum of squares: below it no number is larger than that, and none is NaN
Plan = tuple[tuple[str, tuple[int, ...] | None, bool], ...]


class InvalidRecord(ValueError):
    """A phase gave a record of the wrong shape, or with a number that is not finite."""


class FallbackFailed(RuntimeError):
    """Even the fallback of a phase failed: the tick must not be saved."""


@dataclass(slots=True)
class PhaseFuture(Generic[R]):
    """A phase under way, or done."""

    get: Callable[[], R]

    def result(self) -> R:
        return self.get()


@dataclass(slots=True)
class PhaseRunner:
    """One tick's run through the phases.

    `clock` gives seconds; `pool` runs started phases beside one another when given; `deadline_ms` fails a phase that took longer;
    `forced` names phases that failed when the tick was first decided, for a replay.
    """

    axis_lengths: dict[str, int]
    clock: Callable[[], float]
    pool: Executor | None = None
    deadline_ms: float = math.inf
    forced_failures: Mapping[Phase, str] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    results: dict[Phase, Record] = field(default_factory=dict)
    failed: dict[Phase, str] = field(default_factory=dict)
    checked: dict[int, Record] = field(default_factory=dict)  # by id, kept so that no id comes again: a part handed on is checked once
    started_at: float | None = None

    @property
    def degraded(self) -> tuple[Phase, ...]:
        """The phases whose fallback stands in, in order."""
        return tuple(phase for phase in Phase if phase in self.failed) if self.failed else ()

    def start(self, phase: Phase, work: Callable[P, R], fallback: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> PhaseFuture[R]:
        """Begins a phase, in the pool when there is one."""
        if self.started_at is None:
            self.started_at = self.clock()
        if self.pool is None:
            done = self._carry_out("tick", phase, work, fallback, *args, **kwargs)
            return PhaseFuture(lambda: done)
        lane = f"beside {phase.value}"
        future: Future[R] = self.pool.submit(lambda: self._carry_out(lane, phase, work, fallback, *args, **kwargs))
        return PhaseFuture(future.result)

    def __call__(self, phase: Phase, work: Callable[P, R], fallback: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Carries out a phase here and now."""
        if self.started_at is None:
            self.started_at = self.clock()
        return self._carry_out("tick", phase, work, fallback, *args, **kwargs)

    def _carry_out(self, lane: str, phase: Phase, work: Callable[P, R], fallback: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        with np.errstate(invalid="ignore", divide="ignore"):  # what is not finite is told by check, not by warnings
            return self._timed(lane, phase, work, fallback, *args, **kwargs)

    def _timed(self, lane: str, phase: Phase, work: Callable[P, R], fallback: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        begun = self.clock()
        result, error = self._attempt(phase, work, *args, **kwargs)
        ms = (self.clock() - begun) * 1e3
        if error is None and ms > self.deadline_ms:
            error = f"took {ms:.0f} ms, the deadline is {self.deadline_ms:.0f} ms"
        if result is None or error is not None:
            self.failed[phase] = error or "gave nothing"
            result = self._fall_back(phase, fallback, *args, **kwargs)
            ms = (self.clock() - begun) * 1e3
        self.results[phase] = result
        self.spans.append(Span(phase, (begun - (self.started_at or begun)) * 1e3, ms, error is not None, error, lane))
        return result

    def _attempt(self, phase: Phase, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> tuple[R | None, str | None]:
        if phase in self.forced_failures:
            return None, self.forced_failures[phase]
        try:
            result = work(*args, **kwargs)
            if not isinstance(result, Record):
                raise InvalidRecord(f"expected a record, got {type(result).__name__}")
            check_record(result, self.axis_lengths, self.checked)
        except Exception as problem:  # any fault inside a phase is this phase's failure, never the tick's
            return None, f"{type(problem).__name__}: {problem}"
        return result, None

    def _fall_back(self, phase: Phase, fallback: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            result = fallback(*args, **kwargs)
            check_record(result, self.axis_lengths, self.checked)
        except Exception as problem:
            raise FallbackFailed(f"the fallback of {phase.value} failed: {type(problem).__name__}: {problem}") from problem
        return result


def axis_lengths(inputs: Inputs, catalog: Catalog) -> dict[str, int]:
    """Lengths by axis letter that every record of this tick must keep to."""
    return {
        "S": len(inputs.symbols),
        "H": len(inputs.config.horizons),
        "M": len(catalog.names),
        "F": len(catalog.columns),
        "R": len(REGIMES),
        "L": len(LIMITS) + 1,
        "G": len(GATES),
    }


# Annotations of fields that hold nothing to check: arrays without axes in SHAPES, words and whole numbers.
PLAIN = frozenset({"str", "int", "bool", "Floats", "Ints", "Bools", "NDArray[np.float32]", "tuple[str, ...]", "tuple[int, ...]", "tuple[Phase, ...]"})


def check_record(value: Record, lengths: Mapping[str, int], sound: dict[int, Record] | None = None) -> None:
    """Raises Unsound when a record's arrays break its SHAPES, or hold NaN or inf where it does not allow them.

    Records in `sound` have passed before, and what passes is added to them.
    """
    _check(value, _plans(tuple(lengths.items())), {} if sound is None else sound)


def _check(value: Record, plans: _Plans, sound: dict[int, Record]) -> None:
    if id(value) in sound:
        return
    kind = type(value)
    for name, shape, blanks in plans[kind]:
        part = getattr(value, name)
        if shape is not None:
            _check_array(value, name, part, shape, blanks)
        elif isinstance(part, float):
            if not math.isfinite(part):
                raise InvalidRecord(f"{kind.__name__}.{name} is {part}")
        else:
            for item in part if isinstance(part, tuple) else (part,):
                if isinstance(item, Record):
                    _check(item, plans, sound)
    sound[id(value)] = value


class _Plans(dict[type, Plan]):
    """Of every field of a kind there is something to check of: its name, its shape where it is an array with axes, and whether it may hold NaN."""

    def __init__(self, lengths: Mapping[str, int]) -> None:
        super().__init__()
        self._lengths = lengths

    def __missing__(self, kind: type[Record]) -> Plan:
        shapes = kind.SHAPES
        told = {name: str(annotation) for one in reversed(kind.__mro__) for name, annotation in getattr(one, "__annotations__", {}).items()}
        names = [name for name in field_names(kind) if name in shapes or told[name] not in PLAIN]
        plan = tuple((name, self._shape(shapes.get(name)), shapes.get(name, "").endswith("?")) for name in names)
        self[kind] = plan
        return plan

    def _shape(self, letters: str | None) -> tuple[int, ...] | None:
        return None if letters is None else tuple([self._lengths[letter] for letter in letters.rstrip("?")])


@lru_cache(16)
def _plans(lengths: tuple[tuple[str, int], ...]) -> _Plans:
    return _Plans(dict(lengths))


def _check_array(record: Record, name: str, part: object, expected: tuple[int, ...], blanks: bool) -> None:
    if not isinstance(part, np.ndarray):
        raise InvalidRecord(f"{type(record).__name__}.{name} is {type(part).__name__}, expected an array")
    if part.shape != expected:
        raise InvalidRecord(f"{type(record).__name__}.{name} has shape {part.shape}, expected {expected}")
    if part.dtype.kind == "f" and not np.vdot(part, part) < SAFE:
        _check_numbers(f"{type(record).__name__}.{name}", part, blanks)


def _check_numbers(where: str, part: Floats, blanks: bool) -> None:
    large = np.abs(part) > LARGEST
    if large.any():
        value = part[large][0]
        raise InvalidRecord(f"{where} holds {'inf' if np.isinf(value) else f'{value:.3g}, which single precision cannot hold'}")
    if not blanks and bool(np.isnan(part).any()):
        raise InvalidRecord(f"{where} holds NaN")
