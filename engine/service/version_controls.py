"""What the engine does with versions of models beyond training: instructions of phase 10, and promotions, returns and searches by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from engine.domain.decision import Instruction
from engine.domain.model import ServingModel
from engine.domain.state import State
from engine.domain.tick import Artifact
from engine.domain.trading_config import Event, TradingConfig
from engine.evolution.arms import CHALLENGER
from engine.evolution.events import build_event
from engine.evolution.progress import ALL, REFRESH
from engine.evolution.triggers import WINDOWS
from engine.service import training
from engine.service.challengers import Challengers
from engine.service.windows import TrainingRows
from engine.settings import Settings


class VersionSource(Protocol):
    """The versions that the store holds of this session. Raises StoreError."""

    def list_versions(self, model: str, /) -> tuple[str, ...]:
        """The versions at a place on the model axis, newest first."""

    def find_version(self, model: str, version: str, /) -> Artifact | None: ...


def _find_nothing(digest: str) -> None:
    del digest


def _recall_nothing(tick: int) -> None:
    del tick


@dataclass(frozen=True, slots=True)
class VersionMemory:
    """What a store remembers of versions, for an engine that resumes after its last tick."""

    instructions: tuple[Instruction, ...] = ()  # of the last tick
    find: Callable[[str], ServingModel | None] = _find_nothing  # a version by digest; None where it cannot be read
    serving_after: Callable[[int], tuple[ServingModel | None, ...] | None] = _recall_nothing  # the versions put into service up to after a tick


class VersionControls:
    """The part of the engine that replaces versions, each time with an event that a replay repeats."""

    settings: Settings
    config: TradingConfig
    state: State
    rows: TrainingRows
    fitted_models: tuple[ServingModel | None, ...]
    challengers: Challengers
    waits_for_training: bool
    tick_interval_seconds: float
    stored_versions: VersionSource | None = None
    _events: list[Event]
    _postponed: list[Instruction]  # searches that wait until a tick is not late

    @property
    def model_names(self) -> tuple[str, ...]:
        """The places on the model axis."""
        return self.challengers.names

    def list_versions(self, model: str) -> tuple[str, ...]:
        """The versions of that place that are stored in this session, newest first."""
        return () if self.stored_versions is None else self.stored_versions.list_versions(model)

    def serve(self, fitted: tuple[ServingModel | None, ...]) -> None:
        """Let these models serve from the next tick on."""
        raise NotImplementedError

    def train(self, until: int, fitted: tuple[ServingModel | None, ...]) -> None:
        """Submit a training on data up to a tick, by the recipes of these versions."""
        raise NotImplementedError

    def promote_version(self, model: str, version: str, reason: str) -> str:
        """Let a challenger serve from the next tick on, whatever its contest says so far.

        Raises ValueError for a version in no contest, one that cannot be read or is of a kind that looks ahead, and for a second change before the
        next tick.
        """
        place = self._choose_place(model)
        for arm in self.state.evolution.arms:
            if arm.kind == CHALLENGER and version in arm.versions and place in arm.places:
                for digest in arm.digests:
                    self._refuse_quarantined(self.challengers.shadows.get(digest))
                if not self.replace_versions(arm.digests):
                    raise ValueError(f"{', '.join(arm.versions)} cannot be read: the present version serves on")
                self._events.append(build_event("promoted", model, number=arm.number, digests=arm.digests, reason=reason))
                return f"{', '.join(arm.versions)} serves from the next tick"
        raise ValueError(f"{version} is in no contest: to let a stored version serve again, use revert")

    def revert_version(self, model: str, version: str, reason: str) -> str:
        """Let a stored version serve from the next tick on.

        Raises ValueError for the one that serves, one that cannot be read or is of a kind that looks ahead, and for a second change before the next
        tick.
        """
        place = self._choose_place(model)
        now = self.fitted_models[place]
        if now is not None and now.version == version:
            raise ValueError(f"{version} serves already")
        artifact = None if self.stored_versions is None else self.stored_versions.find_version(model, version)
        if artifact is None:
            raise ValueError(f"{version} is not stored: it was dropped with the decisions it served")
        self._refuse_quarantined(artifact)
        restored = training.load_model(artifact)  # raises ValueError where it is corrupt: the present version serves on
        before = "" if now is None else now.version
        self.serve(tuple(restored if index == place else served for index, served in enumerate(self.fitted_models)))
        self._events.append(build_event("reverted", model, version=version, before=before, reason=reason))
        return f"{version} serves from the next tick, in place of {before or 'no version'}"

    def request_search(self, model: str, strategy: str, reason: str) -> str:
        """Begin a search with the next tick. Raises ValueError where evolution is off, nothing serves, or as many race or are searched as may."""
        if self.config.evolution != "full":
            raise ValueError(f"evolution is {self.config.evolution}: set evolution = full to search for challengers")
        evolution = self.state.evolution
        if all(version is None for version in self.fitted_models):
            raise ValueError("no model is trained yet")
        busy = [arm for arm in evolution.arms if arm.kind == CHALLENGER]
        searches = [search.number for search in evolution.searches if search.strategy != REFRESH]
        count = len(searches) + sum(event.kind == "search_requested" for event in self._events)
        if len(busy) + count >= self.config.max_challengers:
            raise ValueError(f"{len(busy)} challengers race and {count} are searched, as many as max_challengers allows: wait for a verdict")
        place = ALL if strategy in WINDOWS else model
        self._events.append(build_event("search_requested", place, strategy=strategy, reason=reason))
        return f"the search for {'another training window of all models' if place == ALL else f'a challenger of {model}'} begins with the next tick"

    def replace_versions(self, digests: tuple[str, ...]) -> bool:
        """Put versions in shadow into service, and those that they replace into shadow; where any cannot be read or looks ahead, none. Whether it was
        done."""
        shadows = [self.challengers.shadows.get(digest) for digest in digests]
        if any(version is None or version.recipe.model in self.challengers.excluded for version in shadows):
            return False
        fitted = list(self.fitted_models)
        for version in [self.challengers.shadows[digest] for digest in digests]:
            fitted[self.model_names.index(version.place)] = version
        self.challengers.remember(self.fitted_models)
        self.serve(tuple(fitted))
        return True

    def resume_versions(self, memory: VersionMemory, now: float) -> None:
        """Load the versions in shadow, put into service what the last tick has promoted, and repeat the trainings and searches under way.

        `now` in s by the monotonic clock.
        """
        evolution, self.challengers.config = self.state.evolution, self.config
        self.challengers.load(evolution, memory.find)
        for instruction in memory.instructions:
            if instruction.kind in {"promote", "revert"}:
                digests = tuple(instruction.detail.split(","))
                self.challengers.remember(memory.find(digest) for digest in digests)
                self.replace_versions(digests)
        refreshes = [search.began for search in evolution.searches if search.strategy == REFRESH]
        for began in refreshes:
            self.train(began, memory.serving_after(began) or self.fitted_models)
        if not refreshes and self.state.last_training >= 0 and None in self.fitted_models:
            self.train(self.state.tick, self.fitted_models)
        for search in evolution.searches:
            if search.strategy != REFRESH:
                self._events += self.challengers.repeat_search(search, self.rows, memory.serving_after(search.began) or self.fitted_models, now)

    def _refuse_quarantined(self, version: Artifact | ServingModel | None) -> None:
        """Raise ValueError for a version of a kind of model whose file looks ahead, whatever place it has."""
        if version is not None and version.recipe.model in self.challengers.excluded:
            raise ValueError(f"{version.version} is of the model {version.recipe.model}, which looks ahead: correct its file first")

    def _choose_place(self, model: str) -> int:
        """The place of a model on the model axis. Raises ValueError where versions have been replaced by hand since the last tick."""
        if any(event.kind in {"promoted", "reverted"} for event in self._events):
            raise ValueError("a version was replaced a moment ago: wait for the next tick")
        return self.model_names.index(model)

    def begin_searches(self, ms: float, now: float) -> None:
        """Submit the searches that wait, unless the tick before took `ms`, more than half of its interval. `now` in s by the monotonic clock."""
        if not self.waits_for_training and ms > 500.0 * self.tick_interval_seconds > 0.0:
            return
        self.challengers.config = self.config
        for instruction in self._postponed:
            began = json.loads(instruction.detail)["began"]
            self._events += self.challengers.begin_search(instruction, began, self.rows, self.fitted_models, now)
        self._postponed = []
