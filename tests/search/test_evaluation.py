"""Evaluation: sums and gains worked by hand, slopes from other folds, and fits that are counted once."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.domain.model import TrainingSet
from engine.domain.recipe import Recipe
from engine.domain.record import Floats
from engine.search import evaluation, folds
from engine.search.evaluation import BlockSums, Evaluator
from engine.search.folds import Fold
from tests.search.markets import linear, make_training


def sums_of(forecasts: list[float], targets: list[float]) -> BlockSums:
    """Four bars of one symbol and one horizon in two blocks."""
    tick = np.arange(10, 14, dtype=np.int64)
    block = TrainingSet(("a.a",), (1,), np.zeros((4, 1), dtype=np.float32), np.array(targets)[:, None], tick, 13)
    return evaluation.sum_blocks(np.array(forecasts)[:, None], block, Fold(8, 10, 13), 2)


def test_sums_of_blocks_leave_out_unknown_targets() -> None:
    sums = sums_of([1.0, 2.0, 3.0, 4.0], [1.0, -1.0, 2.0, np.nan])
    assert sums.squared.tolist() == [[5.0], [9.0]]
    assert sums.product.tolist() == [[-1.0], [6.0]]
    assert sums.power.tolist() == [[2.0], [4.0]]
    assert sums.rows.tolist() == [[2.0], [1.0]]


def test_a_slope_is_that_of_the_other_blocks_and_the_skill_follows_from_it() -> None:
    perfect = sums_of([1.0, 1.0, -1.0, -1.0], [1.0, 1.0, -1.0, -1.0])
    wrong = sums_of([1.0, 1.0, -1.0, -1.0], [-1.0, -1.0, 1.0, 1.0])
    half = sums_of([1.0, 1.0, -1.0, -1.0], [1.0, 1.0, 1.0, 1.0])  # right in the first block only
    newest, older = evaluation.fold_weights(2)
    assert newest > older
    assert newest + older == pytest.approx(1.0)

    def slope(rows: float) -> float:
        """Of a perfect forecast from so many rows."""
        return 1.0 / (1.0 + evaluation.PRIOR_ROWS / rows)

    assert evaluation.fit_slopes((perfect,)).tolist() == pytest.approx([slope(4.0)])
    assert evaluation.fit_slopes((wrong,)).tolist() == [0.0]  # never turned round
    assert evaluation.inner_skill((perfect,)).tolist() == [pytest.approx([slope(2.0) * (2.0 - slope(2.0)) / 2.0] * 2)]
    first, second = evaluation.inner_skill((half,))[0].tolist()  # each block is scaled as the other one deserves
    assert first == 0.0
    assert second == pytest.approx(slope(2.0) * (-2.0 - slope(2.0)) / 2.0)
    both = evaluation.inner_skill((perfect, wrong))
    rows = 2.0 + 4.0 * older / newest
    left = slope(rows) * (2.0 - 4.0 * older / newest) / rows  # of a block of the newest fold: what speaks for it less what speaks against it
    assert both[0].tolist() == pytest.approx([newest * max(left, 0.0) * (2.0 - max(left, 0.0)) / 2.0] * 2)


@settings(max_examples=50, deadline=None)
@given(scale=st.floats(0.01, 100.0), seed=st.integers(0, 1_000))
def test_how_bold_a_forecast_is_does_not_matter(scale: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    folds_of = [[random.normal(size=(2, 4)) for _ in range(3)] for _ in range(2)]
    plain, bold = (tuple(sums_of((factor * f).tolist(), (f + y).tolist()) for f, y in folds_of[0]) for factor in (1.0, scale))
    other = tuple(sums_of(f.tolist(), y.tolist()) for f, y in folds_of[1])
    assert evaluation.inner_skill(bold) == pytest.approx(evaluation.inner_skill(plain))
    assert evaluation.compare_inner(bold, other).value == pytest.approx(evaluation.compare_inner(plain, other).value)
    assert evaluation.compare_outer(bold[0], other[0], (bold, other)).error == pytest.approx(
        evaluation.compare_outer(plain[0], other[0], (plain, other)).error
    )
    if evaluation.inner_skill(plain).sum() > 0.0:
        assert evaluation.compare_inner(plain, plain) == evaluation.Gain(0.0, 0.0)


def test_a_forecast_of_nothing_is_no_better_than_a_champion_below_nothing() -> None:
    half = sums_of([1.0, 1.0, -1.0, -1.0], [1.0, 1.0, 1.0, 1.0])  # its skill is negative, see above
    silent = sums_of([0.0] * 4, [1.0] * 4)
    perfect = sums_of([1.0] * 4, [1.0] * 4)
    assert evaluation.inner_skill((half,)).sum() < 0.0
    assert evaluation.compare_inner((silent,), (half,)) == evaluation.Gain(0.0, 0.0)
    assert evaluation.compare_inner((perfect,), (half,)).value == pytest.approx(evaluation.inner_skill((perfect,)).sum())
    assert evaluation.compare_outer(silent, half, ((silent,), (perfect,))) == evaluation.Gain(0.0, 0.0)


def test_the_error_of_a_gain_is_that_of_a_sum_of_blocks() -> None:
    """Against the sampling spread of the outer gain over many draws of an outer block of independent rows."""
    random = np.random.default_rng(3)
    gains, errors = [], []
    ones = np.ones((6, 1))
    inner = (BlockSums(100.0 * ones, 10.0 * ones, 1_000.0 * ones, 1_000.0 * ones, (1,)),)
    silent = (BlockSums(0.0 * ones, 0.0 * ones, 1_000.0 * ones, 1_000.0 * ones, (1,)),)
    tick = np.arange(1_200, dtype=np.int64)
    for _ in range(400):
        f = random.normal(size=(1_200, 1)) * 0.3
        y = 0.1 * f + random.normal(size=(1_200, 1))
        block = TrainingSet(("a.a",), (1,), f.astype(np.float32), y, tick, 1_199)
        sums = [evaluation.sum_blocks(forecast, block, Fold(0, 0, 1_199), evaluation.OUTER_BLOCKS) for forecast in (f, 0.0 * f)]
        gain = evaluation.compare_outer(sums[0], sums[1], (inner, silent))
        gains.append(gain.value)
        errors.append(gain.error)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(gains), rel=0.12)


def fixed(name: str, _: TrainingSet) -> Recipe:
    return Recipe(name)


def no_forecast(_: Recipe, __: TrainingSet, x: NDArray[np.float32]) -> Floats:
    return np.zeros((3, len(x)))


def test_the_same_fit_is_done_once_and_a_failed_fit_is_no_candidate() -> None:
    seen: list[tuple[int, int, int]] = []

    def forecast(recipe: Recipe, training: TrainingSet, x: NDArray[np.float32]) -> Floats | None:
        seen.append((recipe.window_bars, training.until, len(x)))
        return None if recipe.model == "broken" else np.full((3, len(x)), np.nan if recipe.model == "blank" else 1.0)

    evaluator = Evaluator(make_training(1, bars=500), forecast, 300, 10)
    first = evaluator.inner_sums(lambda _: Recipe("ridge"))
    assert evaluator.inner_sums(lambda _: Recipe("ridge", parent="another")) == first
    assert evaluator.fits == len(seen) == folds.INNER_FOLDS
    assert {window for window, _, _ in seen} == {300}
    assert [until for _, until, _ in seen] == [fold.until for fold in evaluator.inner]
    for name in ("broken", "blank"):
        assert evaluator.inner_sums(partial(fixed, name)) is None
    assert evaluator.fits == folds.INNER_FOLDS + 2


def test_the_rows_of_a_fit_are_bounded_by_a_stride_that_is_the_same_for_every_recipe() -> None:
    training = make_training(2, bars=2_000, symbols=10, columns=1)
    evaluator = Evaluator(training, no_forecast, 10_000, evaluation.ROW_BUDGET // 5_000)
    rows = evaluator.training_of(evaluator.inner[0])
    assert len(rows.tick) <= 5_000
    assert np.unique(np.diff(np.unique(rows.tick))).tolist() == [4]
    assert evaluator.training_of(evaluator.inner[0]) is rows
    assert len(evaluator.training_of(evaluator.outer).tick) > 15_000


def test_rows_of_the_outer_block_change_no_inner_gain() -> None:
    training = make_training(4, linear(0.3), bars=600)
    _, outer = folds.split_walk_forward(training)
    late = training.tick >= outer.start
    scrambled = replace(training, x=np.where(late[:, None], 99.0, training.x).astype(np.float32), y=np.where(late[:, None], -99.0, training.y))

    def forecast(_: Recipe, rows: TrainingSet, x: NDArray[np.float32]) -> Floats:
        known = np.isfinite(rows.y).all(axis=1)
        slopes = np.linalg.lstsq(rows.x[known].astype(np.float64), rows.y[known], rcond=None)[0]
        return (x @ slopes).T

    skills = []
    for rows in (training, scrambled):
        sums = Evaluator(rows, forecast, 10_000, 10).inner_sums(lambda _: Recipe("ridge"))
        assert sums is not None
        skills.append(evaluation.inner_skill(sums))
    assert skills[0].tolist() == skills[1].tolist()
    assert skills[0].sum() > 0.01


def test_horizons_count_by_the_number_of_targets_that_do_not_overlap() -> None:
    """So what one bar shows is not lost in the noise of twelve, of which the fewest are known."""
    weights = evaluation.horizon_weights((1, 3, 12))
    assert weights.tolist() == pytest.approx([12 / 17, 4 / 17, 1 / 17])
    one, many = np.array([[1.0, 0.0, 0.0]]), np.array([[1.0, 1.0, 1.0]])
    sums = BlockSums(one, one, many, many, (1, 3, 12))  # right at one bar, silent at the others
    assert evaluation.block_skill(sums, np.ones(3)).tolist() == pytest.approx([12 / 17])
