"""Liquidity forecasts: out of sample, better than "the same as now" where something can be known, and never where nothing can."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.domain.evidence import MEASURES, BookMeasurement, LiquidityForecast, LiquidityForecastRow
from engine.domain.record import Floats
from engine.evidence import liquidity_forecast

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
