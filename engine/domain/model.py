"""What a model and a feature family are, and the catalog of those in use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.domain.market import MarketView
from engine.domain.record import Bools, Floats, Ints, Record
from engine.domain.state import OnlineMemory


@dataclass(frozen=True, slots=True)
class TrainingSet(Record):
    """Rows to learn from, oldest first; nothing in them was known later than `until`."""

    columns: tuple[str, ...]
    horizons: tuple[int, ...]
    x: NDArray[np.float32]  # (N, F) NaN where a column does not apply; half the memory, and models need no more
    y: Floats  # (N, H) targets, NaN where not known by `until` (purged) or not fresh
    tick: Ints  # (N,) the tick of each row
    until: int  # the last tick whose bar may be known


@dataclass(frozen=True, slots=True)
class OnlineLearner:
    """How a model goes on learning at every tick. What it has learned is in the state, so a decision stays a pure function."""

    select_columns: Callable[[Any, Floats], NDArray[np.float32]]  # fitted, (S, F) -> (S, K) the columns it learns on, no blanks
    forecast: Callable[[Any, NDArray[np.float32], OnlineMemory | None, int], Floats]  # fitted, (S, K), learned since, ticks since trained -> (H, S)
    decay: float  # what a tick leaves of the sums


@dataclass(frozen=True, slots=True)
class Model:
    """A kind of model. `fit` and `load` are deterministic; the bytes are the model's text form or npz parameters, never a pickle.

    `load` raises ValueError, in one line, for bytes that are not its own.
    """

    name: str
    kind: str  # in words, for the page
    fit: Callable[[TrainingSet, int], bytes]  # training, seed
    load: Callable[[bytes], Any]
    predict: Callable[[Any, Floats], Floats]  # fitted, (S, F) -> (H, S)
    online: OnlineLearner | None = None  # where it goes on learning between trainings


@dataclass(frozen=True, slots=True)
class FeatureFamily:
    """A family of features, computed for all symbols at once from the view of the window."""

    name: str
    columns: tuple[str, ...]
    build: Callable[[MarketView], Floats]  # -> (S, len(columns)); NaN where not applicable
    may_be_blank: bool = False  # also for a symbol with enough history: its data is not in every feed


@dataclass(frozen=True, slots=True)
class ServingModel:
    """A fitted model that serves."""

    model: Model
    version: str  # "NAME-TICK": trained on data up to that tick
    digest: str  # of the bytes it was loaded from
    fitted: Any
    feature_low: Floats  # (F,) 0.5 % quantile of each feature it was trained on
    feature_high: Floats  # (F,) 99.5 %
    trained_to: int  # tick
    reliance: Floats  # (F,) share of its forecasts that goes when a column is blank, summing to 1; 0 where it relies on none


@dataclass(frozen=True, slots=True)
class Catalog:
    """What a decision may use. `names` fixes the model axis; a model without a fitted version is not heard."""

    families: tuple[FeatureFamily, ...]
    names: tuple[str, ...]
    serving: tuple[ServingModel | None, ...]  # as names
    columns: tuple[str, ...] = field(init=False)  # of all families, asked for at every tick
    may_be_blank: Bools = field(init=False, compare=False, repr=False)  # (F,)

    def __post_init__(self) -> None:
        blanks = np.repeat([family.may_be_blank for family in self.families], [len(family.columns) for family in self.families])
        object.__setattr__(self, "may_be_blank", blanks.astype(bool))
        object.__setattr__(self, "columns", tuple(f"{family.name}.{column}" for family in self.families for column in family.columns))
