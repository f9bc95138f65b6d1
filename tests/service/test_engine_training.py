"""Trainings: run beside the ticks, adopted when they are due, reported where they are late or fail."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from engine.domain.recipe import Recipe
from engine.domain.tick import Artifact
from engine.domain.trading_config import Event
from engine.service import training
from engine.service.engine import Engine
from engine.service.training import TrainingJob
from tests.makers import KNOBS, Drawer, Inline, Played, StoppedClock, bold, command, engine, lesson, play, resumed, settings, simulated


def at_bold() -> int:
    return bold().inputs.tick


class NoProcess(Inline):
    def submit(self, *_: object, **__: object) -> Future[Any]:
        raise OSError(11, "Resource temporarily unavailable")


def test_a_training_that_cannot_begin_is_told_and_costs_no_tick() -> None:
    subject = resumed(at_bold(), lesson().bars)
    subject._training_pool = NoProcess()
    subject.handle_command(command("retrain"))
    first, second, third = play(subject, 3)
    assert [tick.inputs.tick for tick in (first, second, third)] == [at_bold() + number for number in range(3)]
    (event,) = second.inputs.events
    assert event.kind == "training_failed"
    assert "Resource temporarily unavailable" in event.detail
    assert subject.training_error == event.detail
    assert third.inputs.events == ()


def test_models_serve_from_k_bars_after_what_they_were_trained_on() -> None:
    taught = lesson()
    for artifact in taught.artifacts:
        assert artifact.serves_from == artifact.trained_to + KNOBS.deployment_lag_bars
    subject = engine(simulated(420), keeper=(keeper := Drawer()))
    play(subject)
    adopted = [tick for tick in keeper.ticks if any(event.kind == "model_adopted" for event in tick.inputs.events)]
    assert [tick.inputs.tick for tick in adopted] == [keeper.artifacts[0].trained_to + KNOBS.deployment_lag_bars]
    assert [event.kind for event in adopted[0].inputs.events] == ["model_adopted"] * len(training.select_models()) + ["refreshed"]
    before = keeper.ticks[adopted[0].inputs.tick - 1]
    assert set(before.serving) == {None}
    assert adopted[0].serving == tuple(event.detail for event in adopted[0].inputs.events[:-1])


def waiting(*, error: Exception | None = None, artifacts: tuple[Artifact, ...] = ()) -> tuple[Future[Artifact], ...]:
    """A future that waits, or has failed, and behind it those of artifacts that are there."""
    future: Future[Artifact] = Future()
    if error is not None:
        future.set_exception(error)
    return (future, *(_done(artifact) for artifact in artifacts))


def _done(artifact: Artifact) -> Future[Artifact]:
    future: Future[Artifact] = Future()
    future.set_result(artifact)
    return future


def impatient(job: TrainingJob) -> Engine:
    subject = Engine(settings(), Played(lesson().feed.info, lesson().bars), StoppedClock(), training_pool=None, waits_for_training=False)
    subject.training_jobs.append(job)
    return subject


def test_a_training_that_is_late_is_told_and_the_old_models_serve_on() -> None:
    artifacts = lesson().artifacts[: len(training.select_models())]
    futures = waiting(artifacts=artifacts[1:])
    subject = impatient(TrainingJob(1, 3, futures))
    ticks = play(subject, 6)
    events = [(tick.inputs.tick, event.kind) for tick in ticks for event in tick.inputs.events]
    assert events == [(3, "training_late")]
    assert all(digest is None for digest in ticks[-1].serving)
    futures[0].set_result(artifacts[0])
    (later,) = play(subject, 1)
    assert [event.kind for event in later.inputs.events] == ["model_adopted"] * len(artifacts) + ["refreshed"]


def test_a_training_that_failed_is_told_and_changes_nothing() -> None:
    subject = impatient(TrainingJob(1, 3, waiting(error=ValueError("too few rows"))))
    ticks = play(subject, 5)
    assert [event for tick in ticks for event in tick.inputs.events] == [Event("training_failed", "1", "ValueError: too few rows")]
    assert subject.training_jobs == []


def test_retraining_by_hand_trains_at_once_and_serves_twelve_bars_later() -> None:
    subject = resumed(at_bold(), lesson().bars)
    subject.handle_command(command("retrain"))
    ticks = play(subject, 14)
    assert [instruction.detail for instruction in ticks[0].outcome.instructions] == ["by hand"]
    adopted = [tick.inputs.tick for tick in ticks if any(event.kind in {"model_adopted", "training_failed"} for event in tick.inputs.events)]
    assert adopted == [at_bold() + 12]


def test_each_place_is_trained_again_by_the_recipe_of_the_version_that_serves_there() -> None:
    keeper = Drawer()
    subject = engine(
        simulated(320, symbols=2), keeper=keeper, models=("ridge", "online"), trading=replace(KNOBS, first_training=200, retrain_every=60)
    )
    play(subject, 220)
    recipe = Recipe("interactions", (("products", 3.0),), subject.catalog.columns[5:25], 90)
    rows = subject.rows.training_set(210, subject.config.horizons, 0)
    other = training.load_model(training.fit_model("ridge", recipe, rows, 7, 220))
    subject.serve((other, subject.fitted_models[1]))
    ticks = play(subject)
    assert [artifact.version for artifact in keeper.artifacts] == ["ridge-199", "online-199", f"ridge-259-{recipe.id[:6]}", "online-259"]
    newer = keeper.artifacts[2]
    assert (newer.model, newer.recipe, newer.trained_from, newer.rows) == ("ridge", recipe, 170, 180)
    assert [tick.outcome.predictions.versions for tick in ticks[-1:]] == [(newer.version, "online-259")]
    assert all(not tick.outcome.degraded for tick in ticks)
    subject.rest_models(frozenset({"ridge"}))  # by its place, whatever kind of model stands there
    assert subject.catalog.serving[0] is None
