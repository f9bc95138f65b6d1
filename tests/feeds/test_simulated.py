"""The simulated market has the configured signal and no other, and otherwise looks like a market."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest

from engine.domain.market import MarketSnapshot
from engine.domain.record import Floats
from engine.feeds._simulated_changes import signal_gain
from engine.feeds._simulated_prices import symbol_names
from engine.feeds.simulated import FEED, MINUTE, START, SimulatedFeed
from engine.settings import Settings

BARS = 25_000  # by 8 symbols: 200,000 rows


def stacked(slices: list[MarketSnapshot], *fields: str) -> list[Floats]:
    return [np.stack([getattr(snapshot, field) for snapshot in slices]) for field in fields]


def skill(returns: Floats, expected: Floats, block: int = 250) -> tuple[float, float]:
    """R2 and its standard error over blocks of bars, for rows of a bar are correlated and clustered."""
    count = len(returns) // block * block
    gain = (returns**2 - (returns - expected) ** 2)[:count].sum(axis=1).reshape(-1, block).sum(axis=1)
    power = (returns**2)[:count].sum(axis=1).reshape(-1, block).sum(axis=1)
    r2 = gain.sum() / power.sum()
    return float(r2), float(np.sqrt(((gain - r2 * power) ** 2).sum()) / power.sum())


def ridge(columns: Floats, target: Floats, penalty: float = 100.0) -> Floats:
    """Forecasts of the second half by a ridge fitted on the first; columns (T, S, F), target (T, S)."""
    half = len(target) // 2
    scale = columns[:half].std(axis=(0, 1))
    x = (columns / scale).reshape(-1, columns.shape[2])
    known = slice(0, half * target.shape[1])
    weights = np.linalg.solve(x[known].T @ x[known] + penalty * np.eye(x.shape[1]), x[known].T @ target[:half].ravel())
    return np.asarray((x[half * target.shape[1] :] @ weights).reshape(-1, target.shape[1]))


@pytest.mark.parametrize("signal", [0.02, 0.05])
@pytest.mark.parametrize("seed", [1, 7])
def test_the_best_forecast_has_the_r2_that_was_asked_for(signal: float, seed: int) -> None:
    truth = SimulatedFeed(seed=seed, signal=signal).truth(BARS)
    r2, error = skill(truth.returns, truth.expected)
    assert error < signal / 5
    assert abs(r2 - signal) < 3 * error


def test_the_best_forecast_follows_from_closes_alone() -> None:
    """f = (persistence - k) f + k r, from nothing but what everybody sees; the tick's rounding is all that is lost."""
    feed = SimulatedFeed(signal=0.05, bars=3000)
    close = stacked(list(feed.slices(None)), "close")[0]
    gain = float(signal_gain(np.array(0.05), 0.95))
    forecast = np.zeros((3000, 8))
    for bar in range(1, 2999):
        forecast[bar + 1] = (0.95 - gain) * forecast[bar] + gain * np.log(close[bar] / close[bar - 1])
    expected = feed.truth(3000).expected
    assert np.corrcoef(forecast[200:].ravel(), expected[200:].ravel())[0, 1] > 0.9995


def test_returns_are_a_martingale_without_a_signal() -> None:
    truth = SimulatedFeed(signal=0.0).truth(BARS)
    assert not truth.expected.any()
    r = truth.returns / truth.sigma
    for lag in (1, 2, 3, 5, 10, 20):
        products = (r[lag:] * r[:-lag]).mean(axis=1)  # a bar's symbols are correlated: one row
        assert abs(products.mean()) < 4 * products.std() / np.sqrt(len(products))
    lagged = np.stack([truth.returns[10 - lag : -lag] for lag in range(1, 11)], axis=2)
    forecast = ridge(lagged, truth.returns[10:])
    assert skill(truth.returns[10:][-len(forecast) :], forecast)[0] < 0.0005


def test_a_ridge_on_lagged_returns_finds_the_signal_when_there_is_one() -> None:
    truth = SimulatedFeed(signal=0.05).truth(BARS)
    lagged = np.stack([truth.returns[40 - lag : -lag] for lag in range(1, 41)], axis=2)
    forecast = ridge(lagged, truth.returns[40:])
    assert 0.03 < skill(truth.returns[40:][-len(forecast) :], forecast)[0] < 0.065


