"""Scoring: targets, and sums by regime."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.domain.state import PendingForecasts
from engine.evidence import scoring
from engine.phases import learning

HORIZONS = (1, 3, 12)


def test_a_target_is_a_return_in_known_volatilities_and_clipped() -> None:
    earlier, sigma = np.log(np.full(3, 100.0)), np.array([0.01, 0.01, np.nan])
    realised = scoring.forecast_target(np.log(np.array([102.0, 300.0, 100.0])), earlier, sigma, 4)
    assert realised[0] == pytest.approx(np.log(1.02) / 0.02)
    assert realised[1] == 5.0
    assert np.isnan(realised[2])


def pending(symbols: int, models: int) -> PendingForecasts:
    draw = np.random.default_rng(3)
    blank = learning.blank_state(symbols, tuple(str(number) for number in range(models)), HORIZONS).pending
    return replace(
        blank,
        mean=draw.normal(size=blank.mean.shape),
        price=draw.normal(size=blank.price.shape),
        sigma=draw.uniform(0.3, 0.8, blank.sigma.shape),
        probability=np.full(blank.probability.shape, 0.6),
        half_width=np.ones(blank.half_width.shape),
        regime=draw.integers(0, 4, blank.regime.shape),
    )


def test_each_horizon_is_scored_against_its_own_past() -> None:
    waiting, now = pending(3, 2), np.array([0.1, 0.2, np.nan])
    scored = scoring.score_forecasts(waiting, HORIZONS, now)
    for column, horizon in enumerate(HORIZONS):
        expected = np.clip((now[0] - waiting.price[horizon - 1, 0]) / (waiting.sigma[horizon - 1, 0] * np.sqrt(horizon)), -5, 5)
        assert scored.target[column, 0] == pytest.approx(expected)
        np.testing.assert_array_equal(scored.mean[:, column, 0], waiting.mean[horizon - 1, :, column, 0])
    assert not scored.known[:, :, 2].any()
    assert (scored.target[:, 2] == 0).all()


def test_sums_by_regime_equal_those_of_a_loop() -> None:
    scored = scoring.score_forecasts(pending(5, 2), HORIZONS, np.linspace(-1, 1, 5))
    gain, squared, power, rows = scoring.sum_by_regime(scored, 4)
    for part in (gain, squared, power, rows):
        np.testing.assert_allclose(part[:, :, :4].sum(axis=2), part[:, :, 4])
    for model in range(3):
        for column in range(3):
            y, f = scored.target[column], scored.mean[model, column]
            mine = scored.regime[column] == 2
            assert gain[model, column, 2] == pytest.approx(((y**2 - (y - f) ** 2)[mine]).sum())
            assert power[model, column, 2] == pytest.approx((y[mine] ** 2).sum())
            assert rows[model, column, 4] == 5


def test_moments_are_of_forecasts_and_targets() -> None:
    scored = scoring.score_forecasts(pending(5, 2), HORIZONS, np.linspace(-1, 1, 5))
    gram, moment, rows = scoring.sum_moments(scored)
    for column in range(3):
        f = scored.mean[:-1, column]
        np.testing.assert_allclose(gram[column], f @ f.T)
        np.testing.assert_allclose(moment[column], f @ scored.target[column])
    assert rows.tolist() == [5.0, 5.0, 5.0]
