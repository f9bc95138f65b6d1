"""The interval of a quantile holds what it promises."""

from __future__ import annotations

import numpy as np
import pytest

from engine.evidence.quantiles import enclosing


def test_the_interval_of_a_quantile_holds_it_19_times_of_20() -> None:
    draw = np.random.default_rng(11).exponential(size=(2_000, 500))
    draw.sort(axis=1)
    at = enclosing(0.99, 500)
    assert at is not None
    held = (draw[:, at[0]] <= -np.log(0.01)) & (draw[:, at[1]] >= -np.log(0.01))
    assert held.mean() == pytest.approx(0.95, abs=0.025)


def test_a_quantile_that_too_few_values_enclose_has_no_interval() -> None:
    assert enclosing(0.99, 200) is None
    assert enclosing(0.5, 3) is None