def test_volume_flow_and_books_do_not_predict_the_next_bar() -> None:
    slices = list(SimulatedFeed(signal=0.0, bars=12_000).slices(None))
    close, opening, volume, ofi, flow = stacked(slices, "close", "open", "volume", "ofi", "flow")
    books = [getattr(side, name) for side in (snapshot.books for snapshot in slices) for name in ("bid_size", "ask_size")]
    bid, ask = np.stack(books[::2]), np.stack(books[1::2])
    returns = np.log(close / opening)
    lean = ((bid - ask) / (bid + ask))[:, :, :2]
    observed = np.concatenate([
        ofi / flow[:, :, 4:], flow[:, :, :1] / volume[:, :, None], np.log(flow[:, :, 2:3] / close[:, :, None]), lean,
        np.log(volume * close)[:, :, None] - np.log(volume * close).mean(),
    ], axis=2)  # fmt: skip
    forecast = ridge(observed[:-1], returns[1:])
    assert skill(returns[1:][-len(forecast) :], forecast)[0] < 0.0008
    share = flow[:, :, 0] / volume
    assert np.corrcoef(share.ravel(), returns.ravel())[0, 1] > 0.4  # but flow does tell of its own bar
    assert np.corrcoef((ofi[:, :, 0] / flow[:, :, 4]).ravel(), returns.ravel())[0, 1] > 0.4
    assert np.corrcoef((volume * close).ravel(), np.abs(returns).ravel())[0, 1] > 0.3


def test_it_looks_like_a_market() -> None:
    truth = SimulatedFeed(signal=0.0).truth(50_000)
    r = truth.returns
    assert np.all(np.abs(r.std(axis=0) * 1e4 - 20.0) < 2.0)
    assert np.all(((r - r.mean(axis=0)) ** 4).mean(axis=0) / r.var(axis=0) ** 2 > 4.0)
    size = np.abs(r) - np.abs(r).mean(axis=0)
    for lag in (1, 5, 10, 20, 50):
        assert (size[lag:] * size[:-lag]).mean() / (size**2).mean() > 0.05
    pairs = np.asarray(np.corrcoef(r.T))[np.triu_indices(8, 1)]
    assert 0.3 < pairs.mean() < 0.5
    assert set(truth.regime.tolist()) == {0, 1, 2}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("count", [1, 8, 60])
def test_every_bar_and_book_is_sound(seed: int, count: int) -> None:
    feed = SimulatedFeed(seed=seed, symbol_count=count, bars=1600)
    truth = feed.truth(1600)
    assert np.all(truth.sigma * truth.open >= 10 * truth.tick * (1 - 1e-9))
    slices = list(feed.slices(None))
    opening, high, low, close, volume, flow = stacked(slices, "open", "high", "low", "close", "volume", "flow")
    assert np.all(high >= np.maximum(opening, close))
    assert np.all(low <= np.minimum(opening, close))
    assert np.all(low > 0)
    assert np.all(volume > 0)
    assert np.all((flow[:, :, 2] >= low) & (flow[:, :, 2] <= high))
    assert np.all(np.abs(flow[:, :, 0]) <= volume)
    np.testing.assert_array_equal(opening[1:], close[:-1])
    on_tick = close / truth.tick
    np.testing.assert_allclose(on_tick, np.rint(on_tick), atol=1e-6)
    for books in ([snapshot.books for snapshot in slices], [snapshot.fill_books for snapshot in slices]):
        bid, ask = np.stack([book.bid_price for book in books]), np.stack([book.ask_price for book in books])
        assert np.all(ask[:, :, 0] > bid[:, :, 0])
        assert np.all(np.diff(ask, axis=2) > 0)
        assert np.all(np.diff(bid, axis=2) < 0)
        assert np.all(bid > 0)
        assert all((book.bid_size > 0).all() and (book.ask_size > 0).all() for book in books)


def test_levels_are_a_third_of_a_spread_apart_and_hold_more_the_deeper_they_are() -> None:
    books = [snapshot.books for snapshot in SimulatedFeed(bars=2000).slices(None)]
    price, size = np.stack([book.ask_price for book in books]), np.stack([book.ask_size for book in books])
    spread = 2.0 * (price[:, :, 0] - np.stack([book.bid_price + book.ask_price for book in books])[:, :, 0] / 2.0)
    apart = np.diff(price, axis=2).mean(axis=(0, 2)) / spread.mean(axis=0)
    assert np.all((apart > 0.2) & (apart < 0.4))
    assert np.all(np.diff(size.mean(axis=0), axis=1) > 0.0)


