"""Phase 6, the ensemble: one forecast from many, shrunk towards none, with an interval that adapts."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import Forecast, Mood, Opinions
from engine.domain.market import Inputs
from engine.domain.record import Floats
from engine.domain.state import State
from engine.evidence import direction, intervals, volatility


def blend(predictions: Opinions, market_state: Mood, inputs: Inputs, state: State) -> Forecast:
    """The weighted sum of trusted votes. Weights come from learning (evidence.stacking) and sum to less than 1 until they have earned more."""
    votes = np.where(np.isfinite(predictions.mean), predictions.mean, 0.0) * predictions.trust
    mean = (votes * state.weights[:, :, None]).sum(axis=0)
    foreseen = volatility.see(state.volatility, inputs.view)
    scale = _scale(market_state, inputs)
    width, reach = intervals.in_force(state.intervals), intervals.reach(state.intervals, foreseen.reach, scale)
    half = intervals.at_decision(width, market_state.regime, reach)[:, :, 1]
    likely = direction.probability(state.direction, mean)
    return Forecast(mean, mean - half, mean + half, likely, state.weights, scale, width, reach, foreseen)


def expect_nothing(predictions: Opinions, market_state: Mood, inputs: Inputs, state: State) -> Forecast:
    """Assumes nothing can be said: a forecast of 0 with the usual interval, even odds."""
    count = len(inputs.symbols)
    zero = np.zeros((len(inputs.knobs.horizons), count))
    scale = _scale(market_state, inputs)
    width, reach = intervals.in_force(state.intervals), intervals.reach(state.intervals, np.ones(count), scale)
    half = intervals.at_decision(width, market_state.regime, reach)[:, :, 1]
    weights = np.zeros((len(predictions.models), len(zero)))
    return Forecast(zero, -half, half, zero + 0.5, weights, scale, width, reach, volatility.blank(state.volatility))


def _scale(market_state: Mood, inputs: Inputs) -> Floats:
    sigma = np.where(np.isfinite(market_state.sigma), market_state.sigma, 0.0)
    return np.asarray(np.sqrt(np.array(inputs.knobs.horizons, dtype=float))[:, None] * sigma)
