"""The interval of a share, against scipy's."""

from __future__ import annotations

import pytest
from scipy import stats

from engine.evidence.proportions import MIN_COUNT, wilson_interval


@pytest.mark.parametrize(("count", "n"), [(0, 30), (30, 30), (7, 50), (500, 1_000), (999, 1_000)])
def test_it_is_wilsons(count: int, n: int) -> None:
    wanted = stats.binomtest(count, n).proportion_ci(confidence_level=0.95, method="wilson")
    assert wilson_interval(count / n, n) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


@pytest.mark.parametrize(("share", "n"), [(0.5, MIN_COUNT - 0.001), (0.5, 0.0), (0.5, float("nan")), (1.2, 100.0), (float("nan"), 100.0)])
def test_there_is_none_without_enough_data(share: float, n: float) -> None:
    assert wilson_interval(share, n) is None
