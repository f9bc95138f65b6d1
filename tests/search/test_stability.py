"""Stability selection: columns that matter are selected in most halves, others in few."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.search import stability
from tests.search.markets import linear, make_training


def test_columns_that_matter_are_frequent_and_others_rare() -> None:
    frequency = stability.selection_frequency(make_training(5, linear(0.2), bars=1_500, columns=40), 1)
    assert frequency[:6].min() > 0.9
    assert np.median(frequency[6:]) < 0.4
    assert stability.selection_frequency(make_training(5, linear(0.2), bars=1_500, columns=40), 1).tolist() == frequency.tolist()


def test_blank_and_constant_columns_are_never_selected() -> None:
    training = make_training(6, linear(0.2), bars=400)
    x = training.x.copy()
    x[:, 0], x[:, 1], x[::3, 2] = np.nan, 7.0, np.nan
    frequency = stability.selection_frequency(replace(training, x=x), 1)
    assert frequency[:2].tolist() == [0.0, 0.0]
    assert np.isfinite(frequency).all()
    assert stability.selection_frequency(replace(training, y=np.full_like(training.y, np.nan)), 1).tolist() == [0.0] * 20


def test_pursuit_worked_by_hand() -> None:
    """The second column repeats the first, so the third, which explains less alone, is the second choice."""
    gram = np.array([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    moment = np.array([[3.0], [3.0], [1.0], [0.0]])
    assert stability.pursue_columns(gram, moment, 2) == [0, 2]
    assert 3 not in stability.pursue_columns(gram, moment, 4)
