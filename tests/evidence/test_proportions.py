"""Intervals of a proportion, against scipy's, and of a quantile."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from engine.evidence.proportions import MIN_COUNT, quantile_ranks, wilson_interval


@pytest.mark.parametrize(("count", "n"), [(0, 30), (30, 30), (7, 50), (500, 1_000), (999, 1_000)])
def test_the_interval_equals_wilsons(count: int, n: int) -> None:
    wanted = stats.binomtest(count, n).proportion_ci(confidence_level=0.95, method="wilson")
    assert wilson_interval(count / n, n) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


@pytest.mark.parametrize(("share", "n"), [(0.5, MIN_COUNT - 0.001), (0.5, 0.0), (0.5, float("nan")), (1.2, 100.0), (float("nan"), 100.0)])
def test_too_little_data_has_no_interval(share: float, n: float) -> None:
    assert wilson_interval(share, n) is None


def test_the_interval_of_a_quantile_holds_it_19_times_of_20() -> None:
    draw = np.random.default_rng(11).exponential(size=(2_000, 500))
    draw.sort(axis=1)
    at = quantile_ranks(0.99, 500)
    assert at is not None
    held = (draw[:, at[0]] <= -np.log(0.01)) & (draw[:, at[1]] >= -np.log(0.01))
    assert held.mean() == pytest.approx(0.95, abs=0.025)


def test_a_quantile_that_too_few_values_enclose_has_no_interval() -> None:
    assert quantile_ranks(0.99, 200) is None
    assert quantile_ranks(0.5, 3) is None


@pytest.mark.parametrize(
    ("share", "n", "places"),
    [
        (0.5, 10, (1, 8)),  # 5 -+ 1.96 x root(2.5): 1.90 and 8.10, up to 2 and 9, counted from 1
        (0.5, 100, (40, 59)),
        (0.5, 6, (0, 5)),  # 3 -+ 2.40: 0.60 and 5.40
        (0.5, 4, (0, 3)),  # 2 -+ 1.96: 0.04 and 3.96
        (0.5, 3, None),  # 1.5 -+ 1.70 lies below the first
        (0.99, 400, (392, 399)),  # 396 -+ 3.90
        (0.99, 300, None),  # 297 -+ 3.38 lies above the last
        (0.99, 1_000, (983, 996)),
    ],
)
def test_the_places_worked_by_hand(share: float, n: int, places: tuple[int, int] | None) -> None:
    assert quantile_ranks(share, n) == places
