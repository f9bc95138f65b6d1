"""The regret ledger: each hold is charged to the gate that bound it, once, when its horizon has passed, net of costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.domain.record import Floats
from engine.domain.state import Declined, Regret
from engine.evidence import regret

HORIZONS = (1, 3)
GATES = ("a", "b", "c")


class Market:
    """Log prices of two symbols, tick by tick, and holds made at each."""

    def __init__(self) -> None:
        self.told: Regret = regret.empty(3, 3, 2)
        self.prices = np.full((3, 2), np.nan)
        self.tick = 0

    def step(self, price: list[float], gate: list[int], side: list[float], *, cost: float = 2.0, horizon: int = 0) -> None:
        before = self.told.declined
        now: tuple[Floats, ...] = (np.array([side]), np.full((1, 2), cost))
        waiting = Declined(
            np.concatenate((np.array([gate]), before.gate[:-1])),
            np.concatenate((now[0], before.side[:-1])),
            np.concatenate((now[1], before.cost_bps[:-1])),
            np.concatenate(([horizon], before.horizon[:-1])),
        )
        self.told = regret.score(self.told, waiting, np.array(price), self.prices, HORIZONS, closes=(self.tick + 1) % 3 == 0)
        self.prices = np.concatenate((np.array([price]), self.prices[:-1]))
        self.tick += 1


def test_a_hold_is_marked_when_its_horizon_has_passed() -> None:
    market = Market()
    market.step([0.0, 0.0], [0, 1], [1.0, -1.0])
    assert market.told.open_rows.sum() == 0
    market.step([0.0010, 0.0010], [-1, -1], [0.0, 0.0])
    np.testing.assert_allclose(market.told.open_money, [10.0 - 2.0, -10.0 - 2.0, 0.0])
    market.step([0.5, 0.5], [-1, -1], [0.0, 0.0])
    np.testing.assert_allclose(market.told.money, [8.0, -12.0, 0.0])
    np.testing.assert_array_equal(market.told.rows, [1, 1, 0])


def test_the_horizon_acted_on_then_is_the_one_that_counts() -> None:
    market = Market()
    market.step([0.0, 0.0], [2, 2], [1.0, 1.0], horizon=1)
    for price in (0.001, 0.002, 0.003):
        assert market.told.rows.sum() + market.told.open_rows.sum() == 0
        market.step([price, np.nan], [-1, -1], [0.0, 0.0])
    assert market.told.rows[2] + market.told.open_rows[2] == 1
    assert market.told.money[2] + market.told.open_money[2] == pytest.approx(28.0)


def test_a_hold_without_a_forecast_or_that_no_gate_bound_is_not_charged() -> None:
    market = Market()
    market.step([0.0, 0.0], [0, -1], [0.0, 1.0])
    market.step([0.1, 0.1], [-1, -1], [0.0, 0.0])
    assert market.told.open_rows.sum() == 0


def test_an_interval_needs_thirty_blocks_and_holds_the_truth() -> None:
    draw = np.random.default_rng(5)
    missed = 0
    for _ in range(40):
        market = Market()
        price = np.zeros(2)
        for tick in range(1_200):
            if tick == 60:
                assert regret.table(market.told, GATES)[0].mean_bps is None
            market.step(price.tolist(), [0, 1], [1.0, 1.0], cost=3.0)
            price = price + draw.normal(0.0, 1e-3, 2)
        row = regret.table(market.told, GATES)[0]
        assert row.n > 1_100
        assert row.mean_bps is not None
        assert row.low is not None
        assert row.high is not None
        missed += not row.low <= -3.0 <= row.high
        assert row.high - row.low < 5.0
    assert missed <= 4


def test_a_tick_of_which_nothing_is_known_declines_nothing() -> None:
    market = Market()
    market.step([0.0, 0.0], [0, 1], [1.0, 1.0])
    told = regret.skip(market.told.declined)
    assert told.gate[0].tolist() == [-1, -1]
    assert told.gate[1].tolist() == [0, 1]
    assert told.horizon.tolist() == [-1, 0, -1]
    again = replace(market.told, declined=told)
    assert regret.table(again, GATES)[0].n == 0
