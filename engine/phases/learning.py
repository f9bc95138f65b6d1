"""Phase 9, learning: scores what has come due, and updates weights, intervals, calibration and skill."""

from __future__ import annotations

from dataclasses import replace

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

REWEIGH_EVERY = 8  # ticks


def learn_from_tick(
    opinions: Predictions,
    forecast: Forecast,
    mood: MarketState,
    liquidity: Liquidity,
    sizes: Sizes,
    decisions: Decisions,
    inputs: Inputs,
    state: State,
) -> State:
    """Scores the forecasts whose horizon ends with this bar against what came, then remembers this tick's own."""
    knobs = inputs.config
    price = _price(inputs, mood)
    scored = scoring.score_forecasts(state.pending, knobs.horizons, price)
    closes, ends = skill.block_ends(inputs.tick, knobs.horizons), skill.block_ends(inputs.tick, (max(knobs.horizons),))
    memory = 0.5 ** (1.0 / np.array([knobs.skill_halflife, knobs.recent_skill_halflife]))[:, None, None]
    cells = scoring.sum_by_regime(scored, len(REGIMES))
    fade = 0.5 ** (1.0 / knobs.weight_halflife)
    sums, kept = scoring.sum_moments(scored), ~succession.find_probation(state.succession, knobs.horizons) * 1.0
    gram, moment = state.gram * fade + sums[0] * kept[:, None, None], state.moment * fade + sums[1] * kept[:, None]
    rows = state.weight_rows * fade + sums[2] * kept
    succeeding = succession.adopt_versions(state.succession, state.recent, inputs.events, knobs)
    succeeding, recent = succession.update_succession(succeeding, state.recent, cells[:, -1:, :, -1:], closes, memory, opinions.versions, knobs)
    again = inputs.tick % REWEIGH_EVERY == 0
    return State(
        tick=inputs.tick,
        decided=state.decided + 1,
        models=state.models,
        regime_probabilities=mood.probabilities,
        regime_model=mood.regime_model,
        incident_state=mood.incident_state,
        pending=_remember(state.pending, opinions, forecast, mood, price, state),
        gram=gram,
        moment=moment,
        weights=stacking.stacking_weights(gram, moment, rows, knobs.shrinkage_rows) if again else state.weights,
        skill=skill.add_scores(state.skill, cells, closes),
        recent=recent,
        intervals=conformal.update_intervals(state.intervals, scored, knobs.interval_learning_rate, knobs.horizons),
        volatility=volatility.update_volatility(
            state.volatility,
            forecast.volatility,
            inputs.view,
            np.isfinite(price) & np.isfinite(state.pending.price).all(axis=0),
            tick=inputs.tick,
            fade=fade,
        ),
        direction=direction.update_direction(state.direction, scored),
        declined_trades=declined_trades.score_declined_trades(
            state.declined_trades,
            declined_trades.append_declined(state.declined_trades.pending, decisions, sizes, liquidity),
            price,
            state.pending.price,
            knobs.horizons,
            closes=ends,
        ),
        weight_rows=rows,
        conditions=state.conditions * fade + scoring.sum_losses(scored, _worth(state, knobs), state.context, knobs.horizons),
        context=np.concatenate((opinions.selection.conditions[None], state.context[:-1])),
        selection_gain=selection_gain.update_selection_gain(
            state.selection_gain,
            scored,
            selection_gain.combine_forecasts(opinions, forecast.weights),
            knobs.horizons,
            closes=ends,
            memory=fade,
        ),
        last_training=state.last_training,
        training_requests=state.training_requests,
        liquidity_forecast=liquidity.book_metrics.liquidity_forecast,
        online_memories=recursive_least_squares.update_memories(
            state.online_memories, opinions.online_inputs, scored.known, scored.target, knobs.horizons
        ),
        succession=succeeding,
        execution=execution_quality.add_finished_orders(state.execution, inputs.account.finished_orders, closes=ends),
    )


