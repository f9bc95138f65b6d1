"""The benchmark of equal exposure: known answers, and no value depends on anything later."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from engine.evidence.equal_exposure import scale_benchmark

POINTS = st.lists(st.tuples(st.floats(1.0, 1e6), st.floats(0.0, 3.0)), min_size=2, max_size=40)


def test_a_half_invested_benchmark_makes_half_the_move_of_each_span() -> None:
    benchmark, gross = np.array([100.0, 110.0, 99.0, 99.0]), np.array([0.5, 1.0, 7.0, 9.0])
    assert_allclose(scale_benchmark(benchmark, gross), [100.0, 105.0, 94.5, 94.5])


@given(POINTS)
def test_fully_invested_it_is_the_benchmark_and_without_exposure_it_stays(points: list[tuple[float, float]]) -> None:
    benchmark = np.array([value for value, _ in points])
    assert_allclose(scale_benchmark(benchmark, np.ones(len(points))), benchmark, rtol=1e-9)
    assert_allclose(scale_benchmark(benchmark, np.zeros(len(points))), benchmark[0])


@given(POINTS, st.data())
def test_nothing_later_changes_what_was_before(points: list[tuple[float, float]], data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(points)))
    benchmark, gross = (np.array(column) for column in zip(*points, strict=True))
    whole = scale_benchmark(benchmark, gross)
    later = gross.copy()
    later[place - 1 :] = 5.0  # the exposure at a point is that of the span after it
    assert_allclose(scale_benchmark(benchmark, later)[:place], whole[:place])
    assert_allclose(scale_benchmark(benchmark[:place], gross[:place]), whole[:place])
