"""Referees outside bots: fills their intents by the paper broker and compares their returns with the engine's, as pure functions.

A bot has an account of its own with the engine's capital. An intent comes into force at the tick on its bar: the difference from the position
becomes an order, which is worked on the next bar after the engine's latency, by the engine's broker at the engine's costs, taking liquidity. What
is not filled is ordered again at the next tick. The limits of the engine on one position and on all together hold for bots.

**The test.** A pair is the return of the bot over a bar less that of the engine. Under the null hypothesis its mean, given what was known before
the bar, is at most 0, up to every block so far; pairs of neighbouring bars form a block, and the capital that bets on blocks is that of
evidence.contest, with the squared target replaced by 1, so that its margin is a mean gain per bar. It may be read at every tick. Bots are numbered
over the store, and number k may err with alpha / (k (k + 1)), which adds up to alpha over all bots there ever are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from engine import broker
from engine.domain.bots import BotDesign, BotMarket, BotState, Intent
from engine.domain.evolution import RUNNING
from engine.domain.orders import AGGRESSIVE, WAIT, Order
from engine.domain.record import Floats
from engine.domain.trading_config import TradingConfig
from engine.evidence import contest, order_size

DAILY_MARGIN = 0.001  # mean gain per day within which a bot is equivalent to the engine, as a share of equity
DAY = 86_400 * 10**9  # ns
HORIZONS = (1,)
UNLIMITED = 2**62  # ticks: a bot is judged as long as it is there
SMALLEST = 1e-9  # share of equity below which a difference is rounding


def design_contest(number: int, interval: int, config: TradingConfig) -> BotDesign:
    """Fix how the bot with this number is judged on bars of `interval` ns."""
    return BotDesign(number, contest.contest_alpha_of(number, config.contest_alpha), DAILY_MARGIN * interval / DAY, config.contest_clip)


def open_bot(design: BotDesign, capital: float, symbols: int) -> BotState:
    """Open a flat account before the first intent."""
    nothing = np.full(symbols, np.nan)
    return BotState(design, broker.open_account(capital, symbols), (), nothing, nothing, contest.empty_contests(1, 1), RUNNING, None, None)


def step_bot(state: BotState, intents: Sequence[Intent], market: BotMarket) -> BotState:
    """Fill the bot's orders on the bar, compare its return with the engine's, and order what its intents want, in their order."""
    bar, config, tick = market.bar, market.inputs.config, market.inputs.tick
    before = state.account
    account = broker.accrue_carry(before, bar.at - market.inputs.interval, before.mark_price, config, bar.funding)
    account, _ = broker.fill_orders(account, state.orders, bar, config, tick)
    account = broker.mark_to_market(account, bar, market.capital, config)
    own_return = account.equity / before.equity - 1.0 if before.equity > 0.0 else 0.0
    is_pair = market.engine_return is not None and bool(np.isfinite(state.targets).any())
    gain = own_return - market.engine_return if is_pair and market.engine_return is not None else None
    state = judge_pair(replace(state, account=account), gain, tick)
    targets, desired = _apply_intents(state, intents, config)
    orders = _create_orders(replace(state, desired=desired), targets, market)
    return replace(state, targets=targets, desired=desired, orders=orders)


def judge_pair(state: BotState, gain: float | None, tick: int) -> BotState:
    """Add a pair to the contest, None for a tick that gives none, and note the first verdict."""
    scored = np.array([gain is not None])
    values = np.array([[np.nan if gain is None else gain]])
    contests = contest.update_contests(state.contest, values, np.ones(1), scored, tick, HORIZONS, state.design.clip, state.design.margin)
    verdict, since = state.verdict, state.verdict_tick
    if verdict == RUNNING:
        verdict = int(contest.judge_contests(contests, np.array([state.design.alpha]), UNLIMITED)[0])
        since = None if verdict == RUNNING else tick
    return replace(state, contest=contests, verdict=verdict, verdict_tick=since, gain=gain)


def replay_bot(state: BotState, intents: Mapping[int, Sequence[Intent]], markets: Iterable[BotMarket]) -> BotState:
    """Repeat a bot from a state over further ticks, with the intents that came into force at each tick."""
    for market in markets:
        state = step_bot(state, intents.get(market.inputs.tick, ()), market)
    return state


def _apply_intents(state: BotState, intents: Sequence[Intent], config: TradingConfig) -> tuple[Floats, Floats]:
    """(S,) shares of equity and base units that are wanted; an intent for a symbol without a price is dropped."""
    if not intents:
        return state.targets, state.desired
    price, equity = state.account.mark_price, max(state.account.equity, 0.0)
    targets, desired, changed = state.targets.copy(), state.desired.copy(), set()
    shorts = order_size.can_sell_short(config.rules, len(price))
    for intent in intents:
        if np.isfinite(price[intent.column]):
            share = float(np.clip(intent.target, -config.max_position if shorts[intent.column] else 0.0, config.max_position))
            targets[intent.column] = share
            changed.add(intent.column)
    gross = float(np.nansum(np.abs(targets)))
    scale = min(1.0, config.max_gross / gross) if gross > 0.0 else 1.0
    for column in changed:
        desired[column] = targets[column] * scale * equity / price[column]
    return targets, desired


def _create_orders(state: BotState, targets: Floats, market: BotMarket) -> tuple[Order, ...]:
    """The orders that lead from the positions to the desired units: whole lots, none below the venue's minimum unless it closes a position."""
    account, rules = state.account, market.inputs.config.rules
    price = np.where(np.isfinite(account.mark_price), account.mark_price, 0.0)
    wanted = np.where(np.isfinite(state.desired), state.desired - account.positions, 0.0)
    wanted = np.where(np.abs(wanted) * price > SMALLEST * max(account.equity, 0.0), wanted, 0.0)
    closes = targets == 0.0
    delta = np.where(closes, wanted, order_size.round_to_lot(wanted, price, rules))
    delta = np.where(closes | (np.abs(delta) >= order_size.minimum_order_size(price, rules)), delta, 0.0)
    if not np.count_nonzero(delta):
        return ()
    execution = np.where(delta == 0.0, WAIT, AGGRESSIVE)
    decisions = replace(market.decisions, delta=delta, execution=execution)
    return broker.create_orders(decisions, market.liquidity, market.market_state, replace(market.inputs, account=account))
