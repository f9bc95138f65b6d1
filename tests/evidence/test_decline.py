"""Performance decline: the detector is right about no decline as long as it guarantees, and notices that a signal has died or turned."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from engine.domain.evidence import BLOCK_SQUARED, BLOCKS, GAIN, POWER, SkillSums
from engine.domain.evolution import DeclineState
from engine.domain.record import Floats
from engine.evidence import decline
from tests.evidence import chance

BLOCK = 12


def feed(state: DeclineState, gains: Floats, powers: Floats | float, tick: int, horizons: tuple[int, ...]) -> DeclineState:
    """After one tick for each row of (T, H) gains."""
    known = np.isfinite(gains)
    for row, seen in zip(gains, known, strict=True):
        state = decline.update_decline(state, row, np.broadcast_to(powers, row.shape), seen, tick, horizons)
        tick += 1
    return state


def with_reference(runs: int, r2: float, deviation: float) -> DeclineState:
    """A state whose earlier R2 and deviation of a block's gain are known beyond doubt: nothing that comes changes them."""
    state = decline.empty_decline((1,) * runs)
    sums, blocks = state.earlier.sums.copy(), 1e12
    sums[BLOCKS], sums[POWER], sums[GAIN], sums[BLOCK_SQUARED] = blocks, blocks * BLOCK, blocks * BLOCK * r2, blocks * deviation**2
    return replace(state, earlier=SkillSums(sums))


def test_a_block_leaves_out_the_forecasts_whose_targets_reach_into_the_next_block() -> None:
    """At three bars a block begins every 14 ticks with the forecast of that tick, which comes due three ticks later."""
    flags = [decline.find_gapped_blocks(tick, (3,)) for tick in range(3, 31)]
    opens, inside, closes = (np.array(part)[:, 0].astype(int).tolist() for part in zip(*flags, strict=True))
    assert opens == [1, *[0] * 13] * 2
    assert inside == [*[1] * 12, 0, 0] * 2
    assert closes == [*[0] * 11, 1, 0, 0] * 2
    last_target_ends, next_begins = 3 + 11, 14  # the twelfth forecast is made at tick 11
    assert last_target_ends <= next_begins


def test_the_bet_on_a_block_is_known_by_hand() -> None:
    """Earlier R2 4 %: 2 % are required. A block with a gain of -0.16 over a power of 12 misses 0.24 by 0.4, twice the deviation of 0.2."""
    state = with_reference(1, 0.04, 0.2)
    state = feed(state, np.full((BLOCK, 1), -0.16 / BLOCK), 1.0, 1, (1,))
    figures = decline.decline_figures(state, (1,))[0]
    first = np.mean(1.0 + 2.0 * decline.WAGERS)
    assert figures.earlier_r2 == pytest.approx(0.04)
    assert figures.required_r2 == pytest.approx(0.02)
    assert figures.recent_r2 == pytest.approx(-0.16 / 12)
    assert figures.e_value == pytest.approx(first)
    state = feed(state, np.full((BLOCK, 1), (0.24 + 0.1) / BLOCK), 1.0, 1 + BLOCK, (1,))  # half a deviation more than required
    expected = np.mean((1.0 + 1.0 + 2.0 * decline.WAGERS) * (1.0 - 0.5 * decline.WAGERS))
    assert decline.decline_figures(state, (1,))[0].e_value == pytest.approx(expected)


def test_a_block_that_ends_is_no_bet_on_the_open_blocks_of_other_horizons() -> None:
    """At 12 ticks the block of one bar ends; that of twelve bars is open, and is closed by the forecast of tick 11, which comes due at 23."""
    losses = np.full((23, 2), -0.1)
    after = feed(with_reference(2, 0.04, 0.2), losses[:12], 1.0, 1, (1, 12))
    assert np.isfinite(after.log_detector).all(axis=1).tolist() == [True, False]
    assert np.isfinite(feed(after, losses[12:], 1.0, 13, (1, 12)).log_detector).all()


def test_the_required_r2_is_the_lower_bound_while_it_is_below_half_of_the_estimate() -> None:
    state = with_reference(1, 0.04, 0.2)
    sums = state.earlier.sums.copy()
    sums[BLOCKS], sums[POWER], sums[GAIN], sums[BLOCK_SQUARED] = 25.0, 300.0, 12.0, 25.0 * 0.8**2
    figures = decline.decline_figures(replace(state, earlier=SkillSums(sums)), (1,))[0]
    assert figures.required_r2 == pytest.approx(0.04 - 1.645 * math.sqrt(25.0 * 0.64 * (1.0 + 15.0 / 25.0)) / 300.0)
    sums = sums.copy()
    sums[BLOCK_SQUARED] *= 4.0
    weak = decline.decline_figures(replace(state, earlier=SkillSums(sums)), (1,))[0]
    assert weak.required_r2 is None  # the earlier skill is not enough to lose
    assert weak.earlier_r2 == pytest.approx(0.04)


def test_no_bet_is_made_before_twenty_earlier_blocks() -> None:
    draw = np.random.default_rng(3)
    blocks = decline.RECENT_BLOCKS + decline.MIN_EARLIER
    gains = 0.05 + 0.01 * draw.standard_normal((blocks * BLOCK, 1))
    state = feed(decline.empty_decline((1,)), gains, 1.0, 1, (1,))
    assert np.isneginf(state.log_detector).all()
    assert decline.decline_figures(state, (1,))[0].earlier_r2 == pytest.approx(0.05, abs=0.002)
    assert np.isfinite(feed(state, gains[:BLOCK], 1.0, 1 + blocks * BLOCK, (1,)).log_detector).all()


