"""Phase 6, the ensemble: one forecast from all predictions, shrunk towards 0, with an adaptive interval."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import Forecast, Mood, Opinions
from engine.domain.market import Inputs
from engine.domain.record import Floats
from engine.domain.state import State
from engine.evidence import direction, intervals, volatility


def blend(predictions: Opinions, market_state: Mood, inputs: Inputs, state: State) -> Forecast:
    """Return the sum of the predictions, weighted by reliability and by the weights that phase 9 has learned (evidence.stacking).

    The weights sum to less than 1 until the predictions have proven more.
    """
    weighted = np.where(np.isfinite(predictions.mean), predictions.mean, 0.0) * predictions.trust
    mean = (weighted * state.weights[:, :, None]).sum(axis=0)
    volatility_forecast = volatility.see(state.volatility, inputs.view)
    scale = _scale(market_state, inputs)
    half_width, factor = intervals.in_force(state.intervals), intervals.reach(state.intervals, volatility_forecast.reach, scale)
    half = intervals.at_decision(half_width, market_state.regime, factor)[:, :, 1]
    probability = direction.probability(state.direction, mean)
    return Forecast(mean, mean - half, mean + half, probability, state.weights, scale, half_width, factor, volatility_forecast)


def expect_nothing(predictions: Opinions, market_state: Mood, inputs: Inputs, state: State) -> Forecast:
    """Fall back to a forecast of 0 with the interval in force and even odds."""
    count = len(inputs.symbols)
    zero = np.zeros((len(inputs.knobs.horizons), count))
    scale = _scale(market_state, inputs)
    half_width, factor = intervals.in_force(state.intervals), intervals.reach(state.intervals, np.ones(count), scale)
    half = intervals.at_decision(half_width, market_state.regime, factor)[:, :, 1]
    weights = np.zeros((len(predictions.models), len(zero)))
    return Forecast(zero, -half, half, zero + 0.5, weights, scale, half_width, factor, volatility.blank(state.volatility))


def _scale(market_state: Mood, inputs: Inputs) -> Floats:
    """Return (H, S) the log return of one unit of the target: sigma * sqrt(horizon), 0 where unknown."""
    sigma = np.where(np.isfinite(market_state.sigma), market_state.sigma, 0.0)
    return np.asarray(np.sqrt(np.array(inputs.knobs.horizons, dtype=float))[:, None] * sigma)
