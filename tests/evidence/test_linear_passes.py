"""Passes over the training rows in blocks, on views and from memory equal the same work in one go."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.model import TrainingSet
from engine.domain.record import Floats
from engine.evidence import linear

COLUMNS = 5


def make_rows(count: int, seed: int) -> Floats:
    chance = np.random.default_rng(seed)
    x = chance.standard_normal((count, COLUMNS)) * 3.0
    x[chance.random(x.shape) < 0.1] = np.nan
    x[chance.random(x.shape) < 0.02] = np.inf
    x[:, 3] = np.abs(np.nan_to_num(x[:, 3], posinf=2.0))  # a full column
    x[:, 4] = np.nan  # a blank column
    return x


@settings(max_examples=20, deadline=None)
@given(count=st.integers(1, 2_600), seed=st.integers(0, 99))
def test_bounds_and_standardised_columns_are_those_of_numpy_in_one_go(count: int, seed: int) -> None:
    x = make_rows(count, seed)
    finite = np.where(np.isinf(x), np.nan, x)
    blank = np.isnan(finite).all(axis=0)
    low, high = np.nanquantile(np.where(blank, 0.0, finite), (0.005, 0.995), axis=0)
    np.testing.assert_array_equal(linear.training_bounds(x), (np.where(blank, -np.inf, low), np.where(blank, np.inf, high)))
    standard = linear.fit_standardiser(x)
    z = (np.clip(x, standard.low, standard.high) - standard.mean) / standard.deviation
    np.testing.assert_array_equal(standard.transform(x), np.where(np.isnan(z), 0.0, z))
    np.testing.assert_array_equal(standard.transform_single(x), np.where(np.isnan(z), 0.0, z).astype(np.float32))


def test_what_is_remembered_of_a_sample_belongs_to_its_values() -> None:
    samples = [make_rows(400, seed) for seed in range(linear.MEASURED + 2)]
    first = [linear.fit_standardiser(sample).mean.copy() for sample in samples]
    for sample, mean in zip(samples, first, strict=True):
        np.testing.assert_array_equal(linear.fit_standardiser(sample.copy()).mean, mean)
    changed = samples[-1].copy()
    changed[0, 3] += 100.0
    assert linear.fit_standardiser(changed).mean[3] != first[-1][3]


@given(rows=st.lists(st.booleans(), max_size=30))
def test_rows_that_follow_one_another_are_a_view_and_others_a_copy(rows: list[bool]) -> None:
    values, mask = np.arange(2.0 * len(rows)).reshape(-1, 2), np.array(rows, dtype=bool)
    selected = linear.select_rows(values, mask)
    np.testing.assert_array_equal(selected, values[mask])
    places = np.flatnonzero(mask)
    assert np.shares_memory(selected, values) == (len(places) > 0 and bool((np.diff(places) == 1).all()))


@pytest.mark.parametrize("count", [300, 2 * linear.SUM_ROWS + 77])
def test_a_fit_on_columns_in_single_precision_is_that_on_the_same_values_in_double(count: int) -> None:
    chance = np.random.default_rng(8)
    z = chance.standard_normal((count, COLUMNS)).astype(np.float32)
    y = z @ chance.standard_normal((COLUMNS, 2)) + chance.standard_normal((count, 2))
    y[-3:, 1] = np.nan
    training = TrainingSet(tuple("abcde"), (1, 3), z, y, np.arange(count), count)
    np.testing.assert_allclose(linear.fit_ridge(z, training), linear.fit_ridge(z.astype(np.float64), training), rtol=1e-9, atol=1e-12)
