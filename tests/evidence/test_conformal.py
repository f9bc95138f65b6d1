"""Forecast intervals keep their coverage when volatility changes, in every regime and with a mass at 0, and are no wider than needed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.domain.record import Floats, Ints
from engine.domain.state import Intervals
from engine.evidence import conformal, scoring
from engine.evidence.scoring import ScoredForecasts

REGIMES = 4


def scored(target: Floats, intervals: Intervals, regime: Ints | None = None, scale: Floats | None = None) -> ScoredForecasts:
    """One horizon, one model beside the ensemble, S symbols, forecasts of 0 at the widths in force."""
    count = len(target)
    means = np.zeros((2, 1, count))
    where = np.zeros(count, dtype=np.int64) if regime is None else regime
    return ScoredForecasts(
        mean=means,
        target=target[None],
        known=np.isfinite(means),
        half_width=conformal.current_half_widths(intervals),
        scale=(np.ones(count) if scale is None else scale)[None],
        scale_factor=np.ones((1, count, 2)),
        probability=np.full((1, count), 0.5),
        regime=where[None],
        constant_half_width=intervals.constant_half_width,
    )


def score(intervals: Intervals, what: ScoredForecasts) -> Intervals:
    return conformal.update_intervals(intervals, what, 0.05, (1,))


def share(after: Intervals, before: Intervals, regime: int = 0) -> Floats:
    """(2,) covered of what was scored between the two."""
    return np.asarray((after.covered - before.covered)[0, regime] / (after.rows - before.rows)[0, regime])


def coverage(scales: tuple[float, ...], symbols: int, *, adapts: bool = True) -> list[Floats]:
    """By stretch of 4,000 bars, the shares that fell into the two intervals: returns of a bar in the EWMA volatility known before it."""
    draw = np.random.default_rng([9, symbols])
    intervals, stretches, begun = conformal.initial_intervals(1, REGIMES, symbols), [], conformal.initial_intervals(1, REGIMES, symbols).half_width
    fade, variance = 0.5 ** (1.0 / 60.0), np.ones(symbols)
    for scale in scales:
        before = intervals
        for _ in range(4_000):
            moved = draw.standard_t(4, symbols) * scale
            y = np.clip(moved / np.sqrt(variance), -scoring.CLIP, scoring.CLIP)
            intervals = score(intervals, scored(y, intervals))
            intervals = intervals if adapts else replace(intervals, half_width=begun)
            variance = variance * fade + (1.0 - fade) * moved * moved
        stretches.append(share(intervals, before))
    return stretches


@pytest.mark.parametrize("symbols", [1, 8])
def test_coverage_is_kept_when_volatility_changes(symbols: int) -> None:
    for intervals in coverage((1.0, 2.5, 0.4, 1.2), symbols):
        np.testing.assert_allclose(intervals, conformal.LEVELS, atol=0.015)


def test_an_interval_that_does_not_adapt_would_fail_the_same_market() -> None:
    assert max(np.abs(intervals - conformal.LEVELS).max() for intervals in coverage((1.0, 2.5, 0.4, 1.2), 8, adapts=False)) > 0.02


@pytest.mark.parametrize("zeros", [0.0, 0.4])
@pytest.mark.parametrize("scale", [0.4, 1.5])
def test_one_symbol_soon_forgets_where_its_width_began(scale: float, zeros: float) -> None:
    """Otherwise an hour by the second is covered by five points too much, whole: 3,500 ticks at 0.2 % do not halve a width."""
    draw = np.random.default_rng(11)
    intervals = conformal.initial_intervals(1, REGIMES, 1)
    for _ in range(1_500):
        intervals = score(intervals, scored(np.where(draw.random(1) < zeros, 0.0, draw.normal(size=1) * scale), intervals))
    np.testing.assert_allclose(intervals.covered[0, 0] / intervals.rows[0, 0], conformal.LEVELS, atol=0.015)


@pytest.mark.parametrize("scale", [2.5, 0.4])
def test_an_interval_of_the_wrong_width_finds_its_width(scale: float) -> None:
    """Without any volatility to scale by, in as many ticks as 1 % of a miss at a time takes."""
    draw = np.random.default_rng(5)
    intervals = before = conformal.initial_intervals(1, REGIMES, 4)
    for tick in range(7_000):
        before = intervals if tick == 3_000 else before
        intervals = score(intervals, scored(draw.standard_t(4, 4) * scale, intervals))
    np.testing.assert_allclose(share(intervals, before), conformal.LEVELS, atol=0.015)


def test_every_regime_has_a_width_of_its_own_and_keeps_its_coverage() -> None:
    draw = np.random.default_rng(6)
    intervals = before = conformal.initial_intervals(1, REGIMES, 10)
    scales = np.array([0.5, 1.0, 1.5, 3.0])
    for tick in range(6_000):
        before = intervals if tick == 2_000 else before
        of = draw.integers(0, 3, 10)  # the last regime never comes
        intervals = score(intervals, scored(draw.normal(size=10) * scales[of], intervals, of))
    for regime in range(3):
        np.testing.assert_allclose(share(intervals, before, regime), conformal.LEVELS, atol=0.015)
        np.testing.assert_allclose(intervals.half_width[0, regime], np.array(conformal.NORMAL_HALF_WIDTHS) * scales[regime], rtol=0.15)
    assert intervals.rows[0, 3] == 0


def test_a_regime_that_nobody_is_in_moves_along_with_the_others() -> None:
    """Else it comes back with the width of a market that is gone."""
    draw = np.random.default_rng(13)
    intervals = conformal.initial_intervals(1, REGIMES, 1)
    for tick in range(2_000):
        intervals = score(intervals, scored(draw.normal(size=1), intervals, np.array([tick % 2])))
    before = intervals
    for _ in range(1_000):
        intervals = score(intervals, scored(draw.normal(size=1) * 0.2, intervals))
    left = intervals.half_width[0] / before.half_width[0]
    assert (left[0] < 0.3).all()
    along = np.log(left[1:]) / np.log(left[0])  # a little less than ALONG: who is in a regime also gains by its haste
    assert ((along > 0.5 * conformal.UNOCCUPIED_RATE) & (along < conformal.UNOCCUPIED_RATE)).all()
    assert intervals.rows[0, 1] == before.rows[0, 1]


def test_a_regime_is_covered_by_row_where_it_holds_few_symbols_at_times_and_all_at_others() -> None:
    draw = np.random.default_rng(14)
    intervals = conformal.initial_intervals(1, REGIMES, 20)
    for tick in range(6_000):
        crisis = tick % 300 < 60
        of = np.where(draw.random(20) < (0.9 if crisis else 0.02), 1, 0)
        intervals = score(intervals, scored(draw.normal(size=20) * (2.0 if crisis else 0.7), intervals, of))
    np.testing.assert_allclose(intervals.covered[0, :2] / intervals.rows[0, :2, None], np.tile(conformal.LEVELS, (2, 1)), atol=0.015)


@pytest.mark.parametrize("zeros", [0.3, 0.7, 0.85, 0.95])
def test_coverage_is_kept_where_most_targets_are_exactly_zero(zeros: float) -> None:
    draw = np.random.default_rng(7)
    intervals = before = conformal.initial_intervals(1, REGIMES, 5)
    for tick in range(8_000):
        before = intervals if tick == 3_000 else before
        moved = np.where(draw.random(5) < zeros, 0.0, draw.normal(size=5))
        intervals = score(intervals, scored(moved, intervals))
    np.testing.assert_allclose(share(intervals, before), conformal.LEVELS, atol=0.015)


def test_unknown_targets_are_not_scored() -> None:
    intervals = conformal.initial_intervals(1, REGIMES, 3)
    scores = scored(np.array([1.0, 0.0, 9.0]), intervals)
    hidden = replace(scores, known=scores.known & np.array([True, True, False]))
    after = score(intervals, hidden)
    assert after.rows.sum() == 2
    assert after.covered[0, 0].tolist() == [2.0, 2.0]
    assert after.zero_mass[0, 0] == pytest.approx(0.5 * (1 - 0.5 ** (2 / 3 / conformal.ZERO_MASS_HALFLIFE)))
    np.testing.assert_array_equal(after.constant_half_width[:, :, 2], intervals.constant_half_width[:, :, 2])


def test_the_winkler_score_is_width_and_penalty_for_a_miss() -> None:
    intervals = conformal.initial_intervals(1, REGIMES, 2)
    width = np.array(conformal.NORMAL_HALF_WIDTHS)
    after = score(intervals, scored(np.array([0.5, 3.0]), intervals, scale=np.array([0.01, 0.02])))
    expected = 2 * width * 0.03 + 2 / (1 - conformal.LEVELS) * (3.0 - width) * 0.02
    np.testing.assert_allclose(after.winkler[0], expected)
    constant = 4 * conformal.CONSTANT_START + 2 / (1 - conformal.LEVELS) * (0.065 - 2 * conformal.CONSTANT_START)
    np.testing.assert_allclose(after.winkler_constant[0], constant)


def test_the_constant_half_width_is_scored_as_at_the_decision() -> None:
    intervals = conformal.initial_intervals(1, REGIMES, 1)
    issued = replace(scored(np.array([1.0]), intervals), constant_half_width=np.full((1, 2, 1), 0.25))
    after = score(intervals, issued)
    np.testing.assert_allclose(after.winkler_constant[0], 0.5 + 2 / (1 - conformal.LEVELS) * 0.75)
    np.testing.assert_allclose(
        after.constant_half_width[0, :, 0], conformal.CONSTANT_START * np.exp(conformal.CONSTANT_LEARNING_RATE * conformal.LEVELS)
    )


@pytest.mark.parametrize(("noise", "gain"), [(0.0, 0.03), (0.3, 0.01)])
def test_intervals_beat_those_of_constant_width_be_the_volatility_known_or_only_guessed_at(noise: float, gain: float) -> None:
    """The volatility forecast is right, or off by so much in logs."""
    draw = np.random.default_rng(8)
    intervals, begun = conformal.initial_intervals(1, REGIMES, 6), conformal.initial_intervals(1, REGIMES, 6)
    volatility = np.full(6, 1e-3)
    for tick in range(8_000):
        volatility = np.clip(volatility * np.exp(0.05 * draw.normal(size=6)), 2e-4, 5e-3)
        off = np.exp(noise * draw.normal(size=6))
        scale = (volatility * off)[None]
        what = scored(draw.normal(size=6) / off, intervals, scale=scale[0])
        intervals = score(intervals, replace(what, scale_factor=conformal.scale_factors(intervals, np.ones(6), scale)))
        begun = intervals if tick == 2_000 else begun
    assert (intervals.winkler - begun.winkler < (1.0 - gain) * (intervals.winkler_constant - begun.winkler_constant)).all()
    np.testing.assert_allclose(share(intervals, begun), conformal.LEVELS, atol=0.015)


def test_the_scale_factor_is_a_mean_in_logs_of_the_forecast_and_the_symbols_own_need() -> None:
    intervals = replace(
        conformal.initial_intervals(1, REGIMES, 3), symbol_half_width=np.broadcast_to(np.array([0.02, 0.04])[None, :, None], (1, 2, 3)).copy()
    )
    found = conformal.scale_factors(intervals, np.array([1.0, 2.0, 1.0]), np.array([[0.02, 0.005, 0.0]]))
    np.testing.assert_allclose(found[0, 0], [1.0, 2.0 ** (1.0 - conformal.FORECAST_WEIGHT)])
    np.testing.assert_allclose(found[0, 1], [2.0 * 2.0 ** (1.0 - conformal.FORECAST_WEIGHT), 2.0 * 4.0 ** (1.0 - conformal.FORECAST_WEIGHT)])
    np.testing.assert_array_equal(found[0, 2], [1.0, 1.0])  # no volatility is known
    wide = conformal.half_widths_by_symbol(conformal.current_half_widths(intervals), np.zeros(3, dtype=np.int64), found)
    np.testing.assert_allclose(wide, intervals.half_width[:, [0, 0, 0]] * found)


def test_a_symbols_own_width_follows_its_misses_by_level() -> None:
    intervals = conformal.initial_intervals(1, REGIMES, 2)
    after = score(intervals, scored(np.array([1.0, 0.0]), intervals, scale=np.array([0.1, 0.1])))
    step = conformal.OWN_LEARNING_RATE
    np.testing.assert_allclose(after.symbol_half_width[0, :, 0], conformal.CONSTANT_START * np.exp(step * conformal.LEVELS))
    np.testing.assert_allclose(after.symbol_half_width[0, :, 1], conformal.CONSTANT_START * np.exp(step * (conformal.LEVELS - 1.0)))


def test_one_step_worked_by_hand() -> None:
    """Of two symbols one is hit by both intervals and one is missed by both, of three in another regime all are hit; 400 rows are known of the first.

    The learning rate at one bar is 0.05 + 20 / (rows per symbol + 100); a regime without symbols moves by 0.3 of 0.05 times the shortfall of all.
    """
    begun = conformal.initial_intervals(1, REGIMES, 5)
    rows = begun.rows.copy()
    rows[0, 0] = 400.0
    intervals = replace(begun, rows=rows)
    after = score(intervals, scored(np.array([0.5, 9.0, 0.1, 0.2, 0.3]), intervals, np.array([0, 0, 1, 1, 1])))
    first, second = (conformal.LEVELS * 2.0 - 1.0) / 5.0, (conformal.LEVELS * 3.0 - 3.0) / 5.0
    moved = np.log(after.half_width[0] / intervals.half_width[0])
    np.testing.assert_allclose(moved[0], (0.05 + 20.0 / 180.0) * first)
    np.testing.assert_allclose(moved[1], (0.05 + 20.0 / 100.0) * second)
    np.testing.assert_allclose(moved[2:], np.tile(0.3 * 0.05 * (first + second), (2, 1)), atol=1e-15)
    assert (after.rows - intervals.rows)[0].tolist() == [2.0, 3.0, 0.0, 0.0]
    longer = conformal.update_intervals(intervals, scored(np.array([0.5, 9.0, 0.1, 0.2, 0.3]), intervals, np.array([0, 0, 1, 1, 1])), 0.05, (4,))
    np.testing.assert_allclose(np.log(longer.half_width[0, 0] / intervals.half_width[0, 0]), (0.025 + 20.0 / 480.0) * first)


def test_a_target_at_the_end_of_an_interval_is_inside_and_no_width_falls_below_a_fiftieth() -> None:
    intervals = replace(conformal.initial_intervals(1, REGIMES, 1), half_width=np.full((1, REGIMES, 2), 0.5))
    assert score(intervals, scored(np.array([-0.5]), intervals)).covered[0, 0].tolist() == [1.0, 1.0]
    narrow = replace(intervals, half_width=np.full((1, REGIMES, 2), 0.0201))
    for _ in range(3):
        narrow = score(narrow, scored(np.array([0.001]), narrow))
    assert narrow.half_width[0, 0].tolist() == [0.02, 0.02]


@pytest.mark.parametrize(("mass", "wanted"), [(0.5, [0.0, 0.0]), (0.75, [1.0, 1.0]), (0.96, [0.8 / 0.96, 0.9 / 0.96])])
def test_a_target_of_0_counts_in_expectation_where_zeros_are_more_than_half(mass: float, wanted: list[float]) -> None:
    member = np.zeros((1, 2, REGIMES))
    member[:, :, 0] = 1.0
    zero = np.array([[True, False]])
    hits = conformal._hits(np.array([[2.0, 0.5]]), np.ones((1, 2, 2)), zero, member, np.full((1, REGIMES), mass))
    assert hits[0].tolist() == [pytest.approx(wanted), [1.0, 1.0]]


@pytest.mark.parametrize("regimes", [1, REGIMES])
@pytest.mark.parametrize(("mass", "wanted"), [(0.4, [1.0, 1.0]), (0.96, [0.8 / 0.96, 0.9 / 0.96])])
def test_a_target_of_0_is_counted_by_the_mass_of_its_regime(mass: float, wanted: list[float], regimes: int) -> None:
    """After 400 rows of one symbol a quarter of the first value is left in the mean of the zeros, with a half-life of 200."""
    begun = conformal.initial_intervals(1, regimes, 1)
    zero_mass, rows = np.zeros((1, regimes)), np.zeros((1, regimes))
    zero_mass[0, 0], rows[0, 0] = 0.75 * mass, 400.0
    intervals = replace(begun, zero_mass=zero_mass, rows=rows)
    assert score(intervals, scored(np.zeros(1), intervals)).covered[0, 0].tolist() == pytest.approx(wanted)


def test_only_what_the_ensemble_forecast_is_scored_whatever_single_models_did() -> None:
    intervals = conformal.initial_intervals(1, REGIMES, 3)
    whole = scored(np.array([1.0, 0.5, 9.0]), intervals)
    whole = replace(whole, mean=np.zeros((4, 1, 3)), known=np.ones((4, 1, 3), dtype=bool))
    models, ensemble = whole.known.copy(), whole.known.copy()
    models[:-1], ensemble[-1] = False, np.array([True, True, False])
    assert score(intervals, replace(whole, known=models)).digest() == score(intervals, whole).digest()
    without = score(intervals, replace(whole, known=ensemble))
    np.testing.assert_allclose(without.winkler[0], 2.0 * 2.0 * np.array(conformal.NORMAL_HALF_WIDTHS))
    assert without.rows.sum() == 2.0
