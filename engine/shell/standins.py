"""The registry of model versions: an unsound one is not adopted from a training, and a failing one is replaced by its previous version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.domain.control import Event
from engine.domain.model import Serving
from engine.domain.record import Floats
from engine.domain.state import State
from engine.domain.tick import Artifact
from engine.evidence.succession import to_event
from engine.shell import succession, training
from engine.shell.circuits import FAULTS
from engine.shell.rolling import Rows
from engine.store.errors import StoreFailed

Fitted = tuple[Serving | None, ...]
Spare = Callable[[str, str], Artifact | None]  # by model and version: the newest other version that has served


@dataclass(frozen=True, slots=True)
class Adopted:
    """The adoption of a training."""

    fitted: Fitted  # where a model failed, its previous version
    artifacts: tuple[Artifact, ...]  # new ones
    trouble: str | None  # which models failed and why


@dataclass(frozen=True, slots=True)
class Replaced:
    """A model that failed while it served."""

    model: str
    fault: str
    how: str  # its replacement


class Bench:
    """The model versions that could serve: those of a training and those that served before."""

    def __init__(self) -> None:
        self.usable: Floats | None = None  # (U, F) the newest features of the symbols that can be forecast
        self.spare: Spare | None = None  # another source of earlier versions
        self.replaced: tuple[Replaced, ...] = ()  # models that failed while they served; the reader empties it
        self._previous: dict[str, Serving] = {}  # by model: the version before the fitted one
        self._record: dict[str, Serving] = {}  # by version: those of the record of skill that served in this process

    def adopt(self, job: training.Job, before: Fitted) -> Adopted:
        """Adopt the models of a training one by one: a model that failed, cannot be loaded or gives no forecast keeps its previous version."""
        fitted, artifacts, failed = list(before), [], []
        for place, outcome in enumerate(job.outcomes()):
            served, why = _loaded(outcome, self.usable)
            if served is None or isinstance(outcome, str):
                failed.append(why)
                continue
            old = before[place]
            if old is not None and old.version != served.version:
                self._previous[old.model.name] = old
            fitted[place] = served
            artifacts.append(outcome)
        return Adopted(tuple(fitted), tuple(artifacts), "; ".join(dict.fromkeys(failed)) or None)

    def stand_in(self, fitted: Fitted) -> tuple[Fitted, tuple[Replaced, ...]]:
        """Replace each model that fails on the newest features by its previous version, where that is sound; else the model does not serve."""
        usable, after, replaced = self.usable, list(fitted), []
        for place, served in enumerate(fitted):
            why = None if served is None or usable is None else unsound(served, usable)
            if served is None or usable is None or why is None:
                continue
            other = after[place] = self._other(served, usable)
            how = "it stands aside: there is no sound version before it" if other is None else f"its previous version {other.version} serves"
            replaced.append(Replaced(served.model.name, why, how))
        self.replaced += tuple(replaced)
        return tuple(after), tuple(replaced)

    def succeed(self, before: Fitted, after: Fitted, state: State, rows: Rows) -> tuple[Event, ...]:
        """The agreement of the versions that serve from here on with earlier ones, an event that a replay repeats; none where all are of record."""
        self.keep(before)
        named = {version for versions in state.succession.record for version in versions}
        self._record = {version: served for version, served in self._record.items() if version in named}
        agreement = succession.compare(before, after, state, rows, self._record.get)
        return () if agreement is None else (to_event(agreement),)

    def keep(self, served: Fitted) -> None:
        """Remember versions to which the record of skill may belong."""
        self._record |= {model.version: model for model in served if model is not None}

    def _other(self, served: Serving, usable: Floats) -> Serving | None:
        previous = self._previous.get(served.model.name)
        if previous is not None and previous.version != served.version and unsound(previous, usable) is None:
            return previous
        try:
            artifact = self.spare(served.model.name, served.version) if self.spare is not None else None
        except StoreFailed:  # during a tick the store is not retried: the model does not serve
            return None
        return None if artifact is None else _loaded(artifact, usable)[0]


def unsound(served: Serving, looked: Floats) -> str | None:
    """Why its forecasts from these features, one row per symbol, cannot be used; None where they can."""
    if not len(looked):
        return None
    online_model = served.model.online
    try:
        if online_model is None:
            forecast = np.asarray(served.model.predict(served.fitted, looked))
        else:
            forecast = np.asarray(online_model.forecast(served.fitted, online_model.see(served.fitted, looked), None, 0))
        sound = bool(np.isfinite(forecast).all())
    except FAULTS as error:
        return f"{served.version} failed: {type(error).__name__}: {' '.join(str(error).split())[:120]}"
    return None if sound else f"{served.version} gave a forecast that is not finite"


def _loaded(outcome: Artifact | str, usable: Floats | None) -> tuple[Serving | None, str]:
    """The model ready to serve, or why there is none."""
    if isinstance(outcome, str):
        return None, outcome
    try:
        served = training.load(outcome)
    except FAULTS as error:
        return None, f"{outcome.version} cannot be loaded: {error}"
    why = None if usable is None else unsound(served, usable)
    return (served, "") if why is None else (None, why)
