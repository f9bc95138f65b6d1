"""The versions in shadow: searches for challengers, their refreshes, and the versions before a change, which may return."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

from engine import units
from engine.domain.decision import Instruction
from engine.domain.evolution import Arm, EvolutionState, Search
from engine.domain.model import PLUGIN_ERRORS, ServingModel
from engine.domain.recipe import Recipe
from engine.domain.tick import Artifact
from engine.domain.trading_config import Event, TradingConfig
from engine.evolution.arms import CHALLENGER
from engine.evolution.events import build_event, describe_origin, list_shadows
from engine.evolution.progress import ALL
from engine.service import search, training
from engine.service.search import SearchJob, SearchRequest
from engine.service.windows import TrainingRows
from engine.settings import Settings

HOUR = 3_600.0  # s
WINDOW_MODEL = "ridge"  # cheapest to fit: on which another training window is chosen for all
SaveArtifact = Callable[[Artifact], None]  # raises StoreError
Find = Callable[[str], ServingModel | None]  # a stored version by digest; None where it cannot be read


@dataclass(frozen=True, slots=True)
class ChallengerTraining:
    """A challenger that is trained again by its recipe."""

    number: int
    job: training.TrainingJob


@dataclass(slots=True)
class Challengers:
    """The searches under way and the versions in shadow of one engine. For one thread at a time."""

    settings: Settings
    config: TradingConfig
    names: tuple[str, ...]  # of the model axis
    pool: Executor | None
    window_bars: int  # of a training whose recipe names none
    shadows: dict[str, ServingModel] = field(default_factory=dict)  # by digest
    searches: list[SearchJob] = field(default_factory=list)
    refreshes: list[ChallengerTraining] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)  # trained by searches, without their bytes
    is_limited: bool = False  # searches may use no more than the processor time of the settings
    excluded: frozenset[str] = frozenset()  # kinds of model in quarantine
    seconds: float = 0.0  # CPU of all searches
    error: str | None = None  # why the last search failed
    spent: deque[tuple[float, float]] = field(default_factory=deque)  # time by the monotonic clock, and CPU seconds, of the last hour
    _adopted: list[Event] = field(default_factory=list)  # events of what is in shadow already, where the store refused what followed

    def begin_search(
        self, instruction: Instruction, until: int, rows: TrainingRows, serving: Sequence[ServingModel | None], now: float
    ) -> tuple[Event, ...]:
        """Submit the search of an instruction; the event of its failure where it cannot be submitted. `now` in s by the monotonic clock."""
        detail = json.loads(instruction.detail)
        return self._submit(detail["number"], instruction.subject, detail["strategy"], until, rows, serving, now)

    def load(self, evolution: EvolutionState, find: Find) -> None:
        """Load the versions in shadow."""
        self.remember(find(digest) for digest in list_shadows(evolution, (), ()))

    def repeat_search(self, pending: Search, rows: TrainingRows, serving: Sequence[ServingModel | None], now: float) -> tuple[Event, ...]:
        """Repeat a search that was interrupted, with the versions that served when it began."""
        return self._submit(pending.number, pending.place, pending.strategy, pending.began, rows, serving, now)

    def refresh(self, evolution: EvolutionState, until: int, tick: int, rows: TrainingRows) -> None:
        """Train every challenger that raced at tick `until` again by its recipe; `tick` is now. Raises OSError or ValueError where the rows cannot be
        written."""
        for arm, ticks in zip(evolution.arms, evolution.contests.ticks.tolist(), strict=True):
            recipes = self._recipes(arm)
            if arm.kind == CHALLENGER and ticks > tick - until and recipes is not None and self.pool is not None:
                training_set = rows.training_set(until, self.config.horizons, self.settings.train_rows)
                due = until + self.config.deployment_lag_bars
                job = training.submit_training(self.pool, training_set, recipes, self.settings.seed, due, self.settings.home)
                self.refreshes.append(ChallengerTraining(arm.number, job))

    def adopt(self, tick: int, evolution: EvolutionState, save: SaveArtifact, now: float, *, waits: bool) -> tuple[Event, ...]:
        """Put what is due into shadow, as events; with `waits`, wait for it. Where it raises StoreError, the next call goes on from there."""
        for job in [job for job in self.searches if job.serves_from <= tick]:
            if waits or job.is_done():
                self._adopted += self._adopt_search(job, evolution, save, now)
        for refresh in [refresh for refresh in self.refreshes if refresh.job.serves_from <= tick]:
            if waits or refresh.job.is_done():
                self._adopted += self._adopt_refresh(refresh, evolution, save)
        events, self._adopted = tuple(self._adopted), []
        return events

    def select(self, evolution: EvolutionState, events: tuple[Event, ...], serving: Sequence[ServingModel | None]) -> tuple[ServingModel, ...]:
        """The versions that predict in shadow at the tick of these events, in the order that a replay repeats; others are dropped."""
        digests = list_shadows(evolution, events, [served.digest for served in serving if served is not None])
        if self.shadows.keys() - set(digests):
            self.shadows = {digest: version for digest, version in self.shadows.items() if digest in digests}
        return tuple(self.shadows[digest] for digest in digests if digest in self.shadows)

    def remember(self, versions: Iterable[ServingModel | None]) -> None:
        """Hold versions that leave service and stay in shadow."""
        self.shadows |= {version.digest: version for version in versions if version is not None}

    def describe_refresh(self, until: int, before: Sequence[ServingModel | None], after: Sequence[ServingModel | None]) -> Event:
        """The event of a refresh; the versions before it stay in shadow."""
        pairs = enumerate(zip(before, after, strict=True))
        replaced = [(place, old) for place, (old, new) in pairs if old is not None and new is not None and old.digest != new.digest]
        self.remember(old for _, old in replaced)
        return build_event(
            "refreshed", ALL, until=until, places=[place for place, _ in replaced],
            versions=[old.version for _, old in replaced], digests=[old.digest for _, old in replaced],
        )  # fmt: skip

    def cpu_share(self, now: float) -> float:
        """CPU seconds of searches per second over the last hour."""
        while self.spent and self.spent[0][0] < now - HOUR:
            self.spent.popleft()
        return sum(seconds for _, seconds in self.spent) / HOUR

    def _submit(
        self, number: int, place: str, strategy: str, until: int, rows: TrainingRows, serving: Sequence[ServingModel | None], now: float
    ) -> tuple[Event, ...]:
        if self.pool is None:
            return (build_event("search_failed", place, number=number, reason="nothing is trained in this run"),)
        share = self.cpu_share(now)
        if self.is_limited and share > self.settings.search_cpu_share > 0.0:
            used, limit = (units.format_percent(part, 0) for part in (share, self.settings.search_cpu_share))
            reason = f"searches have used {used} of a core over the last hour, more than search_cpu_share allows: {limit}"
            return (build_event("search_failed", place, number=number, reason=reason),)
        try:
            request = self._request(number, place, strategy, until, serving)
            training_set = rows.training_set(until, self.config.horizons, self.settings.train_rows)
            self.searches.append(search.submit_search(self.pool, training_set, request, self.settings.home))
        except PLUGIN_ERRORS as error:
            return (self._fail(number, place, f"{type(error).__name__}: {' '.join(str(error).split())}"),)
        return ()

    def _request(self, number: int, place: str, strategy: str, until: int, serving: Sequence[ServingModel | None]) -> SearchRequest:
        recipes = dict(training.recipes_in_service(self.names, serving))
        together: tuple[tuple[str, Recipe], ...] = ()
        if place == ALL:  # another training window is chosen for one model and serves all
            place = _choose_lead(recipes)
            together = tuple((name, recipe) for name, recipe in recipes.items() if name != place)
        return SearchRequest(
            number=number,
            place=place,
            champion=recipes[place],
            strategy=strategy,
            seed=self.settings.seed + number,
            serves_from=until + self.config.search_lag_bars,
            window_bars=self.window_bars,
            serving=frozenset(recipe.model for name, recipe in recipes.items() if name != place),
            margin=self.config.contest_margin,
            together=together,
            excluded=self.excluded,
        )

    def _adopt_search(self, job: SearchJob, evolution: EvolutionState, save: SaveArtifact, now: float) -> list[Event]:
        result = job.wait_for_result()
        if isinstance(result, str):
            self.searches.remove(job)
            return [self._fail(job.number, ALL, result)]
        self.error = None
        if not result.artifacts:
            events = [build_event("search_empty", result.place, number=job.number, reason=result.report.reason)]
        else:
            events = self._enter(job.number, result.artifacts, evolution, save, "challenger_entered")
        self.searches.remove(job)  # only now: the next step adopts what the store refused
        self.seconds += result.report.seconds
        self.spent.append((now, result.report.seconds))
        return events

    def _adopt_refresh(self, refresh: ChallengerTraining, evolution: EvolutionState, save: SaveArtifact) -> list[Event]:
        outcomes = refresh.job.wait_for_results()
        artifacts = tuple(outcome for outcome in outcomes if not isinstance(outcome, str))
        races = any((arm.number, arm.kind) == (refresh.number, CHALLENGER) for arm in evolution.arms)
        is_whole = races and len(artifacts) == len(outcomes)
        events = self._enter(refresh.number, artifacts, evolution, save, "challenger_refreshed") if is_whole else []
        self.refreshes.remove(refresh)
        return [event for event in events if event.kind == "challenger_refreshed"]

    def _enter(self, number: int, artifacts: tuple[Artifact, ...], evolution: EvolutionState, save: SaveArtifact, kind: str) -> list[Event]:
        """Load the versions of a challenger into shadow; all or none."""
        try:
            versions = [training.load_model(artifact) for artifact in artifacts]
        except ValueError as error:
            return [self._fail(number, artifacts[0].model, str(error))]
        for artifact in artifacts:
            save(replace(artifact, origin=describe_origin(evolution, number)))
        self.remember(versions)
        return [
            build_event(
                kind,
                ",".join(version.place for version in versions),
                number=number,
                places=[self.names.index(version.place) for version in versions],
                versions=[version.version for version in versions],
                digests=[version.digest for version in versions],
                recipes=[version.recipe.id for version in versions],
            )
        ]

    def _fail(self, number: int, place: str, reason: str) -> Event:
        """The event of a search that failed, which the component status reports until the next one ends well."""
        self.error = f"the search of evolution {number} failed: {reason}"
        return build_event("search_failed", place, number=number, reason=reason)

    def _recipes(self, arm: Arm) -> list[tuple[str, Recipe]] | None:
        """The recipes of an arm's versions with their places; None where a version cannot be read."""
        versions = [self.shadows.get(digest) for digest in arm.digests]
        recipes = [(version.place, version.recipe) for version in versions if version is not None]
        return recipes if len(recipes) == len(arm.digests) else None


def _choose_lead(recipes: dict[str, Recipe]) -> str:
    """The place on which another training window is chosen for all: where another kind of model has won, for that is what works now; else ridge."""
    evolved = [place for place, recipe in recipes.items() if recipe.model != place]
    return (evolved or [place for place in recipes if place == WINDOW_MODEL] or list(recipes))[0]
