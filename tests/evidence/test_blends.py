"""Blends: against slow oracles and answers by hand, and what every blend promises: nothing before it is earned, and nothing for noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from engine.domain.evolution import BlendSums
from engine.domain.record import Bools, Floats, Ints
from engine.domain.trading_config import TradingConfig
from engine.evidence import blends, scoring, stacking
from engine.evidence.scoring import ScoredForecasts

CONFIG = TradingConfig()
HORIZONS = CONFIG.horizons
REGIMES = 4


@dataclass(frozen=True)
class Rows:
    """Forecasts as they come due, T ticks of S symbols: votes (T, M, H, S), whether known, targets (T, H, S) and regimes (T, H, S)."""

    votes: Floats
    known: Bools
    target: Floats
    regime: Ints

    def at(self, tick: int) -> ScoredForecasts:
        known = np.concatenate((self.known[tick], self.known[tick].any(axis=0)[None]))
        mean = np.where(known, np.concatenate((self.votes[tick], np.zeros_like(self.target[tick])[None])), 0.0)
        none = np.zeros((len(HORIZONS), 0))
        return ScoredForecasts(mean, self.target[tick], known, none, none, none, none, self.regime[tick], none)


@dataclass(frozen=True)
class Learned:
    """The sums of the serving stacking and of the blends after the last tick."""

    gram: Floats
    moment: Floats
    rows: Floats
    weights: Floats
    sums: BlendSums


def draw_rows(seed: int, ticks: int, *, models: int = 4, symbols: int = 3, signal: float = 0.3, missing: float = 0.1) -> Rows:
    """Correlated forecasts, of which each model knows a part of the target; the first is worth twice as much in the first two regimes."""
    draw = np.random.default_rng(seed)
    shape = (ticks, len(HORIZONS), symbols)
    regime = draw.integers(0, REGIMES, shape)
    truth = draw.normal(size=(ticks, models, *shape[1:]))
    truth = truth + 0.5 * truth.mean(axis=1, keepdims=True)
    factor = np.ones(truth.shape)
    factor[:, 0] = np.where(regime < 2, 2.0, 1.0)
    target = signal * (truth * factor).mean(axis=1) + draw.normal(size=shape)
    return Rows(0.3 * truth, draw.random(truth.shape) >= missing, np.clip(target, -5.0, 5.0), regime)


def learn(rows: Rows, config: TradingConfig = CONFIG) -> Learned:
    """Learn as phase 9 does: the sums of the serving stacking first, then the blends."""
    models, count = rows.votes.shape[1], len(HORIZONS)
    gram, moment, total = np.zeros((count, models, models)), np.zeros((count, models)), np.zeros(count)
    weights, sums = np.zeros((models, count)), blends.empty_blend_sums(models, count)
    discount = 0.5 ** (1.0 / config.weight_halflife)
    for tick in range(len(rows.votes)):
        scored = rows.at(tick)
        added = scoring.sum_moments(scored)
        gram, moment, total = gram * discount + added[0], moment * discount + added[1], total * discount + added[2]
        if tick % 8 == 0:
            weights = stacking.stacking_weights(gram, moment, np.repeat(total[:, None], models, axis=1), config.shrinkage_rows)
        sums = blends.update_blends(sums, scored, tick, gram, total, weights, config)
    return Learned(gram, moment, total, weights, sums)


def weights_of(name: str, learned: Learned) -> Floats:
    return blends.serving_weights(name, learned.sums, learned.weights)


def solve(columns: Floats, y: Floats, discount: Floats, penalty: Floats, centre: Floats) -> Floats:
    """Least squares of y (N,) on columns (N, M), not negative, row by row with a discount, and rows that hold the weights at `centre`."""
    scale, extra = np.sqrt(discount), np.sqrt(penalty)
    design = np.vstack((columns * scale[:, None], np.diag(extra)))
    return np.asarray(nnls(design, np.concatenate((y * scale, extra * centre)))[0])


def flat(rows: Rows, column: int, halflife: float) -> tuple[Floats, Floats, Ints, Floats, Bools]:
    """The rows of a horizon: columns (N, M), targets, regimes, discounts and whether any forecast was known."""
    ticks, models, _, symbols = rows.votes.shape
    known = rows.known[:, :, column]
    votes = np.where(known, rows.votes[:, :, column], 0.0).transpose(0, 2, 1).reshape(-1, models)
    age = np.repeat(np.arange(ticks, dtype=float)[::-1], symbols)
    return votes, rows.target[:, column].ravel(), rows.regime[:, column].ravel(), 0.5 ** (age / halflife), known.any(axis=1).ravel()


@given(st.integers(0, 10_000))
@settings(max_examples=4, deadline=None)
def test_fast_stacking_is_discounted_least_squares(seed: int) -> None:
    rows = draw_rows(seed, 317)
    fast = weights_of("fast stacking", learn(rows))
    for column in range(len(HORIZONS)):
        votes, y, _, discount, covered = flat(rows, column, 2_000.0)
        penalty = 1_000.0 * (discount @ votes**2) / (discount @ covered)
        for regime in range(REGIMES):
            np.testing.assert_allclose(fast[regime, :, column], solve(votes, y, discount, penalty, np.zeros(4)), atol=1e-3)


@given(st.integers(0, 10_000))
@settings(max_examples=4, deadline=None)
def test_regime_stacking_is_least_squares_by_regime_around_the_weights_over_all(seed: int) -> None:
    rows, config = draw_rows(seed, 317), replace(CONFIG, shrinkage_rows=200.0)
    learned = learn(rows, config)
    by_regime = weights_of("regime stacking", learned)
    for column in range(len(HORIZONS)):
        votes, y, regimes, discount, covered = flat(rows, column, config.weight_halflife)
        penalty = 200.0 * (discount @ votes**2) / (discount @ covered)
        for regime in range(REGIMES):
            mine = regimes == regime
            expected = solve(votes[mine], y[mine], discount[mine], penalty, learned.weights[:, column])
            np.testing.assert_allclose(by_regime[regime, :, column], expected, atol=1e-3)


def test_exponential_weights_are_those_of_a_loop_over_rows() -> None:
    rows = draw_rows(11, 45, signal=1.0)
    learned = learn(Rows(rows.votes[:44], rows.known[:44], rows.target[:44], rows.regime[:44]), replace(CONFIG, shrinkage_rows=10.0))
    experts = (learned.weights, weights_of("fast stacking", learned)[0], np.zeros((4, len(HORIZONS))))
    scored = rows.at(44)
    after = blends.update_blends(learned.sums, scored, 45, learned.gram, learned.rows, learned.weights, CONFIG)
    for column, horizon in enumerate(HORIZONS):
        tilted = []
        for expert, before in zip(experts, learned.sums.share[:, column], strict=True):
            gains = []
            for symbol in range(3):
                if rows.known[44, :, column, symbol].any():
                    forecast = sum(expert[m, column] * rows.votes[44, m, column, symbol] for m in range(4) if rows.known[44, m, column, symbol])
                    y = rows.target[44, column, symbol]
                    gains.append(y**2 - (y - forecast) ** 2)
            gain = min(max(sum(gains) / len(gains), -0.25), 0.25)
            tilted.append(before * np.exp(gain * np.sqrt(8.0 * np.log(3.0) / 500.0) / 0.5 / np.sqrt(horizon)))
        expected = [0.998 * value / sum(tilted) + 0.002 / 3.0 for value in tilted]
        np.testing.assert_allclose(after.share[:, column], expected, rtol=1e-9)
    assert not np.allclose(after.share, 1.0 / 3.0)


def test_exponential_weights_mix_the_experts_by_their_shares() -> None:
    learned = learn(draw_rows(11, 45))  # the last tick refreshes
    share = learned.sums.share
    mixed = share[0] * learned.weights + share[1] * weights_of("fast stacking", learned)[0]
    np.testing.assert_allclose(weights_of("exponential weights", learned), np.tile(mixed, (REGIMES, 1, 1)), rtol=1e-12)


def one_forecast(ticks: int) -> Rows:
    """A single symbol and model: a forecast of 1, a target of 1/2, in the second regime."""
    shape = (ticks, 1, len(HORIZONS), 1)
    return Rows(np.ones(shape), np.ones(shape, dtype=bool), np.full(shape, 0.5)[:, 0], np.ones(shape, dtype=np.int64)[:, 0])


def test_weights_by_hand() -> None:
    """After 13 equal rows the slope of a half is shrunk by the prior rows: 1,000 to 0, and 4,000 to the weights over all regimes."""
    learned = learn(one_forecast(13))
    fast, slow = (float(sum(0.5 ** (age / halflife) for age in range(13))) for halflife in (2_000.0, 20_000.0))
    nine = float(sum(0.5 ** (age / 20_000.0) for age in range(9)))  # when the serving stacking was last refreshed
    over_all = 0.5 * nine / (nine + 4_000.0)
    assert learned.weights[0] == pytest.approx(over_all)
    assert weights_of("fast stacking", learned)[:, 0] == pytest.approx(0.5 * fast / (fast + 1_000.0))
    assert weights_of("regime stacking", learned)[1, 0] == pytest.approx((0.5 * slow + 4_000.0 * over_all) / (slow + 4_000.0))
    assert weights_of("regime stacking", learned)[[0, 2, 3], 0] == pytest.approx(over_all)


def test_shares_by_hand() -> None:
    """A gain of 0.1 at one bar tilts by exp(0.1 eta), eta = sqrt(8 ln 3 / 500) / 0.5 = 0.26515; then 1/500 is spread over the three."""
    share, gain = np.full((3, 1), 1.0 / 3.0), np.array([[0.1], [0.0], [0.0]])
    tilt = np.exp(0.1 * 0.265152)
    after = blends.update_share(share, gain, np.array([2]), (1,))
    assert after[0, 0] == pytest.approx(0.998 * tilt / (tilt + 2.0) + 0.002 / 3.0, rel=1e-6)
    np.testing.assert_array_equal(blends.update_share(share, gain, np.array([0]), (1,)), share)
    clipped = blends.update_share(share, np.array([[9.0], [0.0], [-9.0]]), np.array([2]), (1,))
    np.testing.assert_allclose(clipped, blends.update_share(share, np.array([[0.25], [0.0], [-0.25]]), np.array([2]), (1,)))


@given(st.integers(0, 10_000), st.integers(0, 6), st.sampled_from([500, 2_000]))
@settings(max_examples=20, deadline=None)
def test_the_regret_of_exponential_weights_is_bounded(seed: int, switches: int, ticks: int) -> None:
    """Herbster and Warmuth (1998): against the best sequence of experts with that many switches, whatever the gains."""
    draw = np.random.default_rng(seed)
    best = np.sort(draw.integers(0, ticks, switches))
    gains = draw.uniform(-0.25, 0.25, (ticks, 3)) + 0.1 * np.eye(3)[np.searchsorted(best, np.arange(ticks), side="right") % 3]
    gains = np.clip(gains, -0.25, 0.25)
    share, earned = np.full((3, 1), 1.0 / 3.0), 0.0
    for gain in gains:
        earned += float(gain @ share[:, 0])
        share = blends.update_share(share, gain[:, None], np.array([1]), (1,))
    comparator = sum(float(part.sum(axis=0).max()) for part in np.split(gains, best)) if switches else float(gains.sum(axis=0).max())
    rate, spread = float(blends.learning_rates((1,))[0]), 1.0 / 500.0
    stay = -(ticks - 1 - switches) * np.log(1.0 - spread)
    bound = (np.log(3.0) + switches * np.log(3.0 / spread) + stay) / rate + rate * ticks * 0.5**2 / 8.0
    assert comparator - earned <= bound


def test_exponential_weights_follow_a_market_that_turns() -> None:
    """Once forecasts that were right have the wrong sign, most goes to no forecast, and back to them when they are right again."""
    right, no_forecast = [], []
    share = np.full((3, 1), 1.0 / 3.0)
    for tick in range(4_500):
        gain = -0.05 if 1_500 <= tick < 3_000 else 0.05
        share = blends.update_share(share, np.array([[gain], [0.8 * gain], [0.0]]), np.array([8]), (1,))
        right.append(share[0, 0] + share[1, 0])
        no_forecast.append(share[2, 0])
    assert right[1_499] > 0.9
    assert no_forecast[2_100] > 0.5
    assert no_forecast[2_999] > 0.7
    assert right[4_499] > 0.9


@pytest.mark.parametrize("seed", [1, 2])
def test_noise_earns_next_to_nothing_in_every_blend(seed: int) -> None:
    rows = draw_rows(seed, 1_501, signal=0.0)
    learned = learn(rows)
    votes = rows.votes[-300:].transpose(1, 2, 0, 3).reshape(4, len(HORIZONS), -1)
    forecasts = blends.blend_forecasts(learned.sums, votes, rows.regime[-300:, 0].ravel(), learned.weights)
    assert np.sqrt((forecasts**2).mean(axis=2)).max() < 0.03
    signal = learn(draw_rows(seed, 1_501, signal=1.0))
    loud = blends.blend_forecasts(signal.sums, votes, rows.regime[-300:, 0].ravel(), signal.weights)
    assert np.sqrt((loud**2).mean(axis=2)).min() > 0.1


def test_every_blend_starts_at_zero() -> None:
    sums = blends.empty_blend_sums(4, 3)
    forecasts = blends.blend_forecasts(sums, np.ones((4, 3, 5)), np.zeros(5, dtype=np.int64), np.zeros((4, 3)))
    assert forecasts.shape == (len(blends.BLENDS), 3, 5)
    assert (forecasts == 0).all()
    nothing = learn(Rows(np.ones((13, 4, 3, 2)), np.zeros((13, 4, 3, 2), dtype=bool), np.zeros((13, 3, 2)), np.zeros((13, 3, 2), dtype=int)))
    assert (nothing.sums.weights == 0).all()
    np.testing.assert_array_equal(nothing.sums.share, sums.share)


def test_a_model_without_forecasts_has_no_weight_and_changes_nothing() -> None:
    rows = draw_rows(7, 317)
    absent = rows.known.copy()
    absent[:, 3] = False
    without = Rows(rows.votes[:, :3], absent[:, :3], rows.target, rows.regime)
    full, fewer = learn(replace(rows, known=absent)), learn(without)
    for name in blends.BLENDS:
        assert (weights_of(name, full)[:, 3] == 0).all()
        np.testing.assert_allclose(weights_of(name, full)[:, :3], weights_of(name, fewer), atol=1e-12)


@given(st.permutations(range(4)))
@settings(max_examples=6, deadline=None)
def test_the_order_of_the_models_does_not_matter(order: list[int]) -> None:
    rows = draw_rows(9, 317)
    permuted = Rows(rows.votes[:, order], rows.known[:, order], rows.target, rows.regime)
    plain, other = learn(rows), learn(permuted)
    for name in blends.BLENDS:
        np.testing.assert_allclose(weights_of(name, other), weights_of(name, plain)[:, order], atol=1e-4)
    np.testing.assert_allclose(other.sums.share, plain.sums.share, atol=1e-4)


def test_a_missing_vote_counts_as_none() -> None:
    learned = learn(draw_rows(13, 317))
    draw = np.random.default_rng(14)
    votes, regime = draw.normal(size=(4, 3, 6)), draw.integers(0, REGIMES, 6)
    missing = draw.random(votes.shape) < 0.4
    partial = blends.blend_forecasts(learned.sums, np.where(missing, np.nan, votes), regime, learned.weights)
    np.testing.assert_array_equal(partial, blends.blend_forecasts(learned.sums, np.where(missing, 0.0, votes), regime, learned.weights))
    assert np.isfinite(partial).all()
    assert (blends.blend_forecasts(learned.sums, np.full(votes.shape, np.nan), regime, learned.weights) == 0).all()


@given(st.integers(1, 17), st.integers(1, 9), st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_forecasts_are_weighted_sums_in_the_regime_of_each_symbol(models: int, symbols: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    shape = blends.empty_blend_sums(models, 3).weights.shape
    sums = replace(blends.empty_blend_sums(models, 3), weights=draw.random(shape))
    votes, regime, weights = draw.normal(size=(models, 3, symbols)), draw.integers(0, REGIMES, symbols), draw.random((models, 3))
    forecasts = blends.blend_forecasts(sums, votes, regime, weights)
    np.testing.assert_array_equal(forecasts[0], (votes * weights[:, :, None]).sum(axis=0))  # as the ensemble combines them
    for place, name in enumerate(blends.BLENDS):
        by_regime = blends.serving_weights(name, sums, weights)
        np.testing.assert_array_equal(blends.combine_votes(by_regime, votes, regime), forecasts[place])  # bit for bit
        for symbol in range(symbols):
            slow = [sum(by_regime[regime[symbol], m, h] * votes[m, h, symbol] for m in range(models)) for h in range(3)]
            np.testing.assert_allclose(forecasts[place, :, symbol], slow, atol=1e-12)


def test_a_blend_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no blend 'best'"):
        blends.serving_weights("best", blends.empty_blend_sums(2, 3), np.zeros((2, 3)))


def test_another_model_in_a_place_starts_from_nothing() -> None:
    learned = learn(draw_rows(15, 317))
    sums = blends.replace_place(learned.sums, 1)
    others = [0, 2, 3]
    for part, before in ((sums.fast_gram, learned.sums.fast_gram), (sums.regime_gram, learned.sums.regime_gram)):
        assert (part[..., 1, :] == 0).all()
        assert (part[..., 1] == 0).all()
        np.testing.assert_array_equal(part[..., others, :][..., others], before[..., others, :][..., others])
    for part, before in ((sums.fast_moment, learned.sums.fast_moment), (sums.regime_moment, learned.sums.regime_moment)):
        assert (part[..., 1] == 0).all()
        np.testing.assert_array_equal(part[..., others], before[..., others])
    assert (sums.weights[:, :, 1] == 0).all()
    np.testing.assert_array_equal(sums.weights[:, :, others], learned.sums.weights[:, :, others])
    np.testing.assert_array_equal(sums.share, learned.sums.share)


def test_forecasts_on_probation_are_left_out() -> None:
    learned, scored = learn(draw_rows(17, 45)), draw_rows(18, 1).at(0)
    serving = (learned.gram, learned.rows, learned.weights, CONFIG)
    left_out = blends.update_blends(learned.sums, scored, 45, *serving, on_record=np.array([1.0, 0.0, 1.0]))
    counted = blends.update_blends(learned.sums, scored, 45, *serving)
    aged = learned.sums.fast_gram * 0.5 ** (1.0 / 2_000.0)
    np.testing.assert_array_equal(left_out.fast_gram[1], aged[1])
    np.testing.assert_array_equal(left_out.share[:, 1], learned.sums.share[:, 1])
    assert left_out.fast_rows[1] < learned.sums.fast_rows[1]
    for column in (0, 2):
        np.testing.assert_array_equal(left_out.regime_gram[:, column], counted.regime_gram[:, column])
        np.testing.assert_array_equal(left_out.share[:, column], counted.share[:, column])


def test_what_is_learned_repeats_bit_for_bit() -> None:
    digests = {learn(draw_rows(19, 45)).sums.digest() for _ in range(2)}
    assert len(digests) == 1
