"""Expected shortfall by hand, against the normal's, and with weights."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from engine.evidence.expected_shortfall import LEVEL, NORMAL_SHORTFALL, expected_shortfall


def test_expected_shortfall_is_the_mean_of_the_worst_cases() -> None:
    losses = np.random.default_rng(1).permutation(np.arange(1.0, 201.0))
    assert expected_shortfall(losses, np.full(200, 1 / 200)) == pytest.approx(198.0)  # of 196 .. 200


def test_the_case_on_the_border_counts_in_part() -> None:
    losses = np.arange(100.0)
    assert expected_shortfall(losses, np.full(100, 0.01)) == pytest.approx((99 + 98 + 0.5 * 97) / 2.5)


def test_one_heavy_case_is_the_whole_tail() -> None:
    assert expected_shortfall(np.array([3.0, 1.0, 2.0]), np.array([0.1, 0.5, 0.4])) == pytest.approx(3.0)


def test_weights_decide_which_cases_make_up_the_tail() -> None:
    losses, weights = np.array([5.0, 4.0, 0.0]), np.array([0.01, 0.01, 0.98])
    assert expected_shortfall(losses, weights) == pytest.approx((0.01 * 5 + 0.01 * 4) / 0.025)


def test_the_constant_is_the_shortfall_of_a_normal() -> None:
    assert stats.norm.pdf(stats.norm.ppf(LEVEL)) / (1 - LEVEL) == pytest.approx(NORMAL_SHORTFALL, abs=1e-4)
    sample = np.random.default_rng(2).normal(size=400_000)
    assert expected_shortfall(sample, np.full(400_000, 1 / 400_000)) == pytest.approx(NORMAL_SHORTFALL, rel=0.01)
