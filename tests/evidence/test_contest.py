"""The contest of arms: blocks with gaps, bets, verdicts and figures, each by hand or by exact enumeration."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import logsumexp

from engine.domain.evolution import BETTER, EQUIVALENT, INCONCLUSIVE, RUNNING, WAGERS, WORSE, Arm, Contests
from engine.domain.record import Floats
from engine.evidence import contest

CLIP, MARGIN = 4.0, 0.0005
HORIZONS = (1, 3, 12)
ALL = np.ones(1, dtype=bool)
NEVER = 10**9


def play(gains: Floats, *, power: float = 1.0, margin: float = MARGIN, clip: float = CLIP) -> Contests:
    """One contest at one bar, fed with gains by the tick at which the forecast was made."""
    contests = contest.empty_contests(1, 1)
    for made, gain in enumerate(gains.tolist()):
        contests = contest.update_contests(contests, np.array([[gain]]), np.array([power]), ALL, made + 1, (1,), clip, margin)
    return contests


def by_block(values: Floats) -> Floats:
    """The gains by tick of blocks with these gains, at one bar."""
    return np.repeat(values, contest.block_ticks(1), axis=0)


def with_evidence(evidence: Floats, ticks: int = 0) -> Contests:
    """Contests of known log e-values (A, 4, H)."""
    empty = contest.empty_contests(len(evidence), evidence.shape[2])
    return replace(empty, log_wealth=np.repeat(evidence[..., None], len(WAGERS), axis=3), ticks=np.full(len(evidence), ticks))


@pytest.mark.parametrize(
    ("horizon", "members"),
    [
        (1, [0, 1, 2, 3, 4, 5, 6, 7]),  # blocks of 2 ticks, no gap
        (3, [0, 1, 2, 5, 6, 7]),  # 3 ticks, then a gap of 2
        (12, [*range(12), *range(23, 31)]),  # 12 ticks, then a gap of 11
    ],
)
def test_the_forecasts_of_a_block(horizon: int, members: list[int]) -> None:
    inside = [made for made in range(members[-1] + 1) if contest.place_in_cycle(made, horizon) < contest.block_ticks(horizon)]
    assert inside == members


@given(st.integers(1, 60), st.integers(0, 20))
def test_the_targets_of_a_block_are_known_when_the_next_block_begins_and_not_earlier(horizon: int, number: int) -> None:
    length = contest.block_ticks(horizon)
    first = number * (length + horizon - 1)
    assert contest.place_in_cycle(first, horizon) == 0
    last_due = first + length - 1 + horizon
    next_first = next(made for made in range(first + 1, first + 200) if contest.place_in_cycle(made, horizon) == 0)
    assert last_due == next_first


@pytest.mark.parametrize("horizon", HORIZONS)
def test_a_block_counts_with_its_last_target_and_leaves_out_the_gap(horizon: int) -> None:
    contests = contest.empty_contests(1, 1)
    length, cycle = contest.block_ticks(horizon), contest.block_ticks(horizon) + horizon - 1
    for tick in range(horizon, 2 * cycle + 1):
        made = tick - horizon
        gain = 1.0 if made % cycle < length else 1e6
        contests = contest.update_contests(contests, np.array([[gain]]), np.ones(1), ALL, tick, (horizon,), CLIP, MARGIN)
        assert contests.blocks[0, 0] == tick // cycle
    assert contests.gain[0, 0] == 2.0


def test_ticks_without_a_target_or_a_forecast_are_left_out_and_an_empty_block_does_not_count() -> None:
    contests = contest.empty_contests(2, 1)
    for tick, (gain, scored) in enumerate([(1.0, True), (9.0, False), (5.0, False), (5.0, False)], start=1):
        due = np.array([[gain], [np.nan]])
        contests = contest.update_contests(contests, due, np.ones(1), np.array([scored]), tick, (1,), CLIP, MARGIN)
    assert contests.blocks[:, 0].tolist() == [1.0, 0.0]
    assert contests.gain[:, 0].tolist() == [1.0, 0.0]
    assert contests.ticks.tolist() == [4, 4]


def test_nothing_is_bet_during_the_burn_in_and_the_scale_is_of_the_blocks_before() -> None:
    gains = np.array([1.0, -1.0] * 20)[: contest.BURN_IN]
    assert not contest.e_values(play(by_block(gains))).any()
    after = play(by_block(np.array([*gains, 2.0])))
    assert after.scale[0, 0] == 1.0
    expected = np.mean([math.log1p(wager * (2.0 - MARGIN) / CLIP) for wager in WAGERS[:1]])
    np.testing.assert_allclose(after.log_wealth[0, 0, 0, 0], expected)
    np.testing.assert_allclose(after.log_wealth[0, 1, 0, 0], math.log1p(-WAGERS[0] * (2.0 + MARGIN) / CLIP))


def test_gains_are_clipped_and_losses_count_in_full_for_small_wagers() -> None:
    start = by_block(np.array([1.0, -1.0] * 20)[: contest.BURN_IN])
    up, down = (play(np.concatenate((start, by_block(np.array([size]))))) for size in (25.0, -25.0))
    np.testing.assert_allclose(up.log_wealth[0, 0, 0], np.log1p(WAGERS))
    np.testing.assert_allclose(down.log_wealth[0, 0, 0, 0], math.log1p(WAGERS[0] * max(-25.0 - MARGIN, -contest.LARGEST_LOSS * 4 / WAGERS[0]) / CLIP))
    np.testing.assert_allclose(down.log_wealth[0, 0, 0, -1], math.log(1.0 - contest.LARGEST_LOSS))
    assert (up.clipped[0, 0], up.clipped_gain[0, 0], down.clipped_gain[0, 0]) == (1.0, 21.0, -21.0)


@given(st.lists(st.sampled_from([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 6.0]), min_size=7, max_size=14))
def test_capital_is_the_product_of_its_bets_by_another_formula(values: list[float]) -> None:
    """By a loop over blocks and wagers in plain Python, with scipy's logsumexp."""
    contests, margin = play(by_block(np.array(values)), margin=0.01, power=2.0), 0.01 * 2.0
    for row, (sign, edge) in enumerate([(1, margin), (-1, -margin), (1, -margin), (-1, margin)]):
        logs = []
        for wager in WAGERS:
            log_capital, scale = 0.0, 0.0
            for place, value in enumerate(values):
                if place < contest.BURN_IN:
                    continue
                earlier = values[:place]
                scale = max(scale, math.sqrt(sum(item * item for item in earlier) / place), margin / CLIP)
                bet = wager * min(sign * (value - edge) / (CLIP * scale), 1.0)
                log_capital += math.log(1.0 + max(bet, -contest.LARGEST_LOSS))
            logs.append(log_capital)
        np.testing.assert_allclose(contest.e_values(contests)[0, row, 0], logsumexp(logs) - math.log(len(WAGERS)), atol=1e-12)