def test_a_fill_never_meets_the_book_that_was_decided_on() -> None:
    slices = list(SimulatedFeed(bars=500).slices(None))
    moved = [np.any(now.fill_books.ask_price[:, 0] != before.books.ask_price[:, 0]) for before, now in pairwise(slices)]
    assert all(moved)
    mids = np.stack([0.5 * (s.fill_books.bid_price[:, 0] + s.fill_books.ask_price[:, 0]) for s in slices])
    opening, high, low = stacked(slices, "open", "high", "low")
    drift = np.log(mids / opening) * 1e4
    assert 0.3 < drift.std() < 4.0  # 250 ms of a minute at 20 bps a bar is 1.3 bps
    assert np.all((mids >= low - 1e-9) & (mids <= high + 1e-9))


def test_the_round_trip_costs_twelve_basis_points_by_default() -> None:
    feed = SimulatedFeed(bars=4000)
    spread = [(s.books.ask_price[:, 0] - s.books.bid_price[:, 0]) / s.close * 1e4 for s in feed.slices(None)]
    assert abs(np.mean(spread) + 2 * feed.info.fee_bps - 12.0) < 0.2


def test_prices_after_an_orders_arrival_lie_within_the_bar_and_narrow_with_latency() -> None:
    early, late, never = (list(SimulatedFeed(bars=200, latency_ms=latency).slices(None)) for latency in (250.0, 40_000.0, 60_000.0))
    for soon, later, none in zip(early, late, never, strict=True):
        assert soon.trades_after_arrival is not None
        assert later.trades_after_arrival is not None
        assert none.trades_after_arrival is not None
        assert np.isnan(none.trades_after_arrival).all()
        assert np.isnan(soon.trades_after_arrival[:, 2:]).all()  # what was traded at the touch is not known
        assert ((soon.low <= soon.trades_after_arrival[:, 0]) & (soon.trades_after_arrival[:, 0] <= later.trades_after_arrival[:, 0])).all()
        assert ((soon.high >= soon.trades_after_arrival[:, 1]) & (soon.trades_after_arrival[:, 1] >= later.trades_after_arrival[:, 1])).all()
    soon_share, late_share = (
        float(np.mean([bar.trades_after_arrival[:, 0] == bar.low for bar in bars if bar.trades_after_arrival is not None])) for bars in (early, late)
    )
    assert soon_share > 0.8
    assert 0.1 < late_share < 0.6


@pytest.mark.parametrize("latency_ms", [0.0, 250.0, 4_999.0, 5_000.0, 31_000.0, 60_000.0, 1e9])
def test_an_order_meets_a_book_inside_the_bar_whatever_the_latency(latency_ms: float) -> None:
    slices = list(SimulatedFeed(bars=300, latency_ms=latency_ms).slices(None))
    mids = np.stack([0.5 * (s.fill_books.bid_price[:, 0] + s.fill_books.ask_price[:, 0]) for s in slices])
    low, high, opening, close = stacked(slices, "low", "high", "open", "close")
    assert np.all((mids >= low - 1e-9) & (mids <= high + 1e-9))
    passed = min(1.0, latency_ms / 60_000.0)
    left = np.log(mids / close).std() * 1e4
    assert abs(np.log(mids / opening).std() * 1e4 - 20.0 * np.sqrt(passed)) < 4.0
    assert abs(left - 20.0 * np.sqrt(1.0 - passed)) < 4.0


def test_at_no_latency_the_book_of_the_decision_is_met() -> None:
    slices = list(SimulatedFeed(bars=300, latency_ms=0.0).slices(None))
    for before, now in pairwise(slices):
        for name in ("bid_size", "ask_size", "bid_price", "ask_price"):
            np.testing.assert_allclose(getattr(now.fill_books, name)[:, 0], getattr(before.books, name)[:, 0], rtol=1e-6)


@pytest.mark.parametrize("count", [3, 60])
def test_agents_remember_across_the_stretches_in_which_they_are_computed(count: int) -> None:
    stretches = [steps for _, steps in SimulatedFeed(symbol_count=count, signal=0.05).simulated_steps(2000)]
    assert len(stretches) > 7
    for before, after in pairwise(stretches):
        for name in ("bid", "ask", "lean", "wide", "half_spread", "signed", "volume", "trades", "clock"):
            np.testing.assert_array_equal(getattr(before, name)[-1], getattr(after, name)[0], err_msg=name)


@pytest.mark.parametrize("after", [0, 1, 700, 1439, 1440, 1441, 2998])
def test_reading_resumes_anywhere_with_the_same_bits(after: int) -> None:
    whole = [snapshot.digest() for snapshot in SimulatedFeed(bars=3000).slices(None)]
    rest = [snapshot.digest() for snapshot in SimulatedFeed(bars=3000).slices(START + after * MINUTE)]
    assert rest == whole[after:]


