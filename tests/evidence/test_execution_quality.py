"""Execution quality: fill rates and shortfalls by hand, the coverage of intervals, and kinds of order that are no longer recommended."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.domain.orders import EXECUTIONS, ExecutionSums, FinishedOrder
from engine.evidence import execution_quality
from engine.evidence.skill import MIN_BLOCKS

PASSIVE, AGGRESSIVE, SLICE = (EXECUTIONS.index(kind) for kind in ("passive", "aggressive", "slice"))


def learned(shortfalls: np.ndarray, kind: int = PASSIVE, block: int = 3) -> ExecutionSums:
    """An order over per tick, blocks of three ticks."""
    state = execution_quality.empty_execution()
    for tick, bps in enumerate(shortfalls.tolist()):
        state = execution_quality.add_finished_orders(
            state, (FinishedOrder(kind, 100.0, 80.0, bps),), closes=np.array([float((tick + 1) % block == 0)])
        )
    return state


def test_before_any_order_has_ended_every_kind_is_offered() -> None:
    rows = execution_quality.execution_table(execution_quality.empty_execution())
    assert [(row.kind, row.orders, row.filled, row.shortfall_bps, row.n, row.offered) for row in rows] == [
        ("passive", 0, None, None, 0, True), ("aggressive", 0, None, None, 0, True), ("slice", 0, None, None, 0, True),
    ]  # fmt: skip


def test_shares_are_of_the_money_asked_for_and_an_order_that_cannot_be_compared_still_counts() -> None:
    done = (FinishedOrder(PASSIVE, 300.0, 300.0, -4.0), FinishedOrder(PASSIVE, 100.0, 0.0, math.nan), FinishedOrder(AGGRESSIVE, 50.0, 25.0, 0.0))
    passive, taken, _ = execution_quality.execution_table(
        execution_quality.add_finished_orders(execution_quality.empty_execution(), done, closes=np.ones(1))
    )
    assert (passive.orders, passive.filled, passive.unfilled, passive.n) == (2, 0.75, 0.25, 1)
    assert (passive.shortfall_bps, passive.low, passive.high) == (None, None, None)  # not enough data
    assert (taken.orders, taken.filled, taken.shortfall_bps, taken.n) == (1, 0.5, None, 0)  # it is what others are compared with


def test_the_mean_is_by_order_and_its_interval_is_wide_until_there_are_blocks_enough() -> None:
    draw = np.random.default_rng(2).normal(-2.0, 5.0, 3 * 200)
    row = execution_quality.execution_table(learned(draw))[0]
    assert row.shortfall_bps == pytest.approx(draw.mean())
    assert row.low is not None
    assert row.high is not None
    assert row.low < draw.mean() < row.high < 0.0
    assert (row.n, row.offered, row.filled) == (600, True, 0.8)
    assert row.filled_low is not None
    assert row.filled_high is not None
    assert row.filled_low <= 0.8 <= row.filled_high
    few = execution_quality.execution_table(learned(draw[: 3 * (MIN_BLOCKS - 1)]))[0]
    assert few.shortfall_bps is None


def test_a_kind_is_recommended_until_it_is_proven_to_cost_more_than_taking_at_once() -> None:
    draw = np.random.default_rng(3).normal(0.0, 5.0, 3 * 200)
    assert execution_quality.find_costly_kinds(learned(draw)) == ()
    assert execution_quality.find_costly_kinds(learned(draw + 3.0)) == ("passive",)
    assert execution_quality.find_costly_kinds(learned(draw + 3.0, SLICE)) == ("slice",)
    assert execution_quality.find_costly_kinds(learned(draw - 3.0)) == ()
    assert not execution_quality.execution_table(learned(draw + 3.0))[0].offered
    assert execution_quality.find_costly_kinds(learned(draw[: 3 * (MIN_BLOCKS - 1)] + 300.0)) == ()  # so many blocks it may learn from


def test_of_a_kind_that_costs_the_same_few_are_ever_refused() -> None:
    """The interval is looked at after every block: over 200 histories of 200 blocks at most 5 % ever lie above 0."""
    refused = 0
    for seed in range(200):
        draw = np.random.default_rng([4, seed]).standard_t(4, 200) * 5.0
        sums, ever = execution_quality.empty_execution(), False
        for bps in draw.tolist():
            sums = execution_quality.add_finished_orders(sums, (FinishedOrder(PASSIVE, 1.0, 1.0, bps),), closes=np.ones(1))
            ever = ever or bool(execution_quality.find_costly_kinds(sums))
        refused += ever
    assert refused <= 10
