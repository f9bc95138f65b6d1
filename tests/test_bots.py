"""The referee of outside bots as a pure function: the engine's broker and limits, and a test that null bots pass as rarely as it says."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from engine import broker
from engine.bots import design_contest, judge_pair, open_bot, replay_bot, step_bot
from engine.domain.bots import BOT_VERDICTS, BotDesign, BotMarket, BotState, Intent
from engine.domain.evolution import BETTER, EQUIVALENT, RUNNING, VERDICTS, WORSE
from engine.domain.market import Books
from engine.domain.orders import AGGRESSIVE, Order
from engine.domain.record import Floats
from engine.domain.trading_config import TradingConfig
from engine.evidence import contest
from tests.makers import engine, play, simulated

CAPITAL = 100_000.0
SYMBOLS, BARS = 3, 160
ALPHA = 0.05
DESIGN = BotDesign(1, ALPHA, 1e-6, 4.0)
MINUTE, DAY = 60 * 10**9, 86_400 * 10**9


@cache
def markets(signal: float = 0.0, *, is_free: bool = False) -> tuple[BotMarket, ...]:
    """What an engine that holds says of a simulated market; without costs where it is free."""
    feed = simulated(BARS, symbols=SYMBOLS, signal=signal)
    ticks = play(engine(feed, trains=False, fee_bps=0.0, impact_coefficient=0.0) if is_free else engine(feed, trains=False))
    outcomes = [tick.outcome for tick in ticks]
    return tuple(
        BotMarket(tick.snapshot, tick.inputs, outcome.decisions, outcome.liquidity, outcome.market_state, CAPITAL, 0.0)
        for tick, outcome in zip(ticks, outcomes, strict=True)
    )


def opened(design: BotDesign = DESIGN) -> BotState:
    return open_bot(design, CAPITAL, SYMBOLS)


def intent(target: float, column: int = 0, number: int = 1) -> Intent:
    return Intent(number, column, target, 0)


def test_an_intent_is_filled_by_the_engines_broker_at_its_costs_and_after_its_latency() -> None:
    first, second = markets()[100:102]
    ordered = step_bot(opened(), [intent(0.1)], first)
    price, config = float(first.bar.close[0]), first.inputs.config
    assert ordered.account.equity == CAPITAL  # nothing is filled on the bar that it was decided on
    (order,) = ordered.orders
    assert order.units == pytest.approx(0.1 * CAPITAL / price, rel=1e-3)  # in whole lots
    wanted = broker.create_orders(
        replace(first.decisions, delta=np.array([order.units, 0.0, 0.0]), execution=np.array([AGGRESSIVE, -1, -1])),
        first.liquidity, first.market_state, first.inputs,
    )  # fmt: skip
    assert ordered.orders == wanted
    filled = step_bot(ordered, [], second)
    account, fills = broker.fill_orders(
        broker.accrue_carry(broker.open_account(CAPITAL, SYMBOLS), first.bar.at, first.bar.close, config), wanted, second.bar, config, 101
    )
    assert len(fills) == 1
    assert fills[0].fee_bps == config.fee_bps
    expected = broker.mark_to_market(account, second.bar, CAPITAL, config)
    assert (filled.account.equity, filled.account.positions.tolist()) == (expected.equity, expected.positions.tolist())
    assert filled.account.equity < CAPITAL + 1e-9 + float(filled.account.positions[0] * (second.bar.close[0] - fills[0].mid))  # less its costs


def test_what_is_not_filled_is_ordered_again_until_the_target_is_reached() -> None:
    state, left = opened(), []
    for place, market in enumerate(markets()[100:112]):
        thin = replace(market, bar=replace(market.bar, fill_books=_thin(market)))
        state = step_bot(state, [intent(0.2)] if place == 0 else [], thin)
        left.append(sum(abs(order.units) for order in state.orders))
    assert left[0] > left[3] > left[6]
    assert state.account.positions[0] > 0.0


def _thin(market: BotMarket) -> Books:
    """Books whose every level has 1,000 in money."""
    books = market.bar.fill_books
    return replace(books, bid_size=1_000.0 / books.bid_price, ask_size=1_000.0 / books.ask_price)


def test_the_limits_of_the_engine_hold_for_bots() -> None:
    market = markets()[100]
    config: TradingConfig = replace(market.inputs.config, max_position=0.2, max_gross=0.3)
    limited = replace(market, inputs=replace(market.inputs, config=config))
    price = market.bar.close
    one = step_bot(opened(), [intent(0.9)], limited)
    assert one.desired[0] == pytest.approx(0.2 * CAPITAL / price[0])
    three = step_bot(opened(), [intent(0.2, column) for column in range(3)], limited)
    assert float(np.sum(three.desired * price)) == pytest.approx(0.3 * CAPITAL)
    spot = replace(config, rules=replace(config.rules, shorts=(False, True, True)))
    short = step_bot(opened(), [intent(-0.1), intent(-0.1, 1)], replace(market, inputs=replace(market.inputs, config=spot)))
    assert (short.desired[0], short.desired[1] < 0.0) == (0.0, True)


def test_the_last_of_two_intents_counts_and_lots_are_whole() -> None:
    market = markets()[100]
    config = replace(market.inputs.config, rules=replace(market.inputs.config.rules, lots=(0.05, 0.0, 0.0)))
    state = step_bot(opened(), [intent(0.2), intent(0.1, number=2)], replace(market, inputs=replace(market.inputs, config=config)))
    (order,) = state.orders
    wanted = 0.1 * CAPITAL / float(market.bar.close[0])
    assert order.units / 0.05 == pytest.approx(round(order.units / 0.05))
    assert wanted - 0.05 < order.units <= wanted


def test_a_bot_is_a_function_of_the_market_and_its_intents() -> None:
    rng = np.random.default_rng(3)
    intents = {market.inputs.tick: [intent(float(rng.uniform(-0.2, 0.2)), int(rng.integers(3)))] for market in markets()[100::7]}
    state = opened()
    for market in markets()[100:]:
        state = step_bot(state, intents.get(market.inputs.tick, []), market)
    assert state.contest.blocks[0, 0] > 20
    assert replay_bot(opened(), intents, markets()[100:]).digest() == state.digest()


def race(gains: Floats, alpha: float = ALPHA) -> np.ndarray:
    """The first verdict of each of (T, A) series of gains, by the functions that judge a bot; all arms at once."""
    ticks, arms = gains.shape
    contests, verdicts = contest.empty_contests(arms, 1), np.zeros(arms, dtype=np.int64)
    for tick in range(1, ticks + 1):
        contests = contest.update_contests(contests, gains[tick - 1][:, None], np.ones(1), np.array([True]), tick, (1,), DESIGN.clip, DESIGN.margin)
        new = contest.judge_contests(contests, np.full(arms, alpha), 2**62)
        verdicts = np.where(verdicts == RUNNING, new, verdicts)
    return verdicts


def noise(ticks: int, arms: int, seed: int) -> Floats:
    """Returns of a bot less those of the engine: heavy tails, calm and wild times, idle ones, and a sigma of about 2 bps; their mean is 0."""
    rng = np.random.default_rng(seed)
    wild = np.exp(np.cumsum(rng.normal(0.0, 0.05, (ticks, arms)), axis=0).clip(-1.5, 1.5))
    holds = rng.random((ticks, arms)) < 0.5
    return np.asarray(2e-4 * wild * rng.standard_t(4, (ticks, arms)) * holds)


def test_null_bots_are_called_better_in_at_most_alpha_of_the_seeds_however_often_one_looks() -> None:
    verdicts = race(noise(1_500, 600, 11))
    better, worse = int((verdicts == BETTER).sum()), int((verdicts == WORSE).sum())
    most = 600 * ALPHA + 2.0 * np.sqrt(600 * ALPHA * (1.0 - ALPHA))  # each of the two verdicts, with what chance adds
    assert (better <= most, worse <= most) == (True, True), (better, worse)
    assert better + worse > 0  # the test is not blind


def test_a_bot_with_skill_is_recognised_and_a_costly_null_bot_is_worse() -> None:
    skilled = race(noise(3_000, 100, 12) + 5e-5)
    assert int((skilled == BETTER).sum()) >= 90
    assert int((skilled == WORSE).sum()) == 0
    assert int((race(noise(3_000, 100, 13) - 5e-5) == WORSE).sum()) >= 90
    assert int((race(noise(400, 20, 14) * 1e-4) == EQUIVALENT).sum()) >= 15


def test_one_bot_is_judged_as_all_at_once_are_and_keeps_its_first_verdict() -> None:
    gains = noise(600, 3, 15) + np.array([0.0, 2e-4, -2e-4])
    for arm, verdict in enumerate(race(gains).tolist()):
        state, since = opened(), None
        for tick, gain in enumerate(gains[:, arm].tolist(), 1):
            state = judge_pair(state, gain, tick)
            since = tick if state.verdict != RUNNING and since is None else since
        assert (state.verdict, state.verdict_tick) == (verdict, since)
    assert tuple(BOT_VERDICTS) == VERDICTS[: len(BOT_VERDICTS)]


def test_a_pair_is_the_return_of_the_bot_less_that_of_the_engine() -> None:
    first, second, third = markets()[100:103]
    state = step_bot(step_bot(opened(), [intent(0.1)], first), [], second)
    before = state.account.equity
    after = step_bot(state, [], replace(third, engine_return=0.003))
    assert after.gain == pytest.approx(after.account.equity / before - 1.0 - 0.003, rel=1e-12)
    assert step_bot(state, [], replace(third, engine_return=None)).gain is None
    assert step_bot(opened(), [], replace(third, engine_return=0.003)).gain is None  # it has not begun


def test_bars_without_a_pair_are_no_evidence() -> None:
    state = opened()
    for tick in range(1, 200):
        state = judge_pair(state, None, tick)
    assert (float(state.contest.blocks[0, 0]), float(state.contest.log_wealth.max())) == (0.0, 0.0)


def test_random_intents_lose_their_costs_and_foresight_is_recognised() -> None:
    wins = 0
    for seed in range(8):
        rng, state = np.random.default_rng(seed), opened()
        for market in markets()[30:]:
            state = step_bot(state, [intent(float(rng.uniform(-0.2, 0.2)), int(rng.integers(3)))], market)
        wins += state.verdict == BETTER
    assert wins == 0
    state, free = opened(), markets(0.0, is_free=True)
    for market, later in pairwise(free[30:]):
        ahead = np.sign(later.bar.close - market.bar.close)
        state = step_bot(state, [intent(0.2 * float(ahead[column]), column) for column in range(SYMBOLS)], market)
    assert BOT_VERDICTS[state.verdict] == "better"
    assert state.account.equity > CAPITAL


def test_the_errors_of_all_bots_together_add_up_to_alpha() -> None:
    config = TradingConfig(contest_alpha=0.05)
    designs = [design_contest(number, MINUTE, config) for number in range(1, 2_000)]
    assert sum(design.alpha for design in designs) == pytest.approx(0.05, rel=1e-3)
    assert designs[0].alpha == 0.025
    assert designs[0].margin == pytest.approx(0.001 * MINUTE / DAY)


def test_an_account_that_is_lost_orders_nothing() -> None:
    state = opened()
    ruined = replace(state, account=replace(state.account, cash=-1.0, equity=-1.0))
    after = step_bot(ruined, [intent(0.2)], markets()[100])
    orders: tuple[Order, ...] = after.orders
    assert orders == ()
