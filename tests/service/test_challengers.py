"""Challengers from search to contest: late, failed, corrupt, refused by the store, or too costly."""

from __future__ import annotations

import json
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pytest

from engine.domain.decision import Instruction
from engine.domain.evolution import Search
from engine.domain.tick import Artifact, Tick
from engine.domain.trading_config import Event
from engine.evolution.events import build_event
from engine.evolution.progress import Progress
from engine.search.strategies import SearchReport
from engine.service import training
from engine.service.challengers import Challengers
from engine.service.engine import Engine
from engine.service.search import SearchJob, SearchRequest, SearchResult
from engine.store.errors import StoreError
from tests.evolution.evolving import BETTER, CONFIG, SEARCHED, Workers, act, fork, here, market, unstored
from tests.evolution.making import make_arm, racing
from tests.makers import StoppedClock

DUE = SEARCHED + CONFIG.search_lag_bars
REPORT = SearchReport(1, 0.01, 0.001, 0.01, 0.001, 2, 5.0, "")


@cache
def trained() -> Engine:
    """An engine whose first training serves; not to be moved on."""
    engine = unstored(Workers())
    act(engine, {}, SEARCHED)
    return engine


@cache
def artifact(tick: int = SEARCHED - 1) -> Artifact:
    rows = trained().rows.training_set(tick, CONFIG.horizons, 0)
    return training.fit_model("ridge", BETTER, rows, 7, tick + 6)


def challengers(workers: Workers | None = None, **changed: Any) -> Challengers:
    return Challengers(here(), CONFIG, ("ridge",), workers, 1_000, **changed)


def job(number: int, *artifacts: Artifact, until: int = 100) -> SearchJob:
    future: Future[SearchResult] = Future()
    future.set_result(SearchResult("ridge", "tuning", BETTER if artifacts else None, artifacts, replace(REPORT, reason="" if artifacts else "none")))
    return SearchJob(number, until, until + 6, future)


def save(made: Artifact) -> None:
    del made


def kinds(events: tuple[Event, ...]) -> list[tuple[str, int]]:
    return [(event.kind, json.loads(event.detail)["number"]) for event in events]


def rows_of(ticks: list[Tick], number: int) -> list[tuple[int, str]]:
    return [(tick.inputs.tick, row.state) for tick in ticks for row in tick.outcome.evolution.rows if row.number == number]


@pytest.mark.parametrize(
    ("found", "kind", "state", "reason"),
    [
        (ValueError("too few\nrows"), "search_failed", "failed", "ValueError: too few rows"),
        (BrokenProcessPool("a process was killed"), "search_failed", "failed", "BrokenProcessPool: a process was killed"),
        (None, "search_empty", "retired", "no recipe was better"),
    ],
)
def test_a_search_without_a_challenger_ends_with_its_reason_and_makes_room(found: Exception | None, kind: str, state: str, reason: str) -> None:
    engine = fork(trained())
    assert isinstance(engine._training_pool, Workers)
    engine._training_pool.found = found
    ticks = dict(enumerate(act(engine, {SEARCHED: ("search",)}, DUE + 2), SEARCHED))
    number = ticks[SEARCHED].outcome.evolution.rows[0].number
    assert rows_of([*ticks.values()], number) == [(SEARCHED, "training"), (DUE, state)]
    (event,) = ticks[DUE].inputs.events
    assert (event.kind, json.loads(event.detail)["reason"]) == (kind, reason)
    assert engine.state.evolution.searches == ()
    assert reason in ticks[DUE].outcome.evolution.rows[0].detail
    assert engine.request_search("ridge", "tuning", "again").endswith("next tick")


@dataclass
class Slow(Workers):
    """Searches end when they are let."""

    waiting: list[tuple[Future[Any], Any]] = field(default_factory=list)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if not isinstance(args[0], SearchRequest):
            return super().submit(fn, *args, **kwargs)
        future: Future[Any] = Future()
        self.waiting.append((future, super().submit(fn, *args, **kwargs).result()))
        return future


def test_a_search_that_is_late_in_live_operation_enters_later_by_an_event() -> None:
    workers = Slow()
    engine = Engine(here(), market(), StoppedClock(), training_pool=workers, waits_for_training=False)
    ticks = act(engine, {SEARCHED: ("search",)}, DUE + 5)
    assert [event.kind for tick in ticks[DUE:] for event in tick.inputs.events] == []
    assert len(engine.state.evolution.searches) == 1
    ((future, result),) = workers.waiting
    future.set_result(result)
    (tick,) = act(engine, {}, DUE + 6)
    assert [event.kind for event in tick.inputs.events] == ["challenger_entered"]
    assert [arm.kind for arm in tick.outcome.state.evolution.arms if arm.kind != "blend"] == ["challenger"]
    assert tick.outcome.state.evolution.searches == ()
    assert tick.outcome.evolution.forecasts[0].mean.shape == (1, 4)


