"""What came due: targets, sums by regime, and an interval that keeps its coverage when volatility changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.domain.state import Pending
from engine.evidence import due
from engine.evidence.due import Scored
from engine.phases import learning

HORIZONS = (1, 3, 12)


def scored(target: np.ndarray, mean: np.ndarray, width: np.ndarray, probability: float = 0.5) -> Scored:
    """One horizon, one model beside the ensemble, S symbols."""
    count = len(target)
    means = np.stack((mean, mean))[:, None, :]
    return Scored(
        means, target[None], np.isfinite(means), width, np.full((1, count), probability), np.zeros((1, count), dtype=np.int64)
    )  # fmt: skip


def coverage(scales: tuple[float, ...], symbols: int, step: float) -> list[np.ndarray]:
    """By stretch of 4,000 bars, the shares that fell into the two intervals: returns of a bar in the EWMA volatility known before it."""
    draw = np.random.default_rng([9, symbols])
    told, stretches = due.uncalibrated(1), []
    fade, variance = 0.5 ** (1.0 / 60.0), np.ones(symbols)
    for scale in scales:
        before = told
        for _ in range(4_000):
            moved = draw.standard_t(4, symbols) * scale
            y = np.clip(moved / np.sqrt(variance), -due.CLIP, due.CLIP)
            told = due.calibrate(told, scored(y, np.zeros(symbols), told.quantile), step)
            variance = variance * fade + (1.0 - fade) * moved * moved
        stretches.append((told.covered - before.covered)[0] / (told.rows - before.rows)[0])
    return stretches


@pytest.mark.parametrize("symbols", [1, 8])
def test_coverage_is_kept_when_volatility_changes(symbols: int) -> None:
    for share in coverage((1.0, 2.5, 0.4, 1.2), symbols, 0.01):
        np.testing.assert_allclose(share, due.LEVELS, atol=0.015)


def test_an_interval_that_does_not_adapt_would_fail_the_same_market() -> None:
    assert max(np.abs(share - due.LEVELS).max() for share in coverage((1.0, 2.5, 0.4, 1.2), 8, 0.0)) > 0.02


@pytest.mark.parametrize("scale", [2.5, 0.4])
def test_an_interval_of_the_wrong_width_finds_its_width(scale: float) -> None:
    """Without any volatility to scale by, in as many ticks as 1 % of a miss at a time takes."""
    draw = np.random.default_rng(5)
    told = before = due.uncalibrated(1)
    for tick in range(7_000):
        before = told if tick == 3_000 else before
        told = due.calibrate(told, scored(draw.standard_t(4, 4) * scale, np.zeros(4), told.quantile), 0.01)
    share = (told.covered - before.covered)[0] / (told.rows - before.rows)[0]
    np.testing.assert_allclose(share, due.LEVELS, atol=0.015)


def test_calibration_counts_what_was_said_and_what_came() -> None:
    told = due.calibrate(due.uncalibrated(1), scored(np.array([1.0, -1.0, 2.0]), np.zeros(3), np.full((1, 2), 1.5), 0.75), 0.01)
    assert told.rows[0] == 3
    assert told.brier[0] == pytest.approx(0.25**2 * 2 + 0.75**2)
    assert told.brier_naive[0] == pytest.approx(0.75)
    assert (told.counted[0, 7], told.stated[0, 7], told.observed[0, 7]) == (3.0, 2.25, 2.0)
    assert told.covered[0].tolist() == [2.0, 2.0]


def test_a_target_is_a_return_in_known_volatilities_and_clipped() -> None:
    earlier, sigma = np.log(np.full(3, 100.0)), np.array([0.01, 0.01, np.nan])
    came = due.target(np.log(np.array([102.0, 300.0, 100.0])), earlier, sigma, 4)
    assert came[0] == pytest.approx(np.log(1.02) / 0.02)
    assert came[1] == 5.0
    assert np.isnan(came[2])


def pending(symbols: int, models: int) -> Pending:
    draw = np.random.default_rng(3)
    blank = learning.blank(symbols, tuple(str(number) for number in range(models)), HORIZONS).pending
    return replace(
        blank,
        mean=draw.normal(size=blank.mean.shape),
        price=draw.normal(size=blank.price.shape),
        sigma=draw.uniform(0.3, 0.8, blank.sigma.shape),
        probability=np.full(blank.probability.shape, 0.6),
        width=np.ones(blank.width.shape),
        regime=draw.integers(0, 4, blank.regime.shape),
    )


def test_each_horizon_is_scored_against_its_own_past() -> None:
    waiting, now = pending(3, 2), np.array([0.1, 0.2, np.nan])
    found = due.score(waiting, HORIZONS, now)
    for column, horizon in enumerate(HORIZONS):
        expected = np.clip((now[0] - waiting.price[horizon - 1, 0]) / (waiting.sigma[horizon - 1, 0] * np.sqrt(horizon)), -5, 5)
        assert found.target[column, 0] == pytest.approx(expected)
        np.testing.assert_array_equal(found.mean[:, column, 0], waiting.mean[horizon - 1, :, column, 0])
    assert not found.known[:, :, 2].any()
    assert (found.target[:, 2] == 0).all()


def test_sums_by_regime_add_up_and_are_what_a_loop_gives() -> None:
    found = due.score(pending(5, 2), HORIZONS, np.linspace(-1, 1, 5))
    gain, squared, power, rows = due.by_regime(found, 4)
    for part in (gain, squared, power, rows):
        np.testing.assert_allclose(part[:, :, :4].sum(axis=2), part[:, :, 4])
    for model in range(3):
        for column in range(3):
            y, f = found.target[column], found.mean[model, column]
            mine = found.regime[column] == 2
            assert gain[model, column, 2] == pytest.approx(((y**2 - (y - f) ** 2)[mine]).sum())
            assert power[model, column, 2] == pytest.approx((y[mine] ** 2).sum())
            assert rows[model, column, 4] == 5


def test_moments_are_of_forecasts_and_targets() -> None:
    found = due.score(pending(5, 2), HORIZONS, np.linspace(-1, 1, 5))
    gram, moment, rows = due.moments(found)
    for column in range(3):
        f = found.mean[:-1, column]
        np.testing.assert_allclose(gram[column], f @ f.T)
        np.testing.assert_allclose(moment[column], f @ found.target[column])
    assert rows.tolist() == [5.0, 5.0, 5.0]
