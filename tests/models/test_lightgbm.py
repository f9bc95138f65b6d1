"""The boosters of all horizons asked in one call say what each says by itself."""

from __future__ import annotations

import json

import numpy as np
import pytest

from engine.domain.model import Training
from engine.domain.record import Floats
from engine.models import lightgbm

ROWS, COLUMNS = 1_500, 12


def training(y: Floats) -> Training:
    chance = np.random.default_rng(3)
    x = chance.standard_normal((ROWS, COLUMNS)).astype(np.float32)
    x[chance.random(x.shape) < 0.05] = np.nan
    return Training(tuple(f"c{place}" for place in range(COLUMNS)), (1, 3, 12), x, y, np.arange(ROWS), ROWS)


def targets() -> Floats:
    chance = np.random.default_rng(4)
    return np.stack([np.cumsum(chance.standard_normal(ROWS)) % (2.0 + place) for place in range(3)], axis=1)


@pytest.mark.parametrize("count", [1, 10, 300])
def test_one_call_gives_the_same_bits_as_a_call_a_horizon(count: int) -> None:
    fitted = lightgbm.load(lightgbm.fit(training(targets()), 1))
    assert fitted.together is not None
    chance = np.random.default_rng(5)
    x = chance.standard_normal((count, COLUMNS)) * 3.0
    x[chance.random(x.shape) < 0.2] = np.nan
    said = lightgbm.predict(fitted, x)
    apart = lightgbm.predict(lightgbm.Fitted(fitted.boosters), x)
    assert said.shape == (3, count)
    assert said.flags.c_contiguous
    assert (np.ptp(apart, axis=1) > 0).all() or count == 1  # there is something to differ in
    np.testing.assert_array_equal(said, apart)


def test_horizons_with_no_booster_or_unequally_many_trees_are_asked_one_by_one() -> None:
    y = targets()
    y[100:, 2] = np.nan
    few = lightgbm.load(lightgbm.fit(training(y), 1))
    assert (few.together, few.boosters[2]) == (None, None)
    assert lightgbm.predict(few, np.zeros((2, COLUMNS)))[2].tolist() == [0.0, 0.0]
    texts = json.loads(lightgbm.fit(training(targets()), 1))
    booster = lightgbm.load(json.dumps(texts).encode()).boosters[1]
    assert booster is not None
    texts[1] = booster.model_to_string(num_iteration=7)
    unequal = lightgbm.load(json.dumps(texts).encode())
    assert unequal.together is None
    assert np.isfinite(lightgbm.predict(unequal, np.zeros((2, COLUMNS)))).all()
