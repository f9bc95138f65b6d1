"""Phase 6, the ensemble: one forecast from all predictions, shrunk towards 0, with an adaptive interval."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import Forecast, MarketState, Predictions
from engine.domain.market import Inputs
from engine.domain.record import Floats
from engine.domain.state import State
from engine.evidence import blends, conformal, direction, volatility


def combine_predictions(predictions: Predictions, market_state: MarketState, inputs: Inputs, state: State) -> Forecast:
    """Return the sum of the predictions, weighted by reliability and by the weights of the blend that serves: stacking, until another one has won.

    The weights sum to less than 1 until the predictions have proven more (evidence.stacking, evidence.blends).
    """
    weighted = np.where(np.isfinite(predictions.mean), predictions.mean, 0.0) * predictions.reliability
    blend, weights = state.evolution.blend, state.weights
    if blend == blends.BLENDS[0]:
        mean = (weighted * weights[:, :, None]).sum(axis=0)
    else:
        by_regime = blends.serving_weights(blend, state.evolution.blend_sums, weights)
        mean, weights = blends.combine_votes(by_regime, weighted, market_state.regime), by_regime[market_state.regime].mean(axis=0)
    volatility_forecast = volatility.forecast_volatility(state.volatility, inputs.view)
    scale = _scale(market_state, inputs)
    half_width, factor = (
        conformal.current_half_widths(state.intervals),
        conformal.scale_factors(state.intervals, volatility_forecast.scale_factor, scale),
    )
    half = conformal.half_widths_by_symbol(half_width, market_state.regime, factor)[:, :, 1]
    probability = direction.probability_up(state.direction, mean)
    return Forecast(mean, mean - half, mean + half, probability, weights, scale, half_width, factor, volatility_forecast)


def expect_nothing(predictions: Predictions, market_state: MarketState, inputs: Inputs, state: State) -> Forecast:
    """Fall back to a forecast of 0 with the interval in force and even odds."""
    count = len(inputs.symbols)
    zero = np.zeros((len(inputs.config.horizons), count))
    scale = _scale(market_state, inputs)
    half_width, factor = conformal.current_half_widths(state.intervals), conformal.scale_factors(state.intervals, np.ones(count), scale)
    half = conformal.half_widths_by_symbol(half_width, market_state.regime, factor)[:, :, 1]
    weights = np.zeros((len(predictions.models), len(zero)))
    return Forecast(zero, -half, half, zero + 0.5, weights, scale, half_width, factor, volatility.missing_volatility_forecast(state.volatility))


def _scale(market_state: MarketState, inputs: Inputs) -> Floats:
    """Return (H, S) the log return of one unit of the target: sigma * sqrt(horizon), 0 where unknown."""
    sigma = np.where(np.isfinite(market_state.sigma), market_state.sigma, 0.0)
    return np.asarray(np.sqrt(np.array(inputs.config.horizons, dtype=float))[:, None] * sigma)
