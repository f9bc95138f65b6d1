"""Real faults in the engine's parts: it recovers automatically, with nothing duplicated and nothing lost."""

from __future__ import annotations

import shutil
import sqlite3
from concurrent.futures import Future
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from engine.domain.decision import Phase
from engine.domain.record import Floats
from engine.domain.tick import Artifact
from engine.domain.trading_config import Event
from engine.replay import replay_tick
from engine.resilience.remedies import REOPEN_AFTER
from engine.service.engine import Engine
from engine.service.training import TrainingJob
from engine.store.read.history import TickHistory
from tests.makers import KNOBS, engine, play, simulated
from tests.resilience.remedied_engine import Flaky, Scene
from tests.store.made import empty

BARS = 24


@cache
def undisturbed() -> list[str]:
    return [tick.decisions_digest for tick in play(engine(simulated(BARS, symbols=2), trains=False))]


def test_a_feed_that_fails_is_asked_again_after_the_last_bar_and_nothing_is_doubled_or_lost(tmp_path: Path) -> None:
    faults: dict[int, list[Exception]] = {3: [OSError("connection reset")], 10: [RuntimeError("no answer")] * 2, 11: [KeyError("price")]}
    feed = Flaky(simulated(BARS, symbols=2), faults)
    scene = Scene(empty(tmp_path), feed)
    made = scene.play(BARS + 20)
    assert [tick.decisions_digest for tick in made] == undisturbed()
    assert [tick.inputs.tick for tick in made] == list(range(BARS))
    assert feed.opened == 5
    assert scene.faults() == [("feed", "tried again", True)] * 3


def test_a_feed_that_goes_on_failing_is_opened_anew_from_the_ground_up(tmp_path: Path) -> None:
    broken = Flaky(simulated(BARS, symbols=2), {5: [OSError("gone for good")] * 999})
    whole = simulated(BARS, symbols=2)
    scene = Scene(empty(tmp_path), broken, [whole])
    made = scene.play(BARS + 20)
    assert [tick.decisions_digest for tick in made] == undisturbed()
    assert scene.engine.feed is whole
    assert len(broken.faults[5]) == 999 - REOPEN_AFTER


def test_a_feed_of_another_market_is_not_taken_in_its_place(tmp_path: Path) -> None:
    broken = Flaky(simulated(BARS, symbols=2), {5: [OSError("gone")] * 3})
    scene = Scene(empty(tmp_path), broken, [simulated(BARS, symbols=3)])
    assert len(scene.play(BARS + 20)) == BARS
    assert scene.engine.feed is broken


