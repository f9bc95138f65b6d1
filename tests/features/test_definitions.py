"""Features against their definitions, written out with pandas or by hand; test_talib.py covers those of TA-Lib."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from engine.domain.market import Bars, Books, MarketView, OrderFlow
from engine.domain.model import FeatureFamily
from engine.domain.record import Floats
from engine.features import book, calendar, cross_section, flow, returns, technical, volatility, volume
from engine.window import build_view
from tests.makers import DAY, MINUTE, START, no_books, no_flow, walk_bars

BARS = walk_bars(6, 300, 4)
LOGS = {name: np.log(getattr(BARS, name)) for name in ("open", "high", "low", "close")}
MOVES = np.diff(LOGS["close"], axis=1)


@cache
def view() -> MarketView:
    return build_view(BARS, no_books(6), no_flow(6), START + 6 * 60 * MINUTE, MINUTE, 60.0)


def column(module: object, name: str, at: MarketView | None = None) -> Floats:
    family: FeatureFamily = module.FAMILY  # type: ignore[attr-defined]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(family.build(view() if at is None else at)[:, family.columns.index(name)])


def scaled() -> Floats:
    return np.asarray(MOVES / view().sigma[:, None])


def test_returns_are_in_volatilities_of_their_span() -> None:
    sigma = view().sigma
    np.testing.assert_allclose(column(returns, "return_1"), MOVES[:, -1] / sigma, rtol=1e-9)
    np.testing.assert_allclose(column(returns, "lagged_return_1"), MOVES[:, -2] / sigma, rtol=1e-9)
    np.testing.assert_allclose(column(returns, "return_24"), MOVES[:, -24:].sum(axis=1) / sigma / np.sqrt(24), rtol=1e-9)


def test_smooth_returns_have_the_variance_of_one_return() -> None:
    weights = 0.5 ** (np.arange(300)[::-1] / 8.0)
    expected = scaled() @ weights[1:] / np.sqrt((weights * weights).sum())
    np.testing.assert_allclose(column(returns, "ewma_return_8"), expected, rtol=1e-9)


def test_returns_that_alternate_are_correlated_with_the_next_below_0() -> None:
    late = scaled()[:, -96:]
    expected = (late[:, 1:] * late[:, :-1]).sum(axis=1) / (late * late).sum(axis=1)
    np.testing.assert_allclose(column(returns, "autocorrelation_96"), expected, rtol=1e-9)
    turning = replace(view(), returns=np.broadcast_to(np.where(np.arange(300) % 2, 0.01, -0.01), (6, 300)).copy())
    np.testing.assert_allclose(column(returns, "autocorrelation_96", turning), -95 / 96, rtol=1e-6)


def test_volatility_is_realised_over_expected() -> None:
    np.testing.assert_allclose(column(volatility, "realised_variance_24"), np.log((scaled()[:, -24:] ** 2).mean(axis=1) + 1e-4), rtol=1e-9)
    np.testing.assert_allclose(column(volatility, "log_volatility"), np.log(view().sigma), rtol=1e-12)


def test_ranges_are_those_of_parkinson() -> None:
    reach = (LOGS["high"] - LOGS["low"]) / view().sigma[:, None]
    expected = np.log((reach[:, -24:] ** 2).mean(axis=1) / (4 * np.log(2)) + 1e-4)
    np.testing.assert_allclose(column(volatility, "parkinson_24"), expected, rtol=1e-9)
    np.testing.assert_allclose(column(volatility, "squared_range_1"), np.log(reach[:, -1] ** 2 + 0.0025), rtol=1e-9)


def test_tails_of_the_last_96_bars() -> None:
    late = scaled()[:, -96:]
    total = (late**2).sum(axis=1)
    third = 96 * (total / 96) ** 1.5
    np.testing.assert_allclose(column(volatility, "realised_skewness_96"), (late**3).sum(axis=1) / third, rtol=1e-6)
    np.testing.assert_allclose(column(volatility, "downside_semivariance_96"), (np.where(late < 0, late, 0) ** 2).sum(axis=1) / total, rtol=1e-9)
    np.testing.assert_allclose(column(volatility, "largest_move_share_96"), (late**2).max(axis=1) / total, rtol=1e-9)
    np.testing.assert_allclose(column(volatility, "leverage_effect_96"), (late[:, 1:] ** 2 * late[:, :-1]).sum(axis=1) / third, rtol=1e-6)


def test_a_jump_is_no_part_of_the_continuous_share() -> None:
    late = np.abs(scaled()[:, -96:])
    expected = np.pi / 2 * (late[:, 1:] * late[:, :-1]).sum(axis=1) / (late**2).sum(axis=1)
    np.testing.assert_allclose(column(volatility, "bipower_variation_96"), expected, rtol=1e-9)
    leaping = MOVES.copy()
    leaping[:, -40] = 0.2
    shares = column(volatility, "bipower_variation_96", replace(view(), returns=np.concatenate((np.zeros((6, 1)), leaping), axis=1)))
    assert (shares < 0.5).all()
    assert (column(volatility, "bipower_variation_96") > 0.5).all()


def test_volume_is_measured_against_its_own_mean() -> None:
    late = BARS.volume[:, -288:].mean(axis=1)
    np.testing.assert_allclose(column(volume, "volume_ratio"), np.log(BARS.volume[:, -1] / late + 0.05), rtol=1e-9)
    np.testing.assert_allclose(column(volume, "volume_ratio_6"), np.log(BARS.volume[:, -6:].mean(axis=1) / late + 0.05), rtol=1e-9)


def test_volume_that_comes_with_moves_and_moves_that_need_little_of_it() -> None:
    size, traded = np.abs(MOVES), BARS.volume[:, 1:]
    follow = (size * traded)[:, -48:].mean(axis=1) / (size[:, -48:].mean(axis=1) * traded[:, -48:].mean(axis=1))
    np.testing.assert_allclose(column(volume, "volume_volatility_48"), np.log(follow + 0.05), rtol=1e-9)
    usual = size[:, -288:].sum(axis=1) / traded[:, -288:].sum(axis=1)
    now = size[:, -48:].sum(axis=1) / traded[:, -48:].sum(axis=1)
    np.testing.assert_allclose(column(volume, "amihud_48"), np.log(now / usual + 0.05), rtol=1e-9)


def test_the_price_paid_is_weighted_with_volume() -> None:
    close, traded = LOGS["close"][:, -48:], BARS.volume[:, -48:]
    paid = (close * traded).sum(axis=1) / traded.sum(axis=1)
    np.testing.assert_allclose(column(volume, "vwap_distance_48"), (close[:, -1] - paid) / view().sigma / np.sqrt(48), rtol=1e-8)


def test_bars_without_a_trade_are_counted() -> None:
    traded = BARS.volume.copy()
    traded[2, -12:] = 0.0
    np.testing.assert_allclose(column(volume, "zero_volume_share_48", replace(view(), volume=traded)), [0, 0, 0.25, 0, 0, 0], atol=1e-12)


def test_without_any_volume_its_columns_are_blank_and_with_some_long_ago_they_are_not() -> None:
    traded = BARS.volume.copy()
    traded[0], traded[1, -200:] = 0.0, 0.0
    with np.errstate(invalid="ignore", divide="ignore"):
        values = volume.build(replace(view(), volume=traded))
    assert np.isnan(values[0]).all()
    assert np.isfinite(values[1:]).all()


@pytest.mark.parametrize("name", [name for name in technical.COLUMNS if name not in {"atr_14", "bollinger_width_20"}])
def test_a_market_that_does_not_move_gives_indicators_of_0(name: str) -> None:
    flat = np.full((1, 300), np.log(100.0))
    still = MarketView(
        START, MINUTE, flat, flat, flat, flat, flat * 0, flat, np.array([300]), np.array([0]), np.array([0.01]), no_books(1), no_flow(1)
    )
    assert column(technical, name, still).tolist() == [0.0]


def test_the_cross_section_ranks_from_the_weakest_to_the_strongest() -> None:
    moves = MOVES[:, -12:].sum(axis=1) / view().sigma
    np.testing.assert_allclose(column(cross_section, "return_rank_12"), (pd.Series(moves).rank().to_numpy() - 1) / 5 - 0.5)
    power = (scaled()[:, -24:] ** 2).sum(axis=1)
    np.testing.assert_allclose(column(cross_section, "realised_variance_rank_24"), (pd.Series(power).rank().to_numpy() - 1) / 5 - 0.5)


def test_equals_share_a_rank_and_symbols_without_a_volatility_stand_aside() -> None:
    bars = Bars(*(getattr(BARS, name).copy() for name in ("open", "high", "low", "close", "volume")))
    for name in ("open", "high", "low", "close", "volume"):
        part = getattr(bars, name).copy()
        part[3] = part[1]
        part[5, :290] = np.nan
        bars = replace(bars, **{name: part})
    with np.errstate(invalid="ignore", divide="ignore"):
        at = build_view(bars, no_books(6), no_flow(6), START, MINUTE, 60.0)
    ranks = column(cross_section, "return_rank_12", at)
    moves = at.returns[:5, -12:].sum(axis=1) / at.sigma[:5]
    np.testing.assert_allclose(ranks[:5], (pd.Series(moves).rank().to_numpy() - 1) / 4 - 0.5)
    assert ranks[1] == ranks[3]
    with np.errstate(invalid="ignore", divide="ignore"):
        without = build_view(
            Bars(*(getattr(bars, name)[:5] for name in ("open", "high", "low", "close", "volume"))), no_books(5), no_flow(5), START, MINUTE, 60.0
        )
    assert np.isnan(cross_section.build(at)[5]).all()
    np.testing.assert_allclose(cross_section.build(at)[:5], cross_section.build(without), rtol=1e-9)


def test_idiosyncratic_returns_are_those_that_the_market_does_not_explain() -> None:
    market = scaled().mean(axis=0)
    late, late_market = scaled()[:, -96:], market[-96:]
    beta = late @ late_market / (late_market @ late_market)
    np.testing.assert_allclose(column(cross_section, "beta_96"), beta, rtol=1e-9)
    sums = scaled()[:, -12:].sum(axis=1) / np.sqrt(12)
    np.testing.assert_allclose(column(cross_section, "idiosyncratic_return_12"), sums - beta * sums.mean(), rtol=1e-9)
    np.testing.assert_allclose(column(cross_section, "market_return_12"), sums.mean(), rtol=1e-9)
    np.testing.assert_allclose(column(cross_section, "dispersion_12"), sums.std(), rtol=1e-9)
    left = late - beta[:, None] * late_market
    np.testing.assert_allclose(column(cross_section, "idiosyncratic_share_96"), (left**2).sum(axis=1) / (late**2).sum(axis=1), rtol=1e-9)


def test_a_symbol_by_itself_is_its_universe() -> None:
    at = build_view(
        Bars(*(getattr(BARS, name)[:1] for name in ("open", "high", "low", "close", "volume"))), no_books(1), no_flow(1), START, MINUTE, 60.0
    )
    observed = dict(zip(cross_section.COLUMNS, cross_section.build(at)[0].tolist(), strict=True))
    assert (observed["return_rank_12"], observed["dispersion_12"]) == (0.0, 0.0)
    assert [observed["beta_96"], observed["idiosyncratic_share_96"], observed["idiosyncratic_return_48"]] == pytest.approx([1.0, 0.0, 0.0], abs=1e-9)


def test_the_calendar_turns_once_a_day_and_once_a_week() -> None:
    def at(time: int) -> Floats:
        return calendar.build(replace(view(), at=time))

    monday = START  # 2024-01-01 was a Monday
    np.testing.assert_allclose(at(monday)[0], [0, 1, 0, 1], atol=1e-12)
    np.testing.assert_allclose(at(monday + DAY // 4)[0, :2], [1, 0], atol=1e-12)
    np.testing.assert_allclose(at(monday + 7 * DAY), at(monday), atol=1e-9)
    assert (at(monday)[0] == at(monday)[5]).all()


def booked() -> MarketView:
    """Symbol 0 leans to buyers, 1 is even, 2 has an empty best bid, 3 nothing at all, 4 no second level, 5 is crossed."""
    bid = np.array([[99.0, 98.0]] * 5 + [[101.5, 101.0]])
    ask = np.array([[101.0, 102.0]] * 6)
    bid_size = np.array([[3.0, 5.0], [1.0, 1.0], [0.0, 2.0], [0.0, 0.0], [2.0, np.nan], [1.0, 1.0]])
    ask_size = np.array([[1.0, 1.0], [1.0, 1.0], [2.0, 2.0], [0.0, 0.0], [2.0, np.nan], [1.0, 1.0]])
    return replace(view(), books=Books(bid, bid_size, ask, ask_size))


def test_the_book_leans_to_the_larger_side() -> None:
    np.testing.assert_allclose(column(book, "queue_imbalance", booked()), [0.5, 0.0, -1.0, np.nan, 0.0, 0.0])
    np.testing.assert_allclose(column(book, "depth_imbalance", booked()), [0.6, 0.0, -1 / 3, np.nan, 0.0, 0.0])
    np.testing.assert_allclose(column(book, "best_depth_share", booked())[[0, 4]], np.log(np.array([0.4, 1.0]) + 1e-3))


def test_the_micro_price_and_the_spread_are_in_volatilities() -> None:
    sigma = view().sigma
    micro = (99.0 * 1 + 101.0 * 3) / 4
    np.testing.assert_allclose(column(book, "micro_price_offset", booked())[0], (micro / 100.0 - 1) / sigma[0])
    np.testing.assert_allclose(column(book, "relative_spread", booked())[0], np.log(0.02 / sigma[0] + 1e-3))
    assert np.isfinite(column(book, "relative_spread", booked())).all()


def flowing() -> MarketView:
    draw = np.random.default_rng(8)
    spread, depth, trades = (draw.gamma(5.0, 1.0, (6, 48)) for _ in range(3))
    signed = BARS.volume[:, -48:] * draw.uniform(-1, 1, (6, 48))
    ofi = draw.normal(size=(6, 48, 3))
    vwap = BARS.close[:, -48:] * 0.999
    for part in (spread, depth, trades, signed, vwap):
        part[1, 10:20] = np.nan
        part[2] = np.nan
    ofi[1, 40], ofi[2] = np.nan, np.nan
    return replace(view(), flow=OrderFlow(ofi, signed, trades, vwap, spread, depth))


def test_order_flow_is_over_depth_and_signed_volume_over_volume() -> None:
    at = flowing()
    observed, depth = at.flow, np.nanmean(at.flow.depth[[0, 1, 3]], axis=1)
    rows = [0, 1, 3]
    np.testing.assert_allclose(column(flow, "ofi_1", at)[rows], observed.ofi[rows, -1, 0] / depth)
    np.testing.assert_allclose(column(flow, "ofi_12", at)[rows], np.nansum(observed.ofi[rows, -12:, 0], axis=1) / depth)
    np.testing.assert_allclose(column(flow, "multi_level_ofi_12", at)[rows], np.nansum(observed.ofi[rows, -12:], axis=1).mean(axis=1) / depth)
    np.testing.assert_allclose(column(flow, "trade_imbalance_1", at)[rows], observed.signed_volume[rows, -1] / BARS.volume[rows, -1])
    known = np.isfinite(observed.signed_volume[rows])
    traded = np.where(known, BARS.volume[rows, -48:], 0.0)
    np.testing.assert_allclose(column(flow, "vpin_48", at)[rows], np.nansum(np.abs(observed.signed_volume[rows]), axis=1) / traded.sum(axis=1))
    assert all(np.isnan(column(flow, name, at)[2]) for name in flow.COLUMNS)


def test_ratios_of_flow_are_over_the_mean_of_what_is_known() -> None:
    at = flowing()
    rows = [0, 1, 3]
    for name, part in (("spread", at.flow.spread), ("depth", at.flow.depth), ("trade_count", at.flow.trades)):
        expected = np.log(part[rows, -1] / np.nanmean(part[rows], axis=1) + 0.05)
        np.testing.assert_allclose(column(flow, f"{name}_ratio_48", at)[rows], expected, rtol=1e-9)
    np.testing.assert_allclose(column(flow, "vwap_distance_1", at)[rows], -np.log(0.999) / view().sigma[rows], rtol=1e-6)


def test_a_bar_in_which_nothing_is_traded_leans_to_no_side() -> None:
    at = flowing()
    signed, traded = at.flow.signed_volume.copy(), at.volume.copy()
    signed[0, -1], traded[0, -1] = 0.0, 0.0
    quiet = replace(at, volume=traded, flow=replace(at.flow, signed_volume=signed))
    assert column(flow, "trade_imbalance_1", quiet)[0] == 0.0
    assert np.isnan(column(flow, "trade_imbalance_1", quiet)[2])
