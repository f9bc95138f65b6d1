"""The optimizer's loop: its answers, the actions it does not run, and failures that go no further than the status board."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from engine.domain.rules import SCHEDULE, Rule
from engine.domain.trading_config import Command
from engine.optimizer.planner import APPROVAL_SECONDS
from engine.optimizer.runtime.experiment import EXPERIMENT_LOCK
from engine.optimizer.runtime.loop import FIRING_TIMEOUT, OptimizerLoop
from engine.store.errors import StoreError
from engine.store.write.optimizer import TRIAL_RUNNING
from tests.commands.routing import carry_out
from tests.optimizer.pen import Pen
from tests.optimizer.plant import METRIC, NOISE, RULE, Plant, Truth, live, tuner_of


def plant_of(truth: Truth | None = None, *, seed: int = 3, **settings: object) -> tuple[Plant, OptimizerLoop]:
    plant = Plant(seed, {"act": truth or Truth()}, seconds=6_000)
    for name, value in settings.items():
        setattr(plant, name, value)
    return plant, tuner_of(plant)


def first_answer(plant: Plant, tuner: OptimizerLoop) -> str:
    live(plant, tuner, lambda: bool(plant.answers))
    return next(iter(plant.answers.values()))


def test_a_firing_is_answered_by_the_action_or_by_nothing_and_both_are_measured_alike() -> None:
    plant, tuner = plant_of(Truth(load=-6.0))
    live(plant, tuner, lambda: len(plant.trials) >= 12)
    treated, placebos = ([trial for trial in plant.trials.values() if trial.placebo is kind] for kind in (False, True))
    assert treated
    assert placebos
    for trial in plant.trials.values():
        assert (trial.mode, trial.trigger, trial.metric, trial.unit) == ("auto", "high", METRIC, "%")
        assert np.isfinite([trial.effect.before, trial.effect.after]).all()
        assert json.loads(trial.guards or "")["engine.tick_ms"][0] == pytest.approx(22.0, abs=2.0)
        assert trial.detail != TRIAL_RUNNING
    assert [trial.probability for trial in plant.trials.values()][:8] == [0.5] * 8
    assert {trial.detail for trial in placebos} == {"control window"}
    assert all(np.isnan(trial.effect.effect) and trial.effect.low is None for trial in placebos)
    assert {trial.rule for trial in plant.firings.values()} == {"high"}
    assert "sampled gains: act " in plant.answers[1]
    assert "(50 % chance)" in plant.answers[1]


def test_the_coin_falls_as_it_should() -> None:
    treated = 0
    for seed in range(30):
        plant, tuner = plant_of(seed=seed)
        live(plant, tuner, partial(bool, plant.trials))
        treated += not plant.trials[1].placebo
    assert 7 <= treated <= 23


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("recommend", "recommends running act"),
        ("observe", "observes only: would run act"),
        ("off", "act is off"),
        ("ask", "asks whether to run act: approve id=1"),
    ],
)
def test_an_action_that_may_not_run_on_its_own_is_only_answered(mode: str, words: str) -> None:
    plant, tuner = plant_of(mode=mode)
    assert first_answer(plant, tuner).startswith(words)
    live(plant, tuner, lambda: len(plant.firings) > 3)
    assert plant.trials == {}


def test_a_question_is_answered_once_and_expires() -> None:
    plant, tuner = plant_of(mode="ask")
    first_answer(plant, tuner)
    approve = Command(7, "approve", (("id", "1"),), "ann", "go on")
    queued: list[Command] = []
    assert carry_out(approve, rule_loop=tuner, rule_writer=Pen(plant), queue_optimization=queued.append) is None
    (run,) = queued
    assert (run.id, run.name, run.args) == (7, "optimize", (("action", "act"),))
    assert "high fired and ann approved" in run.reason
    with pytest.raises(ValueError, match="nothing waits under id=1"):
        carry_out(approve, rule_loop=tuner, rule_writer=Pen(plant))
    live(plant, tuner, lambda: bool(tuner.approval_requests))
    number = next(iter(tuner.approval_requests))
    asked_at = plant.tick()
    live(plant, tuner, lambda: number not in tuner.approval_requests)
    assert plant.tick() - asked_at > APPROVAL_SECONDS - 10.0
    assert "nobody answered within 10 min" in plant.answers[number]


@pytest.mark.parametrize("step", [-4 * 3_600, 4 * 3_600])
def test_a_question_waits_as_long_as_it_says_where_the_clock_is_set(step: int) -> None:
    plant, tuner = plant_of(mode="ask")
    first_answer(plant, tuner)
    asked_at, number = plant.tick(), next(iter(tuner.approval_requests))
    plant.set_by = step * 10**9
    tuner.run_once()
    assert number in tuner.approval_requests
    live(plant, tuner, lambda: number not in tuner.approval_requests)
    assert APPROVAL_SECONDS - 10.0 < plant.tick() - asked_at < APPROVAL_SECONDS + 30.0


def test_a_quarantined_action_does_not_run_until_a_person_gives_it_its_licence_back() -> None:
    plant, tuner = plant_of()
    plant.licences["act"] = ("quarantined", "harmed", plant.at)
    assert first_answer(plant, tuner) == "act is quarantined"
    restore = Command(1, "licence", (("action", "act"), ("licence", "auto")), "ann", "")
    result = carry_out(restore, rule_loop=tuner, rule_writer=Pen(plant), now=lambda: plant.at)
    licence = "licence of act"
    message = "act has the licence auto; it is judged anew from here"
    assert result == {"message": message, "before": {licence: "quarantined"}, "after": {licence: "auto"}}
    live(plant, tuner, lambda: bool(plant.trials))
    assert plant.trials


def test_harm_is_undone_at_once_and_the_action_quarantined() -> None:
    plant, tuner = plant_of(Truth(tick_ms=20.0))
    live(plant, tuner, lambda: "act" in plant.licences)
    licence, why, _ = plant.licences["act"]
    assert (licence, plant.undone) == ("quarantined", ["act"])
    assert "engine.tick_ms moved by" in why
    (harmed,) = [trial for trial in plant.trials.values() if not trial.placebo]
    assert (harmed.undone, harmed.effect.verdict) == (True, "harmed")


def test_without_idle_windows_to_compare_with_nothing_is_run() -> None:
    plant, _ = plant_of()
    tuner = tuner_of(plant, replace(RULE, level=50.0, recovery=0.0, hold=0.0, candidates=("act",)))
    plant.at -= round(1_500e9)  # 300 s of history are left
    assert first_answer(plant, tuner).startswith("nothing was run: act needs 20 idle windows of plant.load for comparison, there are")
    assert plant.trials == {}


def test_actions_that_lack_the_same_are_named_together() -> None:
    plant = Plant(3, {"act": Truth(), "other": Truth()}, seconds=6_000)
    tuner = tuner_of(plant, replace(RULE, level=50.0, recovery=0.0, hold=0.0, candidates=("act", "other")))
    plant.at -= round(1_500e9)
    assert re.match(
        r"nothing was run: (act and other|other and act) need 20 idle windows of plant.load for comparison, there are \d+",
        first_answer(plant, tuner),
    )


def test_a_run_by_hand_goes_first() -> None:
    plant, tuner = plant_of()
    with EXPERIMENT_LOCK:
        assert first_answer(plant, tuner).startswith("waits: a run is under way: one at a time")
        live(plant, tuner, lambda: len(plant.firings) > 2)
        assert plant.trials == {}
    live(plant, tuner, lambda: bool(plant.trials))
    assert plant.trials


def test_a_firing_waits_for_its_time_for_so_long_and_is_then_let_go() -> None:
    plant, tuner = plant_of()
    slow = replace(RULE, hold=0.0, cooldown=4_000.0, longest=4_000.0, candidates=("act",))
    tuner = tuner_of(plant, slow)
    with EXPERIMENT_LOCK:
        live(plant, tuner, lambda: bool(plant.answers))
        since = plant.tick()
        live(plant, tuner, lambda: plant.answers[1].startswith(("nothing", "cleared")) or plant.tick() - since > FIRING_TIMEOUT + 20.0)
    assert not plant.answers[1].startswith("waits")


def test_a_trial_that_is_stopped_in_the_middle_says_that_it_was_not_measured() -> None:
    plant, tuner = plant_of()
    plant.later = []
    live(plant, tuner, lambda: bool(plant.later))
    plant.broken.add("stopped")
    plant.later[0]()
    (trial,) = plant.trials.values()
    assert trial.effect.verdict == "not enough data"
    assert "not measured" in trial.detail


@pytest.mark.parametrize("error", [RuntimeError, ValueError, OSError, KeyError, ZeroDivisionError, AttributeError, MemoryError])
def test_an_action_that_only_raises_is_measured_counted_and_loses_its_licence(error: type[Exception]) -> None:
    plant, tuner = plant_of(Truth(raises=error))
    live(plant, tuner, lambda: "act" in plant.licences)
    licence, why, _ = plant.licences["act"]
    assert licence == "recommend"
    assert "failed 3 times in a row: act failed" in why
    assert plant.failures == {}  # it does not run by itself any more, so nothing of the optimizer fails
    assert all(trial.detail != TRIAL_RUNNING and trial.effect.verdict for trial in plant.trials.values())


class Unforeseen(Exception):
    """An error nobody thought of."""


def test_an_error_nobody_foresaw_leaves_the_loop_as_it_was_and_the_trial_closed() -> None:
    plant, tuner = plant_of(Truth(raises=Unforeseen))
    seen = 0
    for _ in range(30):
        try:
            live(plant, tuner, lambda: len(plant.trials) >= 10)
        except Unforeseen:
            seen += 1
    assert seen >= 1
    assert len(plant.trials) >= 10
    assert all(trial.detail != TRIAL_RUNNING for trial in plant.trials.values())
    assert any("cut short" in trial.detail for trial in plant.trials.values())
    assert not EXPERIMENT_LOCK.locked()


@pytest.mark.parametrize("broken", ["store", "probes"])
def test_a_full_store_or_silent_probes_stop_the_optimizer_and_nothing_else(broken: str) -> None:
    plant, tuner = plant_of()
    plant.broken.add(broken)
    live(plant, tuner, lambda: plant.tick() > 3_000)  # raises nothing
    assert plant.trials == {}
    assert plant.firings == {}
    if broken == "store":
        assert plant.failures["optimizer: rules"] == "the store cannot grow, the disk is full"
    plant.broken.clear()
    live(plant, tuner, lambda: bool(plant.trials))
    assert plant.trials
    assert plant.failures == {}


def test_events_of_rules_while_the_store_was_full_are_stored_later() -> None:
    plant, tuner = plant_of()
    fires = replace(RULE, hold=0.0, level=100.0 - 20 * NOISE, recovery=0.0, candidates=("act",))
    tuner = tuner_of(plant, fires)
    tuner.run_once()
    before = len(plant.firings)
    plant.broken.add("store")
    live(plant, tuner, lambda: plant.tick() > 1_950)
    assert len(plant.firings) == before
    full_until = plant.at
    plant.broken.clear()
    tuner.run_once()
    assert sum(trial.at <= full_until for trial in plant.firings.values()) >= before + 2


def test_a_rule_without_a_metric_judges_an_action_on_its_own() -> None:
    plant, _ = plant_of()
    often = Rule("often", SCHEDULE, cron="*/5 * * * *", candidates=("act",))
    tuner = tuner_of(plant, often)
    live(plant, tuner, lambda: len(plant.trials) > 1)
    assert {(trial.trigger, trial.metric) for trial in plant.trials.values()} == {("often", METRIC)}


def test_after_a_restart_what_had_fired_can_clear() -> None:
    plant, _ = plant_of()
    plant.last_rule_states = lambda: {"high": "fired"}  # type: ignore[method-assign]
    tuner = tuner_of(plant, replace(RULE, level=200.0, recovery=150.0, candidates=("act",)))
    live(plant, tuner, lambda: bool(plant.firings))
    assert [(trial.rule, trial.state) for trial in plant.firings.values()] == [("high", "cleared")]


def test_a_trial_that_cannot_be_recorded_is_not_begun() -> None:
    plant, tuner = plant_of(Truth(load=-6.0))
    plant.later = []
    live(plant, tuner, lambda: bool(plant.later))
    plant.broken.add("store")
    load = plant.load.copy()
    with pytest.raises(StoreError):
        plant.later[0]()
    assert np.array_equal(plant.load, load)
    assert plant.trials == {}