@pytest.mark.parametrize("row", range(4))
def test_expected_capital_is_at_most_1_over_every_path_of_a_dependent_null(row: int) -> None:
    """All 2^8 paths of blocks whose size and odds depend on the path so far, with a mean gain exactly at the threshold; each path is an arm."""
    sign, edge = contest.SIGNS[row, 0], contest.MARGINS[row, 0] * MARGIN
    paths, chances = [], []
    for path in itertools.product((False, True), repeat=8):
        values, chance = [1.0, -0.5, 0.8, -1.2, 0.3], 1.0
        for rises in path:
            size = 0.2 + 1.5 * abs(values[-1]) if values[-1] > 0 else 0.7  # clustered, and dependent on the last sign
            likely = 0.2 if values[-1] > 0 else 0.6  # of the rise, whose size makes the mean 0
            values.append(edge + sign * (size * (1.0 - likely) if rises else -size * likely))
            chance *= likely if rises else 1.0 - likely
        paths.append(values)
        chances.append(chance)
    contests = contest.empty_contests(len(paths), 1)
    for tick, gains in enumerate(by_block(np.array(paths).T), start=1):
        contests = contest.update_contests(contests, gains[:, None], np.ones(1), ALL, tick, (1,), CLIP, MARGIN)
        expected = np.dot(chances, np.exp(contest.e_values(contests)[:, row, 0]))
        assert expected == pytest.approx(1.0)  # a martingale: nothing is clipped here
    assert np.exp(contest.e_values(contests)[:, row, 0]).max() > 1.2  # there were bets


@pytest.mark.parametrize("size", [3.0, 6.0, 100.0])
def test_expected_capital_is_at_most_1_where_symmetric_gains_exceed_any_scale_of_before(size: float) -> None:
    sizes = 0.1 * size * 1.5 ** np.arange(6)
    paths = [[0.1, -0.1, 0.1, -0.1, 0.1, *(sizes * signs)] for signs in itertools.product((-1.0, 1.0), repeat=6)]
    contests = contest.empty_contests(len(paths), 1)
    for tick, gains in enumerate(by_block(np.array(paths).T), start=1):
        contests = contest.update_contests(contests, gains[:, None], np.ones(1), ALL, tick, (1,), CLIP, 0.0)
        assert (np.exp(contest.e_values(contests)).mean(axis=0)[:2] <= 1.0 + 1e-9).all()


