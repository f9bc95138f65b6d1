"""Shared linear algebra: the hold-out that chooses the penalty is purged, and fits equal those of a textbook."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from engine.domain.model import TrainingSet
from engine.domain.record import Floats
from engine.evidence import linear

ROWS, WIDTH, HORIZONS = 400, 4, (1, 3, 12)
SPLIT = 299  # the 75 % quantile of ticks 0 to 399, rounded down: rows later than that choose the penalty
LONGEST = 12
Z = np.random.default_rng(2).standard_normal((ROWS, WIDTH))


def training(y: Floats, *, horizons: tuple[int, ...] = HORIZONS) -> TrainingSet:
    """One row a tick, of targets (N, H)."""
    return TrainingSet(tuple(f"c{index}" for index in range(WIDTH)), horizons, Z.astype(np.float32), y, np.arange(ROWS), ROWS)


def clear() -> Floats:
    """(N, H) targets that the first column explains nearly all of, so that the smallest penalty is the best."""
    noise = np.random.default_rng(3).standard_normal((ROWS, len(HORIZONS)))
    return np.asarray(Z[:, :1] + 0.01 * noise)


def misled(tick: int) -> list[float]:
    """The penalties where the row of one tick says the contrary, a thousand times over."""
    y = clear()
    y[tick] = -1_000.0 * Z[tick, 0]
    return linear.choose_penalties(Z, training(y))


def test_rows_whose_targets_reach_into_the_hold_out_do_not_choose_the_penalty() -> None:
    penalties = linear.choose_penalties(Z, training(clear()))
    assert penalties == [linear.PENALTIES[0]] * 3
    purged = range(SPLIT - LONGEST + 1, SPLIT + 1)
    strongest = max(purged, key=lambda tick: abs(Z[tick, 0]))
    for tick in (purged[0], strongest, purged[-1]):
        assert misled(tick) == penalties
    y = clear()
    y[purged.start : purged.stop] = 1e6
    assert linear.choose_penalties(Z, training(y)) == penalties


def test_rows_on_either_side_of_the_purge_do() -> None:
    penalties = linear.choose_penalties(Z, training(clear()))
    for tick in (SPLIT - LONGEST, SPLIT + 1):
        assert abs(Z[tick, 0]) > 0.1
        assert misled(tick) != penalties


def test_the_purge_is_as_long_as_the_longest_horizon_of_those_that_share_rows() -> None:
    y = clear()[:, :1]
    alone = training(y, horizons=(1,))
    penalties = linear.choose_penalties(Z, alone)
    for tick, matters in ((SPLIT, False), (SPLIT - 1, True)):
        wrong = y.copy()
        wrong[tick] = -1_000.0 * Z[tick, 0]
        assert (linear.choose_penalties(Z, replace(alone, y=wrong)) != penalties) is matters


def test_the_penalties_that_are_tried() -> None:
    assert linear.PENALTIES == (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


def test_the_penalty_is_the_one_with_the_least_squared_error_on_the_hold_out() -> None:
    """Worked out the long way: fit on the early rows with each penalty, look at the late ones."""
    chance = np.random.default_rng(5)
    met = set()
    for strength in (0.0, 0.03, 0.1, 0.2, 0.5, 2.0):
        y = strength * Z[:, :1] + chance.standard_normal((ROWS, 3))
        penalties = linear.choose_penalties(Z, training(y))
        early, late = slice(0, SPLIT - LONGEST + 1), slice(SPLIT + 1, None)
        for index in range(3):
            centre = 0.1 * y[early, index].mean()
            errors = []
            for penalty in linear.PENALTIES:
                ridge = Z[early].T @ Z[early] + penalty * len(Z[early]) * np.eye(WIDTH)
                slopes = np.linalg.solve(ridge, Z[early].T @ (y[early, index] - centre))
                errors.append(float(((y[late, index] - centre - Z[late] @ slopes) ** 2).sum()))
            assert penalties[index] == linear.PENALTIES[int(np.argmin(errors))]
            met.add(penalties[index])
    assert len(met) >= 3


def test_the_fit_is_ridge_regression_on_every_row_with_a_tenth_of_the_mean() -> None:
    y = 0.5 * Z[:, [1]] + np.random.default_rng(6).standard_normal((ROWS, 3)) + 2.0
    fitted = linear.fit_ridge(Z, training(y))
    for index, penalty in enumerate(linear.choose_penalties(Z, training(y))):
        centre = 0.1 * y[:, index].mean()
        slopes = np.linalg.solve(Z.T @ Z + penalty * ROWS * np.eye(WIDTH), Z.T @ (y[:, index] - centre))
        np.testing.assert_allclose(fitted[:-1, index], slopes, rtol=1e-9)
        assert fitted[-1, index] == pytest.approx(centre, rel=1e-12)
    assert fitted[1, 0] > 0.1


def test_horizons_known_on_other_rows_are_fitted_each_on_its_own() -> None:
    y = clear()
    y[200:, 2] = np.nan  # half of the rows do not know the longest horizon
    fitted = linear.fit_ridge(Z, training(y))
    alone = linear.fit_ridge(Z, training(y[:, :1], horizons=(1,)))
    np.testing.assert_allclose(fitted[:, 0], alone[:, 0], rtol=1e-12)
    assert np.isfinite(fitted).all()
    y = clear()
    y[-12:, 2] = np.nan  # the newest rows do not: 97 % do, and those serve all
    shared = linear.fit_ridge(Z, training(y))
    known = np.isfinite(y).all(axis=1)
    centre = 0.1 * y[known, 0].mean()
    penalty = linear.choose_penalties(Z, training(y))[0]
    slopes = np.linalg.solve(Z[known].T @ Z[known] + penalty * known.sum() * np.eye(WIDTH), Z[known].T @ (y[known, 0] - centre))
    np.testing.assert_allclose(shared[:-1, 0], slopes, rtol=1e-9)


@pytest.mark.parametrize(("share", "together"), [(0.90, True), (0.8975, False)])
def test_nine_tenths_of_the_rows_are_enough_to_share_them(share: float, together: bool) -> None:
    y = clear()
    y[round(share * ROWS) :, 2] = np.nan
    same = np.array_equal(linear.fit_ridge(Z, training(y))[:, 0], linear.fit_ridge(Z, training(clear()[:, :1], horizons=(1,)))[:, 0])
    assert same is not together


@pytest.mark.parametrize(("rows", "penalty"), [(16, linear.PENALTIES[-1]), (ROWS, linear.PENALTIES[0])])
def test_with_fewer_rows_than_columns_on_either_side_the_largest_penalty_serves(rows: int, penalty: float) -> None:
    given = training(clear())
    few = replace(given, x=given.x[:rows], y=given.y[:rows], tick=given.tick[:rows])
    assert linear.choose_penalties(Z[:rows], few) == [penalty] * 3


def test_without_rows_all_coefficients_are_0() -> None:
    given = training(clear())
    none = replace(given, x=given.x[:0], y=given.y[:0], tick=given.tick[:0])
    assert (linear.fit_ridge(Z[:0], none) == 0.0).all()


def test_bounds_are_half_percent_quantiles_and_blank_columns_have_none() -> None:
    x = np.stack([np.arange(1_001.0), np.full(1_001, np.nan), np.full(1_001, 3.0)], axis=1)
    x[7, 0], x[8, 0], x[9, 0] = np.inf, -np.inf, np.nan
    low, high = linear.training_bounds(x)
    known = np.delete(np.arange(1_001.0), [7, 8, 9])
    assert (low[0], high[0]) == (np.quantile(known, 0.005), np.quantile(known, 0.995))
    assert (low[1], high[1]) == (-np.inf, np.inf)
    assert (low[2], high[2]) == (3.0, 3.0)


def test_bounds_are_taken_from_an_even_sample_of_many_rows() -> None:
    x = np.arange(40_001.0)[:, None]
    low, high = linear.training_bounds(x)
    assert (low[0], high[0]) == (np.quantile(x[::2], 0.005), np.quantile(x[::2], 0.995))


def test_columns_are_brought_to_mean_0_and_deviation_1_within_their_bounds() -> None:
    chance = np.random.default_rng(8)
    x = np.stack([5.0 + 3.0 * chance.standard_normal(2_000), np.full(2_000, 7.0), np.full(2_000, np.nan)], axis=1)
    x[::10, 0] = np.nan
    made = linear.fit_standardiser(x)
    z = made.transform(x)
    known = np.isfinite(x[:, 0])
    assert z[known, 0].mean() == pytest.approx(0.0, abs=1e-12)
    assert z[known, 0].std() == pytest.approx(1.0)
    assert (z[~known, 0] == 0.0).all()
    assert (z[:, 1:] == 0.0).all()
    assert made.deviation.tolist()[1:] == [1.0, 1.0]
    far = made.transform(np.array([[1e9, 7.0, 4.0], [-1e9, 9.0, -4.0]]))
    assert far[0, 0] == (made.high[0] - made.mean[0]) / made.deviation[0] < 4.0
    assert far[1, 0] == (made.low[0] - made.mean[0]) / made.deviation[0] > -4.0
    assert (far[:, 1:] == 0.0).all()
    tiny = linear.fit_standardiser(np.array([[0.0], [1e-9], [2e-9]]))
    assert tiny.deviation[0] == 1.0


def test_the_standard_of_some_columns_and_its_parts_are_the_same_numbers() -> None:
    made = linear.fit_standardiser(Z)
    some = made.select_columns(np.array([2, 0]))
    np.testing.assert_array_equal(some.transform(Z[:, [2, 0]]), made.transform(Z)[:, [2, 0]])
    back = linear.standardiser_from_arrays(linear.arrays_from_bytes(linear.arrays_to_bytes(**made.to_arrays()), *linear.STANDARDISER_ARRAYS))
    np.testing.assert_array_equal(back.transform(Z), made.transform(Z))


def test_invalid_or_incomplete_bytes_are_refused_in_one_line() -> None:
    data = linear.arrays_to_bytes(slopes=np.ones(3))
    assert linear.arrays_to_bytes(slopes=np.ones(3)) == data
    np.testing.assert_array_equal(linear.arrays_from_bytes(data, "slopes")["slopes"], np.ones(3))
    with pytest.raises(ValueError, match=rf"^these {len(data)} bytes lack low, mean$"):
        linear.arrays_from_bytes(data, "low", "slopes", "mean")
    with pytest.raises(ValueError, match=r"^these 4 bytes are no arrays: "):
        linear.arrays_from_bytes(b"junk")


def test_bytes_that_would_fill_the_memory_are_refused() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("slopes.npy", linear.arrays_to_bytes(slopes=np.ones(3)))
    data = packed.getvalue()
    place = data.rindex(b"PK\x01\x02") + 24  # the size that the directory claims
    with pytest.raises(ValueError, match="would not fit into memory"):
        linear.arrays_from_bytes(data[:place] + (2**31).to_bytes(4, "little") + data[place + 4 :], "slopes")
