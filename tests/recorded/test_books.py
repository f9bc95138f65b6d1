"""Books on real recordings: quotes against what orders met a second later, the outlook out of sample, and contracts that are worth their money."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from engine import broker, matching
from engine.domain.evidence import NOTIONALS, LiquidityForecastRow
from engine.domain.record import Floats
from engine.domain.trading_config import TradingConfig
from engine.evidence import liquidity_forecast
from engine.feeds.recorded import RecordedFeed
from engine.phases import learning, microstructure
from engine.service.windows import MarketWindow

pytestmark = pytest.mark.recordings
SECOND = 10**9
CASES = [("nasdaq_20120621", 10), ("binance_l2_20240808", 2), ("bitstamp_20150501", 10)]
KNOBS = TradingConfig()


@dataclass(frozen=True)
class Read:
    """What the phase said over a whole recording, T ticks."""

    forecast: Floats  # (T, 2, 2, S) bps
    last: Floats  # (T, 2, 2, S) of the last book
    met: Floats  # (T, 2, 2, S) what an order decided then met a second later
    rows: dict[str, LiquidityForecastRow]
    figures: dict[str, Floats]  # (T, S)


@cache
def read(folder: Path, seconds: int) -> Read:
    """The microstructure phase alone over every bar, orders meeting the book one second after the decision."""
    feed = RecordedFeed(folder, interval=seconds * SECOND, latency_ms=1_000.0)
    symbols = len(feed.info.symbols)
    window, account = MarketWindow(feed.info), broker.open_account(100_000.0, symbols)
    state = learning.blank_state(symbols, ("one",), KNOBS.horizons)
    told = []
    with np.errstate(invalid="ignore", divide="ignore"):
        for tick, bar in enumerate(feed.slices(None)):
            window.append(bar)
            liquidity = microstructure.measure_liquidity(window.build_inputs(tick, account, KNOBS, ()), state)
            state = replace(state, liquidity_forecast=liquidity.book_metrics.liquidity_forecast)
            told.append(liquidity)
    finer = [one.book_metrics for one in told]
    figures = {name: np.array([getattr(one, name) for one in told]) for name in ("mid", "spread_bps", "depth", "micro_price", "cost_bps")}
    figures |= {name: np.array([getattr(one, name) for one in finer]) for name in ("vpin", "kyle_lambda", "fillable_share", "imbalance_best")}
    return Read(
        forecast=np.array([one.forecast_cost_bps for one in finer[:-1]]),
        last=np.array([one.quoted_bps for one in finer[:-1]]),
        met=np.array([one.liquidity_forecast.pending.cost_at_fill for one in finer[1:]]),
        rows={row.measure: row for row in liquidity_forecast.liquidity_table(state.liquidity_forecast)},
        figures=figures,
    )


@pytest.mark.parametrize(("folder", "seconds"), CASES)
@pytest.mark.parametrize("notional", [0, 1])
def test_quoted_costs_are_no_further_off_than_the_last_books_and_not_biased(recordings: Path, folder: str, seconds: int, notional: int) -> None:
    told = read(recordings / folder, seconds)
    forecast, last, met = (part[:, notional] for part in (told.forecast, told.last, told.met))
    known = np.isfinite(forecast) & np.isfinite(met)
    if folder.startswith("bitstamp") and notional == 1:
        assert not known.any()  # 20 levels never held 100,000 in 2015: that is said, and no number given
        return
    ours, naive = (part[known] - met[known] for part in (forecast, last))
    assert len(ours) > 1_000
    assert np.quantile(np.abs(ours), 0.9) <= np.quantile(np.abs(naive), 0.9) * (1 + 1e-9)
    assert abs(ours.mean()) <= 0.1


@pytest.mark.parametrize(("folder", "seconds"), CASES)
def test_what_the_book_does_not_hold_is_said_and_never_priced(recordings: Path, folder: str, seconds: int) -> None:
    told = read(recordings / folder, seconds)
    np.testing.assert_array_equal(np.isnan(told.forecast), np.isnan(told.last))
    feed = RecordedFeed(recordings / folder, interval=seconds * SECOND, latency_ms=1_000.0)
    seen = unfilled = 0
    for index, bar in enumerate(feed.slices(None)):
        if index >= len(told.last) or index % 7:
            continue
        for symbol in range(len(feed.info.symbols)):
            bid, ask = bar.books.bid_price[symbol], bar.books.ask_price[symbol]
            mid = float(bid[0] + ask[0]) / 2.0
            for kind, notional in enumerate(NOTIONALS):
                bought = matching.walk_levels(ask, bar.books.ask_size[symbol], notional / mid, 1.0, mid)
                whole = bool(np.isfinite(mid)) and bought.units >= notional / mid * (1 - 1e-9)
                quoted = told.last[index, kind, 0, symbol]
                assert bool(np.isfinite(quoted)) == whole
                if whole:
                    np.testing.assert_allclose(quoted, bought.spread_bps + bought.impact_bps, atol=1e-6)
                seen, unfilled = seen + 1, unfilled + (not whole)
    assert 0 < unfilled < seen


def test_spread_depth_and_impact_are_foreseen_on_nasdaq(recordings: Path) -> None:
    rows = read(recordings / "nasdaq_20120621", 10).rows
    for measure in ("spread", "depth", "impact"):
        low = rows[measure].low
        assert low is not None
        assert low > 0.05, rows[measure]
    for row in rows.values():
        assert row.r2 is None or row.r2 > -0.02, row


@pytest.mark.parametrize(("folder", "seconds"), CASES)
def test_figures_stay_within_what_they_can_be(recordings: Path, folder: str, seconds: int) -> None:
    told = read(recordings / folder, seconds).figures
    sane = np.isfinite(told["micro_price"])
    assert sane.mean() > 0.85  # symbols begin and end at different times
    half = told["mid"] * told["spread_bps"] / 2e4
    assert (np.abs(told["micro_price"] - told["mid"])[sane] <= half[sane] + 1e-9).all()
    assert np.isfinite(told["cost_bps"]).all()
    for name in ("vpin", "fillable_share"):
        known = told[name][np.isfinite(told[name])]
        assert ((known >= 0) & (known <= 1)).all()
    assert np.nanmedian(told["kyle_lambda"]) > 0  # buying moves the price up


@pytest.mark.parametrize(("symbol", "worth"), [("BTCUSD_PERP", 100.0), ("ETHUSD_PERP", 10.0)])
def test_contracts_are_worth_their_money(recordings: Path, symbol: str, worth: float) -> None:
    folder = recordings / "binance_l2_20240808"
    bars = list(RecordedFeed(folder, symbols=(symbol,), interval=60 * SECOND).slices(None))
    contracts = pyarrow.parquet.read_table(folder / symbol / "trades.parquet", columns=["size"])["size"].to_numpy().sum()
    money = sum(float(bar.volume[0] * bar.flow[0, 2]) for bar in bars if bar.volume[0] > 0)
    np.testing.assert_allclose(money, contracts * worth, rtol=1e-3)
    last = bars[-1].books
    np.testing.assert_allclose(last.bid_price * last.bid_size / worth, np.rint(last.bid_price * last.bid_size / worth), atol=1e-6)


def test_the_venues_books_are_of_one_size_once_contracts_are_money(recordings: Path) -> None:
    feed = RecordedFeed(recordings / "binance_l2_20240808", interval=10 * SECOND)
    touch = np.nanmedian([bar.flow[:, 4] * bar.close for bar in feed.slices(None)], axis=0)
    by_symbol = dict(zip(feed.info.symbols, touch, strict=True))
    for coin in ("BTC", "ETH"):  # without contracts the inverse ones would be thousands of times the others
        assert 0.02 < by_symbol[f"{coin}USD_PERP"] / by_symbol[f"{coin}USDT_UM"] < 50


def test_of_many_events_with_one_time_the_last_stands(recordings: Path) -> None:
    folder = recordings / "nasdaq_20120621"
    table = pyarrow.parquet.read_table(folder / "AMZN" / "books.parquet", columns=["ts", "bid_px_0", "bid_sz_0"])
    at = table["ts"].cast("timestamp[ns]").cast("int64").to_numpy()
    assert (np.diff(at) == 0).sum() > 1_000
    price, size = table["bid_px_0"].to_numpy(), table["bid_sz_0"].to_numpy()
    checked = 0
    for bar in _some(RecordedFeed(folder, symbols=("AMZN",), interval=SECOND), 40):
        row = np.flatnonzero(at <= bar.at)[-1]
        assert (bar.books.bid_price[0, 0], bar.books.bid_size[0, 0]) == (price[row], size[row])
        checked += 1
    assert checked > 500


def _some(feed: RecordedFeed, step: int) -> Iterator:  # type: ignore[type-arg]
    return (bar for index, bar in enumerate(feed.slices(None)) if index % step == 0)
