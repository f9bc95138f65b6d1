"""Proven skill: the bound holds however often it is looked at, and is reached by a true skill."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from engine.domain.control import Knobs
from engine.domain.decision import REGIMES
from engine.domain.record import Bools, Floats
from engine.domain.skill import Skill
from engine.evidence import skill
from engine.phases import learning
from tests.makers import having

KNOBS = Knobs()
RUNS, TICKS, SYMBOLS = 400, 2_000, 4


def crossings(signal: float, *, shared: float, noise: float, horizon: int, seed: int, alpha: float = KNOBS.skill_alpha) -> tuple[Bools, Floats]:
    """(RUNS,) whether each run's bound was ever above the true R2, and its last bound; targets overlap over the horizon and symbols are correlated.

    The forecast is `signal` of the target's variance plus noise of `noise`; its true R2 is 1 - E(y - f)^2 / E y^2.
    """
    draw = np.random.default_rng([seed, horizon])
    steps = TICKS + horizon
    common = draw.standard_t(5, (RUNS, steps, 1)) * math.sqrt(0.6 * shared)
    own = draw.standard_t(5, (RUNS, steps, SYMBOLS)) * math.sqrt(0.6 * (1.0 - shared))
    moves = common + own
    summed = np.cumsum(moves, axis=1)
    y = (summed[:, horizon:] - summed[:, :-horizon]) / math.sqrt(horizon)
    f = signal * y + noise * draw.normal(size=y.shape) * (y.std() if noise else 0.0)
    gain, power = f * (2.0 * y - f), y * y
    truth = 2.0 * signal - signal * signal - noise * noise
    gains, powers = gain.sum(axis=2), power.sum(axis=2)
    ends = np.arange(horizon - 1, TICKS, horizon)
    blocks = np.add.reduceat(gains[:, : ends[-1] + 1], np.arange(0, ends[-1] + 1, horizon), axis=1)
    total, weight = np.cumsum(blocks, axis=1), np.cumsum(powers, axis=1)[:, ends]
    square, count = np.cumsum(blocks * blocks, axis=1), np.arange(1, len(ends) + 1, dtype=float)
    reach = skill.radius(square, count, 2.0 * alpha / 3)
    low = np.where(count >= skill.FEWEST, (total - reach) / weight, -np.inf)
    return np.asarray((low > truth).any(axis=1)), np.asarray(low[:, -1])


@pytest.mark.parametrize(("shared", "noise", "horizon"), [(0.0, 0.1, 1), (0.8, 0.1, 1), (0.5, 0.3, 3), (0.5, 0.03, 12)])
def test_noise_is_taken_for_skill_no_oftener_than_promised(shared: float, noise: float, horizon: int) -> None:
    """The bound is to be wrong at any tick at all in at most alpha / 3 of the runs; what is allowed above that is three standard errors."""
    wrong, _ = crossings(0.0, shared=shared, noise=noise, horizon=horizon, seed=11)
    promised = KNOBS.skill_alpha / 3
    assert wrong.mean() <= promised + 3.0 * math.sqrt(promised / RUNS)


def test_noise_against_nothing_is_taken_for_skill_even_more_seldom() -> None:
    """A forecast of noise has a true R2 below 0: crossing 0 is rarer still."""
    draw = np.random.default_rng(5)
    y, f = draw.standard_t(5, (RUNS, TICKS)), 0.3 * draw.normal(size=(RUNS, TICKS))
    gains = f * (2.0 * y - f)
    reach = skill.radius(np.cumsum(gains * gains, axis=1), np.arange(1.0, TICKS + 1), 2.0 * KNOBS.skill_alpha / 3)
    low = np.cumsum(gains, axis=1) - reach
    assert (low[:, skill.FEWEST - 1 :] > 0).any(axis=1).mean() <= KNOBS.skill_alpha / 3


def test_a_true_skill_is_found() -> None:
    _, low = crossings(0.05, shared=0.3, noise=0.1, horizon=1, seed=3)
    assert (low > 0).mean() > 0.95
    assert (low < 0.0875).mean() > 0.97  # below the truth


def test_the_bound_of_the_state_is_the_bound_of_its_sums() -> None:
    draw = np.random.default_rng(1)
    held = skill.empty(2, 3, 1)
    gains = draw.normal(0.3, 1.0, (500, 3))
    power = draw.gamma(2.0, 2.0, (500, 3))
    for tick in range(500):
        closes = np.array([float((tick + 1) % horizon == 0) for horizon in KNOBS.horizons])
        cells = np.array((gains[tick], gains[tick] ** 2, power[tick], np.full(3, 4.0)))[:, None, :, None]
        held = skill.add(held, cells, closes)
    low, estimate = skill.bound(held, KNOBS)
    np.testing.assert_allclose(estimate, gains.sum(axis=0) / power.sum(axis=0))
    for column, horizon in enumerate(KNOBS.horizons):
        whole = 500 // horizon
        blocks = np.add.reduceat(gains[:, column], np.arange(0, 500, horizon))  # the last one is still running
        assert held.blocks[0, column, 0] == whole
        square, count = np.array(float((blocks**2).sum())), np.array(float(len(blocks)))
        reach = float(skill.radius(square, count, 2.0 * KNOBS.skill_alpha / 3))
        assert low[column] == pytest.approx((gains[:, column].sum() - reach) / power[:, column].sum())


def test_time_in_which_nothing_was_forecast_is_no_evidence() -> None:
    """Models serve after 600 bars without any: their first lucky bars come in the middle of a block, and prove nothing."""
    held = skill.empty(2, 3, 1)
    for tick in range(640):
        closes = np.array([float((tick + 1) % horizon == 0) for horizon in KNOBS.horizons])
        gain = 0.0 if tick < 618 else 1.0 + tick % 2
        sums = np.array((gain, gain**2, 8.0, 8.0 * (tick >= 618)))[:, None, None, None] * np.ones((1, 3, 1))
        held = skill.add(held, sums, closes)
        assert not (skill.bound(held, KNOBS)[0] > 0).any(), tick
    assert held.blocks[0, :, 0].tolist() == [22.0, 7.0, 2.0]


def test_the_gain_of_the_running_block_counts_in_what_gains_vary_by() -> None:
    lucky = having(filled(blocks=40.0, gain=60.0), open_gain=55.0)
    assert (skill.bound(lucky, KNOBS)[0] < 0).all()
    assert (skill.bound(filled(blocks=40.0, gain=60.0), KNOBS)[0] > 0).all()


def test_with_fewer_than_thirty_blocks_nothing_is_said() -> None:
    few = filled(blocks=29.0)
    assert np.isnan(skill.bound(few, KNOBS)[0]).all()
    assert np.isfinite(skill.bound(filled(blocks=30.0), KNOBS)[0]).all()
    state = replace(learning.blank(2, ("one",), KNOBS.horizons), skill=filled(blocks=29.0, scopes=2, cells=5))
    assert {row.r2 for row in skill.table(state, KNOBS.horizons)} == {None}


def filled(*, blocks: float, scopes: int = 2, cells: int = 1, gain: float = 5.0) -> Skill:
    return having(skill.empty(scopes, 3, cells), rows=blocks * 8, gain=gain, gain_squared=60.0, power=400.0, blocks=blocks, block_squared=90.0)


def late(held: Skill, *, gain: float, block_squared: float) -> Skill:
    """The same with other sums of late."""

    def other(part: Floats, value: float) -> Floats:
        return np.concatenate((part[:1], np.full_like(part[1:], value)))

    return having(held, gain=other(held.gain, gain), block_squared=other(held.block_squared, block_squared))


def test_skill_that_has_lapsed_of_late_is_none_whatever_was_proven() -> None:
    held = filled(blocks=3_000.0, gain=100.0)
    low, estimate = skill.bound(held, KNOBS)
    assert (low > 0.05).all()
    lapsed, same = skill.bound(late(held, gain=-1.0, block_squared=1e4), KNOBS)
    np.testing.assert_allclose(lapsed, -1.0 / 400.0)  # it could be chance: no more than what it was worth
    np.testing.assert_array_equal(same, estimate)
    np.testing.assert_array_equal(skill.bound(late(held, gain=1_000.0, block_squared=90.0), KNOBS)[0], low)


def test_skill_that_is_surely_less_of_late_counts_for_its_own_lower_bound() -> None:
    held = filled(blocks=3_000.0, gain=100.0)
    low = skill.bound(held, KNOBS)[0]
    for gain, spread in ((8.0, 4.0), (8.0, 64.0), (18.0, 1.0)):
        told = skill.bound(late(held, gain=gain, block_squared=spread), KNOBS)[0]
        worth, error = gain / 400.0, 1.645 * spread**0.5 / 400.0
        assert (worth + error < low).all()
        np.testing.assert_allclose(told, worth - error)
    unsure = skill.bound(late(held, gain=8.0, block_squared=2_500.0), KNOBS)[0]
    assert (low < 8.0 / 400.0 + 1.645 * 50.0 / 400.0).all()
    np.testing.assert_allclose(unsure, 8.0 / 400.0)


def test_the_radius_is_robbins_normal_mixture() -> None:
    variance, blocks, alpha = 120.0, 300.0, 0.05
    mixed = variance / blocks * 300.0 / (2 * math.log(20) + math.log(1 + 2 * math.log(20)))
    expected = math.sqrt((variance + mixed) * math.log((variance + mixed) / (mixed * alpha**2)))
    assert float(skill.radius(np.array(variance), np.array(blocks), alpha)) == pytest.approx(expected)
    assert np.isinf(skill.radius(np.array(0.0), np.array(blocks), alpha))


def test_old_skill_fades_by_its_memory() -> None:
    held = filled(blocks=100.0)
    faded = skill.add(held, np.zeros((4, 1, 3, 1)), np.zeros(3), memory=0.5)
    assert (faded.gain == held.gain * 0.5).all()
    assert (faded.block_squared == held.block_squared * 0.25).all()


def test_the_table_names_every_cell_with_its_sample() -> None:
    state = replace(learning.blank(2, ("one", "two"), KNOBS.horizons), skill=filled(blocks=50.0, scopes=3, cells=5))
    rows = skill.table(state, KNOBS.horizons)
    assert len(rows) == 3 * 3 * 5
    assert {row.regime for row in rows} == {*REGIMES, "all"}
    for row in rows:
        assert row.r2 is not None
        assert row.low is not None
        assert row.high is not None
        assert row.low < row.r2 < row.high
        assert row.n == 400
        assert row.n_effective is not None
        assert row.n_effective <= row.n
    json_ready = [type(value) for row in rows for value in (row.r2, row.low, row.n)]
    assert set(json_ready) == {float, int}