def learn_nothing(
    opinions: Predictions,
    forecast: Forecast,
    mood: MarketState,
    liquidity: Liquidity,
    sizes: Sizes,
    decisions: Decisions,
    inputs: Inputs,
    state: State,
) -> State:
    """Learns nothing from this tick and remembers no forecast of it; what is pending moves on."""
    del opinions, forecast, mood, liquidity, sizes, decisions
    pending = state.pending

    def moved(part: Floats) -> Floats:
        return np.concatenate((np.full_like(part[:1], np.nan), part[:-1]))

    regime = np.concatenate((pending.regime[:1], pending.regime[:-1]))
    context = np.concatenate((state.context[:1], state.context[:-1]))
    unheard = replace(state.selection_gain, pending=moved(state.selection_gain.pending))
    unknown = PendingForecasts(
        moved(pending.mean),
        moved(pending.half_width),
        moved(pending.scale_factor),
        moved(pending.probability),
        moved(pending.sigma),
        moved(pending.price),
        regime,
        np.concatenate((pending.constant_half_width[:1], pending.constant_half_width[:-1])),
    )
    unmet = replace(state.declined_trades, pending=declined_trades.append_unknown(state.declined_trades.pending))
    return replace(
        state,
        tick=inputs.tick,
        decided=state.decided + 1,
        pending=unknown,
        context=context,
        declined_trades=unmet,
        selection_gain=unheard,
        online_memories=recursive_least_squares.age_memories(state.online_memories),
        succession=succession.append_probation(succession.adopt_versions(state.succession, state.recent, inputs.events, inputs.config)),
    )


def blank_state(symbols: int, models: tuple[str, ...], horizons: tuple[int, ...]) -> State:
    """The state before the first tick: nothing pending, no weights, intervals of a normal's width."""
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
        weight_rows=np.zeros(count),
        conditions=np.zeros((many, 4, 5)),
        context=np.zeros((length, 4)),
        selection_gain=selection_gain.empty_selection_gain(length, count, symbols),
        last_training=-1,
        training_requests=0,
        liquidity_forecast=liquidity_forecast.empty_liquidity_forecast(),
        online_memories=(),
        succession=succession.initial_succession(length, many, count),
        execution=execution_quality.empty_execution(),
    )


def _worth(state: State, knobs: TradingConfig) -> Floats:
    """(M, H) what each model's forecasts had been worth before this tick."""
    return stacking.single_model_weights(state.gram, state.moment, state.weight_rows, knobs.shrinkage_rows)


def _price(inputs: Inputs, mood: MarketState) -> Floats:
    """(S,) log mid where the book is sane, else log close; NaN where the bar is not fresh, or a bar or book repeats: no move is learned from it."""
    faults = mood.incident_state.faults
    known = inputs.fresh & (inputs.view.age == 0) & ~faults.frozen_bar & ~faults.frozen_book
    return np.where(known, np.log(reference_price(inputs)), np.nan)


def reference_price(inputs: Inputs) -> Floats:
    """(S,) the price a target is measured from: the mid where there is a sane book, else the close."""
    close = np.exp(inputs.view.log_close[:, -1])
    if not inputs.books.bid_price.shape[1]:
        return close
    bid, ask = inputs.books.bid_price[:, 0], inputs.books.ask_price[:, 0]
    return np.where((bid > 0) & (ask > bid), (bid + ask) / 2.0, close)


def _remember(
    pending: PendingForecasts, opinions: Predictions, forecast: Forecast, mood: MarketState, price: Floats, state: State
) -> PendingForecasts:
    heard = np.where((opinions.reliability > 0).any(axis=0), forecast.mean, np.nan)
    votes = np.concatenate((opinions.mean, heard[None]))[None]

    def shift(new: Floats, old: Floats) -> Floats:
        return np.concatenate((new, old[:-1]))

    return PendingForecasts(
        mean=shift(votes, pending.mean),
        half_width=shift(forecast.half_width[None], pending.half_width),
        scale_factor=shift(forecast.scale_factor[None], pending.scale_factor),
        probability=shift(forecast.probability[None], pending.probability),
        sigma=shift(mood.sigma[None], pending.sigma),
        price=shift(price[None], pending.price),
        regime=np.concatenate((mood.regime[None], pending.regime[:-1])),
        constant_half_width=shift(state.intervals.constant_half_width[None], pending.constant_half_width),
    )
