"""Ranks, nearest neighbours and the interval of their mean, worked by hand and against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from engine.evidence import neighbours


def test_a_rank_is_the_share_below_with_equal_ones_counted_half() -> None:
    among = np.array([1.0, 2.0, 2.0, np.nan, 5.0])
    assert neighbours.rank_of(np.array([0.0, 1.0, 2.0, 3.0, 9.0]), among).tolist() == [0.0, 0.125, 0.5, 0.75, 1.0]
    assert neighbours.rank_of(np.array([4.0, 5.0]), np.array([5.0, np.nan])).tolist() == [0.0, 0.5]
    assert np.isnan(neighbours.rank_of(np.array([np.nan]), among)).all()
    assert np.isnan(neighbours.rank_of(np.array([1.0]), np.array([np.nan]))).all()


def test_a_distance_is_the_root_of_the_mean_square_over_columns_and_categories() -> None:
    candidates = np.array([[1.0, 10.0], [2.0, 30.0], [3.0, np.nan], [4.0, 40.0]])
    distances = neighbours.rank_distances(candidates, np.array([2.0, 30.0]), [(np.array([7, 7, 7, 8]), 7)])
    assert distances.tolist() == pytest.approx(
        [math.sqrt((0.25**2 + (1.0 / 3.0) ** 2) / 3.0), 0.0, math.inf, math.sqrt((0.5**2 + (1.0 / 3.0) ** 2 + 0.25) / 3.0)]
    )
    assert neighbours.rank_distances(candidates[:, :0], np.zeros(0)).tolist() == [0.0] * 4


def test_neighbours_of_one_symbol_are_apart_and_of_equal_ones_the_newest_is_first() -> None:
    distances, symbols, ticks = np.array([0.1, 0.2, 0.1, 0.0, np.inf]), np.array([0, 0, 0, 1, 1]), np.array([10, 13, 12, 10, 90])
    assert neighbours.pick_nearest(distances, symbols, ticks, 3, 9).tolist() == [3, 2]
    assert neighbours.pick_nearest(distances, symbols, ticks, 2, 9).tolist() == [3, 2, 0]
    assert neighbours.pick_nearest(distances, symbols, ticks, 1, 2).tolist() == [3, 2]


def test_the_interval_counts_blocks_with_the_covariance_of_neighbours_where_it_is_above_0() -> None:
    """Two rows a block of 10 ticks; sums of deviations of 2, 2, -2, -2 and so on have no covariance, in pairs of -2 and 2 a negative one."""
    ticks = np.arange(16).repeat(2) * 10
    t = stats.t.ppf(0.975, 15)
    for signs, covariance in (([1.0, 1.0, -1.0, -1.0] * 4, 4.0), ([1.0, -1.0] * 8, 0.0), ([1.0] * 8 + [-1.0] * 8, 4.0 * 13.0)):
        values = 3.0 + np.repeat(signs, 2)
        mean, low, high, blocks = neighbours.mean_by_blocks(values, ticks, 10)
        half = t * math.sqrt((16 * 4.0 + 2.0 * covariance) * 16.0 / 15.0) / 32.0
        assert (mean, blocks) == (3.0, 16)
        assert [low, high] == pytest.approx([3.0 - half, 3.0 + half], rel=1e-3)


def test_blocks_that_do_not_follow_one_another_have_no_covariance() -> None:
    values, ticks = 3.0 + np.array([1.0, 1.0, -1.0, -1.0] * 4), np.arange(16) * 20
    _, low, _, _ = neighbours.mean_by_blocks(values, ticks, 10)
    assert low == pytest.approx(3.0 - stats.t.ppf(0.975, 15) * math.sqrt(16.0 * 16.0 / 15.0) / 16.0, rel=1e-3)


def test_few_blocks_have_a_mean_and_no_interval() -> None:
    assert neighbours.mean_by_blocks(np.zeros(0), np.zeros(0, dtype=np.int64), 12) == (None, None, None, 0)
    assert neighbours.mean_by_blocks(np.ones(14), np.arange(14) * 12, 12) == (1.0, None, None, 14)
    assert neighbours.mean_by_blocks(np.ones(15), np.arange(15) * 12, 12) == (1.0, 1.0, 1.0, 15)


@pytest.mark.parametrize("freedom", [10, 14, 30, 200])
def test_quantiles_are_students(freedom: int) -> None:
    assert neighbours.student_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=2e-4)
    if freedom >= 14:
        for tries in (3, 20, 100):
            assert neighbours.student_quantile(freedom, tries) == pytest.approx(stats.t.ppf(1.0 - 0.025 / tries, freedom), rel=1e-3)
