"""A finished trial as the store reads it back."""

from __future__ import annotations

import math

from engine.domain.optimization import Trial
from engine.store.read.optimizer_history import FinishedTrial, build_finished_trial


def tried_as_kept(trial: Trial) -> FinishedTrial | None:
    """None where it was not measured."""
    change = trial.effect.after - trial.effect.before
    if trial.probability is None or not math.isfinite(change):
        return None
    return build_finished_trial(not trial.placebo, trial.probability, change, trial.guards, trial.at, trial.seconds, trial.comparison)