@pytest.mark.parametrize("tails", ["normal", "heavy", "skewed"])
def test_the_mean_time_to_a_false_signal_is_at_least_what_is_guaranteed(tails: str) -> None:
    """At the border of the hypothesis the expected detector is at most the number of blocks, and it reaches 50 after 50 blocks or more on average.

    The gains vary together for long, as forecasts that persist make them: their deviation follows an autoregression.
    """
    runs, blocks, threshold, draw = 2_000, 400, 50.0, np.random.default_rng(11)
    state, size, hit = with_reference(runs, 0.04, 0.2), draw.standard_normal(runs), np.full(runs, blocks)
    for block in range(blocks):
        size = 0.8 * size + 0.6 * draw.standard_normal(runs)
        noise = {
            "normal": draw.standard_normal(runs),
            "heavy": draw.standard_t(4, runs) / math.sqrt(2.0),
            "skewed": (draw.exponential(size=runs) - 1.0) * draw.choice((-1.0, 1.0)),
        }[tails]
        gain = 0.24 + 0.15 * np.exp(0.3 * size) * noise
        state = decline._close_blocks(replace(state, open_gain=gain, open_power=np.full(runs, 12.0)), np.ones(runs, dtype=bool))
        above = decline._log_e_value(state) >= math.log(threshold)
        hit = np.where(above & (hit == blocks), block + 1, hit)
    assert hit.mean() >= threshold
    values = np.exp(decline._log_e_value(state))
    assert values.mean() <= blocks + 3.0 * values.std() / math.sqrt(runs)


@pytest.mark.parametrize(
    ("horizon", "after", "within"), [(1, 0.0, 400), (1, -1.0, 220), (3, 0.0, 450), (3, -1.0, 260), (12, 0.0, 700), (12, -1.0, 400)]
)
def test_a_signal_that_dies_or_turns_is_noticed_and_nothing_before(horizon: int, after: float, within: int) -> None:
    """R2 5 % at one bar over eight symbols, forecasts that persist; at tick 1,500 the relation dies (0) or changes its sign (-1)."""
    runs, ticks, change, symbols, draw = 20, 2_400, 1_500, 8, np.random.default_rng(5)
    signal = math.sqrt(0.05) * chance.forecasts("persistent", (runs, ticks + horizon, symbols), draw)
    factor = np.where(np.arange(ticks + horizon) < change, 1.0, after)[None, :, None]
    returns = factor * signal + math.sqrt(0.95) * chance.moves(runs, ticks + horizon, symbols, draw, shared=0.3)
    realised = chance.target(returns, horizon, ticks)
    forecast = signal[:, :ticks] * (1.0 - 0.95**horizon) / 0.05 / math.sqrt(horizon)
    gain, power = (forecast * (2.0 * realised - forecast)).mean(axis=2).T, (realised * realised).mean(axis=2).T
    state, first, known = decline.empty_decline((horizon,) * runs), np.full(runs, ticks), np.ones(runs, dtype=bool)
    for made in range(ticks):
        state = decline.update_decline(state, gain[made], power[made], known, made + horizon, (horizon,) * runs)
        first = np.where((decline._log_e_value(state) >= math.log(3.0 / decline.ALPHA)) & (first == ticks), made + horizon, first)
    assert first.min() >= change
    assert np.median(first) <= change + within


def test_forecasts_without_skill_have_nothing_to_lose() -> None:
    draw = np.random.default_rng(1)
    gains = -0.01 + 0.05 * draw.standard_normal((3_000, 4))
    state = feed(decline.empty_decline((1, 3, 12, 24)), gains, 1.0, 0, (1, 3, 12, 24))
    assert not decline.has_declined(state)
    assert [figures.e_value for figures in decline.decline_figures(state, (1, 3, 12, 24))] == [0.0] * 4


def test_after_a_signal_the_horizon_begins_anew_and_the_others_go_on() -> None:
    draw = np.random.default_rng(2)
    good = 0.05 + 0.02 * draw.standard_normal((1_500, 2))
    state = feed(decline.empty_decline((1, 3)), good, 1.0, 0, (1, 3))
    good[:, 0] -= 0.1
    state = feed(state, good[:600], 1.0, 1_500, (1, 3))
    assert decline.declined_horizons(state).tolist() == [True, False]
    assert decline.has_declined(state)
    anew = decline.restart_decline(state)
    assert not decline.has_declined(anew)
    first, other = decline.decline_figures(anew, (1, 3))
    assert (first.earlier_r2, first.recent_r2, first.e_value, first.blocks) == (None, None, 0.0, 0)
    assert other == decline.decline_figures(state, (1, 3))[1]
    everything = decline.restart_decline(state, np.array([True, True]))
    assert everything.digest() == decline.empty_decline((1, 3)).digest()


def test_a_block_that_was_interrupted_counts_only_what_was_scored() -> None:
    horizons, quiet = (1,), np.full((BLOCK, 1), np.nan)
    state = feed(decline.empty_decline(horizons), quiet, 1.0, 1, horizons)
    assert np.isnan(state.recent).all()  # nothing was scored: no block
    half = np.where(np.arange(BLOCK)[:, None] < 6, 0.1, np.nan)
    state = feed(state, half, 1.0, 1 + BLOCK, horizons)
    np.testing.assert_allclose(state.recent[0], [[0.6], [6.0]])
    lost = feed(state, half[:3], 1.0, 1 + 2 * BLOCK, horizons)  # the ticks at its end are missing
    again = feed(lost, np.full((BLOCK, 1), 0.2), 1.0, 1 + 3 * BLOCK, horizons)
    np.testing.assert_allclose(again.recent[:2, :, 0], [[2.4, 12.0], [0.6, 6.0]])
