"""Exact contributions of the features to a stored forecast, model by model and for the ensemble: base plus their sum is the forecast."""

from __future__ import annotations

import numpy as np

from engine.domain.model import ServingModel
from engine.domain.record import Floats
from engine.domain.story import FeatureContribution, ForecastContributions, ModelContributions
from engine.evidence import blends, linear, recursive_least_squares
from engine.store.read.history import TickHistory
from engine.story.basis import DecidedTick, decide_stored_tick

NOT_EXACT = "no exact contributions for this kind of model"
NOT_ACTIVE = "not active at this tick"


def explain_forecast(history: TickHistory, tick: int, symbol: str, horizon: int | None = None) -> ForecastContributions:
    """The contributions to the forecast of a symbol over a horizon, by default the one acted on.

    Raises NotStored where the tick or its models are no longer stored, ValueError for an unknown horizon.
    """
    decided = decide_stored_tick(history, tick)
    place, horizons = decided.place_of(symbol), decided.session.horizons
    if horizon is not None and horizon not in horizons:
        raise ValueError(f"there is no horizon of {horizon} bars: there are {', '.join(map(str, horizons))}")
    column = decided.outcome.sizes.horizon if horizon is None else horizons.index(horizon)
    scale = float(decided.outcome.forecast.scale[column, place]) * 1e4
    weights = _vote_weights(decided, column, place)
    models = tuple(
        _explain_model(history, decided, index, column, place, scale, weights[index])
        for index, served in enumerate(decided.basis.catalog.serving)
        if served is not None
    )
    return _combine(decided, symbol, column, place, scale, models)


def _combine(
    decided: DecidedTick, symbol: str, column: int, place: int, scale: float, models: tuple[ModelContributions, ...]
) -> ForecastContributions:
    """Add the models' contributions up by their weights."""
    exact = [model for model in models if not model.reason]
    sums: dict[str, float] = {}
    values: dict[str, float | None] = {}
    for model in exact:
        for part in model.features:
            sums[part.feature] = sums.get(part.feature, 0.0) + model.weight * part.bps
            values[part.feature] = part.value
    features = tuple(FeatureContribution(name, values[name], bps) for name, bps in sums.items())
    return ForecastContributions(
        decided.stored.tick, symbol, decided.session.horizons[column], float(decided.outcome.forecast.mean[column, place]) * scale,
        sum(model.weight * (model.base_bps or 0.0) for model in exact), _largest_first(features),
        tuple(FeatureContribution(model.model, None, model.weight * model.forecast_bps) for model in models if model.reason == NOT_EXACT), models,
    )  # fmt: skip


def _vote_weights(decided: DecidedTick, column: int, place: int) -> Floats:
    """(M,) the factor on each model's forecast in the ensemble's: the weight of the serving blend times the reliability."""
    outcome, state = decided.outcome, decided.basis.state
    weights = state.weights
    if state.evolution.blend != blends.BLENDS[0]:
        weights = blends.serving_weights(state.evolution.blend, state.evolution.blend_sums, weights)[outcome.market_state.regime[place]]
    used = weights[:, column] * outcome.predictions.reliability[:, column, place]
    return np.asarray(used if outcome.forecast.weights.any() else used * 0.0)


def _explain_model(
    history: TickHistory, decided: DecidedTick, index: int, column: int, place: int, scale: float, weight: float
) -> ModelContributions:
    served = decided.basis.catalog.serving[index]
    assert served is not None  # the caller leaves empty places out
    vote = float(decided.outcome.predictions.mean[index, column, place])
    about = (served.place, served.version, served.model.kind, float(weight))
    if not np.isfinite(vote):
        return ModelContributions(*about, 0.0, reason=NOT_ACTIVE)
    values = decided.outcome.features.values[place]
    parts = _contributions(history, decided, served, values[None])
    if parts is None:
        return ModelContributions(*about, vote * scale, reason=NOT_EXACT)
    own = parts[column, 0] * scale
    names = decided.outcome.features.columns
    places = np.arange(len(names)) if served.columns is None else served.columns
    features = tuple(
        FeatureContribution(names[column], float(values[column]) if np.isfinite(values[column]) else None, float(bps))
        for column, bps in zip(places.tolist(), own[:-1].tolist(), strict=True)
        if bps != 0.0
    )
    return ModelContributions(*about, vote * scale, float(own[-1]), served.model.baseline, _largest_first(features))


def _contributions(history: TickHistory, decided: DecidedTick, served: ServingModel, values: Floats) -> Floats | None:
    """(H, 1, K + 1) contributions in horizon volatilities, the base last; None where the kind of model has no exact way."""
    selected, learner, state = served.select(values), served.model.online, decided.basis.state
    if learner is not None and learner.contribute is not None:
        memory = recursive_least_squares.find_memory(state.online_memories, served.version)
        return learner.contribute(served.fitted, selected, memory, state.tick - served.trained_to)
    if served.model.contribute is None:
        return None
    stored = linear.arrays_from_bytes(history.artifact(served.digest, decided.stored.tick).data, "model")
    return served.model.contribute(stored["model"].tobytes(), selected)


def _largest_first(parts: tuple[FeatureContribution, ...]) -> tuple[FeatureContribution, ...]:
    return tuple(sorted(parts, key=lambda part: (-abs(part.bps), part.feature)))
