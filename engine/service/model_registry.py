"""The registry of model versions: an unsound one is not adopted from a training, and a failing one is replaced by its previous version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.domain.model import PLUGIN_ERRORS, ServingModel
from engine.domain.record import Floats
from engine.domain.state import State
from engine.domain.tick import Artifact
from engine.domain.trading_config import Event
from engine.evidence.succession import agreement_to_event
from engine.service import training, version_comparison
from engine.service.windows import TrainingRows
from engine.store.errors import StoreError

ServingModels = tuple[ServingModel | None, ...]
FindArtifact = Callable[[str, str], Artifact | None]  # by model and version: the newest other version that has served


@dataclass(frozen=True, slots=True)
class TrainingAdoption:
    """The adoption of a training."""

    serving: ServingModels  # where a model failed, its previous version
    artifacts: tuple[Artifact, ...]  # new ones
    error: str | None  # which models failed and why


@dataclass(frozen=True, slots=True)
class ModelReplacement:
    """A model that failed while it served."""

    model: str
    fault: str
    how: str  # its replacement


class ModelRegistry:
    """The model versions that could serve: those of a training and those that served before."""

    def __init__(self) -> None:
        self.newest_features: Floats | None = None  # (U, F) the newest features of the symbols that can be forecast
        self.find_artifact: FindArtifact | None = None  # another source of earlier versions
        self.replacements: tuple[ModelReplacement, ...] = ()  # models that failed while they served; the reader empties it
        self._previous: dict[str, ServingModel] = {}  # by model: the version before the fitted one
        self._record: dict[str, ServingModel] = {}  # by version: those of the record of skill that served in this process

    def adopt(self, job: training.TrainingJob, before: ServingModels) -> TrainingAdoption:
        """Adopt the models of a training one by one: a model that failed, cannot be loaded or gives no forecast keeps its previous version."""
        fitted, artifacts, failed = list(before), [], []
        for place, outcome in enumerate(job.wait_for_results()):
            served, why = _loaded(outcome, self.newest_features)
            if served is None or isinstance(outcome, str):
                failed.append(why)
                continue
            old = before[place]
            if old is not None and old.recipe.id != served.recipe.id:
                continue  # another recipe has come into service since this training began
            if old is not None and old.version != served.version:
                self._previous[old.place] = old
            fitted[place] = served
            artifacts.append(outcome)
        return TrainingAdoption(tuple(fitted), tuple(artifacts), "; ".join(dict.fromkeys(failed)) or None)

    def replace_failing(self, fitted: ServingModels) -> tuple[ServingModels, tuple[ModelReplacement, ...]]:
        """Replace each model that fails on the newest features by its previous version, where that is sound; else the model does not serve."""
        usable, after, replacements = self.newest_features, list(fitted), []
        for place, served in enumerate(fitted):
            why = None if served is None or usable is None else find_forecast_fault(served, usable)
            if served is None or usable is None or why is None:
                continue
            other = after[place] = self._other(served, usable)
            how = "it stands aside: there is no sound version before it" if other is None else f"its previous version {other.version} serves"
            replacements.append(ModelReplacement(served.place, why, how))
        self.replacements += tuple(replacements)
        return tuple(after), tuple(replacements)

    def compare_with_record(self, before: ServingModels, after: ServingModels, state: State, rows: TrainingRows) -> tuple[Event, ...]:
        """The agreement of the versions that serve from here on with earlier ones, an event that a replay repeats; none where all are of record."""
        self.remember(before)
        named = {version for versions in state.succession.record_versions for version in versions}
        self._record = {version: served for version, served in self._record.items() if version in named}
        agreement = version_comparison.compare_versions(before, after, state, rows, self._record.get)
        return () if agreement is None else (agreement_to_event(agreement),)

    def remember(self, served: ServingModels) -> None:
        """Remember versions to which the record of skill may belong."""
        self._record |= {model.version: model for model in served if model is not None}

    def _other(self, served: ServingModel, usable: Floats) -> ServingModel | None:
        previous = self._previous.get(served.place)
        if previous is not None and previous.version != served.version and find_forecast_fault(previous, usable) is None:
            return previous
        try:
            artifact = self.find_artifact(served.place, served.version) if self.find_artifact is not None else None
        except StoreError:  # during a tick the store is not retried: the model does not serve
            return None
        return None if artifact is None else _loaded(artifact, usable)[0]


def find_forecast_fault(served: ServingModel, looked: Floats) -> str | None:
    """Why its forecasts from these features, one row per symbol, cannot be used; None where they can."""
    if not len(looked):
        return None
    try:
        sound = bool(np.isfinite(served.predict(looked, None, 0)).all())
    except PLUGIN_ERRORS as error:
        return f"{served.version} failed: {type(error).__name__}: {' '.join(str(error).split())[:120]}"
    return None if sound else f"{served.version} gave a forecast that is not finite"


def _loaded(outcome: Artifact | str, usable: Floats | None) -> tuple[ServingModel | None, str]:
    """The model ready to serve, or why there is none."""
    if isinstance(outcome, str):
        return None, outcome
    try:
        served = training.load_model(outcome)
    except PLUGIN_ERRORS as error:
        return None, f"{outcome.version} cannot be loaded: {error}"
    why = None if usable is None else find_forecast_fault(served, usable)
    return (served, "") if why is None else (None, why)
