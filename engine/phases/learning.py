"""Phase 9, learning: scores the forecasts that come due, and updates weights, intervals, calibration and skill."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from engine.domain.decision import REGIMES, Decisions, Forecast, Liquidity, MarketState, Predictions, Sizes
from engine.domain.gates import GATES
from engine.domain.market import Inputs
from engine.domain.record import Floats
from engine.domain.state import PendingForecasts, State
from engine.domain.trading_config import TradingConfig
from engine.evidence import (
    conformal,
    declined_trades,
    direction,
    execution_quality,
    incidents,
    liquidity_forecast,
    recursive_least_squares,
    regimes,
    scoring,
    selection_gain,
    skill,
    stacking,
    succession,
    volatility,
)  # fmt: skip
from engine.evolution.progress import empty_evolution

REWEIGH_EVERY = 8  # ticks


def learn_from_tick(
    predictions: Predictions,
    forecast: Forecast,
    market_state: MarketState,
    liquidity: Liquidity,
    sizes: Sizes,
    decisions: Decisions,
    inputs: Inputs,
    state: State,
) -> State:
    """Score the forecasts whose horizon ends with this bar against the realised targets, then store the forecasts of this tick as pending."""
    config = inputs.config
    price = _price(inputs, market_state)
    scored = scoring.score_forecasts(state.pending, config.horizons, price)
    closes, ends = skill.block_ends(inputs.tick, config.horizons), skill.block_ends(inputs.tick, (max(config.horizons),))
    memory = _memory(config.skill_halflife, config.recent_skill_halflife)
    cells = scoring.sum_by_regime(scored, len(REGIMES))
    discount = 0.5 ** (1.0 / config.weight_halflife)
    sums, on_record = scoring.sum_moments(scored), ~succession.find_probation(state.succession, config.horizons) * 1.0
    gram, moment = state.gram * discount + sums[0] * on_record[:, None, None], state.moment * discount + sums[1] * on_record[:, None]
    rows = state.weight_rows * discount + (sums[2] * on_record)[:, None]
    versions = succession.adopt_versions(state.succession, state.recent, inputs.events, config)
    versions, recent = succession.update_succession(versions, state.recent, cells[:, -1:, :, -1:], closes, memory, predictions.versions, config)
    return State(
        tick=inputs.tick,
        decided=state.decided + 1,
        models=state.models,
        regime_probabilities=market_state.probabilities,
        regime_model=market_state.regime_model,
        incident_state=market_state.incident_state,
        pending=_remember(state.pending, predictions, forecast, market_state, price, state),
        gram=gram,
        moment=moment,
        weights=stacking.stacking_weights(gram, moment, rows, config.shrinkage_rows) if inputs.tick % REWEIGH_EVERY == 0 else state.weights,
        skill=skill.add_scores(state.skill, cells, closes),
        recent=recent,
        intervals=conformal.update_intervals(state.intervals, scored, config.interval_learning_rate, config.horizons),
        volatility=volatility.update_volatility(
            state.volatility,
            forecast.volatility,
            inputs.view,
            np.isfinite(price) & np.isfinite(state.pending.price).all(axis=0),
            tick=inputs.tick,
            fade=discount,
        ),
        direction=direction.update_direction(state.direction, scored),
        declined_trades=declined_trades.score_declined_trades(
            state.declined_trades,
            declined_trades.append_declined(state.declined_trades.pending, decisions, sizes, liquidity),
            price,
            state.pending.price,
            config.horizons,
            closes=ends,
        ),
        weight_rows=rows,
        conditions=state.conditions * discount + scoring.sum_losses(scored, _worth(state, config), state.context, config.horizons),
        context=np.concatenate((predictions.selection.conditions[None], state.context[:-1])),
        selection_gain=selection_gain.update_selection_gain(
            state.selection_gain,
            scored,
            selection_gain.combine_forecasts(predictions, forecast.weights),
            config.horizons,
            closes=ends,
            memory=discount,
        ),
        last_training=state.last_training,
        training_requests=state.training_requests,
        liquidity_forecast=liquidity.book_metrics.liquidity_forecast,
        online_memories=recursive_least_squares.update_memories(
            state.online_memories, predictions.online_inputs, scored.known, scored.target, config.horizons
        ),
        succession=versions,
        execution=execution_quality.add_finished_orders(state.execution, inputs.account.finished_orders, closes=ends),
        evolution=state.evolution,
    )


def learn_nothing(
    predictions: Predictions,
    forecast: Forecast,
    market_state: MarketState,
    liquidity: Liquidity,
    sizes: Sizes,
    decisions: Decisions,
    inputs: Inputs,
    state: State,
) -> State:
    """Fall back to learning nothing from this tick and storing no forecast of it; pending forecasts move on."""
    del predictions, forecast, market_state, liquidity, sizes, decisions
    pending = state.pending

    def shift(part: Floats) -> Floats:
        return np.concatenate((np.full_like(part[:1], np.nan), part[:-1]))

    shifted = PendingForecasts(
        shift(pending.mean),
        shift(pending.half_width),
        shift(pending.scale_factor),
        shift(pending.probability),
        shift(pending.sigma),
        shift(pending.price),
        np.concatenate((pending.regime[:1], pending.regime[:-1])),
        np.concatenate((pending.constant_half_width[:1], pending.constant_half_width[:-1])),
    )
    return replace(
        state,
        tick=inputs.tick,
        decided=state.decided + 1,
        pending=shifted,
        context=np.concatenate((state.context[:1], state.context[:-1])),
        declined_trades=replace(state.declined_trades, pending=declined_trades.append_unknown(state.declined_trades.pending)),
        selection_gain=replace(state.selection_gain, pending=shift(state.selection_gain.pending)),
        online_memories=recursive_least_squares.age_memories(state.online_memories),
        succession=succession.append_probation(succession.adopt_versions(state.succession, state.recent, inputs.events, inputs.config)),
    )


def blank_state(symbols: int, models: tuple[str, ...], horizons: tuple[int, ...]) -> State:
    """Return the state before the first tick: nothing pending, no weights, intervals of a normal distribution."""
    length, many, cells = max(horizons), len(models), len(REGIMES) + 1
    count = len(horizons)
    pending = PendingForecasts(
        mean=np.full((length, many + 1, count, symbols), np.nan),
        half_width=np.full((length, count, len(REGIMES), 2), np.nan),
        scale_factor=np.ones((length, count, symbols, 2)),
        probability=np.full((length, count, symbols), np.nan),
        sigma=np.full((length, symbols), np.nan),
        price=np.full((length, symbols), np.nan),
        regime=np.zeros((length, symbols), dtype=np.int64),
        constant_half_width=np.zeros((length, count, 2, symbols)),
    )
    return State(
        tick=-1,
        decided=0,
        models=models,
        regime_probabilities=regimes.uniform_probabilities(symbols),
        regime_model=regimes.initial_regime_model(),
        incident_state=incidents.initial_incident_state(symbols),
        pending=pending,
        gram=np.zeros((count, many, many)),
        moment=np.zeros((count, many)),
        weights=np.zeros((many, count)),
        skill=skill.empty_skill(many + 1, count, cells),
        recent=skill.empty_skill(2, count, 1),
        intervals=conformal.initial_intervals(count, len(REGIMES), symbols),
        volatility=volatility.empty_volatility(symbols, length),
        direction=direction.initial_direction(count),
        declined_trades=declined_trades.empty_declined_trades(len(GATES), length, symbols),
        weight_rows=np.zeros((count, many)),
        conditions=np.zeros((many, 4, 5)),
        context=np.zeros((length, 4)),
        selection_gain=selection_gain.empty_selection_gain(length, count, symbols),
        last_training=-1,
        training_requests=0,
        liquidity_forecast=liquidity_forecast.empty_liquidity_forecast(),
        online_memories=(),
        succession=succession.initial_succession(length, many, count),
        execution=execution_quality.empty_execution(),
        evolution=empty_evolution(many, horizons, symbols),
    )


@cache
def _memory(*halflives: float) -> Floats:
    """Return (2, 1, 1) the factors by which a tick discounts sums that halve in so many ticks."""
    return np.asarray(0.5 ** (1.0 / np.array(halflives))[:, None, None])


def _worth(state: State, config: TradingConfig) -> Floats:
    """Return (M, H) the value of each model's forecasts before this tick."""
    return stacking.single_model_weights(state.gram, state.moment, state.weight_rows, config.shrinkage_rows)


