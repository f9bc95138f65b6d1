"""What hearing only the models preferred has been worth: nothing until it is proved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.domain.record import Floats
from engine.domain.state import SelectionGain
from engine.evidence import selection_gain, skill
from engine.evidence.scoring import ScoredForecasts
from tests.makers import decided, moment

HORIZONS = (1, 3)
SYMBOLS = 4


def scored(target: Floats, known: np.ndarray | None = None) -> ScoredForecasts:
    """What came due, for models nobody looks at here."""
    none = np.zeros((1, *target.shape))
    there = np.ones_like(none, dtype=bool) if known is None else known[None]
    wide = np.zeros((*target.shape, 2))
    return ScoredForecasts(none, target, there, wide, target * 0 + 1.0, wide, target, target.astype(np.int64), wide.transpose(0, 2, 1))


def watched(everybody: Floats, preferred: Floats, came: Floats) -> SelectionGain:
    """After T ticks, all of them (T, H, S): `came` at a tick is what the forecasts of that tick came to."""
    told = selection_gain.empty_selection_gain(max(HORIZONS), len(HORIZONS), SYMBOLS)
    for tick in range(len(came)):
        due = np.stack([came[max(0, tick - horizon), column] for column, horizon in enumerate(HORIZONS)])
        new = np.stack((everybody[tick], preferred[tick]))
        told = selection_gain.update_selection_gain(told, scored(due), new, HORIZONS, closes=skill.block_ends(tick, HORIZONS[-1:]), memory=1.0)
    return told


def made(noise: float, ticks: int = 900) -> tuple[Floats, Floats, Floats]:
    """A target, a forecast that knows a part of it, and the same with noise of a model that should have been silent."""
    draw = np.random.default_rng(5)
    known = draw.normal(size=(ticks, len(HORIZONS), SYMBOLS))
    came = known + 3.0 * draw.normal(size=known.shape)
    return known + noise * draw.normal(size=known.shape), known, came


def test_silencing_a_model_that_only_makes_noise_is_proved_to_pay() -> None:
    told = watched(*made(0.5))
    assert selection_gain.is_selection_proved(told)
    r2, low, high, n = selection_gain.selection_gain_interval(told) or (0.0, 0.0, 0.0, 0)
    everybody, preferred, came = made(0.5)
    rows = slice(0, len(came) - max(HORIZONS))
    gain = ((everybody - came) ** 2 - (preferred - came) ** 2)[rows].sum()
    assert r2 == pytest.approx(gain / (came[rows] ** 2).sum(), rel=0.02)
    assert 0 < low < r2 < high
    assert n == (2 * len(came) - sum(HORIZONS)) * SYMBOLS


def test_silencing_a_model_that_knows_something_is_not() -> None:
    noisy, known, came = made(0.5)
    told = watched(known, noisy, came)
    assert not selection_gain.is_selection_proved(told)
    assert (selection_gain.selection_gain_interval(told) or (0.0, 0.0, 0.0, 0))[2] < 0


def test_where_nobody_was_to_be_silenced_there_is_no_figure() -> None:
    _, known, came = made(0.5)
    assert selection_gain.selection_gain_interval(watched(known, known, came)) is None


def test_chance_is_not_taken_for_proof_however_often_it_is_looked_at() -> None:
    draw = np.random.default_rng(11)
    proved = 0
    for _ in range(60):
        came = draw.normal(size=(400, len(HORIZONS), SYMBOLS))
        lean = 0.1 * draw.normal(size=came.shape)
        told = selection_gain.empty_selection_gain(max(HORIZONS), len(HORIZONS), SYMBOLS)
        ever = False
        for tick in range(len(came)):
            due = np.stack([came[max(0, tick - horizon), column] for column, horizon in enumerate(HORIZONS)])
            told = selection_gain.update_selection_gain(
                told, scored(due), np.stack((lean[tick], -lean[tick])), HORIZONS, closes=skill.block_ends(tick, HORIZONS[-1:]), memory=1.0
            )
            ever = ever or selection_gain.is_selection_proved(told)
        proved += ever
    assert proved <= 6  # nominal 2.5 %


def test_what_did_not_come_or_was_not_said_is_not_counted() -> None:
    told = selection_gain.empty_selection_gain(1, 1, 2)
    told = selection_gain.update_selection_gain(
        told, scored(np.zeros((1, 2))), np.array([[[1.0, np.nan]], [[0.0, np.nan]]]), (1,), closes=np.zeros(1), memory=1.0
    )
    assert float(told.gain.rows.sum()) == 0.0
    one = selection_gain.update_selection_gain(told, scored(np.array([[0.5, 0.5]])), told.pending[0], (1,), closes=np.zeros(1), memory=1.0)
    assert (float(one.gain.rows.sum()), float(one.gain.gain.sum()), float(one.gain.power.sum())) == (1.0, 0.0, 0.25)
    none = selection_gain.update_selection_gain(
        told, scored(np.array([[0.5, 0.5]]), np.zeros((1, 2), dtype=bool)), told.pending[0], (1,), closes=np.zeros(1), memory=1.0
    )
    assert float(none.gain.rows.sum()) == 0.0


def test_a_silenced_model_counts_in_the_forecast_of_all_and_not_in_the_other() -> None:
    opinions = decided(moment()).predictions
    weights = np.full(opinions.mean.shape[:2], 0.1)
    preferred = np.arange(len(opinions.models)) > 0
    free = replace(opinions, reliability=np.ones_like(opinions.reliability), selection=replace(opinions.selection, preferred=preferred))
    everybody, some = selection_gain.combine_forecasts(free, weights)
    assert np.allclose(everybody - some, opinions.mean[0] * 0.1)
    muted = replace(free, reliability=free.reliability * preferred[:, None, None], selection=replace(free.selection, active=preferred))
    assert np.array_equal(selection_gain.combine_forecasts(muted, weights), selection_gain.combine_forecasts(free, weights))
