"""Treated, withheld and idle windows have the same timing: on a metric that is a clock, each window shows its own."""

from __future__ import annotations

import json

import numpy as np
import pytest

from engine.domain.optimization import Trial
from engine.domain.rules import SCHEDULE, Rule
from engine.optimizer import harm
from engine.optimizer.runtime.controls import find_controls
from engine.optimizer.windows import WindowTiming, choose_pause
from tests.optimizer.plant import METRIC, PLAN, Plant, Truth, live, tuner_of

OFTEN = Rule("often", SCHEDULE, cron="*/3 * * * *", candidates=("act",))


def clock_plant(truth: Truth) -> Plant:
    """Its metric grows by 1 a second, so a window's change is the time between the middles of its two spans."""
    plant = Plant(3, {"act": truth}, seconds=7_000)
    plant.load = np.arange(7_000, dtype=np.float64)
    return plant


def tried(plant: Plant, n: int) -> list[Trial]:
    live(plant, tuner_of(plant, OFTEN), lambda: len(plant.trials) >= n)
    return list(plant.trials.values())


@pytest.mark.parametrize("takes", [0.0, 3.0, 20.0])
def test_every_window_of_an_experiment_has_the_same_timing(takes: float) -> None:
    plant = clock_plant(Truth(takes=takes))
    trials = tried(plant, 16)
    assert {trial.placebo for trial in trials} == {True, False}
    for trial in trials:
        timing = json.loads(trial.comparison or "")
        idle = find_controls(plant, METRIC, WindowTiming(timing["before"], timing["pause"], timing["after"]), PLAN, trial.at).change
        assert len(idle) >= harm.MIN_WINDOWS
        np.testing.assert_allclose(idle, trial.effect.after - trial.effect.before, atol=1e-9)
    planned = choose_pause(0.0, "none", [takes])
    settled = [trial for trial in trials if json.loads(trial.comparison or "")["planned"] == planned]
    for placebo in (True, False):
        assert {trial.effect.after - trial.effect.before for trial in settled if trial.placebo is placebo} == {10.0 + planned}


def test_a_run_longer_than_the_planned_pause_is_stored_and_not_pooled() -> None:
    plant = clock_plant(Truth(takes=20.0))
    runs = [trial for trial in tried(plant, 12) if not trial.placebo]
    changes = [trial.outcome.change for trial in plant.finished_trials(METRIC)["act"] if trial.outcome.treated]
    assert np.isfinite(runs[0].effect.after)
    assert "longer than the pause of 1.0 s" in runs[0].detail
    assert np.isnan(changes[0])
    assert np.isfinite(changes[1:]).all()
    assert len(changes) == len(runs) > 1
