"""Phase 9, learning: scores the forecasts that come due, and updates weights, intervals, calibration and skill."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.domain.control import Knobs
from engine.domain.decision import REGIMES, Decisions, Forecast, Liquidity, Mood, Opinions, Sizes
from engine.domain.gates import RUNGS
from engine.domain.market import Inputs
from engine.domain.record import Floats
from engine.domain.state import Pending, State
from engine.evidence import (
    direction,
    due,
    execution,
    incidents,
    intervals,
    online,
    outlook,
    regimes,
    regret,
    silencing,
    skill,
    stacking,
    succession,
    volatility,
)  # fmt: skip

REWEIGH_EVERY = 8  # ticks


def learn(
    predictions: Opinions,
    forecast: Forecast,
    market_state: Mood,
    liquidity: Liquidity,
    sizes: Sizes,
    decisions: Decisions,
    inputs: Inputs,
    state: State,
) -> State:
    """Score the forecasts whose horizon ends with this bar against the realised targets, then store the forecasts of this tick as pending."""
    config = inputs.knobs
    price = _price(inputs, market_state)
    scored = due.score(state.pending, config.horizons, price)
    closes, ends = skill.closing(inputs.tick, config.horizons), skill.closing(inputs.tick, (max(config.horizons),))
    memory = 0.5 ** (1.0 / np.array([config.skill_halflife, config.lapse_halflife]))[:, None, None]
    cells = due.by_regime(scored, len(REGIMES))
    discount = 0.5 ** (1.0 / config.weight_halflife)
    sums, on_record = due.moments(scored), ~succession.on_probation(state.succession, config.horizons) * 1.0
    gram, moment = state.gram * discount + sums[0] * on_record[:, None, None], state.moment * discount + sums[1] * on_record[:, None]
    rows = state.weight_rows * discount + sums[2] * on_record
    versions = succession.begin(state.succession, state.recent, inputs.events, config)
    versions, recent = succession.score(versions, state.recent, cells[:, -1:, :, -1:], closes, memory, predictions.versions, config)
    return State(
        tick=inputs.tick,
        decided=state.decided + 1,
        models=state.models,
        regime=market_state.probabilities,
        hidden=market_state.hidden,
        watch=market_state.watch,
        pending=_remember(state.pending, predictions, forecast, market_state, price, state),
        gram=gram,
        moment=moment,
        weights=stacking.weigh(gram, moment, rows, config.prior_rows) if inputs.tick % REWEIGH_EVERY == 0 else state.weights,
        skill=skill.add(state.skill, cells, closes),
        recent=recent,
        intervals=intervals.score(state.intervals, scored, config.interval_step, config.horizons),
        volatility=volatility.learn(
            state.volatility,
            forecast.volatility,
            inputs.view,
            np.isfinite(price) & np.isfinite(state.pending.price).all(axis=0),
            tick=inputs.tick,
            fade=discount,
        ),
        direction=direction.score(state.direction, scored),
        regret=regret.score(
            state.regret,
            regret.remember(state.regret.declined, decisions, sizes, liquidity),
            price,
            state.pending.price,
            config.horizons,
            closes=ends,
        ),
        weight_rows=rows,
        conditions=state.conditions * discount + due.losses(scored, _worth(state, config), state.context, config.horizons),
        context=np.concatenate((predictions.chosen.conditions[None], state.context[:-1])),
        silencing=silencing.score(
            state.silencing,
            scored,
            silencing.forecasts(predictions, forecast.weights),
            config.horizons,
            closes=ends,
            memory=discount,
        ),
        last_training=state.last_training,
        asked=state.asked,
        outlook=liquidity.finer.outlook,
        memories=online.learn(state.memories, predictions.seen, scored.known, scored.target, config.horizons),
        succession=versions,
        execution=execution.add(state.execution, inputs.account.done, closes=ends),
    )


def learn_nothing(
    predictions: Opinions,
    forecast: Forecast,
    market_state: Mood,
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

    shifted = Pending(
        shift(pending.mean),
        shift(pending.width),
        shift(pending.reach),
        shift(pending.probability),
        shift(pending.sigma),
        shift(pending.price),
        np.concatenate((pending.regime[:1], pending.regime[:-1])),
        np.concatenate((pending.constant[:1], pending.constant[:-1])),
    )
    return replace(
        state,
        tick=inputs.tick,
        decided=state.decided + 1,
        pending=shifted,
        context=np.concatenate((state.context[:1], state.context[:-1])),
        regret=replace(state.regret, declined=regret.skip(state.regret.declined)),
        silencing=replace(state.silencing, pending=shift(state.silencing.pending)),
        memories=online.pass_by(state.memories),
        succession=succession.remember(succession.begin(state.succession, state.recent, inputs.events, inputs.knobs)),
    )


def blank(symbols: int, models: tuple[str, ...], horizons: tuple[int, ...]) -> State:
    """Return the state before the first tick: nothing pending, no weights, intervals of a normal distribution."""
    length, many, cells = max(horizons), len(models), len(REGIMES) + 1
    count = len(horizons)
    pending = Pending(
        mean=np.full((length, many + 1, count, symbols), np.nan),
        width=np.full((length, count, len(REGIMES), 2), np.nan),
        reach=np.ones((length, count, symbols, 2)),
        probability=np.full((length, count, symbols), np.nan),
        sigma=np.full((length, symbols), np.nan),
        price=np.full((length, symbols), np.nan),
        regime=np.zeros((length, symbols), dtype=np.int64),
        constant=np.zeros((length, count, 2, symbols)),
    )
    return State(
        tick=-1,
        decided=0,
        models=models,
        regime=regimes.uniform(symbols),
        hidden=regimes.start(),
        watch=incidents.blank(symbols),
        pending=pending,
        gram=np.zeros((count, many, many)),
        moment=np.zeros((count, many)),
        weights=np.zeros((many, count)),
        skill=skill.empty(many + 1, count, cells),
        recent=skill.empty(2, count, 1),
        intervals=intervals.empty(count, len(REGIMES), symbols),
        volatility=volatility.empty(symbols, length),
        direction=direction.empty(count),
        regret=regret.empty(len(RUNGS), length, symbols),
        weight_rows=np.zeros(count),
        conditions=np.zeros((many, 4, 5)),
        context=np.zeros((length, 4)),
        silencing=silencing.empty(length, count, symbols),
        last_training=-1,
        asked=0,
        outlook=outlook.empty(),
        memories=(),
        succession=succession.blank(length, many, count),
        execution=execution.empty(),
    )


def _worth(state: State, config: Knobs) -> Floats:
    """Return (M, H) the value of each model's forecasts before this tick."""
    return stacking.worth(state.gram, state.moment, state.weight_rows, config.prior_rows)


