"""What the store makes of a finished trial."""

from __future__ import annotations

import json
import math

from engine.domain.judging import Outcome
from engine.domain.tuning import Trial


def outcome_of(trial: Trial, latency: str, honest: str) -> Outcome | None:
    """None where it was not measured."""
    change = trial.effect.after - trial.effect.before
    if trial.chance is None or not math.isfinite(change):
        return None
    also = {name: pair[1] - pair[0] for name, pair in json.loads(trial.also or "{}").items()}
    return Outcome(not trial.placebo, trial.chance, change, also.get(latency, math.nan), also.get(honest, math.nan))
