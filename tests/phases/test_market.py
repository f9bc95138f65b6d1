"""Market analysis: measures against their formulas, and the worst assumed when they fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.domain.decision import REGIMES
from engine.domain.market import Bars, Books
from engine.domain.record import Bools, Floats
from engine.evidence import incidents
from engine.phases import market
from tests.makers import Moment, moment, seen, walk_bars


def late(at: Moment) -> Floats:
    return at.inputs.view.returns[:, -48:]


def test_the_correlation_is_the_mean_over_pairs() -> None:
    at = moment()
    pairs = np.asarray(np.corrcoef(late(at)))
    expected = pairs[np.triu_indices(8, 1)].mean()
    assert market.analyse_market(at.inputs, at.state).correlation == pytest.approx(expected)


def test_the_range_volatility_is_that_of_garman_and_klass() -> None:
    at = moment()
    bars = at.inputs.bars
    reach, body = np.log(bars.high / bars.low)[:, -48:], np.log(bars.close / bars.open)[:, -48:]
    expected = np.sqrt((0.5 * reach**2 - (2 * np.log(2) - 1) * body**2).mean(axis=1))
    np.testing.assert_allclose(market.analyse_market(at.inputs, at.state).range_volatility, expected, rtol=1e-9)


def test_trend_breadth_and_liquidity() -> None:
    at = moment()
    market_state = market.analyse_market(at.inputs, at.state)
    trend = late(at).sum(axis=1) / (at.inputs.view.sigma * np.sqrt(48))
    np.testing.assert_allclose(market_state.trend, trend)
    assert market_state.breadth == pytest.approx((trend > 0).mean())
    money = at.inputs.bars.volume[:, -48:] * at.inputs.bars.close[:, -48:]
    np.testing.assert_allclose(market_state.liquidity, (np.abs(late(at)) / money).mean(axis=1) * 1e6, rtol=1e-9)
    assert -1 <= market_state.sentiment <= 1
    assert market_state.stress == pytest.approx(market_state.probabilities[:, REGIMES.index("volatile")].mean())


def test_the_money_that_moves_a_price_is_not_known_without_a_volume() -> None:
    at = moment()
    volume = at.inputs.view.volume.copy()
    volume[0] = np.nan
    liquidity = market.analyse_market(replace(at.inputs, view=replace(at.inputs.view, volume=volume)), at.state).liquidity
    np.testing.assert_array_equal(np.isnan(liquidity), [True, *[False] * 7])


def shaped(kind: str) -> Bars:
    """A market that calms, trends or storms at its end."""
    draw = np.random.default_rng(7)
    moves = draw.normal(0, 1e-3, (4, 300))
    moves[:, -48:] += {"trending": 6e-4}.get(kind, 0.0)
    moves[:, -24:] *= {"calm": 0.4, "volatile": 4.0}.get(kind, 1.0)
    close = 100 * np.exp(np.cumsum(moves, axis=1))
    return Bars(close, close * 1.0005, close * 0.9995, close, np.ones_like(close))


@pytest.mark.parametrize("kind", ["calm", "trending", "volatile"])
def test_a_shaped_market_is_recognised(kind: str) -> None:
    at = moment()
    changed_at = seen(four(at), shaped(kind))
    state = replace(changed_at.state, regime_probabilities=np.full((4, 4), 0.25), incident_state=incidents.initial_incident_state(4))
    for _ in range(30):
        state = replace(state, regime_probabilities=market.analyse_market(changed_at.inputs, state).probabilities)
    assert {REGIMES[index] for index in state.regime_probabilities.argmax(axis=1)} == {kind}


def four(at: Moment) -> Moment:
    """The moment with its first four symbols only."""
    account = replace(
        at.inputs.account,
        positions=np.zeros(4),
        entry_price=np.full(4, np.nan),
        mark_price=np.full(4, 100.0),
        last_loss_tick=at.inputs.account.last_loss_tick[:4],
    )
    books = Books(*(getattr(at.inputs.books, name)[:4] for name in ("bid_price", "bid_size", "ask_price", "ask_size")))
    return replace(at, inputs=replace(at.inputs, symbols=at.inputs.symbols[:4], fresh=np.ones(4, dtype=bool), account=account, books=books))


def test_symbols_without_a_volatility_stand_aside() -> None:
    at = moment()
    bars = walk_bars(8, 300, 2)
    blank = np.arange(8)[:, None] < 3
    changed_at = seen(at, Bars(*(np.where(blank, np.nan, part) for part in (bars.open, bars.high, bars.low, bars.close, bars.volume))))
    market_state = market.analyse_market(changed_at.inputs, changed_at.state)
    assert np.isnan(market_state.sigma[:3]).all()
    assert (market_state.trend[:3] == 0).all()
    assert np.isfinite([market_state.correlation, market_state.breadth, market_state.sentiment, market_state.stress]).all()


def test_the_worst_is_assumed_when_it_fails() -> None:
    at = moment()
    market_state = market.assume_stress(at.inputs, at.state)
    assert {REGIMES[index] for index in market_state.regime} == {"volatile"}
    assert (market_state.stress, market_state.correlation) == (1.0, 1.0)
    np.testing.assert_array_equal(market_state.sigma, at.inputs.view.sigma)


def placed(bars: Bars) -> Floats:
    """(S, 12) close less open of the last bars, as a share of their range."""
    opened, high, low, close = (np.log(changed_at[:, -12:]) for changed_at in (bars.open, bars.high, bars.low, bars.close))
    return np.asarray((close - opened) / (high - low))


def standing(bars: Bars, where: Bools, price: Floats | float) -> Bars:
    """The bars with some replaced by flat ones."""
    opened, high, low, close = (np.where(where, price, part) for part in (bars.open, bars.high, bars.low, bars.close))
    return Bars(opened, high, low, close, bars.volume)


def test_sentiment_is_the_mean_place_of_the_last_twelve_closes_in_their_bars() -> None:
    at = seen(moment(), walk_bars(8, 300, 4))
    bars = at.inputs.bars
    assert market.analyse_market(at.inputs, at.state).sentiment == pytest.approx(placed(bars).mean(), rel=1e-9)
    still = seen(at, standing(bars, np.arange(8)[:, None] < 2, 100.0))
    assert np.isnan(still.inputs.view.sigma[:2]).all()  # they never moved, so they have no volatility and are not asked
    assert market.analyse_market(still.inputs, still.state).sentiment == pytest.approx(placed(bars)[2:].mean(), rel=1e-9)


def test_a_bar_without_reach_has_no_sentiment_and_counts_as_even() -> None:
    bars = walk_bars(8, 300, 4)
    at = seen(moment(), standing(bars, np.arange(300) >= 299, bars.close[:, [298]]))
    assert market.analyse_market(at.inputs, at.state).sentiment == pytest.approx(placed(bars)[:, :-1].sum() / 96, rel=1e-9)


def test_the_correlation_leaves_out_what_stands_still() -> None:
    moves = np.random.default_rng(3).standard_normal((3, 48))
    assert market._correlation(np.vstack((moves, np.zeros(48)))) == pytest.approx(np.asarray(np.corrcoef(moves))[np.triu_indices(3, 1)].mean())
    assert market._correlation(np.vstack((moves[0], np.zeros(48)))) == 0.0
    assert market._correlation(moves[:1]) == 0.0
    assert market._correlation(np.vstack((moves[0], 3.0 * moves[0]))) == pytest.approx(1.0)
    assert market._correlation(np.vstack((moves[0], -moves[0]))) == pytest.approx(-1.0)


def test_breadth_and_stress_are_shares_of_the_symbols_that_are_known() -> None:
    at = moment()
    close = 100.0 * np.exp(np.cumsum(np.where(np.arange(8)[:, None] < 2, 1e-3, -1e-3) * np.ones((8, 300)), axis=1))
    changed_at = seen(at, Bars(close, close * 1.001, close * 0.999, close, np.ones_like(close)))
    assert market.analyse_market(changed_at.inputs, changed_at.state).breadth == 0.25
    blank = np.arange(8)[:, None] == 0
    part = seen(at, Bars(*(np.where(blank, np.nan, piece) for piece in (close, close * 1.001, close * 0.999, close, np.ones_like(close)))))
    assert market.analyse_market(part.inputs, part.state).breadth == pytest.approx(1 / 7)
    none = seen(at, Bars(*(np.full((8, 300), np.nan) for _ in range(5))))
    assert market.analyse_market(none.inputs, none.state).breadth == 0.5
    assert market.analyse_market(none.inputs, none.state).sentiment == 0.0
    assert market.analyse_market(none.inputs, none.state).correlation == 0.0


def test_a_symbol_whose_bar_is_stale_tells_nothing_of_its_regime() -> None:
    at = moment()
    probabilities = market.analyse_market(at.inputs, at.state).probabilities
    stale = market.analyse_market(replace(at.inputs, fresh=np.arange(8) != 3), at.state).probabilities
    others = np.arange(8) != 3
    np.testing.assert_array_equal(stale[others], probabilities[others])
    assert not np.array_equal(stale[3], probabilities[3])
    sigma = np.where(others, at.inputs.view.sigma, np.nan)
    unknown = market.analyse_market(replace(at.inputs, view=replace(at.inputs.view, sigma=sigma)), at.state).probabilities
    np.testing.assert_array_equal(stale[3], unknown[3])
