"""Similar decisions: neighbours by rank, no look-ahead, no overlap, and an interval that respects dependence."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from engine.evidence.neighbours import MIN_BLOCKS, mean_by_blocks, pick_nearest, rank_distances, rank_of, student_quantile
from engine.store.errors import NotStored
from engine.store.read.reader import Reader
from engine.store.read.similar import read_comparable_decisions
from engine.story.similar import find_similar_decisions
from tests.story.decided import LAST, SERVED

SYMBOL = "ALFA"


@given(st.integers(0, 2**32), st.floats(0.1, 10.0), st.floats(-5.0, 5.0))
def test_no_unit_and_no_monotone_scale_changes_who_is_near(seed: int, factor: float, offset: float) -> None:
    random = np.random.default_rng(seed)
    points, target = random.standard_normal((40, 3)), random.standard_normal(3)
    plain = rank_distances(points, target)
    scaled = np.column_stack((np.exp(points[:, 0]), points[:, 1] * factor + offset, points[:, 2] ** 3))
    other = np.array([math.exp(target[0]), target[1] * factor + offset, target[2] ** 3])
    np.testing.assert_allclose(rank_distances(scaled, other), plain, atol=1e-12)
    assert ((plain >= 0) & (plain <= 1)).all()


def test_an_equal_decision_is_at_no_distance_and_an_unknown_one_at_none_that_counts() -> None:
    points = np.array([[1.0, 5.0], [2.0, 6.0], [3.0, math.nan]])
    codes = np.array([0, 1, 0])
    distances = rank_distances(points, np.array([1.0, 5.0]), ((codes, 0),))
    assert distances[0] == 0.0
    assert 0.0 < distances[1] < 1.0
    assert math.isinf(distances[2])
    np.testing.assert_allclose(rank_of(np.array([2.0, math.nan]), np.array([1.0, 2.0, 3.0])), [0.5, math.nan])


def test_neighbours_of_a_symbol_do_not_overlap() -> None:
    ticks = np.arange(30)
    picked = pick_nearest(np.linspace(0.0, 1.0, 30), np.zeros(30, dtype=int), ticks, 12, 10)
    assert ticks[picked].tolist() == [0, 12, 24]
    both = pick_nearest(np.linspace(0.0, 1.0, 30), ticks % 2, ticks, 12, 4)
    assert ticks[both].tolist() == [0, 1, 12, 13]


def test_a_mean_of_independent_blocks_has_students_interval() -> None:
    values = np.random.default_rng(3).standard_normal(40)
    mean, low, high, blocks = mean_by_blocks(values, np.arange(40) * 24, 12)  # no block has a neighbour
    assert mean == pytest.approx(values.mean())
    assert blocks == 40
    expected = stats.t.interval(0.95, 39, values.mean(), values.std(ddof=1) / math.sqrt(40))
    assert low == pytest.approx(expected[0], abs=1e-4)
    assert high == pytest.approx(expected[1], abs=1e-4)


def test_copies_within_a_block_make_no_interval_narrower() -> None:
    values, ticks = np.random.default_rng(3).standard_normal(40), np.arange(40) * 24
    single, copied = mean_by_blocks(values, ticks, 12), mean_by_blocks(np.repeat(values, 5), np.repeat(ticks, 5), 12)
    assert copied == pytest.approx(single)
    assert mean_by_blocks(values[: MIN_BLOCKS - 1], ticks[: MIN_BLOCKS - 1], 12)[1:] == (None, None, MIN_BLOCKS - 1)
    assert mean_by_blocks(values[:0], ticks[:0], 12) == (None, None, None, 0)


def test_the_interval_covers_the_mean_of_dependent_outcomes() -> None:
    """Symbols that move together, and neighbouring blocks that share a shock: 95 % must hold to within what 600 runs can tell."""
    random, covered = np.random.default_rng(11), 0
    for _ in range(600):
        shocks = random.standard_normal(61)
        common = shocks[1:] + 0.5 * shocks[:-1]
        ticks = np.repeat(np.arange(60) * 12, 4)
        values = np.repeat(common, 4) + random.standard_normal(240)
        _, low, high, _ = mean_by_blocks(values, ticks, 12)
        assert low is not None
        assert high is not None
        covered += low <= 0.0 <= high
    assert covered / 600 > 0.92


@pytest.mark.parametrize("freedom", [10, 14, 30, 100])
def test_the_quantile_is_students(freedom: int) -> None:
    assert student_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=3e-4)


def test_only_outcomes_that_were_known_then_are_used(copied_store: str) -> None:
    reader = Reader(copied_store)
    before = find_similar_decisions(reader, LAST - 20, SYMBOL)
    assert before.n > 5
    assert max(row.tick for row in before.nearest) + before.horizon <= LAST - 20
    assert len({(row.tick, row.symbol) for row in before.nearest}) == before.n
    assert [row.distance for row in before.nearest] == sorted(row.distance for row in before.nearest)
    with closing(sqlite3.connect(copied_store.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("UPDATE decisions SET log_price = log_price + 1, edge_bps = -edge_bps, confidence = 0.5 WHERE tick > ?", (LAST - 20,))
    assert find_similar_decisions(Reader(copied_store), LAST - 20, SYMBOL).digest() == before.digest()


def test_an_outcome_is_the_move_in_the_direction_of_the_forecast(copied_store: str) -> None:
    row = find_similar_decisions(Reader(copied_store), LAST, SYMBOL).nearest[0]
    with closing(sqlite3.connect(copied_store.removeprefix("sqlite:///"))) as connection:
        edge, then, horizon = connection.execute(
            "SELECT edge_bps, log_price, (SELECT horizon FROM decisions WHERE tick = ? AND symbol = ?) FROM decisions WHERE tick = ? AND symbol = ?",
            (LAST, SYMBOL, row.tick, row.symbol),
        ).fetchone()
        (later,) = connection.execute("SELECT log_price FROM decisions WHERE tick = ? AND symbol = ?", (row.tick + horizon, row.symbol)).fetchone()
    assert row.outcome_bps == pytest.approx((later - then) * 1e4 * (1 if edge > 0 else -1))


def test_the_search_is_bounded_and_nothing_to_compare_is_nothing_compared(decided_store: str) -> None:
    reader = Reader(decided_store)
    empty = find_similar_decisions(reader, SERVED - 30, SYMBOL)
    assert (empty.n, empty.mean_bps, empty.low_bps, empty.nearest) == (0, None, None, ())
    with pytest.raises(NotStored, match="no decision of NOBODY"):
        find_similar_decisions(reader, LAST, "NOBODY")
    whole, newest = read_comparable_decisions(reader, LAST, SYMBOL), read_comparable_decisions(reader, LAST, SYMBOL, most=90)
    assert len(newest.past) <= 90 < len(whole.past)
    assert [row["tick"] for row in newest.past] == [row["tick"] for row in whole.past][-len(newest.past) :]