def test_a_signal_switched_while_playing_holds_from_the_next_bar_and_after_a_restart() -> None:
    feed = SimulatedFeed(bars=3000, signal=0.05)
    plain = [snapshot.digest() for snapshot in SimulatedFeed(bars=3000, signal=0.05).slices(None)]
    played: list[MarketSnapshot] = []
    for snapshot in feed.slices(None):
        played.append(snapshot)
        if len(played) in {1000, 2100}:
            feed.switch_signal(0.0 if len(played) == 1000 else 0.05, snapshot.at)
    digests = [snapshot.digest() for snapshot in played]
    assert digests[:1000] == plain[:1000]
    assert digests[1000] != plain[1000]
    assert not feed.truth(3000).expected[1000:2100].any()
    assert feed.truth(3000).expected[2100:].all()
    again = SimulatedFeed(bars=3000, signal=0.05)
    again.switch_signal(0.0, played[999].at)
    again.switch_signal(0.05, played[2099].at)
    assert [snapshot.digest() for snapshot in again.slices(played[1500].at)] == digests[1501:]


@pytest.mark.parametrize("count", [17, 500])
def test_reading_resumes_for_any_number_of_symbols(count: int) -> None:
    whole = [snapshot.digest() for snapshot in SimulatedFeed(symbol_count=count, bars=150).slices(None)]
    rest = [snapshot.digest() for snapshot in SimulatedFeed(symbol_count=count, bars=150).slices(START + 61 * MINUTE)]
    assert len(whole) == 150
    assert rest == whole[61:]


def test_seeds_differ_and_the_same_seed_does_not() -> None:
    first = [next(SimulatedFeed(seed=seed).slices(None)).digest() for seed in (1, 2, 1)]
    assert first[0] == first[2] != first[1]


def test_the_market_names_itself_and_never_ends() -> None:
    feed = SimulatedFeed()
    assert (feed.info.label, feed.info.simulated, feed.info.levels, feed.info.has_flow) == ("simulated market", True, 5, True)
    assert (feed.info.fee_bps, feed.info.spread_bps) == (5.0, 2.0)
    assert feed.info.symbols == ("ALFA", "BRAVO", "CHARLIE", "DELTA", "ECHO", "FOXTROT", "GOLF", "HOTEL")
    some = list(islice(feed.slices(START + 5_000 * MINUTE), 3))
    assert [snapshot.at for snapshot in some] == [START + (5_001 + i) * MINUTE for i in range(3)]


def test_five_hundred_symbols_have_names_of_their_own() -> None:
    assert len(set(symbol_names(500))) == 500
    snapshot = next(SimulatedFeed(symbol_count=500).slices(None))
    assert snapshot.books.bid_price.shape == (500, 5)


def test_some_of_the_symbols_are_the_same_market() -> None:
    every, some = next(SimulatedFeed().slices(None)), next(SimulatedFeed(symbols=("DELTA", "ALFA")).slices(None))
    np.testing.assert_array_equal(some.close, every.close[[3, 0]])
    np.testing.assert_array_equal(some.fill_books.ask_size, every.fill_books.ask_size[[3, 0]])


@pytest.mark.parametrize("levels", [0, 1, 20])
def test_books_have_the_levels_asked_for(levels: int) -> None:
    snapshot = next(SimulatedFeed(levels=levels).slices(None))
    assert snapshot.books.ask_price.shape == snapshot.ofi.shape == (8, levels)
    assert np.isfinite(snapshot.flow).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"symbol_count": 0}, "1 to 500"), ({"symbols": ("BTC",)}, "'BTC'"), ({"signal": 0.9}, "between 0 and 0.5"), ({"signal": float("nan")}, "R2"),
        ({"interval": 0}, "above 0"), ({"persistence": 1.0}, "between 0 and 1"), ({"volatility_bps": 0.0}, "between 0.1 and 500"),
    ],
)  # fmt: skip
def test_impossible_settings_are_refused_in_one_line(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        SimulatedFeed(**wrong)
    assert "\n" not in str(refused.value)


def test_the_settings_reach_the_market() -> None:
    feed = FEED.open(Settings("", "", sim_signal=0.0, sim_symbols=3, interval=5 * MINUTE, seed=11, symbols=("BRAVO",), fee_bps=1.0))
    assert (feed.info.symbols, feed.info.interval, feed.info.fee_bps) == (("BRAVO",), 5 * MINUTE, 1.0)
    plain = SimulatedFeed(symbol_count=3, seed=11, interval=5 * MINUTE, signal=0.0, symbols=("BRAVO",))
    assert next(feed.slices(None)).digest() == next(plain.slices(None)).digest()
