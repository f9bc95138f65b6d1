"""Runs of the real loop on plants with a known truth, and their outcomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.optimization import WindowOutcome
from engine.optimizer.licences import FUTILITY_WINDOWS
from engine.optimizer.pooled_test import judge_pooled
from engine.optimizer.randomisation_test import HELPED
from tests.optimizer.plant import Plant, Truth, live, tuner_of

HELPFUL, USELESS = Truth(load=-6.0), Truth()
HARMFUL = (Truth(tick_ms=8.0), Truth(load=45.0))  # ticks take longer; the metric itself gets worse
MOST = 120  # trials of a run


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one run with a helpful, a useless and a harmful action to choose from."""

    helped: bool  # the helpful one was found
    after: int  # trials of the helpful one by then, treated and placebo
    useless_helped: bool
    harmful_windows: int  # in which the harmful one was run
    undone: bool
    quarantined: str  # "" where it is not
    wrongly: tuple[str, ...]  # of the others, those that were quarantined
    open: int  # trials without a verdict
    scale: float  # of the change in placebo windows


def chosen_among_three(seed: int) -> Found:
    """One run until the helpful action is found and the harmful one is out."""
    plant = Plant(seed, {"helpful": HELPFUL, "useless": USELESS, "harmful": HARMFUL[seed % 2]})
    tuner = tuner_of(plant)
    seen = {"helpful": 0}

    def over() -> bool:
        helped = HELPED in plant.verdicts.get("helpful", ())
        if not helped:
            seen["helpful"] = sum(trial.action == "helpful" for trial in plant.trials.values())
        return (helped and "harmful" in plant.licences) or len(plant.trials) >= MOST

    live(plant, tuner, over)
    runs = [trial for trial in plant.trials.values() if trial.action == "harmful" and not trial.placebo]
    idle = [trial.effect.after - trial.effect.before for trial in plant.trials.values() if trial.placebo]
    return Found(
        HELPED in plant.verdicts.get("helpful", ()), seen["helpful"] + 1, HELPED in plant.verdicts.get("useless", ()), len(runs),
        "harmful" in plant.undone, plant.licences.get("harmful", ("", "", 0))[0],
        tuple(name for name in ("helpful", "useless") if plant.licences.get(name, ("",))[0] == "quarantined"),
        sum(not trial.effect.verdict or trial.detail == "under way" for trial in plant.trials.values()), float(np.std(idle)),
    )  # fmt: skip


def useless_alone(seed: int) -> tuple[bool, str, int]:
    """Whether a useless action, judged after each of its trials until it loses its licence, was ever called helpful; its licence; its trials."""
    plant = Plant(seed, {"useless": USELESS})
    live(plant, tuner_of(plant), lambda: "useless" in plant.licences or len(plant.trials) > FUTILITY_WINDOWS)
    return HELPED in plant.verdicts.get("useless", ()), plant.licences.get("useless", ("auto", "", 0))[0], len(plant.trials)


def covers(seed: int, *, effect: float = -6.0, windows: int = 40) -> tuple[bool, float]:
    """Whether the interval of a pool holds the true effect, and how wide it is; changes with the tails of Student's distribution."""
    chance = np.random.default_rng([seed, 12])
    pool, placebos = [], 0
    for _ in range(windows):
        share = 0.5 if placebos < 8 else 0.8
        treated = bool(chance.random() < share)
        placebos += not treated
        pool.append(WindowOutcome(treated, share, float(4.0 * chance.standard_t(4) - 2.0 + effect * treated), np.nan, np.nan))
    estimate = judge_pooled(pool, -1).effect
    low, high = (bound if bound is not None else side * np.inf for bound, side in ((estimate.low, -1), (estimate.high, 1)))
    return bool(low <= effect <= high), float(high - low)
