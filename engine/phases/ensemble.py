"""Phase 6, the ensemble: one forecast from many, shrunk towards none, with an interval that adapts."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import Forecast, Mood, Opinions
from engine.domain.market import Inputs
from engine.domain.record import Floats
from engine.domain.state import State
from engine.evidence import direction, intervals, volatility


def blend(opinions: Opinions, mood: Mood, inputs: Inputs, state: State) -> Forecast:
    """The weighted sum of trusted votes. Weights come from learning (evidence.stacking) and sum to less than 1 until they have earned more."""
    votes = np.where(np.isfinite(opinions.mean), opinions.mean, 0.0) * opinions.trust
    mean = (votes * state.weights[:, :, None]).sum(axis=0)
    foreseen = volatility.see(state.volatility, inputs.view)
    scale = _scale(mood, inputs)
    width = intervals.at_decision(state.intervals, mood.regime, intervals.reach(state.intervals, foreseen.reach, scale))[:, :, 1]
    likely = direction.probability(state.direction, mean)
    return Forecast(mean, mean - width, mean + width, likely, state.weights, scale, foreseen)


def expect_nothing(opinions: Opinions, mood: Mood, inputs: Inputs, state: State) -> Forecast:
    """Assumes nothing can be said: a forecast of 0 with the usual interval, even odds."""
    count = len(inputs.symbols)
    zero = np.zeros((len(inputs.knobs.horizons), count))
    scale = _scale(mood, inputs)
    width = intervals.at_decision(state.intervals, mood.regime, intervals.reach(state.intervals, np.ones(count), scale))[:, :, 1]
    weights = np.zeros((len(opinions.models), len(zero)))
    return Forecast(zero, -width, width, zero + 0.5, weights, scale, volatility.blank(state.volatility))


def _scale(mood: Mood, inputs: Inputs) -> Floats:
    sigma = np.where(np.isfinite(mood.sigma), mood.sigma, 0.0)
    return np.asarray(np.sqrt(np.array(inputs.knobs.horizons, dtype=float))[:, None] * sigma)
