"""What the store makes of a finished trial."""

from __future__ import annotations

import math

from engine.domain.tuning import Trial
from engine.store.optimizer_past import Tried, tried_of


def tried_as_kept(trial: Trial) -> Tried | None:
    """None where it was not measured."""
    change = trial.effect.after - trial.effect.before
    if trial.chance is None or not math.isfinite(change):
        return None
    return tried_of(not trial.placebo, trial.chance, change, trial.also, trial.at, trial.seconds, trial.compared)
