"""Runs a phase: measures its time, checks its result, and replaces it by its fallback when it fails."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Generic, ParamSpec, TypeVar

import numpy as np

from engine import units
from engine.domain.decision import LIMITS, REGIMES, Phase, Span
from engine.domain.gates import GATES
from engine.domain.market import Inputs
from engine.domain.model import Catalog
from engine.domain.record import DigestMemo, Floats, Record, field_names

P = ParamSpec("P")
R = TypeVar("R", bound=Record)
LARGEST = float(np.finfo(np.float32).max)  # models learn and the store saves in single precision
SAFE = LARGEST * LARGEST  # for a sum of squares: below it no number exceeds LARGEST, and none is NaN
_FieldChecks = tuple[tuple[str, tuple[int, ...] | None, bool], ...]


class InvalidRecord(ValueError):
    """A phase returned a record of the wrong shape, or with a number that is not finite."""


class FallbackFailed(RuntimeError):
    """Even the fallback of a phase failed, so the tick must not be saved."""


@dataclass(slots=True)
class PhaseFuture(Generic[R]):
    """A phase that is running or has finished."""

    get: Callable[[], R]

    def result(self) -> R:
        return self.get()


@dataclass(slots=True)
class PhaseRunner:
    """Runs the phases of one tick.

    `clock` returns seconds; `pool`, if given, runs started phases in parallel; a phase that takes longer than `deadline_ms` fails;
    for a replay, `forced` names the phases that failed when the tick was first decided, with the errors.
    """

    axis_lengths: dict[str, int]
    clock: Callable[[], float]
    pool: Executor | None = None
    deadline_ms: float = math.inf
    forced_failures: Mapping[Phase, str] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    results: dict[Phase, Record] = field(default_factory=dict)
    failed: dict[Phase, str] = field(default_factory=dict)
    checked: dict[int, Record] = field(default_factory=dict)  # by id; holding the records keeps ids unique, so each record is checked once
    started_at: float | None = None

    @property
    def degraded(self) -> tuple[Phase, ...]:
        """The phases replaced by their fallback, in order."""
        return tuple(phase for phase in Phase if phase in self.failed) if self.failed else ()

    def digest_results(self, memo: DigestMemo, known: Record, known_digest: str) -> tuple[str, ...]:
        """Return the digest of each phase's result, in order; that of `known` is known already."""
        results = [self.results[phase] for phase in Phase]
        return tuple([known_digest if result is known else result.digest(memo) for result in results])

    def start(self, phase: Phase, work: Callable[P, R], fallback: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> PhaseFuture[R]:
        """Start a phase, in the pool when there is one."""
        if self.started_at is None:
            self.started_at = self.clock()
        if self.pool is None:
            result = self._execute("tick", phase, work, fallback, *args, **kwargs)
            return PhaseFuture(lambda: result)
        thread = f"parallel {phase.value}"
        future: Future[R] = self.pool.submit(lambda: self._execute(thread, phase, work, fallback, *args, **kwargs))
        return PhaseFuture(future.result)

    def __call__(self, phase: Phase, work: Callable[P, R], fallback: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a phase in this thread."""
        if self.started_at is None:
            self.started_at = self.clock()
        return self._execute("tick", phase, work, fallback, *args, **kwargs)

    def _execute(self, thread: str, phase: Phase, work: Callable[P, R], fallback: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        with np.errstate(invalid="ignore", divide="ignore"):  # `check` reports numbers that are not finite
            return self._measure(thread, phase, work, fallback, *args, **kwargs)

    def _measure(self, thread: str, phase: Phase, work: Callable[P, R], fallback: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        begun = self.clock()
        result, error = self._attempt(phase, work, *args, **kwargs)
        ms = (self.clock() - begun) * 1e3
        if error is None and ms > self.deadline_ms:
            error = f"took {units.format_ms(ms)}, the deadline is {units.format_ms(self.deadline_ms)}"
        if result is None or error is not None:
            self.failed[phase] = error or "returned nothing"
            result = self._fall_back(phase, fallback, *args, **kwargs)
            ms = (self.clock() - begun) * 1e3
        self.results[phase] = result
        self.spans.append(Span(phase, (begun - (self.started_at or begun)) * 1e3, ms, error is not None, error, thread))
        return result

    def _attempt(self, phase: Phase, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> tuple[R | None, str | None]:
        if phase in self.forced_failures:
            return None, self.forced_failures[phase]
        try:
            result = work(*args, **kwargs)
            if not isinstance(result, Record):
                raise InvalidRecord(f"expected a record, got {type(result).__name__}")
            check_record(result, self.axis_lengths, self.checked)
        except Exception as problem:  # any error inside a phase fails this phase, never the tick
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
    """Return the length of each axis letter, which every record of this tick must match."""
    return {
        "S": len(inputs.symbols),
        "H": len(inputs.config.horizons),
        "M": len(catalog.names),
        "F": len(catalog.columns),
        "R": len(REGIMES),
        "L": len(LIMITS) + 1,
        "G": len(GATES),
    }


# Annotations of fields without anything to check: arrays without axes in SHAPES, strings and integers.
PLAIN = frozenset({"str", "int", "bool", "Floats", "Ints", "Bools", "NDArray[np.float32]", "tuple[str, ...]", "tuple[int, ...]", "tuple[Phase, ...]"})


def check_record(value: Record, lengths: Mapping[str, int], sound: dict[int, Record] | None = None) -> None:
    """Raise InvalidRecord where a record's arrays break its SHAPES, or hold NaN or inf where these are not allowed.

    Records in `sound` have passed before; records that pass are added to it.
    """
    _check(value, _checks_by_kind(tuple(lengths.items())), {} if sound is None else sound)


def _check(value: Record, checks: _ChecksByKind, sound: dict[int, Record]) -> None:
    if id(value) in sound:
        return
    for name, shape, allows_nan in checks[type(value)]:
        part = getattr(value, name)
        if shape is None:
            _check_part(value, name, part, checks, sound)
        elif type(part) is not np.ndarray or part.shape != shape or (part.dtype.kind == "f" and not np.vdot(part, part) < SAFE):
            _check_array(value, name, part, shape, allows_nan)  # the usual array needs no further call
    sound[id(value)] = value


def _check_part(record: Record, name: str, part: object, checks: _ChecksByKind, sound: dict[int, Record]) -> None:
    if isinstance(part, Record):
        if checks[type(part)]:
            _check(part, checks, sound)
    elif isinstance(part, float):
        if not math.isfinite(part):
            raise InvalidRecord(f"{type(record).__name__}.{name} is {part}")
    elif isinstance(part, tuple):
        for item in part:
            if isinstance(item, Record):
                _check(item, checks, sound)


class _ChecksByKind(dict[type, _FieldChecks]):
    """The fields to check by kind of record: name, shape where it is an array with axes, and whether it may hold NaN."""

    def __init__(self, lengths: Mapping[str, int]) -> None:
        super().__init__()
        self._lengths = lengths

    def __missing__(self, kind: type[Record]) -> _FieldChecks:
        shapes = kind.SHAPES
        hints = {name: str(hint) for parent in reversed(kind.__mro__) for name, hint in getattr(parent, "__annotations__", {}).items()}
        names = [name for name in field_names(kind) if name in shapes or hints[name] not in PLAIN]
        checks = tuple((name, self._shape(shapes.get(name)), shapes.get(name, "").endswith("?")) for name in names)
        self[kind] = checks
        return checks

    def _shape(self, letters: str | None) -> tuple[int, ...] | None:
        return None if letters is None else tuple([self._lengths[letter] for letter in letters.rstrip("?")])


@lru_cache(16)
def _checks_by_kind(lengths: tuple[tuple[str, int], ...]) -> _ChecksByKind:
    return _ChecksByKind(dict(lengths))


def _check_array(record: Record, name: str, part: object, expected: tuple[int, ...], allows_nan: bool) -> None:
    if not isinstance(part, np.ndarray):
        raise InvalidRecord(f"{type(record).__name__}.{name} is {type(part).__name__}, expected an array")
    if part.shape != expected:
        raise InvalidRecord(f"{type(record).__name__}.{name} has shape {part.shape}, expected {expected}")
    if part.dtype.kind == "f" and not np.vdot(part, part) < SAFE:
        _check_numbers(f"{type(record).__name__}.{name}", part, allows_nan)


def _check_numbers(where: str, part: Floats, allows_nan: bool) -> None:
    size = np.abs(part)
    if np.fmax.reduce(size, axis=None) > LARGEST:  # fmax ignores NaN
        value = part[size > LARGEST][0]
        raise InvalidRecord(f"{where} holds {'inf' if np.isinf(value) else f'{value:.3g}, which single precision cannot hold'}")
    if not allows_nan and bool(np.isnan(part).any()):
        raise InvalidRecord(f"{where} holds NaN")
