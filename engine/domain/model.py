"""Models, feature families, and the catalog of those in use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.domain.market import MarketView
from engine.domain.recipe import DEFAULT_RECIPE, Recipe
from engine.domain.record import Bools, Floats, Ints, Record
from engine.domain.state import OnlineInputs, OnlineMemory

# The errors that a feed, a model or a source by others may raise: all but those that end a process.
PLUGIN_ERRORS = (OSError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError, AssertionError, RuntimeError, MemoryError)


@dataclass(frozen=True, slots=True)
class TrainingSet(Record):
    """Training rows, oldest first; nothing in them was known later than `until`."""

    columns: tuple[str, ...]
    horizons: tuple[int, ...]
    x: NDArray[np.float32]  # (N, F) NaN where a column does not apply; single precision halves the memory and suffices for the models
    y: Floats  # (N, H) targets; NaN where not known by `until` (purged) or not fresh
    tick: Ints  # (N,) the tick of each row
    until: int  # the last tick whose bar may be known


@dataclass(frozen=True, slots=True)
class OnlineLearner:
    """Online learning of a model at every tick. What it learns is stored in the state, so a decision stays a pure function."""

    select_columns: Callable[[Any, Floats], NDArray[np.float32]]  # fitted, (S, F) -> (S, K) the columns it learns on, without NaN
    forecast: Callable[[Any, NDArray[np.float32], OnlineMemory | None, int], Floats]  # fitted, (S, K), memory, ticks since training -> (H, S)
    decay: float | Callable[[Any], float]  # factor by which a tick discounts the sums, or the function that reads it from a fitted version
    # fitted, (S, F), memory, ticks since training -> (H, S, F + 1) Shapley values of the forecast, the base last
    contribute: Callable[[Any, Floats, OnlineMemory | None, int], Floats] | None = None

    def decay_of(self, fitted: Any) -> float:
        """The factor by which a tick discounts the sums of this version."""
        return float(self.decay(fitted)) if callable(self.decay) else self.decay


@dataclass(frozen=True, slots=True)
class Hyperparameter(Record):
    """A parameter of a kind of model that a search may change."""

    name: str
    default: float
    low: float
    high: float
    integer: bool = False
    log: bool = False  # searched on a logarithmic scale
    structural: bool = False  # searched by the structure search (depth, leaves, units), not by tuning


@dataclass(frozen=True, slots=True)
class Model:
    """A kind of model. `fit` and `load` are deterministic; the bytes are the model's text form or npz parameters, never a pickle.

    `fit` takes the training, the seed, and by keyword those of `parameters` that differ from their defaults. `load` raises ValueError, in one line,
    for bytes of another origin.
    """

    name: str
    kind: str  # in words, for the pages
    fit: Callable[..., bytes]
    load: Callable[[bytes], Any]
    predict: Callable[
        [Any, Floats], Floats
    ]  # fitted, (S, F) -> (H, S); with `takes_blocks` also (B, S, F) -> (B, H, S), each with the bits of its own
    online: OnlineLearner | None = None  # for a model that also learns between trainings
    parameters: tuple[Hyperparameter, ...] = ()
    serves_by_default: bool = True  # False: only a structure search brings it into service
    contribute: Callable[[bytes, Floats], Floats] | None = (
        None  # bytes, (S, F) -> (H, S, F + 1) exact Shapley values, the base last; None: no exact way
    )
    baseline: str = ""  # what a feature's contribution is measured from, in words
    takes_blocks: bool = False  # `predict` also takes the features of many bars at once


@dataclass(frozen=True, slots=True)
class FeatureFamily:
    """A family of features, computed for all symbols at once from the view of the window."""

    name: str
    columns: tuple[str, ...]
    build: Callable[[MarketView], Floats]  # -> (S, len(columns)); NaN where not applicable
    may_be_blank: bool = False  # even with enough history, because not every feed has its data
    takes_blocks: bool = False  # `build` also takes the views of many bars at once, (..., S, T), and reads neither time, books nor flow
    builds_ahead: bool = False  # `build` is also called for each bar of a block before its tick, outside the deadline of a phase: it is quick


@dataclass(frozen=True, slots=True)
class ServingModel:
    """A fitted model in service."""

    model: Model
    version: str  # "PLACE-TICK": trained on data up to that tick, followed by the recipe's id where it is not the default one
    digest: str  # of the bytes it was loaded from
    fitted: Any
    feature_low: Floats  # (F,) 0.5 % quantile of each feature in training
    feature_high: Floats  # (F,) 99.5 % quantile
    trained_to: int  # tick
    reliance: Floats  # (F,) share of its forecast that is lost when a column is blank, summing to 1; all 0 where it relies on no column
    place: str = ""  # its name on the model axis; that of the model where none is given
    recipe: Recipe = DEFAULT_RECIPE
    columns: Ints | None = None  # (K,) places of the recipe's columns among all F; None for all

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", self.place or self.model.name)
        if not self.recipe.model:
            object.__setattr__(self, "recipe", replace(self.recipe, model=self.model.name))

    def select(self, x: NDArray[Any]) -> NDArray[Any]:
        """(..., N, K) the columns that it was trained on, of (..., N, F) features."""
        return x if self.columns is None else np.ascontiguousarray(x[..., self.columns])

    def predict(self, x: Floats, memory: OnlineMemory | None = None, elapsed: int | None = None) -> Floats:
        """(H, N) forecasts from (N, F) features; with `elapsed` ticks since its training, those of an online learner go on from its memory."""
        selected = self.select(x)
        learner = self.model.online
        if learner is None or elapsed is None:
            return np.asarray(self.model.predict(self.fitted, selected))
        return np.asarray(learner.forecast(self.fitted, learner.select_columns(self.fitted, selected), memory, elapsed))

    def online_inputs(self, place: int, x: Floats) -> OnlineInputs | None:
        """What an online learner at this place of the model axis learns from (S, F) features at this tick; None for another kind of model."""
        learner = self.model.online
        if learner is None:
            return None
        columns = learner.select_columns(self.fitted, self.select(x))
        return OnlineInputs(place, self.version, learner.decay_of(self.fitted), columns)


@dataclass(frozen=True, slots=True)
class Catalog:
    """Feature families and models for a decision. `names` fixes the model axis; a model without a fitted version is not active."""

    families: tuple[FeatureFamily, ...]
    names: tuple[str, ...]
    serving: tuple[ServingModel | None, ...]  # as names
    shadows: tuple[ServingModel, ...] = ()  # versions that predict without a vote, in contests
    find_prepared: Callable[[ServingModel, Floats], Floats | None] | None = None  # forecasts that were computed for a block of bars at once
    columns: tuple[str, ...] = field(init=False)  # of all families, needed at every tick
    may_be_blank: Bools = field(init=False, compare=False, repr=False)  # (F,)

    def __post_init__(self) -> None:
        blanks = np.repeat([family.may_be_blank for family in self.families], [len(family.columns) for family in self.families])
        object.__setattr__(self, "may_be_blank", blanks.astype(bool))
        object.__setattr__(self, "columns", tuple(f"{family.name}.{column}" for family in self.families for column in family.columns))

    def predict(self, served: ServingModel, x: Floats) -> Floats:
        """(H, S) forecasts of a version that does not learn online, from (S, F) features: the prepared ones of these bits where there are any."""
        prepared = None if self.find_prepared is None else self.find_prepared(served, x)
        return served.predict(x) if prepared is None else prepared