def test_a_weak_null_is_covered_too_where_single_blocks_have_a_positive_mean() -> None:
    """Blocks that lose first and win back the same have no positive running mean: the capital stays at most 1, without any noise at all."""
    cycle = np.array([-1.0, -0.4, 0.4, 1.0])
    contests = contest.empty_contests(1, 1)
    for tick, gain in enumerate(by_block(np.concatenate((np.ones(contest.BURN_IN), np.tile(cycle, 15)))), start=1):
        contests = contest.update_contests(contests, np.full((1, 1), gain), np.ones(1), ALL, tick, (1,), CLIP, 0.0)
        assert contest.e_values(contests)[0, 0, 0] <= 1e-12


@given(arrays(float, 30, elements=st.floats(-5.0, 5.0)))
def test_an_arm_and_its_mirror_image_have_mirrored_evidence(gains: Floats) -> None:
    one_way, other_way = contest.e_values(play(gains)), contest.e_values(play(-gains))
    np.testing.assert_allclose(one_way, other_way[:, [1, 0, 3, 2]], atol=1e-12)


def test_the_error_of_all_contests_of_a_session_adds_up_to_alpha() -> None:
    shares = [contest.contest_alpha_of(number, 0.05) for number in range(1, 10_001)]
    assert shares[0] == 0.025
    np.testing.assert_allclose(sum(shares), 0.05 * (1.0 - 1.0 / 10_001))


LOW, HIGH, MARGIN_HIGH = 0.0, math.log(2 / 0.05), math.log(1 / 0.05)


@pytest.mark.parametrize(
    ("evidence", "ticks", "verdict"),
    [
        ([[HIGH, LOW], [LOW, LOW], [HIGH, HIGH], [LOW, LOW]], 10, BETTER),
        ([[LOW, LOW], [LOW, HIGH], [LOW, LOW], [LOW, LOW]], 10, WORSE),
        ([[HIGH, LOW], [LOW, HIGH], [LOW, LOW], [LOW, LOW]], 10, RUNNING),  # the horizons contradict each other
        ([[HIGH, LOW], [LOW, HIGH], [HIGH, HIGH], [HIGH, HIGH]], 100, INCONCLUSIVE),
        ([[LOW, LOW], [LOW, LOW], [MARGIN_HIGH, MARGIN_HIGH], [MARGIN_HIGH, MARGIN_HIGH]], 10, EQUIVALENT),
        ([[LOW, LOW], [LOW, LOW], [MARGIN_HIGH, LOW], [MARGIN_HIGH, MARGIN_HIGH]], 10, RUNNING),
        ([[HIGH - 0.01, LOW], [LOW, LOW], [LOW, LOW], [LOW, LOW]], 99, RUNNING),
        ([[HIGH - 0.01, LOW], [LOW, LOW], [LOW, LOW], [LOW, LOW]], 100, INCONCLUSIVE),
        ([[HIGH, LOW], [LOW, LOW], [LOW, LOW], [LOW, LOW]], 100, BETTER),
    ],
)
def test_verdicts(evidence: list[list[float]], ticks: int, verdict: int) -> None:
    contests = with_evidence(np.array([evidence]) + 1e-9 * (np.array([evidence]) > 0.0), ticks)
    assert contest.judge_contests(contests, np.array([0.05]), 100).tolist() == [verdict]


