"""What trading costs: from the book where there is a sane one, from settings elsewhere, and expensive when nothing is known."""

from __future__ import annotations

import numpy as np
import pytest

from engine.domain.market import Books
from engine.phases import microstructure
from tests.makers import changed, moment, no_books


def book(**parts: float) -> Books:
    """Two levels for each of 8 symbols."""
    told = {"bid": 99.9, "ask": 100.1, "bid_size": 30.0, "ask_size": 10.0, **parts}
    ones = np.ones((8, 2))
    steps = np.array([0.0, 0.1])
    return Books(told["bid"] * ones - steps, told["bid_size"] * ones, told["ask"] * ones + steps, told["ask_size"] * ones)


def test_a_book_gives_spread_mid_micro_price_depth_and_imbalance() -> None:
    told = microstructure.read(changed(moment(), books=book()).inputs)
    np.testing.assert_allclose(told.mid, 100.0)
    np.testing.assert_allclose(told.spread_bps, 20.0)
    np.testing.assert_allclose(told.micro_price, (99.9 * 10 + 100.1 * 30) / 40)
    bids, asks = 30 * (99.9 + 99.8), 10 * (100.1 + 100.2)
    np.testing.assert_allclose(told.depth, bids + asks)
    np.testing.assert_allclose(told.imbalance, (bids - asks) / (bids + asks))
    assert told.spread_source == "book"
    assert not told.crossed.any()


def test_the_cost_is_half_the_spread_the_fee_and_the_impact() -> None:
    at = moment()
    told = microstructure.read(at.inputs)
    np.testing.assert_allclose(told.cost_bps, told.spread_bps / 2 + told.fee_bps + told.impact_bps)
    money = at.inputs.bars.volume[:, -48:].mean(axis=1) * told.mid
    order = at.inputs.knobs.max_position * at.inputs.account.equity
    share = np.minimum(order / money, 1.0)
    np.testing.assert_allclose(told.impact_bps, at.inputs.knobs.impact * at.inputs.view.sigma * 1e4 * np.sqrt(share), rtol=1e-9)


def test_pressure_is_order_flow_over_depth() -> None:
    at = moment()
    expected = at.inputs.flow.ofi[:, -1, 0] / at.inputs.flow.depth[:, -1]
    np.testing.assert_allclose(microstructure.read(at.inputs).pressure, expected)


@pytest.mark.parametrize("parts", [{"bid": 100.2}, {"bid": 100.1}, {"bid": -1.0}, {"bid_size": -1.0}, {"ask_size": -2.0}])
def test_a_book_that_is_crossed_or_malformed_is_told(parts: dict[str, float]) -> None:
    told = microstructure.read(changed(moment(), books=book(**parts)).inputs)
    assert told.crossed.all()
    np.testing.assert_allclose(told.mid, moment().inputs.bars.close[:, -1])


@pytest.mark.parametrize("parts", [{"bid": np.nan}, {"ask": np.nan}, {"ask": np.inf}])
def test_a_book_that_is_not_there_gives_the_settings_spread(parts: dict[str, float]) -> None:
    at = moment()
    with np.errstate(invalid="ignore"):
        told = microstructure.read(changed(at, books=book(**parts)).inputs)
    np.testing.assert_allclose(told.spread_bps, at.inputs.knobs.spread_bps)
    assert np.isnan(told.micro_price).all()


def test_without_books_the_settings_spread_is_named_as_such() -> None:
    told = microstructure.read(changed(moment(), books=no_books(8)).inputs)
    assert told.spread_source == "setting"
    assert np.isnan(told.depth).all()


def test_when_it_fails_the_market_is_assumed_expensive() -> None:
    at = moment()
    told, read = microstructure.assume_wide(at.inputs), microstructure.read(at.inputs)
    assert (told.cost_bps > read.cost_bps).all()
    np.testing.assert_allclose(told.spread_bps, at.inputs.knobs.spread_bps * 10)
