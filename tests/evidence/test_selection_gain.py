"""The gain of using only the preferred models: none until it is proven."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.domain.evidence import GAIN, SkillSums
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


def watched(everybody: Floats, preferred: Floats, realised: Floats) -> SelectionGain:
    """After T ticks, all of them (T, H, S): `realised` at a tick is the target of that tick's forecasts."""
    state = selection_gain.empty_selection_gain(max(HORIZONS), len(HORIZONS), SYMBOLS)
    for tick in range(len(realised)):
        due = np.stack([realised[max(0, tick - horizon), column] for column, horizon in enumerate(HORIZONS)])
        new = np.stack((everybody[tick], preferred[tick]))
        state = selection_gain.update_selection_gain(state, scored(due), new, HORIZONS, closes=skill.block_ends(tick, HORIZONS[-1:]), memory=1.0)
    return state


def made(noise: float, ticks: int = 900) -> tuple[Floats, Floats, Floats]:
    """A target, a forecast that knows a part of it, and the same with noise of a model that should have been silent."""
    draw = np.random.default_rng(5)
    known = draw.normal(size=(ticks, len(HORIZONS), SYMBOLS))
    realised = known + 3.0 * draw.normal(size=known.shape)
    return known + noise * draw.normal(size=known.shape), known, realised


def test_leaving_out_a_noisy_model_is_proven_to_pay() -> None:
    state = watched(*made(0.5))
    assert selection_gain.is_selection_proved(state)
    r2, low, high, n = selection_gain.selection_gain_interval(state) or (0.0, 0.0, 0.0, 0)
    everybody, preferred, realised = made(0.5)
    rows = slice(0, len(realised) - max(HORIZONS))
    gain = ((everybody - realised) ** 2 - (preferred - realised) ** 2)[rows].sum()
    assert r2 == pytest.approx(gain / (realised[rows] ** 2).sum(), rel=0.02)
    assert 0 < low < r2 < high
    assert n == (2 * len(realised) - sum(HORIZONS)) * SYMBOLS


def test_leaving_out_a_model_with_skill_is_not() -> None:
    noisy, known, realised = made(0.5)
    state = watched(known, noisy, realised)
    assert not selection_gain.is_selection_proved(state)
    assert (selection_gain.selection_gain_interval(state) or (0.0, 0.0, 0.0, 0))[2] < 0


def test_without_any_model_to_leave_out_there_is_no_figure() -> None:
    _, known, realised = made(0.5)
    assert selection_gain.selection_gain_interval(watched(known, known, realised)) is None


def test_the_shortcut_of_the_proof_agrees_with_the_interval_at_every_gain() -> None:
    state = watched(*made(0.5))
    for factor in (-1.0, -1e-9, 0.0, 1e-9, 0.01, 0.1, 0.3, 1.0, np.nan):
        sums = state.gain.sums.copy()
        sums[GAIN] *= factor
        scaled = replace(state, gain=SkillSums(sums))
        interval = selection_gain.selection_gain_interval(scaled)
        assert selection_gain.is_selection_proved(scaled) == (interval is not None and interval[1] > 0.0)


def test_luck_is_not_taken_for_proof_at_any_tick() -> None:
    draw = np.random.default_rng(11)
    proved = 0
    for _ in range(60):
        realised = draw.normal(size=(400, len(HORIZONS), SYMBOLS))
        lean = 0.1 * draw.normal(size=realised.shape)
        state = selection_gain.empty_selection_gain(max(HORIZONS), len(HORIZONS), SYMBOLS)
        ever = False
        for tick in range(len(realised)):
            due = np.stack([realised[max(0, tick - horizon), column] for column, horizon in enumerate(HORIZONS)])
            state = selection_gain.update_selection_gain(
                state, scored(due), np.stack((lean[tick], -lean[tick])), HORIZONS, closes=skill.block_ends(tick, HORIZONS[-1:]), memory=1.0
            )
            ever = ever or selection_gain.is_selection_proved(state)
        proved += ever
    assert proved <= 6  # nominal 2.5 %


def test_missing_targets_and_forecasts_are_not_counted() -> None:
    state = selection_gain.empty_selection_gain(1, 1, 2)
    state = selection_gain.update_selection_gain(
        state, scored(np.zeros((1, 2))), np.array([[[1.0, np.nan]], [[0.0, np.nan]]]), (1,), closes=np.zeros(1), memory=1.0
    )
    assert float(state.gain.rows.sum()) == 0.0
    after = selection_gain.update_selection_gain(state, scored(np.array([[0.5, 0.5]])), state.pending[0], (1,), closes=np.zeros(1), memory=1.0)
    assert (float(after.gain.rows.sum()), float(after.gain.gain.sum()), float(after.gain.power.sum())) == (1.0, 0.0, 0.25)
    none = selection_gain.update_selection_gain(
        state, scored(np.array([[0.5, 0.5]]), np.zeros((1, 2), dtype=bool)), state.pending[0], (1,), closes=np.zeros(1), memory=1.0
    )
    assert float(none.gain.rows.sum()) == 0.0


def test_a_model_left_out_counts_only_in_the_forecast_of_all() -> None:
    opinions = decided(moment()).predictions
    weights = np.full(opinions.mean.shape[:2], 0.1)
    preferred = np.arange(len(opinions.models)) > 0
    free = replace(opinions, reliability=np.ones_like(opinions.reliability), selection=replace(opinions.selection, preferred=preferred))
    everybody, some = selection_gain.combine_forecasts(free, weights)
    assert np.allclose(everybody - some, opinions.mean[0] * 0.1)
    muted = replace(free, reliability=free.reliability * preferred[:, None, None], selection=replace(free.selection, active=preferred))
    assert np.array_equal(selection_gain.combine_forecasts(muted, weights), selection_gain.combine_forecasts(free, weights))
