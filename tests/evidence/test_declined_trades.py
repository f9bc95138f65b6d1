"""Declined trades: each hold is charged once to the gate that bound it, when its horizon has passed, net of costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.domain.record import Floats
from engine.domain.state import DeclinedTrades, PendingHolds
from engine.evidence import declined_trades, skill
from tests.evidence import chance

HORIZONS = (1, 3)
GATES = ("a", "b", "c")


class Market:
    """Log prices of two symbols, tick by tick, and holds made at each."""

    def __init__(self) -> None:
        self.state: DeclinedTrades = declined_trades.empty_declined_trades(3, 3, 2)
        self.prices = np.full((3, 2), np.nan)
        self.tick = 0

    def step(self, price: list[float], gate: list[int], side: list[float], *, cost: float = 2.0, horizon: int = 0) -> None:
        before = self.state.pending
        now: tuple[Floats, ...] = (np.array([side]), np.full((1, 2), cost))
        waiting = PendingHolds(
            np.concatenate((np.array([gate]), before.gate[:-1])),
            np.concatenate((now[0], before.side[:-1])),
            np.concatenate((now[1], before.cost_bps[:-1])),
            np.concatenate(([horizon], before.horizon[:-1])),
        )
        self.state = declined_trades.score_declined_trades(
            self.state, waiting, np.array(price), self.prices, HORIZONS, closes=skill.block_ends(self.tick, HORIZONS[-1:])
        )
        self.prices = np.concatenate((np.array([price]), self.prices[:-1]))
        self.tick += 1


def test_a_hold_is_marked_when_its_horizon_has_passed() -> None:
    market = Market()
    market.step([0.0, 0.0], [0, 1], [1.0, -1.0])
    assert market.state.scores.rows.sum() == 0
    market.step([0.0010, 0.0010], [-1, -1], [0.0, 0.0])
    np.testing.assert_allclose(market.state.scores.gain[0, 0], [10.0 - 2.0, -10.0 - 2.0, 0.0])
    market.step([0.5, 0.5], [-1, -1], [0.0, 0.0])
    np.testing.assert_allclose(market.state.scores.gain[0, 0], [8.0, -12.0, 0.0])
    np.testing.assert_array_equal(market.state.scores.rows[0, 0], [1, 1, 0])


def test_the_horizon_acted_on_then_is_the_one_that_counts() -> None:
    market = Market()
    market.step([0.0, 0.0], [2, 2], [1.0, 1.0], horizon=1)
    for price in (0.001, 0.002, 0.003):
        assert market.state.scores.rows.sum() == 0
        market.step([price, np.nan], [-1, -1], [0.0, 0.0])
    assert market.state.scores.rows[0, 0, 2] == 1
    assert market.state.scores.gain[0, 0, 2] == pytest.approx(28.0)


def test_a_hold_without_a_forecast_or_that_no_gate_bound_is_not_charged() -> None:
    market = Market()
    market.step([0.0, 0.0], [0, -1], [0.0, 1.0])
    market.step([0.1, 0.1], [-1, -1], [0.0, 0.0])
    assert market.state.scores.rows.sum() == 0


def test_an_interval_needs_fifteen_blocks_and_holds_the_truth() -> None:
    draw = np.random.default_rng(5)
    missed = 0
    for _ in range(40):
        market = Market()
        price = np.zeros(2)
        for tick in range(1_200):
            if tick == 60:
                assert declined_trades.declined_table(market.state, GATES)[0].mean_bps is None
            market.step(price.tolist(), [0, 1], [1.0, 1.0], cost=3.0)
            price = price + draw.normal(0.0, 1e-3, 2)
        row = declined_trades.declined_table(market.state, GATES)[0]
        assert row.n > 1_100
        assert row.mean_bps is not None
        assert row.low is not None
        assert row.high is not None
        missed += not row.low <= -3.0 <= row.high
        assert row.high - row.low < 5.0
    assert missed <= 4


def test_an_unknown_tick_declines_nothing() -> None:
    market = Market()
    market.step([0.0, 0.0], [0, 1], [1.0, 1.0])
    state = declined_trades.append_unknown(market.state.pending)
    assert state.gate[0].tolist() == [-1, -1]
    assert state.gate[1].tolist() == [0, 1]
    assert state.horizon.tolist() == [-1, 0, -1]
    again = replace(market.state, pending=state)
    assert declined_trades.declined_table(again, GATES)[0].n == 0


@pytest.mark.parametrize("kind", chance.KINDS)
@pytest.mark.parametrize("horizon", [3, 12])
def test_an_interval_holds_the_truth_however_long_trades_overlap_and_sides_persist(kind: str, horizon: int) -> None:
    """Every symbol has a gate of its own, so that each is a run of its own; a trade costs 5 bps and is worth nothing else."""
    draw = np.random.default_rng([horizon, len(kind)])
    runs, ticks = 400, 3_000
    side = np.sign(chance.forecasts(kind, (runs, ticks, 1), draw))[:, :, 0].T
    price = 1e-3 * chance.moves(runs, ticks, 1, draw)[:, :, 0].T.cumsum(axis=0)
    state, prices, gate = declined_trades.empty_declined_trades(runs, horizon, runs), np.full((horizon, runs), np.nan), np.arange(runs)
    missed = np.zeros(runs, dtype=bool)
    for tick in range(ticks):
        before = state.pending
        parts = ((gate, before.gate), (side[tick], before.side), (np.full(runs, 5.0), before.cost_bps), (0, before.horizon))
        waiting = PendingHolds(*(np.concatenate((np.asarray(new)[None], old[:-1])) for new, old in parts))
        state = declined_trades.score_declined_trades(state, waiting, price[tick], prices, (horizon,), closes=skill.block_ends(tick, (horizon,)))
        prices = np.concatenate((price[tick][None], prices[:-1]))
        if tick % 12 == 5:
            mean, reach, _ = (part[0, 0] for part in skill.confidence_interval(state.scores))
            missed |= np.abs(mean + 5.0) > reach
    assert missed.mean() <= skill.DISPLAY_ALPHA


def test_a_tick_without_decisions_declines_nothing_and_what_waits_grows_older() -> None:
    gate, side, cost = (
        np.array([[0, 1], [2, -1], [1, 1]]),
        np.array([[1.0, -1.0], [0.0, 1.0], [1.0, 1.0]]),
        np.array([[2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]),
    )
    after = declined_trades.append_unknown(PendingHolds(gate, side, cost, np.array([0, 1, 0])))
    assert after.gate.tolist() == [[-1, -1], [0, 1], [2, -1]]
    assert after.side.tolist() == [[0.0, 0.0], [1.0, -1.0], [0.0, 1.0]]
    assert after.cost_bps.tolist() == [[0.0, 0.0], [2.0, 3.0], [4.0, 5.0]]
    assert after.horizon.tolist() == [-1, 0, 1]