def _price(inputs: Inputs, market_state: Mood) -> Floats:
    """Return (S,) the log mid of a valid book, else the log close; NaN where the bar is not fresh or repeats, so that no move is learned from it."""
    faults = market_state.watch.faults
    known = inputs.fresh & (inputs.view.age == 0) & ~faults.frozen_bar & ~faults.frozen_book
    return np.where(known, np.log(reference(inputs)), np.nan)


def reference(inputs: Inputs) -> Floats:
    """Return (S,) the price that targets are measured from: the mid of a valid book, else the close."""
    close = np.exp(inputs.view.log_close[:, -1])
    if not inputs.books.bid_price.shape[1]:
        return close
    bid, ask = inputs.books.bid_price[:, 0], inputs.books.ask_price[:, 0]
    return np.where((bid > 0) & (ask > bid), (bid + ask) / 2.0, close)


def _remember(pending: Pending, predictions: Opinions, forecast: Forecast, market_state: Mood, price: Floats, state: State) -> Pending:
    ensemble = np.where((predictions.trust > 0).any(axis=0), forecast.mean, np.nan)
    votes = np.concatenate((predictions.mean, ensemble[None]))[None]

    def shift(new: Floats, old: Floats) -> Floats:
        return np.concatenate((new, old[:-1]))

    return Pending(
        mean=shift(votes, pending.mean),
        width=shift(forecast.width[None], pending.width),
        reach=shift(forecast.reach[None], pending.reach),
        probability=shift(forecast.probability[None], pending.probability),
        sigma=shift(market_state.sigma[None], pending.sigma),
        price=shift(price[None], pending.price),
        regime=np.concatenate((market_state.regime[None], pending.regime[:-1])),
        constant=shift(state.intervals.constant[None], pending.constant),
    )
