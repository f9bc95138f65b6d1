"""Folds: nothing that a training knows comes due inside its block or the embargo before it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.model import TrainingSet
from engine.search import folds
from engine.search.folds import Fold
from tests.search.markets import make_training


def plain(bars: int, symbols: int = 2, horizons: tuple[int, ...] = (1, 3), first: int = 0) -> TrainingSet:
    """Rows whose targets name the tick at which they are due."""
    tick = np.repeat(np.arange(first, first + bars, dtype=np.int64), symbols)
    y = (tick[:, None] + np.array(horizons)).astype(np.float64)
    until = first + bars - 1
    y[y > until] = np.nan
    return TrainingSet(("a.a",), horizons, np.zeros((len(tick), 1), dtype=np.float32), y, tick, until)


def test_folds_worked_by_hand() -> None:
    inner, outer = folds.split_walk_forward(plain(1_000))
    assert outer == Fold(until=896, start=900, stop=999)  # 100 bars; an embargo of 3 bars, 897 to 899
    assert inner == (
        Fold(813, 817, 896),  # 80 bars each, newest first
        Fold(733, 737, 816),
        Fold(653, 657, 736),
        Fold(573, 577, 656),
        Fold(493, 497, 576),
    )


@settings(max_examples=40, deadline=None)
@given(bars=st.integers(600, 3_000), horizons=st.sampled_from([(1,), (1, 3), (1, 3, 12), (2, 17)]), first=st.integers(0, 10_000))
def test_no_target_of_a_training_is_due_in_the_embargo_or_the_block(bars: int, horizons: tuple[int, ...], first: int) -> None:
    training = plain(bars, horizons=horizons, first=first)
    inner, outer = folds.split_walk_forward(training)
    for fold in (*inner, outer):
        known = folds.cut_training(training, fold.until)
        assert fold.start - 1 - fold.until >= max(horizons)
        assert known.tick.max() == fold.until == known.until
        assert np.nanmax(known.y) == fold.until  # the newest bar that a target knows
        assert np.isnan(known.y).sum() == 2 * sum(horizons)  # no more is purged than has to be
        block = folds.cut_validation(training, fold)
        assert (block.tick.min(), block.tick.max()) == (fold.start, fold.stop)
        assert np.nanmax(block.y) == fold.stop
    for fold in inner:  # and the choice among recipes knows nothing of the outer block
        assert fold.stop <= outer.until < outer.start
    for newer, older in pairwise(inner):
        assert older.stop == newer.start - 1
    assert outer.stop == training.until


@pytest.mark.parametrize(
    ("training", "words"),
    [
        (plain(0), "too few rows to search on: 0 in 0 bars"),
        (plain(399), "too few rows to search on: 798 in 399 bars"),
        (plain(600, symbols=1), "too few rows"),
        (plain(500, symbols=4, horizons=(1, 20)), "too short for a horizon of 20"),
    ],
)
def test_too_few_rows_are_refused_in_one_line(training: TrainingSet, words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        folds.split_walk_forward(training)
    assert "\n" not in str(error.value)


def test_thinning_keeps_whole_ticks_and_the_newest() -> None:
    thinned = folds.thin_rows(make_training(1, bars=100, symbols=3), 4)
    assert np.unique(thinned.tick).tolist() == list(range(3, 100, 4))
    assert len(thinned.tick) == 25 * 3
    assert folds.find_stride(100, 30) == 4
    assert folds.find_stride(100, 100) == folds.find_stride(0, 10) == 1
