"""The regime filter: probabilities that sum to one, made of the past only."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from engine.domain.decision import REGIMES
from engine.domain.record import Floats
from engine.evidence import regimes
from tests.makers import lesson


def filtered(surge: Floats, trend: Floats) -> Floats:
    """(T, R) for one symbol."""
    held, told = regimes.uniform(1), []
    for one, other in zip(surge, trend, strict=True):
        held = regimes.filter_forward(held, np.array([one]), np.array([other]))
        told.append(held[0])
    return np.stack(told)


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(0, 1e6)), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_probabilities_sum_to_one_whatever_is_seen(seen: list[tuple[float, float]]) -> None:
    told = filtered(np.array([one for one, _ in seen]), np.array([other for _, other in seen]))
    assert (told >= 0).all()
    np.testing.assert_allclose(told.sum(axis=1), 1.0, atol=1e-12)


def test_the_filter_is_bayes_rule_on_a_chain_that_stays() -> None:
    draw = np.random.default_rng(8)
    chain = np.full((4, 4), 0.01)
    np.fill_diagonal(chain, 0.97)
    held = np.full(4, 0.25)
    surge, trend = draw.normal(0, 0.3, 40), np.abs(draw.normal(0, 1, 40))
    told = filtered(surge, trend)
    for step in range(40):
        likely = [stats.norm.pdf(surge[step], *regimes.SURGE[k]) * stats.norm.pdf(trend[step], *regimes.TREND[k]) for k in range(4)]
        held = (held @ chain) * np.array(likely)
        held = held / held.sum()
        np.testing.assert_allclose(told[step], held, rtol=1e-9)


def test_what_comes_later_changes_nothing_before() -> None:
    draw = np.random.default_rng(3)
    surge, trend = draw.normal(0, 0.3, 60), np.abs(draw.normal(0, 1, 60))
    other = surge.copy()
    other[40:] += 1.0
    first, second = filtered(surge, trend), filtered(other, trend)
    assert (first[:40] == second[:40]).all()
    assert (first[40:] != second[40:]).any()


def test_each_regime_is_recognised_by_its_own_measures() -> None:
    for index, name in enumerate(REGIMES):
        surge, trend = regimes.SURGE[index][0], regimes.TREND[index][0]
        told = filtered(np.full(80, surge), np.full(80, trend))
        assert REGIMES[int(told[-1].argmax())] == name


def test_every_moment_of_a_run_has_probabilities() -> None:
    for outcome in lesson().outcomes.values():
        np.testing.assert_allclose(outcome.mood.probabilities.sum(axis=1), 1.0)
        assert (outcome.mood.regime == outcome.mood.probabilities.argmax(axis=1)).all()
