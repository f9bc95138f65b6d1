"""Liquidity forecasts: out of sample, better than "the same as now" where something can be known, and never where nothing can."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.domain.evidence import MEASURES, BookMeasurement, LiquidityForecast, LiquidityForecastRow
from engine.domain.record import Floats
from engine.evidence import liquidity_forecast
from tests.makers import having

SYMBOLS = 4


def measured(levels: Floats, cost: Floats, met: Floats, *, mid: float = 100.0, met_mid: float = 100.0, lean: float = 0.0) -> BookMeasurement:
    unit = np.ones(SYMBOLS)
    return BookMeasurement(levels, cost, met, mid * unit, met_mid * unit, lean * unit)


def play(levels: Floats, costs: Floats, *, first: int = 0) -> tuple[LiquidityForecast, list[Floats], list[Floats]]:
    """Ticks of (T, 3, S) levels and (T, 2, 2, S) costs on a book that orders of the tick before met; the forecasts made at each."""
    state, ahead, quoted = liquidity_forecast.empty_liquidity_forecast(), [], []
    for tick, (level, cost) in enumerate(zip(levels, costs, strict=True), start=first):
        state = liquidity_forecast.update_liquidity_forecast(state, measured(level, cost, cost), tick)
        ahead.append(state.level_forecast)
        quoted.append(state.cost_forecast)
    return state, ahead, quoted


def by_measure(state: LiquidityForecast) -> dict[str, LiquidityForecastRow]:
    return {row.measure: row for row in liquidity_forecast.liquidity_table(state)}


def noise(ticks: int, seed: int = 1) -> tuple[Floats, Floats]:
    """Levels and costs that are noise round a constant: the mean is the best forecast and "the same as now" a bad one."""
    draw = np.random.default_rng(seed)
    return draw.normal(2.0, 0.3, (ticks, 3, SYMBOLS)), 5.0 + draw.exponential(1.0, (ticks, 2, 2, SYMBOLS))


def walk(ticks: int, seed: int = 2) -> tuple[Floats, Floats]:
    """Levels and costs that wander: nothing beats "the same as now"."""
    draw = np.random.default_rng(seed)
    return 2.0 + draw.normal(0, 0.1, (ticks, 3, SYMBOLS)).cumsum(axis=0), 500.0 + draw.normal(0, 0.1, (ticks, 2, 2, SYMBOLS)).cumsum(axis=0)


def test_mean_reverting_levels_are_forecast_better_than_as_now() -> None:
    state, _, _ = play(*noise(900))
    rows = by_measure(state)
    for measure in ("spread", "depth", "impact"):  # 0.5 is the most there is to gain
        low, r2 = rows[measure].low, rows[measure].r2
        assert low is not None
        assert r2 is not None
        assert 0.25 < low < r2 < 0.5
    cost = rows["cost_10k"].r2
    assert cost is not None
    assert cost > 0.2


def test_unpredictable_levels_show_no_skill() -> None:
    state, _, quoted = play(*walk(1_500))
    for measure, row in by_measure(state).items():
        if measure != "micro_price":
            assert row.r2 is not None
            assert row.low is not None
            assert row.low < 0.0
            assert row.r2 > -0.03, measure
    assert np.isfinite(quoted[-1]).all()


def test_the_score_is_that_of_the_forecasts_made_a_tick_before() -> None:
    levels, costs = noise(500)
    state, ahead, _ = play(levels, costs)
    realised, forecast, naive = levels[1:, 0], np.array(ahead)[:-1, 0], levels[:-1, 0]
    expected = 1.0 - ((realised - forecast) ** 2).sum() / ((realised - naive) ** 2).sum()
    row = by_measure(state)["spread"]
    assert row.r2 is not None
    np.testing.assert_allclose(row.r2, expected)
    assert row.n == 499 * SYMBOLS


def test_later_ticks_change_no_earlier_forecast() -> None:
    levels, costs = noise(120)
    _, whole, quoted = play(levels, costs)
    other = levels.copy()
    other[80:] *= 9.0
    _, part, again = play(other, costs * np.where(np.arange(120) < 80, 1.0, 3.0)[:, None, None, None])
    np.testing.assert_array_equal(whole[:80], part[:80])
    np.testing.assert_array_equal(quoted[:80], again[:80])
    assert not np.array_equal(whole[80:], part[80:])


def test_the_cost_of_an_order_beats_the_last_books_in_its_worst_tenth() -> None:
    _, costs = noise(900)
    _, _, quoted = play(*noise(900))
    ours = np.abs(np.array(quoted)[100:-1] - costs[101:])
    naive = np.abs(costs[100:-1] - costs[101:])
    assert np.quantile(ours, 0.9) < 0.9 * np.quantile(naive, 0.9)
    assert abs(float((np.array(quoted)[100:-1] - costs[101:]).mean())) < 0.05


def test_a_cost_that_stays_is_quoted_as_it_is() -> None:
    costs = np.full((200, 2, 2, SYMBOLS), 3.25)
    _, _, quoted = play(noise(200)[0], costs)
    np.testing.assert_array_equal(np.array(quoted), costs)


def test_a_book_that_has_all_but_run_dry_is_not_taken_at_its_word() -> None:
    levels, costs = walk(300)
    state, _, quoted = play(levels, costs)
    assert (quoted[-1] == costs[-1]).mean() > 0.8  # of what wanders, mostly the last book's cost is quoted
    dry = liquidity_forecast.update_liquidity_forecast(state, measured(levels[-1], np.full_like(costs[-1], 40_000.0), costs[-1]), 300)
    assert (dry.cost_forecast < 520.0).all()


def test_an_unfillable_size_has_no_forecast_and_is_not_scored() -> None:
    levels, costs = noise(500)
    costs[:, 1] = np.nan
    state, _, quoted = play(levels, costs)
    assert np.isnan(np.array(quoted)[:, 1]).all()
    row = by_measure(state)["cost_100k"]
    assert (row.r2, row.low, row.high, row.n, row.n_effective) == (None, None, None, 0, None)


def test_fewer_than_fifteen_blocks_are_not_enough_data() -> None:
    few, _, _ = play(*noise(12 * 14))
    many, _, _ = play(*noise(12 * 14 + 1))
    assert {row.r2 for row in liquidity_forecast.liquidity_table(few)} == {None}
    assert by_measure(many)["spread"].r2 is not None


def test_a_tick_that_was_lost_scores_nothing() -> None:
    levels, costs = noise(50)
    state, _, _ = play(levels, costs)
    later = liquidity_forecast.update_liquidity_forecast(state, measured(levels[0], costs[0], costs[0]), 60)
    np.testing.assert_array_equal(later.score.sums, state.score.sums)
    assert later.tick == 60


def test_the_micro_price_follows_the_moves_of_the_mid() -> None:
    draw = np.random.default_rng(3)
    state, lean, cost = liquidity_forecast.empty_liquidity_forecast(), 0.0, np.full((2, 2, SYMBOLS), 1.0)
    for tick in range(600):
        move = 0.6 * lean + draw.normal(0, 0.5)
        now = measured(np.ones((3, SYMBOLS)), cost, cost, met_mid=100.0 * (1 + move / 1e4), lean=(lean := draw.normal(0, 1)))
        state = liquidity_forecast.update_liquidity_forecast(state, now, tick)
    np.testing.assert_allclose(state.offset_share, 0.6, atol=0.08)
    row = by_measure(state)["micro_price"]
    assert row.r2 is not None
    assert 0.4 < row.r2 < 0.65


def test_measures_are_listed_in_order_and_symbols_may_join_late() -> None:
    assert tuple(row.measure for row in liquidity_forecast.liquidity_table(liquidity_forecast.empty_liquidity_forecast())) == MEASURES
    cost = np.full((2, 2, SYMBOLS), 1.0)
    grown = liquidity_forecast.update_liquidity_forecast(
        liquidity_forecast.empty_liquidity_forecast(), measured(np.ones((3, SYMBOLS)), cost, cost), 5
    )
    assert grown.mean.shape == (3, SYMBOLS)
    assert liquidity_forecast.update_liquidity_forecast(grown, replace(measured(np.ones((3, SYMBOLS)), cost, cost)), 6).tick == 6


def test_a_measurement_without_books_knows_nothing() -> None:
    blank = liquidity_forecast.empty_measurement(3)
    assert [part.shape for part in (blank.levels, blank.cost_at_decision, blank.cost_at_fill, blank.mid, blank.mid_at_fill)] == [
        (3, 3), (2, 2, 3), (2, 2, 3), (3,), (3,),
    ]  # fmt: skip
    assert np.isnan(blank.levels).all()
    assert np.isnan(blank.mid).all()
    assert np.isnan(blank.micro_price_offset).all()


def test_levels_are_forecast_by_a_slope_between_0_and_1_shrunk_towards_1_by_twenty_rows() -> None:
    """60 rows of slopes 0.25, 1.5 (taken as 1), -1 (as 0) and one without squares: (0.25 x 60 + 20) / 80, 1, 20 / 80 and 1."""
    rows, squares, products = np.full(4, 60.0), np.array([120.0, 120.0, 120.0, 0.0]), np.array([30.0, 180.0, -120.0, 0.0])
    forecast = liquidity_forecast._forecast_levels(np.full(4, 4.0), np.full(4, 2.0), np.array((rows, squares, products)))
    assert forecast.tolist() == [2.0 + 2.0 * 0.4375, 4.0, 2.5, 4.0]


def test_the_share_of_the_offset_is_shrunk_towards_0_by_fifty_rows() -> None:
    rows, squares, products = np.full(4, 150.0), np.array([100.0, 100.0, 100.0, 0.0]), np.array([60.0, 300.0, -60.0, 0.0])
    assert liquidity_forecast._offset_share(np.array((rows, squares, products))).tolist() == [pytest.approx(0.45), 1.0, 0.0, 0.0]


def test_a_gain_is_the_squared_error_saved_where_all_is_known() -> None:
    nan = np.nan
    realised, forecast = np.array([[3.0, 5.0], [nan, 2.0], [1.0, 2.0]]), np.array([[2.0, 8.0], [1.0, 2.0], [nan, 2.5]])
    unchanged = np.array([[1.0, 4.0], [1.0, 0.0], [3.0, nan]])
    sums = [[3.0 - 8.0, 4.0, 0.0], [9.0 + 64.0, 16.0, 0.0], [5.0, 4.0, 0.0], [2.0, 1.0, 0.0]]
    assert liquidity_forecast._gain(realised, forecast, unchanged).tolist() == sums


@pytest.mark.parametrize(
    ("quoted", "observations", "error_quantile", "bias", "wanted"),
    [
        (100.0, 20.0, (1.0, 0.96, 0.94), 1.5, 11.5),  # the mean of 10 is better by a twentieth, and corrected
        (100.0, 20.0, (1.0, 0.96, 0.96), 1.5, 42.0),  # neither is; the last book's cost is capped at 16 mean deviations of 2 above 10
        (100.0, 20.0, (1.0, 0.90, 0.94), 1.5, 27.5),  # the midpoint of 42 and 10
        (30.0, 20.0, (1.0, 0.90, 0.94), 1.5, 21.5),
        (30.0, 20.0, (1.0, 0.96, 0.94), -12.0, 0.0),
        (100.0, 19.0, (1.0, 0.90, 0.80), 1.5, 100.0),
    ],
)
def test_a_cost_is_that_of_the_candidate_with_the_smallest_errors(
    quoted: float, observations: float, error_quantile: tuple[float, ...], bias: float, wanted: float
) -> None:
    one = np.ones((1, 1, 1))
    three = np.array([0.0, bias, bias]).reshape(3, 1, 1, 1)
    quantiles = np.array(error_quantile).reshape(3, 1, 1, 1)
    _, forecast = liquidity_forecast._forecast_cost(quoted * one, 10.0 * one, 2.0 * one, observations * one, three, quantiles)
    assert forecast.item() == pytest.approx(wanted)


def test_two_costs_are_learned_from_as_worked_by_hand() -> None:
    """Quoted at 5 and met at 7, then quoted at 4 and met at 6.5: errors of 2 and 2.5, of which the corrected candidates expect 2 the second time."""
    level, deviation, quantile = (1.0 - 0.5 ** (1.0 / ticks) for ticks in (20, 60, 100))
    levels, flat = np.ones((3, SYMBOLS)), np.ones((2, 2, SYMBOLS))
    state = liquidity_forecast.empty_liquidity_forecast()
    for tick, (quoted, met) in enumerate(((5.0, 9.0), (4.0, 7.0))):
        state = liquidity_forecast.update_liquidity_forecast(state, measured(levels, quoted * flat, met * flat), tick)
    first = state
    assert first.observations.tolist() == flat.tolist()
    np.testing.assert_allclose(first.mean_cost, 7.0)
    np.testing.assert_allclose(first.mean_deviation, 2.0)
    np.testing.assert_allclose(first.error_scale, 2.0)
    np.testing.assert_allclose(first.error_quantile, 4.0 * quantile * 2.0 * 0.9)
    np.testing.assert_allclose(first.bias[:, 0, 0, 0], [0.0, 2.0, 2.0])
    state = liquidity_forecast.update_liquidity_forecast(first, measured(levels, 4.0 * flat, 6.5 * flat), 2)
    scale = 2.0 + 0.5 * (3.5 / 3.0 - 2.0)
    np.testing.assert_allclose(state.observations, 2.0)
    np.testing.assert_allclose(state.mean_cost, 7.0 - 0.5 * level)
    np.testing.assert_allclose(state.mean_deviation, 2.0 + deviation * (0.5 - 2.0))
    np.testing.assert_allclose(state.error_scale, scale)
    np.testing.assert_allclose(state.error_quantile, first.error_quantile + 4.0 * quantile * scale * 0.9)
    np.testing.assert_allclose(state.bias[:, 0, 0, 0], [0.0, 2.25, 2.25])
    old = replace(state, observations=np.full_like(state.observations, 999.0), error_quantile=np.full_like(state.error_quantile, 100.0))
    late = liquidity_forecast.update_liquidity_forecast(old, measured(levels, 4.0 * flat, 7.25 * flat), 3)
    errors = np.array([3.25, 1.0, 1.0])  # of the candidates, beyond their corrections
    np.testing.assert_allclose(late.bias[:, 0, 0, 0], [0.0, *[2.25 + (1.0 - 0.5 ** (1.0 / 300)) * 1.0] * 2])
    late_scale = scale + quantile * (errors.mean() - scale)
    np.testing.assert_allclose(late.error_scale, late_scale)
    np.testing.assert_allclose(late.error_quantile, 100.0 - 4.0 * quantile * late_scale * 0.1)


def test_a_mean_has_a_half_life_of_twenty_ticks_and_moments_are_of_what_came_next() -> None:
    flat = np.ones((2, 2, SYMBOLS))
    state = liquidity_forecast.empty_liquidity_forecast()
    for tick, level in enumerate((1.0, 3.0, 2.0)):
        state = liquidity_forecast.update_liquidity_forecast(state, measured(np.full((3, SYMBOLS), level), flat, flat, lean=0.5), tick)
    step = 1.0 - 0.5 ** (1.0 / 20)
    mean = 1.0 + step * 2.0
    np.testing.assert_allclose(state.mean, mean + step * (2.0 - mean))
    memory, now, later = 0.5 ** (1.0 / 2_000), 3.0 - mean, 2.0 - mean
    np.testing.assert_allclose(state.moments[:, 0, 0], [memory + 1.0, now * now, now * later])
    np.testing.assert_allclose(state.offset_moments[:, 0], [memory + 1.0, 0.25 * memory + 0.25, 0.0])


@pytest.mark.parametrize(("blocks", "power", "known"), [(15.0, 4.0, True), (14.0, 4.0, False), (15.0, 0.0, False)])
def test_where_only_the_same_as_now_was_ever_forecast_nothing_was_gained_for_certain(blocks: float, power: float, known: bool) -> None:
    state = liquidity_forecast.empty_liquidity_forecast(SYMBOLS)
    scored = replace(state, score=having(state.score, rows=100.0, power=power, blocks=blocks))
    gained = 0.0 if known else None
    wanted = [LiquidityForecastRow(measure, gained, gained, gained, 100, None) for measure in MEASURES]
    assert liquidity_forecast.liquidity_table(scored) == tuple(wanted)
