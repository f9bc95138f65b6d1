"""Models that cannot serve: an unsound one is not taken from a training, and one that fails gives way to its previous version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.domain.model import ServingModel
from engine.domain.record import Floats
from engine.domain.state import State
from engine.domain.tick import Artifact
from engine.domain.trading_config import Event
from engine.evidence.succession import agreement_to_event
from engine.resilience.circuit_breaker import PLUGIN_ERRORS
from engine.service import training, version_comparison
from engine.service.windows import TrainingRows
from engine.store.errors import StoreError

ServingModels = tuple[ServingModel | None, ...]
FindArtifact = Callable[[str, str], Artifact | None]  # model, version: the newest other version of it that has served


@dataclass(frozen=True, slots=True)
class TrainingAdoption:
    """What came of a training."""

    serving: ServingModels  # where a model failed, the one before
    artifacts: tuple[Artifact, ...]  # new ones
    error: str | None  # which models failed and why


@dataclass(frozen=True, slots=True)
class ModelReplacement:
    """A model that failed while it served."""

    model: str
    fault: str
    how: str  # what serves in its place


class ModelRegistry:
    """The versions of the models that could serve: what a training gives, and what served before."""

    def __init__(self) -> None:
        self.newest_features: Floats | None = None  # (U, F) the newest columns of the symbols that could be forecast
        self.find_artifact: FindArtifact | None = None  # where else an earlier version may be had
        self.replacements: tuple[ModelReplacement, ...] = ()  # models that failed while they served, for whoever looks and empties it
        self._previous: dict[str, ServingModel] = {}  # by model: the version before the one that is fitted
        self._record: dict[str, ServingModel] = {}  # by version: those that the record of skill belongs to, so far as they served in this process

    def adopt(self, job: training.TrainingJob, before: ServingModels) -> TrainingAdoption:
        """The models of a training, each by itself: one that failed, cannot be loaded or gives no forecast is dropped, and the one before stays."""
        fitted, artifacts, failed = list(before), [], []
        for place, told in enumerate(job.wait_for_results()):
            served, why = _loaded(told, self.newest_features)
            if served is None or isinstance(told, str):
                failed.append(why)
                continue
            old = before[place]
            if old is not None and old.version != served.version:
                self._previous[old.model.name] = old
            fitted[place] = served
            artifacts.append(told)
        return TrainingAdoption(tuple(fitted), tuple(artifacts), "; ".join(dict.fromkeys(failed)) or None)

    def replace_failing(self, fitted: ServingModels) -> tuple[ServingModels, tuple[ModelReplacement, ...]]:
        """In the place of each model that fails on the newest columns its previous version, where that is sound; else the model stands aside."""
        usable, after, found = self.newest_features, list(fitted), []
        for place, served in enumerate(fitted):
            why = None if served is None or usable is None else find_forecast_fault(served, usable)
            if served is None or usable is None or why is None:
                continue
            other = after[place] = self._other(served, usable)
            how = "it stands aside: there is no sound version before it" if other is None else f"its previous version {other.version} serves"
            found.append(ModelReplacement(served.model.name, why, how))
        self.replacements += tuple(found)
        return tuple(after), tuple(found)

    def compare_with_record(self, before: ServingModels, after: ServingModels, state: State, rows: TrainingRows) -> tuple[Event, ...]:
        """How far the versions that serve from here on agree with earlier ones, as an event that a replay repeats; none where all are of record."""
        self.remember(before)
        named = {version for versions in state.succession.record_versions for version in versions}
        self._record = {version: served for version, served in self._record.items() if version in named}
        found = version_comparison.compare_versions(before, after, state, rows, self._record.get)
        return () if found is None else (agreement_to_event(found),)

    def remember(self, served: ServingModels) -> None:
        """Versions that the record of skill may belong to."""
        self._record |= {one.version: one for one in served if one is not None}

    def _other(self, served: ServingModel, usable: Floats) -> ServingModel | None:
        kept = self._previous.get(served.model.name)
        if kept is not None and kept.version != served.version and find_forecast_fault(kept, usable) is None:
            return kept
        try:
            artifact = self.find_artifact(served.model.name, served.version) if self.find_artifact is not None else None
        except StoreError:  # a tick is in hand: without a spare the model stands aside
            return None
        return None if artifact is None else _loaded(artifact, usable)[0]


def find_forecast_fault(served: ServingModel, looked: Floats) -> str | None:
    """Why its forecasts from these columns, a row a symbol, cannot be used; None where they can."""
    if not len(looked):
        return None
    going_on = served.model.online
    try:
        if going_on is None:
            said = np.asarray(served.model.predict(served.fitted, looked))
        else:
            said = np.asarray(going_on.forecast(served.fitted, going_on.select_columns(served.fitted, looked), None, 0))
        sound = bool(np.isfinite(said).all())
    except PLUGIN_ERRORS as error:
        return f"{served.version} failed: {type(error).__name__}: {' '.join(str(error).split())[:120]}"
    return None if sound else f"{served.version} gave a forecast that is not finite"


def _loaded(told: Artifact | str, usable: Floats | None) -> tuple[ServingModel | None, str]:
    """The model ready to serve, or why there is none."""
    if isinstance(told, str):
        return None, told
    try:
        served = training.load_model(told)
    except PLUGIN_ERRORS as error:
        return None, f"{told.version} cannot be loaded: {error}"
    why = None if usable is None else find_forecast_fault(served, usable)
    return (served, "") if why is None else (None, why)