def test_a_corrupt_artifact_of_a_challenger_gives_one_line() -> None:
    subject, evolution = challengers(), trained().state.evolution
    subject.searches = [job(3, replace(artifact(), data=artifact().data[:-1] + b"x"))]
    (event,) = subject.adopt(200, evolution, save, 0.0, waits=True)
    detail = json.loads(event.detail)
    assert (event.kind, detail["number"], subject.shadows, subject.searches) == ("search_failed", 3, {}, [])
    assert "is corrupt" in detail["reason"]
    assert "\n" not in detail["reason"]


def test_what_the_store_refuses_is_adopted_by_the_next_step_and_nothing_before_it_is_lost() -> None:
    subject, evolution, refuses = challengers(), trained().state.evolution, [True]

    def refuse(made: Artifact) -> None:
        del made
        if refuses[0]:
            raise StoreError("the disk is full")

    subject.searches = [job(3), job(4, artifact()), job(5)]
    with pytest.raises(StoreError):
        subject.adopt(200, evolution, refuse, 0.0, waits=True)
    assert [pending.number for pending in subject.searches] == [4, 5]
    refuses[0] = False
    assert kinds(subject.adopt(200, evolution, refuse, 0.0, waits=True)) == [("search_empty", 3), ("challenger_entered", 4), ("search_empty", 5)]
    assert subject.adopt(200, evolution, refuse, 0.0, waits=True) == ()


def test_a_search_waits_for_its_tick() -> None:
    subject, evolution = challengers(), trained().state.evolution
    subject.searches = [job(3, until=300)]
    assert subject.adopt(305, evolution, save, 0.0, waits=True) == ()
    assert kinds(subject.adopt(306, evolution, save, 0.0, waits=False)) == [("search_empty", 3)]


def test_searches_may_use_their_share_of_processor_time_where_it_is_limited() -> None:
    subject, evolution = challengers(Workers(), is_limited=True), trained().state.evolution
    subject.searches = [job(number) for number in range(200)]
    subject.adopt(200, evolution, save, 0.0, waits=True)
    assert subject.seconds == 1_000.0
    assert subject.cpu_share(10.0) == pytest.approx(1_000.0 / 3_600.0)
    instruction = Instruction("search", "ridge", '{"number":9,"strategy":"tuning","began":211}')
    (event,) = subject.begin_search(instruction, 211, trained().rows, trained().fitted_models, 10.0)
    assert event.kind == "search_failed"
    assert "search_cpu_share" in event.detail
    assert subject.begin_search(instruction, 211, trained().rows, trained().fitted_models, 4_000.0) == ()  # an hour later
    assert [pending.serves_from for pending in subject.searches] == [211 + CONFIG.search_lag_bars]


def test_without_workers_a_search_fails_at_once() -> None:
    (event,) = challengers().repeat_search(Search(9, "ridge", "tuning", "schedule", "", 211), trained().rows, trained().fitted_models, 0.0)
    assert (event.kind, json.loads(event.detail)["number"]) == ("search_failed", 9)


@pytest.mark.parametrize(("until", "refreshed"), [(205, True), (204, False)])
def test_challengers_that_raced_at_the_tick_of_a_training_are_trained_again(until: int, *, refreshed: bool) -> None:
    """The contest began at tick 205, 7 ticks ago; a training that is repeated after a restart is of an earlier tick."""
    subject = challengers(Workers())
    subject.remember([training.load_model(artifact())])
    arm = replace(make_arm(3), digests=(artifact().data_digest,))
    evolution = racing(arm).evolution
    evolution = replace(evolution, contests=replace(evolution.contests, ticks=evolution.contests.ticks + 7))
    subject.refresh(evolution, until, 211, trained().rows)
    assert bool(subject.refreshes) == refreshed
    events = subject.adopt(400, evolution, save, 0.0, waits=True)
    assert kinds(events) == ([("challenger_refreshed", 3)] if refreshed else [])


def test_a_refresh_of_a_challenger_that_was_promoted_meanwhile_is_dropped() -> None:
    subject = challengers(Workers())
    subject.remember([training.load_model(artifact())])
    evolution = racing(replace(make_arm(3), digests=(artifact().data_digest,))).evolution
    evolution = replace(evolution, contests=replace(evolution.contests, ticks=evolution.contests.ticks + 50))
    subject.refresh(evolution, 205, 211, trained().rows)
    assert subject.adopt(400, racing(make_arm(3, "watch")).evolution, save, 0.0, waits=True) == ()
    assert (subject.refreshes, len(subject.shadows)) == ([], 1)


def test_versions_in_shadow_are_those_of_the_arms_then_those_of_events() -> None:
    subject, other = challengers(), training.load_model(artifact(SEARCHED - 2))
    mine = training.load_model(artifact())
    third = replace(mine, digest="third")
    subject.remember([third, other, mine])
    evolution = racing(replace(make_arm(3), digests=(mine.digest,))).evolution
    entered = build_event("challenger_entered", "ridge", number=4, digests=[other.digest])
    assert subject.select(evolution, (entered,), (None,)) == (mine, other)
    assert set(subject.shadows) == {mine.digest, other.digest}
    assert subject.select(evolution, (entered,), (other,)) == (mine,)  # a version that serves is in no shadow
    assert subject.select(Progress(trained().state).evolution, (), (None,)) == ()
