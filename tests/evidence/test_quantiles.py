"""The interval of a quantile holds what it promises."""

from __future__ import annotations

import numpy as np
import pytest

from engine.evidence.quantiles import quantile_ranks


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