def test_a_locked_store_is_waited_for_and_the_tick_in_hand_is_saved_first(tmp_path: Path) -> None:
    scene = Scene(empty(tmp_path), simulated(BARS, symbols=2))
    scene.play(5)
    holder = sqlite3.connect(tmp_path / "podium.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert scene.play(10) == []
    tries = scene.recovery.count_failures("store", "save")
    assert 2 <= tries <= 5  # ever more seldom
    holder.execute("COMMIT")
    holder.close()
    made = scene.play(BARS + 30)
    assert [tick.inputs.tick for tick in made] == list(range(5, BARS))
    with scene.writer.store.read() as connection:
        digests = [str(row[0]) for row in connection.exec_driver_sql("SELECT digest FROM ticks ORDER BY tick")]
    assert digests == undisturbed()
    assert scene.faults() == [("store", "tried again", True)]


SOON = replace(KNOBS, first_training=130, retrain_every=20)
DUE, TAUGHT = 141, 165  # ticks: the models of the first training serve from the one; by the other those of the second do too


def scene_at(folder: Path) -> Scene:
    return Scene(f"sqlite:///{folder / 'podium.db'}", simulated(300, symbols=2), changed={"models": ("ridge",), "trading": SOON})


def stored_digests(scene: Scene) -> list[str]:
    with scene.writer.store.read() as connection:
        return [str(row[0]) for row in connection.exec_driver_sql("SELECT digest FROM ticks ORDER BY tick")]


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Stores of an engine that has just been about to take its first models, and that has taken its second."""
    folder = tmp_path_factory.mktemp("taught")
    folders = {}
    empty(folder / str(DUE))
    for until in (DUE, TAUGHT):
        scene = scene_at(folder / str(until))
        while scene.engine.tick < until:
            assert scene.step() is not None
        scene.writer.close()
        folders[until] = folder / str(until)
        if until == DUE:
            shutil.copytree(folder / str(DUE), folder / str(TAUGHT))
    return folders


@pytest.fixture
def trained(taught: dict[int, Path], tmp_path: Path) -> Scene:
    return scene_at(shutil.copytree(taught[TAUGHT], tmp_path / "trained"))


def test_a_store_that_does_not_take_the_models_loses_neither_them_nor_the_bar(taught: dict[int, Path], tmp_path: Path) -> None:
    scene = scene_at(shutil.copytree(taught[DUE], tmp_path / "due"))
    holder = sqlite3.connect(tmp_path / "due" / "podium.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert scene.play(8) == []
    assert scene.engine.tick == DUE
    holder.execute("COMMIT")
    holder.close()
    made = scene.play(40)
    assert made[0].inputs.tick == DUE
    assert [event.kind for event in made[0].inputs.events] == ["model_adopted", "refreshed"]
    assert stored_digests(scene)[:TAUGHT] == stored_digests(scene_at(taught[TAUGHT]))


def boom(fitted: object, features: Floats) -> Floats:
    raise RuntimeError("a bad day")


def nothing_finite(fitted: object, features: Floats) -> Floats:
    return np.full((3, len(features)), np.nan)


@pytest.mark.parametrize("fault", [boom, nothing_finite])
def test_a_model_that_fails_while_it_serves_gives_way_to_its_previous_version_and_replays_bit_for_bit(trained: Scene, fault: object) -> None:
    (served,) = trained.engine.fitted_models
    assert served is not None
    broken = replace(served, model=replace(served.model, predict=fault))  # type: ignore[arg-type]
    trained.engine._put_in_service((broken,))
    first, second, third = trained.play(3)
    assert first.outcome.degraded[:1] == (Phase.VALIDATION,)
    assert second.outcome.degraded == third.outcome.degraded == ()
    assert second.inputs.events == (Event("model_replaced", "ridge", "its previous version ridge-129 serves"),)
    assert second.serving[0] not in {None, served.digest}
    assert replay_tick(TickHistory(trained.url), second.inputs.tick).identical
    assert trained.faults() == [("models", "ridge-129 serves", True)]


def test_a_model_without_a_sound_version_stands_aside_until_the_next_training(trained: Scene) -> None:
    (served,) = trained.engine.fitted_models
    assert served is not None
    trained.engine.registry.find_artifact = None
    trained.engine._put_in_service((replace(served, model=replace(served.model, predict=boom)),))
    made = trained.play(3)
    assert trained.faults() == [("models", None, False)]  # not well again: it serves nothing
    made += trained.play(19)
    assert made[1].serving == (None,)
    assert made[1].outcome.degraded == ()
    assert "stands aside" in made[1].inputs.events[0].detail
    ((component, how, recovered),) = trained.faults()
    assert (component, recovered) == ("models", True)
    assert how == f"ridge-{trained.engine.fitted_models[0].trained_to if trained.engine.fitted_models[0] else None} serves"
    assert made[-1].serving[0] not in {None, served.digest}


def test_a_training_that_is_poisoned_is_dropped_and_the_model_before_serves_on(trained: Scene) -> None:
    (served,) = trained.engine.fitted_models
    bad: Future[Artifact] = Future()
    bad.set_exception(ValueError("too few rows"))
    corrupt: Future[Artifact] = Future()
    past = TickHistory(trained.url)
    (digest,) = past.tick(TAUGHT - 1).serving
    assert digest is not None
    artifact = past.artifact(digest)
    assert artifact is not None
    corrupt.set_result(replace(artifact, data=b"not what it was"))
    for future, fault in ((bad, "too few rows"), (corrupt, "corrupt")):
        trained.engine.training_jobs.insert(0, TrainingJob(TAUGHT - 1, trained.engine.tick, (future,)))
        (tick,) = trained.play(1)
        (event,) = tick.inputs.events
        assert event.kind == "training_failed"
        assert fault in event.detail
        assert trained.engine.fitted_models == (served,)


def test_by_hand_the_previous_model_is_put_in_place_and_the_store_is_connected_to_anew(trained: Scene) -> None:
    trained.play(1)
    assert "none to replace" in trained.recovery.recover("engine").detail
    (served,) = trained.engine.fitted_models
    assert served is not None
    trained.engine._put_in_service((replace(served, model=replace(served.model, predict=boom)),))
    result = trained.recovery.recover("engine")
    assert result.done
    assert "its previous version ridge-129 serves" in result.detail
    assert trained.recovery.recover("store").detail == "store: the store was reconnected"
    assert trained.recovery.recover("trainer").done
    assert "cannot be reopened" in trained.recovery.recover("feed").detail
    assert len(trained.play(3)) == 3


def test_an_engine_is_not_reopened_onto_another_market() -> None:
    subject: Engine = engine(simulated(BARS, symbols=2), trains=False)
    with pytest.raises(ValueError, match="is not the current market"):
        subject.reopen(simulated(BARS, symbols=3))