def test_each_arm_is_judged_by_its_own_alpha() -> None:
    contests = with_evidence(np.tile(np.array([[HIGH + 1e-9, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]), (2, 1, 1)))
    assert contest.judge_contests(contests, np.array([0.05, 0.01]), NEVER).tolist() == [BETTER, RUNNING]


@pytest.mark.parametrize(("rows", "level", "verdict"), [((0,), HIGH, BETTER), ((1,), HIGH, WORSE), ((2, 3), MARGIN_HIGH, EQUIVALENT)])
def test_one_verdict_among_several_arms_is_given_at_once(rows: tuple[int, ...], level: float, verdict: int) -> None:
    evidence = np.zeros((3, 4, 2))
    evidence[1, list(rows)] = level + 1e-9
    assert contest.judge_contests(with_evidence(evidence), np.full(3, 0.05), NEVER).tolist() == [RUNNING, verdict, RUNNING]


def test_an_identical_twin_is_equivalent_within_25_blocks() -> None:
    contests = play(np.zeros(25 * contest.block_ticks(1)))
    assert contest.judge_contests(contests, np.array([0.025]), NEVER).tolist() == [EQUIVALENT]


def test_arms_come_and_go_without_touching_others() -> None:
    two = contest.add_arms(play(np.linspace(-1.0, 1.0, 40)), 1)
    assert two.blocks[:, 0].tolist() == [20.0, 0.0]
    assert contest.remove_arms(two, np.array([False, True])).digest() == contest.empty_contests(1, 1).digest()
    assert contest.remove_arms(two, np.array([True, False])).digest() == play(np.linspace(-1.0, 1.0, 40)).digest()


def test_no_arms_cost_nothing() -> None:
    empty = contest.empty_contests(0, 3)
    after = contest.update_contests(empty, np.zeros((0, 3)), np.ones(3), np.ones(3, dtype=bool), 40, HORIZONS, CLIP, MARGIN)
    assert after.digest() == empty.digest()
    assert contest.judge_contests(after, np.zeros(0), 10).shape == (0,)
    assert contest.contest_points(after, (), HORIZONS, np.zeros((0, 3), dtype=np.int64), np.zeros((0, 3))) == ()


def test_a_mean_gain_that_rests_on_clipped_blocks_does_not_survive_clipping() -> None:
    start = np.array([1.0, -1.1] * 10)
    assert contest.survives_clipping(play(by_block(start))).all()
    assert (
        not contest.survives_clipping(play(by_block(np.append(start, 40.0)))).any()
        or play(by_block(np.append(start, 40.0))).clipped_gain[0, 0] < 39.0
    )
    losing = np.append(np.tile([1.0, -1.4], 15), 40.0)
    assert not contest.survives_clipping(play(by_block(losing))).any()


def test_points_have_the_figures_of_their_contest() -> None:
    gains = by_block(np.array([1.0, -1.0, 1.0, -1.0, 1.0, 0.5, 0.5, 25.0]))
    contests = play(gains, power=2.0)
    arm = Arm(7, "challenger", (0,), ("ridge-1-abcdef",), ("0" * 32,), "", "schedule", "", "tuning", "ridge-0", 12, 0.025)
    (point,) = contest.contest_points(contests, (arm,), (1,), np.array([[3]]), np.array([[np.nan]]))
    assert (point.number, point.horizon, point.blocks, point.clipped, point.differing, point.differing_bps) == (7, 1, 8, 1, 3, None)
    assert point.r2_gain == pytest.approx(27.0 / 16.0)
    assert point.log_threshold == pytest.approx(math.log(40.0))
    assert point.log_e == tuple(contest.e_values(contests)[0, :, 0].tolist())
    (fresh,) = contest.contest_points(contest.empty_contests(1, 1), (arm,), (1,), np.zeros((1, 1), dtype=np.int64), np.array([[np.nan]]))
    assert fresh.r2_gain is None


def test_the_interval_of_the_gain_is_around_it_and_unknown_before_the_burn_in_ends() -> None:
    draw = np.random.default_rng(3)
    mean, low, high = contest.gain_interval(play(0.1 + draw.normal(size=4_000), power=2.0), 0.05)
    assert low[0, 0] < 0.05 < high[0, 0]
    assert low[0, 0] < mean[0, 0] < high[0, 0]
    assert np.isnan(contest.gain_interval(play(np.ones(4)), 0.05)[1]).all()


def test_the_interval_of_the_gain_by_hand() -> None:
    """40 blocks with a gain of 12 and squares of 100 vary by 100 - 144 / 40 about their mean, counted with 15 blocks more; tightest at 300 blocks."""
    blank = play(np.ones(60))
    whole = np.ones_like(blank.gain)
    contests = replace(blank, blocks=40.0 * whole, gain=12.0 * whole, squared=100.0 * whole, power=200.0 * whole)
    mean, low, high = contest.gain_interval(contests, 0.05)
    variance, error = 96.4 * 55.0 / 40.0, 2.0 * math.log(1.0 / 0.025)
    mixed = variance / 40.0 * 300.0 / (error + math.log(1.0 + error))
    radius = math.sqrt((variance + mixed) * math.log((variance + mixed) / (mixed * 0.025**2))) / 200.0
    np.testing.assert_allclose(mean, 0.06)
    np.testing.assert_allclose((low, high), ((0.06 - radius) * whole, (0.06 + radius) * whole))
    short = replace(contests, blocks=(contest.BURN_IN - 1.0) * whole)
    assert np.isnan(contest.gain_interval(short, 0.05)[1]).all()
    assert np.isnan(contest.gain_interval(replace(contests, power=0.0 * whole), 0.05)[0]).all()
