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