def _price(inputs: Inputs, market_state: MarketState) -> Floats:
    """Return (S,) the log mid of a valid book, else the log close; NaN where the bar is not fresh or repeats, so that no move is learned from it."""
    faults = market_state.incident_state.faults
    known = inputs.fresh & (inputs.view.age == 0) & ~faults.frozen_bar & ~faults.frozen_book
    return np.where(known, np.log(reference_price(inputs)), np.nan)


def reference_price(inputs: Inputs) -> Floats:
    """Return (S,) the price that targets are measured from: the mid of a valid book, else the close."""
    close = np.exp(inputs.view.log_close[:, -1])
    if not inputs.books.bid_price.shape[1]:
        return close
    bid, ask = inputs.books.bid_price[:, 0], inputs.books.ask_price[:, 0]
    return np.where((bid > 0) & (ask > bid), (bid + ask) / 2.0, close)


def _remember(
    pending: PendingForecasts, predictions: Predictions, forecast: Forecast, market_state: MarketState, price: Floats, state: State
) -> PendingForecasts:
    ensemble = np.where((predictions.reliability > 0).any(axis=0), forecast.mean, np.nan)
    votes = np.concatenate((predictions.mean, ensemble[None]))[None]

    def shift(new: Floats, old: Floats) -> Floats:
        return np.concatenate((new, old[:-1]))

    return PendingForecasts(
        mean=shift(votes, pending.mean),
        half_width=shift(forecast.half_width[None], pending.half_width),
        scale_factor=shift(forecast.scale_factor[None], pending.scale_factor),
        probability=shift(forecast.probability[None], pending.probability),
        sigma=shift(market_state.sigma[None], pending.sigma),
        price=shift(price[None], pending.price),
        regime=np.concatenate((market_state.regime[None], pending.regime[:-1])),
        constant_half_width=shift(state.intervals.constant_half_width[None], pending.constant_half_width),
    )
