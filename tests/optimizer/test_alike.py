"""Windows with the action, windows left out by a coin and idle windows are cut alike: on a metric that is a clock each tells its own timing."""

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
    found = tried(plant, 16)
    assert {one.placebo for one in found} == {True, False}
    for one in found:
        kept = json.loads(one.comparison or "")
        idle = find_controls(plant, METRIC, WindowTiming(kept["before"], kept["pause"], kept["after"]), PLAN, one.at).change
        assert len(idle) >= harm.MIN_WINDOWS
        np.testing.assert_allclose(idle, one.effect.after - one.effect.before, atol=1e-9)
    planned = choose_pause(0.0, "none", [takes])
    settled = [one for one in found if json.loads(one.comparison or "")["planned"] == planned]
    for placebo in (True, False):
        assert {one.effect.after - one.effect.before for one in settled if one.placebo is placebo} == {10.0 + planned}


def test_a_run_longer_than_the_pause_that_was_fixed_is_kept_and_not_pooled() -> None:
    plant = clock_plant(Truth(takes=20.0))
    runs = [one for one in tried(plant, 12) if not one.placebo]
    changes = [one.outcome.change for one in plant.finished_trials(METRIC)["act"] if one.outcome.treated]
    assert np.isfinite(runs[0].effect.after)
    assert "longer than the pause of 1 s" in runs[0].detail
    assert np.isnan(changes[0])
    assert np.isfinite(changes[1:]).all()
    assert len(changes) == len(runs) > 1
