"""Faults inside a phase, in its result or in its inputs, and trainings on targets of the opposite sign."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ParamSpec, TypeVar

import numpy as np

from engine.domain.decision import EvolutionPlan, Phase
from engine.domain.market import MarketView
from engine.domain.model import FeatureFamily, ServingModel
from engine.domain.record import Floats, Record
from engine.run import PhaseFuture, PhaseRunner, axis_lengths
from engine.service import training, training_spool
from engine.service.search import SearchRequest
from tests.makers import Inline, Moment

P = ParamSpec("P")
R = TypeVar("R", bound=Record)
KINDS = ("exception", "NaN", "inf", "wrong shape", "too slow", "nothing")


class Flipped(Inline):
    """Trainers that fit the trainings up to these ticks on targets with their sign flipped, of the models named or of all."""

    def __init__(self, *until: int, models: Collection[str] = ()) -> None:
        self.until, self.models = until, models

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if isinstance(args[0], SearchRequest):
            return Inline.submit(self, fn, *args, **kwargs)
        name, recipe, rows, *rest = args
        if rows.until not in self.until or (self.models and name not in self.models):
            return Inline.submit(self, fn, *args, **kwargs)
        rows_read = training_spool.read_spooled_training(rows)
        return Inline.submit(self, training.fit_model, name, recipe, replace(rows_read, y=np.ascontiguousarray(-rows_read.y)), *rest)


@dataclass
class Hands:
    """A clock that is moved by hand."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass(slots=True)
class Sabotaged(PhaseRunner):
    """A run in which one phase's work goes wrong."""

    phase: Phase = Phase.MARKET
    fault: str = "exception"
    hands: Hands = field(default_factory=Hands)
    name: str = ""  # of the array that becomes blank, where the fault is that

    def start(self, phase: Phase, work: Callable[P, R], fallback: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> PhaseFuture[R]:
        return PhaseRunner.start(self, phase, self._spoil(phase, work), fallback, *args, **kwargs)

    def __call__(self, phase: Phase, work: Callable[P, R], fallback: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return PhaseRunner.__call__(self, phase, self._spoil(phase, work), fallback, *args, **kwargs)

    def _spoil(self, phase: Phase, work: Callable[P, R]) -> Callable[P, R]:
        if phase is not self.phase:
            return work

        def spoiled(*args: P.args, **kwargs: P.kwargs) -> R:
            if self.fault == "exception":
                raise ZeroDivisionError("made to fail")
            result = work(*args, **kwargs)
            if self.fault == "too slow":
                self.hands.seconds += 60.0
            if self.fault == "blank":
                return replace(result, **{self.name: getattr(result, self.name) * np.nan})
            return result if self.fault == "too slow" else _bad(result, self.fault)

        return spoiled


def sabotaged(at: Moment, phase: Phase, kind: str) -> tuple[Moment, PhaseRunner]:
    """The moment and the run in which that phase goes wrong in that way."""
    hands = Hands()
    lengths = axis_lengths(at.inputs, at.catalog)
    if kind == "NaN" and phase in INSIDE:  # a blank is allowed in what they give, so the fault is put into what they work with
        return INSIDE[phase](at), PhaseRunner(lengths, hands, deadline_ms=2_000.0)
    return at, Sabotaged(lengths, hands, deadline_ms=2_000.0, phase=phase, fault=kind, hands=hands)


def blank_family(at: Moment) -> Moment:
    """The moment with a family that gives nothing but NaN."""
    return family_that(at, lambda family, view: family.build(view) * np.nan)


def family_that(at: Moment, build: Callable[[FeatureFamily, MarketView], Floats]) -> Moment:
    """The moment with the returns built by other means."""
    families = tuple(replace(family, build=partial(build, family)) if family.name == "returns" else family for family in at.catalog.families)
    return replace(at, catalog=replace(at.catalog, families=families))


def model_that(at: Moment, predict: Callable[[ServingModel, Floats], Any], index: int = 0) -> Moment:
    """The moment with one model predicting by other means."""
    serving = list(at.catalog.serving)
    served = serving[index]
    assert served is not None
    serving[index] = replace(served, model=replace(served.model, predict=lambda _, x: predict(served, x)))
    return replace(at, catalog=replace(at.catalog, serving=tuple(serving)))


def _blank_model(at: Moment) -> Moment:
    return model_that(at, lambda served, x: served.model.predict(served.fitted, x) * np.nan)


def _blank_conditions(at: Moment) -> Moment:
    return replace(at, state=replace(at.state, conditions=at.state.conditions * np.nan))


INSIDE = {Phase.FEATURES: blank_family, Phase.SELECTION: _blank_conditions, Phase.VALIDATION: _blank_model}


def _bad(result: Record, kind: str) -> Any:
    if kind == "nothing":
        return None
    if isinstance(result, EvolutionPlan):
        return replace(result, state=_bad(result.state, kind))
    for name, letters in type(result).SHAPES.items():
        value = getattr(result, name)
        if kind == "wrong shape":
            return replace(result, **{name: value[..., :-1]})
        if value.dtype.kind == "f" and (kind == "inf" or not letters.endswith("?")):
            spoiled = value.copy()
            spoiled.reshape(-1)[0] = np.nan if kind == "NaN" else np.inf
            return replace(result, **{name: spoiled})
    raise AssertionError(f"{type(result).__name__} has nothing to spoil with {kind}")
