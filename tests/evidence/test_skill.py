"""Proven skill: the bound holds at every tick at once, and true skill reaches it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from engine.domain.decision import REGIMES
from engine.domain.evidence import SkillSums
from engine.domain.record import Floats
from engine.domain.tick import SkillRow
from engine.domain.trading_config import TradingConfig
from engine.evidence import skill
from engine.phases import learning
from tests.evidence import chance
from tests.makers import having

KNOBS = TradingConfig()
RUNS, TICKS = 400, 2_000
COLUMNS = ("1 bar", "3 bars", "12 bars", "selection")


@pytest.mark.parametrize("noise", [0.1, 0.3])
@pytest.mark.parametrize("kind", chance.KINDS)
def test_noise_is_taken_for_skill_no_more_often_than_promised(kind: str, noise: float) -> None:
    """The bound is to be above the true R2 at any tick at all in at most alpha / 3 of the runs, give or take three standard errors."""
    parts = chance.scores(kind, noise=noise, runs=RUNS, ticks=TICKS, seed=7)
    ever = chance.watch(parts, np.array([-noise * noise] * 3 + [0.0])[:, None])
    for column, name in enumerate(COLUMNS):
        assert ever.above[column].mean() <= at_most(KNOBS.skill_alpha / 3), name
        assert ever.outside[column].mean() <= skill.DISPLAY_ALPHA, name
    assert ever.positive[:-1].mean() <= KNOBS.skill_alpha / 3  # a true R2 below 0 is taken for one above 0 even more seldom


def at_most(promised: float) -> float:
    return promised + 3.0 * math.sqrt(promised * (1.0 - promised) / RUNS)


@pytest.mark.parametrize("horizon", [1, 3, 12])
def test_a_true_skill_is_found(horizon: int) -> None:
    """An R2 of 5 % over a bar, known through a signal that persists, is proved within 600 ticks in most runs, and never taken for more than it is."""
    draw = np.random.default_rng(3)
    runs, ticks, known = 100, 1_200, math.sqrt(0.05)
    signal = known * chance.forecasts("persistent", (runs, ticks + horizon, 8), draw)
    returns = signal + math.sqrt(0.95) * chance.moves(runs, ticks + horizon, 8, draw, shared=0.3)
    realised = chance.target(returns, horizon, ticks)
    forecast = signal[:, :ticks] * (1.0 - 0.95**horizon) / 0.05 / math.sqrt(horizon)
    gain, power = (forecast * (2.0 * realised - forecast)).sum(axis=2).T, (realised * realised).sum(axis=2).T
    truth, held, low = float(gain.sum() / power.sum()), skill.empty_skill(1, 1, runs), {}
    for tick in range(ticks):
        sums = np.array((gain[tick], gain[tick] ** 2, power[tick], np.full(runs, 8.0)))[:, None, None]
        held = skill.add_scores(held, sums, skill.block_ends(tick, (horizon,)))
        if tick + 1 in {600, ticks}:
            ratio, reach, _ = skill.confidence_interval(held, 2.0 * KNOBS.skill_alpha / 3)
            low[tick + 1] = (ratio - reach)[0, 0]
    assert (low[600] > 0).mean() > 0.75
    assert (low[ticks] > 0).mean() > 0.97
    assert (low[ticks] < truth).mean() > 0.97


def test_the_bound_of_the_state_is_the_bound_of_its_sums() -> None:
    draw = np.random.default_rng(1)
    horizons = (1, 3, 24)
    held = skill.empty_skill(2, 3, 1)
    gains = draw.normal(0.3, 1.0, (500, 3)) + draw.normal(0.0, 1.0, (500, 3)).cumsum(axis=0) / 9.0
    power = draw.gamma(2.0, 2.0, (500, 3))
    for tick in range(500):
        cells = np.array((gains[tick], gains[tick] ** 2, power[tick], np.full(3, 4.0)))[:, None, :, None]
        held = skill.add_scores(held, cells, skill.block_ends(tick, horizons))
    low, estimate = skill.skill_bound(held, KNOBS)
    np.testing.assert_allclose(estimate, gains.sum(axis=0) / power.sum(axis=0))
    for column, length in enumerate((12, 12, 24)):
        starts = np.arange(0, 500, length)  # the last block is still running
        gain, weight = (np.add.reduceat(part[:, column], starts) for part in (gains, power))
        assert held.blocks[0, column, 0] == 500 // length
        residual = gain - (gain.cumsum() - gain) * weight / weight.cumsum()
        variance = (residual**2).sum() + 2.0 * max(0.0, (residual[1:] * residual[:-1]).sum())
        variance *= 1.0 + skill.EXTRA_BLOCKS / len(gain)
        reach = float(skill.confidence_radius(np.array(variance), np.array(float(len(gain))), 2.0 * KNOBS.skill_alpha / 3))
        assert low[column] == pytest.approx((gain.sum() - reach) / weight.sum())


def test_negatively_correlated_blocks_do_not_reduce_the_variance() -> None:
    held = filled(blocks=40.0)
    np.testing.assert_array_equal(skill.sampling_variance(having(held, lag_products=-40.0))[1], skill.sampling_variance(held)[1])
    assert (skill.sampling_variance(having(held, lag_products=40.0))[1] > skill.sampling_variance(held)[1]).all()


def test_a_first_row_of_next_to_no_power_spoils_no_interval() -> None:
    """Its ratio of gain to power is wild, and must not be expected of the blocks after it."""
    held = skill.empty_skill(1, 1, 1)
    draw = np.random.default_rng(4)
    for tick in range(11, 600):
        gain, power = (-0.01, 1e-9) if tick == 11 else (float(draw.normal()), 8.0)
        held = skill.add_scores(held, np.array((gain, gain * gain, power, 8.0)).reshape(4, 1, 1, 1), skill.block_ends(tick, (1,)))
    assert float(skill.confidence_interval(held)[1][0, 0, 0]) * float(held.power[0, 0, 0]) < 200.0  # the sum's standard deviation is 24


def test_time_without_forecasts_is_no_evidence() -> None:
    """Models serve after 600 bars without any: their first lucky bars come in the middle of a block, and prove nothing."""
    held = skill.empty_skill(2, 3, 1)
    for tick in range(640):
        gain = 0.0 if tick < 618 else 1.0 + tick % 2
        sums = np.array((gain, gain**2, 8.0, 8.0 * (tick >= 618)))[:, None, None, None] * np.ones((1, 3, 1))
        held = skill.add_scores(held, sums, skill.block_ends(tick, KNOBS.horizons))
        assert not (skill.skill_bound(held, KNOBS)[0] > 0).any(), tick
    assert held.blocks[0, :, 0].tolist() == [2.0, 2.0, 2.0]


def test_the_gain_of_the_running_block_counts_in_what_gains_vary_by() -> None:
    lucky = having(filled(blocks=40.0, gain=60.0), open_gain=55.0)
    assert (skill.skill_bound(lucky, KNOBS)[0] < 0).all()
    assert (skill.skill_bound(filled(blocks=40.0, gain=60.0), KNOBS)[0] > 0).all()


def test_fewer_than_fifteen_blocks_have_no_interval() -> None:
    few = filled(blocks=14.0)
    assert np.isnan(skill.skill_bound(few, KNOBS)[0]).all()
    assert np.isfinite(skill.skill_bound(filled(blocks=15.0), KNOBS)[0]).all()
    state = replace(learning.blank_state(2, ("one",), KNOBS.horizons), skill=filled(blocks=14.0, scopes=2, cells=5))
    assert {row.r2 for row in skill.skill_table(state, KNOBS.horizons)} == {None}


def filled(*, blocks: float, scopes: int = 2, cells: int = 1, gain: float = 5.0) -> SkillSums:
    return having(skill.empty_skill(scopes, 3, cells), rows=blocks * 8, gain=gain, gain_squared=60.0, power=400.0, blocks=blocks, block_squared=90.0)


def late(held: SkillSums, *, gain: float, block_squared: float) -> SkillSums:
    """The same with other sums of late."""

    def other(part: Floats, value: float) -> Floats:
        return np.concatenate((part[:1], np.full_like(part[1:], value)))

    return having(held, gain=other(held.gain, gain), block_squared=other(held.block_squared, block_squared))


def test_skill_that_has_lapsed_of_late_is_none_whatever_was_proven() -> None:
    held = filled(blocks=3_000.0, gain=100.0)
    low, estimate = skill.skill_bound(held, KNOBS)
    assert (low > 0.05).all()
    lapsed, same = skill.skill_bound(late(held, gain=-1.0, block_squared=1e4), KNOBS)
    np.testing.assert_allclose(lapsed, -1.0 / 400.0)  # it could be chance: no more than what it was worth
    np.testing.assert_array_equal(same, estimate)
    np.testing.assert_array_equal(skill.skill_bound(late(held, gain=1_000.0, block_squared=90.0), KNOBS)[0], low)


def test_skill_that_is_surely_less_of_late_counts_for_its_own_lower_bound() -> None:
    held = filled(blocks=3_000.0, gain=100.0)
    low = skill.skill_bound(held, KNOBS)[0]
    for gain, spread in ((8.0, 4.0), (8.0, 64.0), (18.0, 1.0)):
        bounds = skill.skill_bound(late(held, gain=gain, block_squared=spread), KNOBS)[0]
        worth, error = gain / 400.0, 1.645 * (spread * (1.0 + 15.0 / 3_000.0)) ** 0.5 / 400.0
        assert (worth + error < low).all()
        np.testing.assert_allclose(bounds, worth - error)
    unsure = skill.skill_bound(late(held, gain=8.0, block_squared=2_500.0), KNOBS)[0]
    assert (low < 8.0 / 400.0 + 1.645 * 50.0 / 400.0).all()
    np.testing.assert_allclose(unsure, 8.0 / 400.0)


def test_the_radius_is_robbins_normal_mixture() -> None:
    variance, blocks, alpha = 120.0, 300.0, 0.05
    mixed = variance / blocks * 300.0 / (2 * math.log(20) + math.log(1 + 2 * math.log(20)))
    expected = math.sqrt((variance + mixed) * math.log((variance + mixed) / (mixed * alpha**2)))
    assert float(skill.confidence_radius(np.array(variance), np.array(blocks), alpha)) == pytest.approx(expected)
    assert np.isinf(skill.confidence_radius(np.array(0.0), np.array(blocks), alpha))


def test_old_skill_fades_by_its_memory() -> None:
    held = filled(blocks=100.0)
    faded = skill.add_scores(held, np.zeros((4, 1, 3, 1)), np.zeros(3), memory=0.5)
    assert (faded.gain == held.gain * 0.5).all()
    assert (faded.block_squared == held.block_squared * 0.25).all()


def test_the_table_names_every_cell_with_its_sample() -> None:
    state = replace(learning.blank_state(2, ("one", "two"), KNOBS.horizons), skill=filled(blocks=50.0, scopes=3, cells=5))
    rows = skill.skill_table(state, KNOBS.horizons)
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


def test_recent_skill_may_be_watched_for_as_long_as_one_likes() -> None:
    """Over 60 half-lives the true R2 is ever outside the interval in no more runs than promised; an interval that spends all of its error at every
    moment misses it in many more, since what sums forget can be wrong again."""
    draw, runs, halflife, truth = np.random.default_rng(11), 400, 700.0, -0.01
    held = skill.empty_skill(1, 1, runs)
    outside, naive = np.zeros((2, runs), dtype=bool)
    for block in range(1, round(60 * halflife / skill.MIN_BLOCK_TICKS)):
        gain = 48.0 * truth + draw.standard_normal(runs)
        sums = np.stack((gain, gain * gain, np.full(runs, 48.0), np.full(runs, 48.0)))[:, None, None]
        held = skill.add_scores(held, sums, np.ones(1), memory=0.5 ** (skill.MIN_BLOCK_TICKS / halflife))
        estimate, reach = skill.recent_interval(held, block * skill.MIN_BLOCK_TICKS, halflife)
        outside |= (np.abs(estimate - truth) > reach)[0, 0]
        ratio, width, _ = skill.confidence_interval(held)
        naive |= (np.abs(ratio - truth) > width)[0, 0]
    assert np.isfinite(reach).all()
    assert outside.mean() <= skill.DISPLAY_ALPHA
    assert naive.mean() > 2.0 * skill.DISPLAY_ALPHA


def test_recent_skill_falls_when_skill_has_gone_and_says_what_it_rests_on() -> None:
    knobs = TradingConfig(horizons=(1,))
    state = learning.blank_state(4, ("ridge",), knobs.horizons)
    assert skill.recent_skill_table(state, knobs)[0] == SkillRow("recent", "ensemble", 1, "all", None, None, None, 0, None)
    draw, memory = (
        np.random.default_rng(5),
        0.5 ** (skill.MIN_BLOCK_TICKS / np.array([knobs.skill_halflife, knobs.recent_skill_halflife]))[:, None, None],
    )
    recent, bounds = state.recent, []
    for worth in (0.05, -0.01):
        for _ in range(400):
            gain = np.broadcast_to(48.0 * worth + 0.5 * draw.standard_normal(), (2, 1, 1))
            sums = np.stack((gain, gain * gain, np.full((2, 1, 1), 48.0), np.full((2, 1, 1), 48.0)))
            recent = skill.add_scores(recent, sums, np.ones(1), memory=memory)
        bounds.append(skill.recent_skill_table(replace(state, recent=recent, decided=4_800), knobs)[0])
    before, after = bounds
    assert before.low is not None
    assert before.low > 0.0
    assert after.r2 is not None
    assert after.high is not None
    assert after.r2 < after.high < 0.0
    assert skill.skill_bound(recent, knobs)[1][0] > 0.0  # the long memory still says that there is skill
    assert before.n == pytest.approx(after.n, rel=0.02)
    assert after.n == pytest.approx(48 / (1 - 0.5 ** (12 / 700)), rel=0.02)


def test_the_effective_number_of_rows_is_that_of_independent_ones_with_the_same_variance() -> None:
    """40 blocks with squares of 200 in all and 55 / 40 of their variance, of 1,000 rows whose gains' squares sum to 50; at most the rows."""
    alone = having(skill.empty_skill(1, 1, 1), rows=1_000.0, gain=10.0, gain_squared=50.0, power=100.0, blocks=40.0, block_squared=200.0)
    blocks, variance = skill.sampling_variance(alone)
    assert (blocks.item(), variance.item()) == pytest.approx((40.0, 200.0 * 55.0 / 40.0))
    together = having(alone, lag_products=30.0)
    assert skill.sampling_variance(together)[1].item() == pytest.approx(260.0 * 55.0 / 40.0)
    assert skill.sampling_variance(having(alone, lag_products=-30.0))[1].item() == pytest.approx(200.0 * 55.0 / 40.0)
    current = having(alone, open_gain=4.0, open_power=20.0, last_residual=3.0)  # 4 less a fifth of the 6 before: 2.8
    blocks, variance = skill.sampling_variance(current)
    assert (blocks.item(), variance.item()) == pytest.approx((41.0, (200.0 + 2.8**2 + 2.0 * 2.8 * 3.0) * 56.0 / 41.0))
    for sums, effective in ((alone, 1_000.0 * 50.0 / 275.0), (together, 1_000.0 * 50.0 / 357.5), (having(alone, gain_squared=900.0), 1_000.0)):
        cells = len(REGIMES) + 1
        state = replace(learning.blank_state(1, (), (1,)), skill=SkillSums(np.repeat(sums.sums, cells, axis=3)))
        (row, *_) = skill.skill_table(state, (1,))
        assert (row.r2, row.n) == (0.1, 1_000)
        assert row.n_effective == pytest.approx(effective)
        recent = replace(state, recent=SkillSums(np.repeat(sums.sums, 2, axis=1)), decided=1)
        assert skill.recent_skill_table(recent, replace(KNOBS, horizons=(1,)))[0].n_effective == pytest.approx(effective)
