"""The volatility forecast: out of sample, better than a symbol's own mean and than HAR, and without the future."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.domain.evidence import VolatilityModel
from engine.domain.market import MarketView
from engine.domain.record import Floats
from engine.evidence import skill, volatility
from tests.evidence import chance
from tests.makers import no_books, no_flow

LENGTH, SYMBOLS, MINUTE = 12, 6, 60 * 10**9


def paths(bars: int, seed: int, *, steady: bool = False) -> tuple[Floats, Floats]:
    """(S, bars) log returns and ranges of a market whose volatility clusters, or does not."""
    draw = np.random.default_rng(seed)
    moves = draw.normal(0.0, 0.0 if steady else 0.12, (SYMBOLS, bars)) + draw.normal(0.0, 0.0 if steady else 0.08, bars)
    log = np.zeros((SYMBOLS, bars))
    for bar in range(1, bars):
        log[:, bar] = 0.98 * log[:, bar - 1] + moves[:, bar]
    sigma = 1e-3 * np.exp(log)
    steps = draw.normal(size=(SYMBOLS, bars, 8)) * (sigma / np.sqrt(8))[:, :, None]
    walked = np.concatenate((np.zeros((SYMBOLS, bars, 1)), steps.cumsum(axis=2)), axis=2)
    return walked[:, :, -1], walked.max(axis=2) - walked.min(axis=2)


def views(returns: Floats, ranges: Floats) -> list[MarketView]:
    """The window at every bar from the 300th on."""
    close = returns.cumsum(axis=1)
    zero, whole, sigma = np.zeros(SYMBOLS, dtype=np.int64), np.full(SYMBOLS, 300), np.full(SYMBOLS, 1e-3)
    result = []
    for end in range(300, returns.shape[1] + 1):
        part = slice(end - 300, end)
        now, opened, wide, moved = close[:, part], (close - returns)[:, part], ranges[:, part], returns[:, part]
        result.append(
            MarketView(end * MINUTE, MINUTE, now, now + wide, now, opened, moved, wide, whole, zero, sigma, no_books(SYMBOLS), no_flow(SYMBOLS))
        )
    return result


def watched(result: list[MarketView]) -> VolatilityModel:
    state = volatility.empty_volatility(SYMBOLS, LENGTH)
    for tick, view in enumerate(result):
        seen = volatility.forecast_volatility(state, view)
        state = volatility.update_volatility(state, seen, view, np.ones(SYMBOLS, dtype=bool), tick=tick, fade=0.9999)
    return state


def test_clustered_volatility_is_foreseen_better_than_by_its_mean_and_by_har() -> None:
    result = volatility.volatility_scores(watched(views(*paths(3_500, 3))))
    assert result is not None
    assert result.low > 0.2
    assert result.har_gain_low > 0.0
    assert result.n > 4_000
    assert 0.0 < result.qlike < 1.0


def test_constant_volatility_shows_no_skill() -> None:
    result = volatility.volatility_scores(watched(views(*paths(2_200, 4, steady=True))))
    assert result is not None
    assert result.low < 0.0
    assert result.r2 < 0.02


def test_there_is_no_forecast_before_a_thousand_rows_have_come_due() -> None:
    result = views(*paths(700, 5))
    assert volatility.volatility_scores(watched(result)) is None
    seen = volatility.forecast_volatility(watched(result[:200]), result[200])
    assert np.isnan(seen.horizon_sigma).all()


def test_the_forecast_is_a_deviation_over_the_longest_horizon() -> None:
    result = views(*paths(1_500, 4, steady=True))
    seen = volatility.forecast_volatility(watched(result[:-1]), result[-1])
    np.testing.assert_allclose(seen.horizon_sigma, 1e-3 * np.sqrt(LENGTH), rtol=0.15)


def first_bar() -> tuple[VolatilityModel, MarketView]:
    """The blank state, and a window in which every symbol moves by 0.001 and within 0.002 a bar but the last, which stands still for 12 bars."""
    returns, ranges = np.full((SYMBOLS, 300), 1e-3), np.full((SYMBOLS, 300), 2e-3)
    returns[-1, -LENGTH:] = ranges[-1, -LENGTH:] = 0.0
    return volatility.empty_volatility(SYMBOLS, LENGTH), views(returns, ranges)[0]


def test_the_columns_of_the_first_bar_are_logs_of_squares_relative_to_the_symbols_level() -> None:
    """2 log 2 is the square of a range of twice the move. A symbol that stands still counts as one that moves by 1e-8, which is also its level;
    of 288 bars it has moved in 276."""
    state, view = first_bar()
    row = volatility.forecast_volatility(state, view).pending_row
    moves, wide = np.log(1e-6), 2.0 * np.log(2.0)
    still, others = np.log(1e-16), volatility.OTHER_COUNT
    np.testing.assert_allclose(row[0, :others], [0.0] * 3 + [wide] * 5)
    np.testing.assert_allclose(row[-1, :others], 0.0, atol=1e-12)
    mean_level = (5.0 * moves + still) / 6.0
    np.testing.assert_allclose(row[0, others : others + 7], [*[wide * 5.0 / 6.0] * 4, moves - mean_level, 0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(row[-1, others + 4], still - mean_level)
    har = slice(volatility.COLUMNS, volatility.FORECASTS)
    np.testing.assert_allclose(row[0, har], [0.0, 0.0, 0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(row[-1, har], [0.0, np.log(276.0 / 288.0 * 1e-6) - still, np.log(1e-8) - still, 1.0], atol=1e-12)
    np.testing.assert_allclose(row[:, volatility.FORECASTS :], np.array([[moves] * 3] * 5 + [[still] * 3]))


def test_a_forecast_of_the_log_adds_half_its_squared_error() -> None:
    state, view = first_bar()
    before = replace(state, squared_error=np.array([240.0, 1_200.0]), slopes=np.eye(volatility.COLUMNS)[-1] * np.log(4.0))
    seen = volatility.forecast_volatility(before, replace(view, sigma=np.array([1e-3, 2.1e-3, 1e-2, 1e-6, np.nan, 1e-3])))
    sigma = 2e-3 * np.exp(0.05)  # the constant says four times the level's square; the error has a variance of 0.2, so log sigma rises by 0.05
    np.testing.assert_allclose(seen.horizon_sigma[:5], sigma * np.sqrt(LENGTH))
    np.testing.assert_allclose(seen.scale_factor[:5], [sigma / 1e-3, sigma / 2.1e-3, 0.25, 4.0, 1.0])
    young = replace(before, squared_error=np.array([200.0, 999.0]))
    assert np.isnan(volatility.forecast_volatility(young, view).horizon_sigma).all()


def test_the_future_changes_no_forecast() -> None:
    returns, ranges = paths(1_200, 6)
    later = returns.copy()
    later[:, 1_000:] *= 3.0
    mine, theirs = (views(path, ranges)[:700] for path in (returns, later))
    assert watched(mine).digest() == watched(theirs).digest()


def test_a_bar_that_is_missing_leaves_the_averages_and_is_not_scored() -> None:
    result = views(*paths(900, 7))
    state = watched(result[:-1])
    unknown_bar = replace(result[-1], age=np.array([0, 0, 1, 0, 0, 0]))
    seen = volatility.forecast_volatility(state, unknown_bar)
    np.testing.assert_array_equal(seen.averages[2], state.averages[2])
    assert (seen.averages[1] != state.averages[1]).all()
    known = np.arange(SYMBOLS) != 2
    after = volatility.update_volatility(state, seen, unknown_bar, known, tick=599 + 3, fade=1.0)
    assert (after.mean[:, 1] - state.mean[:, 1]).tolist() == known.astype(float).tolist()
    constant = volatility.COLUMNS - 1
    assert (after.moments - state.moments)[constant, constant] == pytest.approx(5.0)


@pytest.mark.parametrize("kind", chance.KINDS)
def test_of_two_forecasts_as_good_as_each_other_neither_is_said_to_save_anything(kind: str) -> None:
    """Scored every third tick over twelve bars to come, as the engine does, against a forecast that errs as much the other way."""
    draw = np.random.default_rng(len(kind))
    runs, ticks = 400, 6_000
    squares = draw.normal(size=(runs, ticks + LENGTH, 2)) ** 2
    walked = np.concatenate((np.zeros((runs, 1, 2)), squares.cumsum(axis=1)), axis=1)
    scored = np.arange(volatility.SCORED_EVERY - 1, ticks, volatility.SCORED_EVERY)
    realised = np.log((walked[:, scored + LENGTH] - walked[:, scored]) / LENGTH)
    realised -= realised.mean()
    error = 0.3 * chance.forecasts(kind, (runs, ticks, 2), draw)[:, scored]
    gain, power = (4.0 * realised * error).sum(axis=2).T, ((realised + error) ** 2).sum(axis=2).T
    held, missed = skill.empty_skill(1, 1, runs), np.zeros(runs, dtype=bool)
    for row, tick in enumerate(scored.tolist()):
        sums = np.array((gain[row], gain[row] ** 2, power[row], np.full(runs, 2.0)))[:, None, None]
        held = skill.add_scores(held, sums, skill.block_ends(tick, (LENGTH,), volatility.SCORED_EVERY))
        ratio, reach, _ = skill.confidence_interval(held)
        missed |= (np.abs(ratio) > reach)[0, 0]
    assert missed.mean() <= skill.DISPLAY_ALPHA
