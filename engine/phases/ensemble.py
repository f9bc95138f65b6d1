"""Phase 6, the ensemble: one forecast from many, shrunk towards none, with an interval that adapts."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import Forecast, MarketState, Predictions
from engine.domain.market import Inputs
from engine.domain.record import Floats
from engine.domain.state import State
from engine.evidence import conformal, direction, volatility


def combine_predictions(opinions: Predictions, mood: MarketState, inputs: Inputs, state: State) -> Forecast:
    """The weighted sum of trusted votes. Weights come from learning (evidence.stacking) and sum to less than 1 until they have earned more."""
    votes = np.where(np.isfinite(opinions.mean), opinions.mean, 0.0) * opinions.reliability
    mean = (votes * state.weights[:, :, None]).sum(axis=0)
    foreseen = volatility.forecast_volatility(state.volatility, inputs.view)
    scale = _scale(mood, inputs)
    width, reach = conformal.current_half_widths(state.intervals), conformal.scale_factors(state.intervals, foreseen.scale_factor, scale)
    half = conformal.half_widths_by_symbol(width, mood.regime, reach)[:, :, 1]
    likely = direction.probability_up(state.direction, mean)
    return Forecast(mean, mean - half, mean + half, likely, state.weights, scale, width, reach, foreseen)


def expect_nothing(opinions: Predictions, mood: MarketState, inputs: Inputs, state: State) -> Forecast:
    """Assumes nothing can be said: a forecast of 0 with the usual interval, even odds."""
    count = len(inputs.symbols)
    zero = np.zeros((len(inputs.config.horizons), count))
    scale = _scale(mood, inputs)
    width, reach = conformal.current_half_widths(state.intervals), conformal.scale_factors(state.intervals, np.ones(count), scale)
    half = conformal.half_widths_by_symbol(width, mood.regime, reach)[:, :, 1]
    weights = np.zeros((len(opinions.models), len(zero)))
    return Forecast(zero, -half, half, zero + 0.5, weights, scale, width, reach, volatility.missing_volatility_forecast(state.volatility))


def _scale(mood: MarketState, inputs: Inputs) -> Floats:
    sigma = np.where(np.isfinite(mood.sigma), mood.sigma, 0.0)
    return np.asarray(np.sqrt(np.array(inputs.config.horizons, dtype=float))[:, None] * sigma)
