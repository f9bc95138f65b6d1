"""Trading rules in whole runs of the engine: spot is never short, orders are whole lots, carry is in the equity and replays with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine import broker
from engine.cli import _backtest_text
from engine.domain.decision import LIMITS
from engine.domain.market import MarketSnapshot
from engine.domain.tick import Tick
from engine.domain.trading_config import TradingRules
from engine.orchestrator import decide
from engine.phases import gates
from tests.makers import BARS, MINUTE, Drawer, Moment, Played, lesson, moment, play, resumed, runner

FROM = 640
SPOT = TradingRules(lots=(0.01,) * 8, min_notionals=(500.0,) * 8, shorts=(False,) * 8)


def run(rules: TradingRules, bars: tuple[MarketSnapshot, ...] = ()) -> list[Tick]:
    """The lesson's last 120 bars, or others, decided by its models with an account that begins flat."""
    bars = bars or lesson().bars[FROM:]
    resumed_engine = resumed(FROM, bars, keeper=Drawer())
    resumed_engine.feed = Played(replace(lesson().feed.info, rules=rules), bars)
    resumed_engine.config = replace(resumed_engine.config, rules=rules)
    resumed_engine.account = replace(broker.open_account(100_000.0, 8), accrued_at=moment(FROM).inputs.at)
    return play(resumed_engine)


def test_spot_is_never_short_in_a_run_that_would_have_been() -> None:
    free, spot = run(replace(SPOT, shorts=())), run(SPOT)
    assert len(spot) == BARS - FROM
    assert min(float(tick.inputs.account.positions.min()) for tick in free) < 0.0
    assert min(float(tick.inputs.account.positions.min()) for tick in spot) == 0.0
    assert max(float(tick.inputs.account.positions.max()) for tick in spot) > 0.0
    row = LIMITS.index("spot, no shorts")
    clipped = [tick.outcome.sizes.steps[row] < 0 for tick in spot]
    assert np.stack(clipped).any()
    for tick in spot:
        assert (tick.outcome.sizes.steps[row + 1] >= 0).all()
        assert (tick.outcome.decisions.target >= 0).all()


def test_a_borrow_rate_allows_shorts_on_spot_and_is_paid() -> None:
    ticks = run(replace(SPOT, shorts=(), borrow_rates=(0.5,) * 8))
    expected = sum(
        float(np.minimum(tick.inputs.account.positions * tick.inputs.account.mark_price, 0.0).sum()) * 0.5 * MINUTE / (365 * 86_400 * 10**9)
        for tick in ticks
    )
    assert expected < 0.0
    assert ticks[-1].inputs.account.borrow == pytest.approx(expected, rel=1e-9)


def test_every_order_of_a_run_is_whole_lots_above_the_minimum_or_closes() -> None:
    sent = 0
    for tick in run(SPOT):
        positions, price = tick.inputs.account.positions, tick.outcome.liquidity.mid
        for order in tick.outcome.orders:
            sent += 1
            if order.units == -positions[order.symbol]:
                continue
            assert abs(order.units) * price[order.symbol] >= 500.0
            assert order.units / 0.01 == pytest.approx(round(order.units / 0.01), abs=1e-6)
    assert sent > 10


def test_equity_is_the_gains_less_costs_and_carry() -> None:
    """What was realised, what is not, the fees of openings and the carry make up the whole change of equity."""
    rules = replace(SPOT, shorts=(), borrow_rates=(0.5,) * 8, funding_rates=(0.001, -0.001) * 4)
    ticks = run(rules)
    last = ticks[-1].inputs.account
    cash = 100_000.0 + last.carry
    for tick in ticks:
        for fill in tick.fills:
            if fill.units:
                cash -= fill.units * fill.price + abs(fill.units) * fill.price * fill.fee_bps / 1e4
    assert last.carry != 0.0
    assert last.cash == pytest.approx(cash, abs=1e-6)
    assert last.equity == pytest.approx(cash + float(np.nansum(last.positions * last.mark_price)), abs=1e-6)


def test_a_gap_is_paid_for_by_the_position_held_before_it() -> None:
    """The market stands still for a day: what was held pays for the day, what is bought at its end does not."""
    rules = replace(SPOT, shorts=(), funding_rates=(0.001,) * 8)
    bars = lesson().bars[FROM:]
    last = next(number for number, tick in enumerate(run(rules)) if number >= 20 and (tick.inputs.account.positions != 0).any())
    later = tuple(replace(bar, at=bar.at + 86_400 * 10**9) for bar in bars[last + 1 :])
    ticks = run(rules, (*bars[: last + 1], *later))
    before, after = ticks[last].inputs.account, ticks[last + 1].inputs.account
    held = float((before.positions * before.mark_price).sum())
    bar = float((after.positions * after.mark_price).sum()) * 0.001 * MINUTE / (8 * 60 * MINUTE)
    assert held != 0.0
    assert after.funding - before.funding == pytest.approx(-held * 0.001 * 3 - bar, rel=1e-9)


def test_a_decision_under_rules_replays_from_what_is_stored() -> None:
    ticks = run(SPOT)
    resumed_engine = resumed(FROM, lesson().bars[FROM:])
    state = resumed_engine.state
    for tick in ticks[:20]:
        at = Moment(tick.inputs, state, replace(moment(FROM).catalog))
        outcome = decide(at.inputs, at.state, at.catalog, runner(at))
        assert outcome.decisions.digest() == tick.decisions_digest
        state = outcome.state


def test_a_backtest_says_what_holding_cost_on_the_terminal_too() -> None:
    carry = {"money": -12.5, "share": -0.000125, "borrow": -12.5, "funding": 0.0}
    assert "borrow and funding \N{MINUS SIGN}0.013 % of capital" in _backtest_text._portfolio({"net_return": 0.01, "carry": carry})
    assert "borrow and funding not measured yet" in _backtest_text._portfolio({"net_return": 0.01})


def test_the_smallest_order_is_a_rung_of_every_tick() -> None:
    for tick in run(SPOT)[:5]:
        rung = tick.outcome.decisions.gates[gates.GATE_NAMES.index("minimum order")]
        closing = tick.outcome.sizes.target == 0
        assert (rung.limit[~closing] >= 500.0).all()
        assert (rung.limit[closing] == 0.0).all()
