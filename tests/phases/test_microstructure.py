"""The cost of trading: from a valid book, from settings without one, and expensive when nothing is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine import matching
from engine.domain.decision import SPREAD_SOURCES, Liquidity
from engine.domain.evidence import NOTIONALS
from engine.domain.market import Books, OrderFlow
from engine.domain.record import Floats
from engine.domain.trading_config import TradingRules
from engine.evidence import liquidity_forecast
from engine.phases import microstructure
from engine.run import check_record
from tests.makers import Moment, changed, moment, no_books, no_flow, runner, seen

BOOK = ("bid_price", "bid_size", "ask_price", "ask_size")
FLOW = ("ofi", "signed_volume", "trades", "vwap", "spread", "depth")
UNSOUND = [
    {"bid": 100.2}, {"bid": 100.1}, {"bid": -1.0}, {"bid_size": -1.0}, {"ask_size": -2.0}, {"bid": np.nan}, {"ask": np.nan}, {"ask": np.inf},
    {"bid_size": 0.0}, {"ask_size": 0.0}, {"bid_size": np.nan}, {"ask_size": np.inf}, {"bid": 0.0}, {"bid_size": 0.0, "ask_size": 0.0},
]  # fmt: skip


def book(*, step: float = 0.1, **parts: float) -> Books:
    """Two levels for each of 8 symbols."""
    liquidity = {"bid": 99.9, "ask": 100.1, "bid_size": 30.0, "ask_size": 10.0, **parts}
    ones = np.ones((8, 2))
    steps = np.array([0.0, step])
    return Books(liquidity["bid"] * ones - steps, liquidity["bid_size"] * ones, liquidity["ask"] * ones + steps, liquidity["ask_size"] * ones)


def read(at: Moment) -> Liquidity:
    with np.errstate(invalid="ignore", divide="ignore"):
        return microstructure.measure_liquidity(at.inputs, at.state)


def sources(liquidity: Liquidity) -> set[str]:
    return {SPREAD_SOURCES[code] for code in liquidity.spread_source.tolist()}


def with_books(books: Books) -> Moment:
    """A moment with these books whose learning begins here."""
    at = moment()
    return changed(replace(at, state=replace(at.state, liquidity_forecast=liquidity_forecast.empty_liquidity_forecast())), books=books)


def spending(at: Moment, money: float) -> Moment:
    """The moment with `money` as the largest order allowed."""
    account, knobs = at.inputs.account, at.inputs.config
    return changed(at, account=replace(account, equity=money / knobs.max_position))


def flowing(signed: np.ndarray, *, ofi: np.ndarray | None = None, depth: float = 2.0) -> OrderFlow:
    """48 bars of the same signed volume per symbol, or as given, and one bar of order-flow imbalance."""
    bars = np.broadcast_to(signed, (8, 48)).copy()
    levels = np.zeros((8, 48, 3)) if ofi is None else np.broadcast_to(ofi, (8, 48, 3)).copy()
    ones = np.ones((8, 48))
    return OrderFlow(levels, bars, ones, ones * 100.0, ones * 0.2, ones * depth)


def test_a_book_gives_spread_mid_depth_and_imbalance() -> None:
    liquidity = read(with_books(book()))
    np.testing.assert_allclose(liquidity.mid, 100.0)
    np.testing.assert_allclose(liquidity.spread_bps, 20.0)
    bids, asks = 30 * (99.9 + 99.8), 10 * (100.1 + 100.2)
    np.testing.assert_allclose(liquidity.depth, bids + asks)
    np.testing.assert_allclose(liquidity.imbalance, (bids - asks) / (bids + asks))
    np.testing.assert_allclose(liquidity.book_metrics.imbalance_best, 0.5)
    assert sources(liquidity) == {"book"}
    assert not liquidity.invalid_book.any()


def test_the_micro_price_is_the_mid_until_moves_have_shown_more() -> None:
    at = with_books(book())
    np.testing.assert_allclose(read(at).micro_price, 100.0)
    rows = np.array([[150.0], [1.0], [0.6]]) * np.ones((3, 8))
    taught = replace(at, state=replace(at.state, liquidity_forecast=replace(liquidity_forecast.empty_liquidity_forecast(8), offset_moments=rows)))
    weighted = (99.9 * 10 + 100.1 * 30) / 40
    np.testing.assert_allclose(read(taught).micro_price, 100.0 + 0.6 * 150 / 200 * (weighted - 100.0))


def test_the_cost_is_half_the_spread_the_fee_and_the_impact() -> None:
    liquidity = read(moment())
    np.testing.assert_allclose(liquidity.cost_bps, liquidity.spread_bps / 2 + liquidity.fee_bps + liquidity.impact_bps)


@pytest.mark.parametrize("equity", [100_000.0, 5e7])
def test_without_books_impact_follows_the_square_root_law_for_what_a_bar_may_fill(equity: float) -> None:
    at = changed(moment(), books=no_books(8), account=replace(moment().inputs.account, equity=equity))
    liquidity = read(at)
    money = at.inputs.bars.volume[:, -48:].mean(axis=1) * liquidity.mid
    np.testing.assert_allclose(liquidity.capacity, 0.1 * money)
    share = np.minimum(at.inputs.config.max_position * equity / money, 0.1)
    np.testing.assert_allclose(liquidity.impact_bps, at.inputs.config.impact_coefficient * at.inputs.view.sigma * 1e4 * np.sqrt(share), rtol=1e-9)
    np.testing.assert_allclose(liquidity.cost_bps, liquidity.spread_bps / 2 + liquidity.fee_bps + liquidity.impact_bps)


def test_where_no_volume_is_known_or_nothing_was_traded_there_is_no_room() -> None:
    at = changed(moment(), books=no_books(8))
    volume = at.inputs.view.volume.copy()
    volume[0, -1], volume[1, -48:] = np.nan, 0.0
    liquidity = read(changed(at, view=replace(at.inputs.view, volume=volume)))
    np.testing.assert_array_equal(liquidity.capacity[:3] > 0, [False, False, True])
    assert np.isnan(read(moment()).capacity).all()  # the book decides


def test_a_larger_order_than_the_book_costs_by_its_share_without_a_cap() -> None:
    at = spending(with_books(book()), 1e9)
    money = at.inputs.view.volume[:, -48:].mean(axis=1) * 100.0
    np.testing.assert_allclose(read(at).impact_bps, 0.1 * at.inputs.view.sigma * 1e4 * np.sqrt(1e9 / money))


def test_with_a_book_impact_is_what_walking_it_costs_beyond_half_the_spread() -> None:
    liquidity = read(spending(with_books(book()), 1_500.0))  # 15 units: 10 at 100.1 and 5 at 100.2 to buy, all at 99.9 to sell
    paid = (10 * 100.1 + 5 * 100.2) / 15
    np.testing.assert_allclose(liquidity.impact_bps, ((paid / 100.0 - 1.0) * 1e4 + 10.0) / 2 - 10.0)
    np.testing.assert_allclose(liquidity.book_metrics.fillable_share, 1.0)


def test_an_order_larger_than_the_book_is_told_by_the_share_it_holds() -> None:
    liquidity = read(spending(with_books(book()), 8_012.0))
    np.testing.assert_allclose(liquidity.book_metrics.fillable_share, 10 * (100.1 + 100.2) / 8_012.0)
    assert np.isfinite(liquidity.cost_bps).all()


@pytest.mark.parametrize("notional", [0, 1])
def test_a_quote_is_what_the_broker_would_fill_at(notional: int) -> None:
    rng = np.random.default_rng(4)
    steps = np.cumsum(rng.uniform(0.01, 0.1, (2, 8, 12)), axis=2)
    books = Books(100 - steps[0], rng.uniform(5, 300, (8, 12)), 100 + steps[1], rng.uniform(5, 300, (8, 12)))
    liquidity = read(with_books(books))
    for symbol in range(8):
        mid = float(liquidity.mid[symbol])
        units = NOTIONALS[notional] / mid
        for side, (prices, sizes) in enumerate(((books.ask_price, books.ask_size), (books.bid_price, books.bid_size))):
            met = matching.walk_levels(prices[symbol], sizes[symbol], units, 1.0 - 2.0 * side, mid)
            whole = abs(met.units) >= units * (1 - 1e-12)
            expected = met.spread_bps + met.impact_bps if whole else np.nan
            np.testing.assert_allclose(liquidity.book_metrics.quoted_bps[notional, side, symbol], expected, atol=1e-9)


def test_what_the_book_does_not_hold_has_no_quote() -> None:
    liquidity = read(with_books(book(bid_size=60.0, ask_size=10.0)))
    np.testing.assert_array_equal(np.isnan(liquidity.book_metrics.quoted_bps[:, :, 0]), [[True, False], [True, True]])
    np.testing.assert_array_equal(np.isnan(liquidity.book_metrics.forecast_cost_bps), np.isnan(liquidity.book_metrics.quoted_bps))


def test_pressure_is_order_flow_over_depth_of_the_best_level_and_of_all() -> None:
    at = changed(moment(), flow=flowing(np.zeros(48), ofi=np.array([1.0, 4.0, np.nan])))
    liquidity = read(at)
    np.testing.assert_allclose(liquidity.pressure, 0.5)
    np.testing.assert_allclose(liquidity.book_metrics.pressure_levels, 1.25)


def test_flow_of_one_side_only_is_wholly_toxic_and_balanced_flow_is_not() -> None:
    at = moment()
    volume = np.full((8, 300), 10.0)
    view = replace(at.inputs.view, volume=volume)
    bought = read(changed(at, view=view, flow=flowing(np.full(48, 10.0)))).book_metrics.vpin
    balanced = read(changed(at, view=view, flow=flowing(np.tile([10.0, -10.0, -10.0, 10.0], 12)))).book_metrics.vpin
    some = read(changed(at, view=view, flow=flowing(np.full(48, 2.5)))).book_metrics.vpin
    np.testing.assert_allclose(bought, 1.0)
    np.testing.assert_allclose(balanced, 0.0, atol=1e-9)
    np.testing.assert_allclose(some, 0.25)


def test_volume_is_cut_into_equal_parts_and_not_time() -> None:
    at = moment()
    traded, signed = np.zeros((8, 300)), np.zeros(48)
    traded[:, -48:] = 1.0
    traded[:, -1] = 47.0  # half of the volume in the last bar, all of it bought
    signed[-1] = 47.0
    signed[:47:2], signed[1:47:2] = 1.0, -1.0
    liquidity = read(changed(at, view=replace(at.inputs.view, volume=traded), flow=flowing(signed))).book_metrics.vpin
    assert (np.abs(liquidity - 0.5) < 0.05).all()


def test_quiet_bars_at_the_end_and_unknown_sides_do_no_harm_to_toxicity() -> None:
    at = moment()
    volume, signed = np.full((8, 300), 10.0), np.full(48, 5.0)
    volume[:, -7:], signed[-7:] = 0.0, 0.0
    signed[3:9] = np.nan
    liquidity = read(changed(at, view=replace(at.inputs.view, volume=volume), flow=flowing(signed))).book_metrics.vpin
    np.testing.assert_allclose(liquidity, 0.5)
    untold = read(changed(at, view=replace(at.inputs.view, volume=volume), flow=flowing(np.zeros(48)))).book_metrics.vpin
    assert np.isnan(untold).all()


def test_the_slope_of_returns_on_signed_money_is_found() -> None:
    at = moment()
    signed = np.random.default_rng(1).normal(0, 50, (8, 48))
    close = np.exp(at.inputs.view.log_close[:, -1:])
    returns = np.zeros((8, 300))
    returns[:, -48:] = 3e-4 * signed * close / 1e6  # 3 bps a million
    liquidity = read(changed(at, view=replace(at.inputs.view, returns=returns), flow=flowing(signed), books=no_books(8)))
    np.testing.assert_allclose(liquidity.book_metrics.kyle_lambda, 3.0)


@pytest.mark.parametrize("parts", UNSOUND)
def test_a_book_that_is_crossed_one_sided_or_malformed_gives_no_figure(parts: dict[str, float]) -> None:
    at = moment()
    liquidity = read(with_books(book(**parts)))
    assert liquidity.invalid_book.all()
    np.testing.assert_allclose(liquidity.mid, at.inputs.bars.close[:, -1])
    np.testing.assert_allclose(liquidity.spread_bps, at.inputs.config.spread_bps)
    for figure in (
        liquidity.micro_price,
        liquidity.depth,
        liquidity.imbalance,
        liquidity.book_metrics.imbalance_best,
        liquidity.book_metrics.fillable_share,
        liquidity.book_metrics.quoted_bps,
    ):
        assert np.isnan(figure).all()
    assert np.isfinite(liquidity.cost_bps).all()


def test_levels_out_of_order_are_malformed() -> None:
    liquidity = read(with_books(book(step=-0.05)))
    assert liquidity.invalid_book.all()


def test_a_hole_in_the_book_is_passed_over() -> None:
    whole = book(bid_size=400.0, ask_size=400.0)
    price, size = whole.ask_price.copy(), whole.ask_size.copy()
    price[:, 1], size[:, 1] = np.nan, np.nan
    liquidity = read(with_books(replace(whole, ask_price=price, ask_size=size)))
    assert not liquidity.invalid_book.any()
    np.testing.assert_allclose(liquidity.depth, 400 * (99.9 + 99.8 + 100.1))


def test_a_book_that_is_not_there_is_not_crossed_and_costs_the_settings_spread() -> None:
    liquidity = read(with_books(book(bid=np.nan, ask=np.nan, bid_size=np.nan, ask_size=np.nan)))
    assert not liquidity.invalid_book.any()
    np.testing.assert_allclose(liquidity.spread_bps, moment().inputs.config.spread_bps)
    assert np.isnan(liquidity.micro_price).all()


def bouncing(spread_bps: float, symbols: tuple[int, ...]) -> Moment:
    """A moment without books, where the bars of some symbols are made of trades at a bid and an ask that are so far apart."""
    at = changed(moment(), books=no_books(8), flow=no_flow(8))
    random, chosen = np.random.default_rng(5), list(symbols)
    mid = np.cumsum(random.normal(0.0, 1e-4, (len(chosen), 300, 60)).reshape(len(chosen), -1), axis=1).reshape(len(chosen), 300, 60)
    trades = 100.0 * np.exp(mid + random.choice([-0.5, 0.5], mid.shape) * spread_bps * 1e-4)
    parts = {name: getattr(at.inputs.bars, name).copy() for name in ("open", "high", "low", "close")}
    for name, values in (("open", trades[:, :, 0]), ("high", trades.max(axis=2)), ("low", trades.min(axis=2)), ("close", trades[:, :, -1])):
        parts[name][chosen] = values
    return seen(at, replace(at.inputs.bars, **parts))


def test_a_spread_that_bars_prove_is_taken_and_named_for_its_symbols_alone() -> None:
    liquidity = read(bouncing(30.0, (2, 5)))
    names = [SPREAD_SOURCES[code] for code in liquidity.spread_source]
    assert [index for index, name in enumerate(names) if name == "Abdi-Ranaldo 2017"] == [2, 5]
    assert {names[index] for index in (0, 1, 3, 4, 6, 7)} == {"setting"}
    np.testing.assert_allclose(liquidity.spread_bps[[2, 5]], 30.0, rtol=0.2)
    np.testing.assert_allclose(np.delete(liquidity.spread_bps, [2, 5]), moment().inputs.config.spread_bps)
    low, high, pairs = liquidity.book_metrics.spread_estimate[1:, 2]
    assert low < 30.0 < high
    assert pairs == 299
    np.testing.assert_allclose(liquidity.cost_bps, liquidity.spread_bps / 2 + liquidity.fee_bps + liquidity.impact_bps)


def test_no_spread_is_below_one_tick() -> None:
    at = changed(moment(), books=no_books(8), flow=no_flow(8))
    close = np.exp(at.inputs.view.log_close[:, -1])
    ticks = tuple((close * np.array([0.0, 50.0, 1.0, 3.0, 0.0, 0.0, 0.0, 0.0]) / 1e4).tolist())
    liquidity = read(changed(at, config=replace(at.inputs.config, spread_bps=2.0, rules=TradingRules(ticks=ticks))))
    np.testing.assert_allclose(liquidity.spread_bps, [2.0, 50.0, 2.0, 3.0, 2.0, 2.0, 2.0, 2.0])
    assert [SPREAD_SOURCES[code] for code in liquidity.spread_source[:4]] == ["setting", "tick", "setting", "tick"]


def test_a_symbol_without_a_book_among_others_is_told_by_itself() -> None:
    whole = book()
    prices = {name: getattr(whole, name).copy() for name in BOOK}
    for part in prices.values():
        part[3] = np.nan
    liquidity = read(with_books(Books(**prices)))
    names = [SPREAD_SOURCES[code] for code in liquidity.spread_source]
    assert names[3] == "setting"
    assert set(names[:3] + names[4:]) == {"book"}
    assert np.isnan(liquidity.book_metrics.spread_estimate[:, [0, 1, 2, 4, 5, 6, 7]]).all()


def test_without_books_the_settings_spread_is_named_as_such() -> None:
    liquidity = read(changed(moment(), books=no_books(8), flow=no_flow(8)))
    assert sources(liquidity) == {"setting"}
    for figure in (
        liquidity.depth,
        liquidity.book_metrics.vpin,
        liquidity.book_metrics.kyle_lambda,
        liquidity.book_metrics.pressure_levels,
        liquidity.book_metrics.forecast_cost_bps,
    ):
        assert np.isnan(figure).all()


POISON = (np.nan, np.inf, -np.inf, 0.0, -1.0, -1e12, 1e-12, 1e12)


def spoiled(values: Floats, draw: np.random.Generator) -> Floats:
    """The values with some replaced by ones that no venue should send."""
    out = values.copy()
    for _ in range(int(draw.integers(0, 6))):
        out[tuple(int(draw.integers(0, size)) for size in out.shape)] = draw.choice(POISON)
    return out


def test_nothing_a_venue_may_send_makes_the_phase_fail_or_give_what_is_no_number() -> None:
    draw = np.random.default_rng(8)
    at, lengths = moment(), runner(moment()).axis_lengths
    state = at.state
    for turn in range(400):
        inputs = at.inputs
        books, met = (Books(*(spoiled(getattr(inputs.books, name), draw) for name in BOOK)) for _ in range(2))
        flow = OrderFlow(*(spoiled(getattr(inputs.flow, name), draw) for name in FLOW))
        view = replace(inputs.view, volume=spoiled(inputs.view.volume, draw))
        with np.errstate(all="ignore"):
            liquidity = microstructure.measure_liquidity(
                replace(inputs, tick=inputs.tick + turn, books=books, fill_books=met, flow=flow, view=view), state
            )
        check_record(liquidity, lengths)
        state = replace(state, liquidity_forecast=liquidity.book_metrics.liquidity_forecast)
        for figure in (
            liquidity.book_metrics.forecast_cost_bps,
            liquidity.book_metrics.quoted_bps,
            liquidity.book_metrics.forecast_levels,
            state.liquidity_forecast.offset_share,
            state.liquidity_forecast.score.sums,
        ):
            assert not np.isinf(figure).any()
        assert (liquidity.cost_bps >= liquidity.fee_bps).all()
    assert np.isfinite(state.liquidity_forecast.score.sums).all()
    assert np.isfinite(state.liquidity_forecast.bias).all()


def test_each_symbol_pays_its_own_fee_where_one_is_told() -> None:
    at = moment()
    fees = tuple(float(fee) for fee in range(8))
    liquidity = read(changed(at, config=replace(at.inputs.config, fees_bps=fees)))
    np.testing.assert_array_equal(liquidity.fee_bps, fees)


def test_when_it_fails_the_market_is_assumed_expensive_and_nothing_is_learned() -> None:
    at = moment()
    liquidity = microstructure.assume_wide_spread(at.inputs, at.state)
    assert (liquidity.cost_bps > read(at).cost_bps).all()
    np.testing.assert_allclose(liquidity.spread_bps, at.inputs.config.spread_bps * 10)
    assert liquidity.book_metrics.liquidity_forecast is at.state.liquidity_forecast


def test_figures_of_bars_are_means_of_the_last_48() -> None:
    """48 bars that move by 0.001 up and 0.003 down in turn trade 10 units each; those before move and trade far more."""
    returns, volume = np.full((8, 300), 0.5), np.full((8, 300), 1e9)
    returns[:, -48:], volume[:, -48:] = np.tile([0.001, -0.003], 24), 10.0
    close = np.full((8, 300), np.log(50.0))
    figures = microstructure.measure_bars(replace(moment().inputs.view, returns=returns, volume=volume, log_close=close))
    np.testing.assert_allclose(figures.absolute_return, 0.002)
    np.testing.assert_allclose(figures.average_volume, 10.0)
    np.testing.assert_allclose(figures.close, 50.0)
    mid = np.array([100.0, 0.0, np.nan, -1.0, 100.0, 100.0, 100.0, 100.0])
    money = figures.money_traded(mid)
    assert money.tolist() == [1_000.0, 0.0, 0.0, 0.0, 1_000.0, 1_000.0, 1_000.0, 1_000.0]
    np.testing.assert_allclose(figures.amihud(money)[[0, 1]], [0.002 / 1_000.0 * 1e6, np.nan])
