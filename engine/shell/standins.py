"""Models that cannot serve: an unsound one is not taken from a training, and one that fails gives way to its previous version."""

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
Spare = Callable[[str, str], Artifact | None]  # model, version: the newest other version of it that has served


@dataclass(frozen=True, slots=True)
class Adopted:
    """What came of a training."""

    fitted: Fitted  # where a model failed, the one before
    artifacts: tuple[Artifact, ...]  # new ones
    trouble: str | None  # which models failed and why


@dataclass(frozen=True, slots=True)
class Replaced:
    """A model that failed while it served."""

    model: str
    fault: str
    how: str  # what serves in its place


class Bench:
    """The versions of the models that could serve: what a training gives, and what served before."""

    def __init__(self) -> None:
        self.usable: Floats | None = None  # (U, F) the newest columns of the symbols that could be forecast
        self.spare: Spare | None = None  # where else an earlier version may be had
        self.replaced: tuple[Replaced, ...] = ()  # models that failed while they served, for whoever looks and empties it
        self._previous: dict[str, Serving] = {}  # by model: the version before the one that is fitted
        self._record: dict[str, Serving] = {}  # by version: those that the record of skill belongs to, so far as they served in this process

    def adopt(self, job: training.Job, before: Fitted) -> Adopted:
        """The models of a training, each by itself: one that failed, cannot be loaded or gives no forecast is dropped, and the one before stays."""
        fitted, artifacts, failed = list(before), [], []
        for place, told in enumerate(job.outcomes()):
            served, why = _loaded(told, self.usable)
            if served is None or isinstance(told, str):
                failed.append(why)
                continue
            old = before[place]
            if old is not None and old.version != served.version:
                self._previous[old.model.name] = old
            fitted[place] = served
            artifacts.append(told)
        return Adopted(tuple(fitted), tuple(artifacts), "; ".join(dict.fromkeys(failed)) or None)

    def stand_in(self, fitted: Fitted) -> tuple[Fitted, tuple[Replaced, ...]]:
        """In the place of each model that fails on the newest columns its previous version, where that is sound; else the model stands aside."""
        usable, after, found = self.usable, list(fitted), []
        for place, served in enumerate(fitted):
            why = None if served is None or usable is None else unsound(served, usable)
            if served is None or usable is None or why is None:
                continue
            other = after[place] = self._other(served, usable)
            how = "it stands aside: there is no sound version before it" if other is None else f"its previous version {other.version} serves"
            found.append(Replaced(served.model.name, why, how))
        self.replaced += tuple(found)
        return tuple(after), tuple(found)

    def succeed(self, before: Fitted, after: Fitted, state: State, rows: Rows) -> tuple[Event, ...]:
        """How far the versions that serve from here on agree with earlier ones, as an event that a replay repeats; none where all are of record."""
        self.keep(before)
        named = {version for versions in state.succession.record for version in versions}
        self._record = {version: served for version, served in self._record.items() if version in named}
        found = succession.compare(before, after, state, rows, self._record.get)
        return () if found is None else (to_event(found),)

    def keep(self, served: Fitted) -> None:
        """Versions that the record of skill may belong to."""
        self._record |= {one.version: one for one in served if one is not None}

    def _other(self, served: Serving, usable: Floats) -> Serving | None:
        kept = self._previous.get(served.model.name)
        if kept is not None and kept.version != served.version and unsound(kept, usable) is None:
            return kept
        try:
            artifact = self.spare(served.model.name, served.version) if self.spare is not None else None
        except StoreFailed:  # a tick is in hand: without a spare the model stands aside
            return None
        return None if artifact is None else _loaded(artifact, usable)[0]


def unsound(served: Serving, looked: Floats) -> str | None:
    """Why its forecasts from these columns, a row a symbol, cannot be used; None where they can."""
    if not len(looked):
        return None
    going_on = served.model.online
    try:
        if going_on is None:
            said = np.asarray(served.model.predict(served.fitted, looked))
        else:
            said = np.asarray(going_on.forecast(served.fitted, going_on.see(served.fitted, looked), None, 0))
        sound = bool(np.isfinite(said).all())
    except FAULTS as error:
        return f"{served.version} failed: {type(error).__name__}: {' '.join(str(error).split())[:120]}"
    return None if sound else f"{served.version} gave a forecast that is not finite"


def _loaded(told: Artifact | str, usable: Floats | None) -> tuple[Serving | None, str]:
    """The model ready to serve, or why there is none."""
    if isinstance(told, str):
        return None, told
    try:
        served = training.load(told)
    except FAULTS as error:
        return None, f"{told.version} cannot be loaded: {error}"
    why = None if usable is None else unsound(served, usable)
    return (served, "") if why is None else (None, why)
