"""Rolling windows against plain slices, and training rows without knowledge of the future."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.domain.recipe import Recipe
from engine.domain.record import Floats
from engine.domain.tick import TrainingRow
from engine.domain.trading_config import TradingConfig
from engine.service import training
from engine.service.windows import FLOW_LENGTH, MarketWindow, TrainingRows
from engine.window import WINDOW_BARS
from tests.makers import MINUTE, START, bar, lesson, moment

HORIZONS = (1, 3, 12)


def test_the_window_is_the_last_bars_whatever_has_gone_before() -> None:
    taught = lesson()
    window = MarketWindow(taught.feed.info)
    account = moment().inputs.account
    many = [replace(bar, at=START + number * MINUTE) for number, bar in enumerate(taught.bars * 2)]
    for number, snapshot in enumerate(many):
        window.append(snapshot)
        if number not in {0, 5, 299, 300, 899, 900, 901, 1_199, 1_500}:
            continue
        inputs = window.build_inputs(number, account, TradingConfig(), ())
        past = many[max(0, number + 1 - WINDOW_BARS) : number + 1]
        for name in ("open", "high", "low", "close", "volume"):
            whole = np.stack([getattr(old, name) for old in past], axis=1)
            np.testing.assert_array_equal(getattr(inputs.bars, name)[:, -len(past) :], whole)
            assert np.isnan(getattr(inputs.bars, name)[:, : WINDOW_BARS - len(past)]).all()
        late = past[-FLOW_LENGTH:]
        np.testing.assert_array_equal(inputs.flow.ofi[:, -len(late) :], np.stack([old.ofi for old in late], axis=1))
        np.testing.assert_array_equal(inputs.flow.signed_volume[:, -len(late) :], np.stack([old.flow[:, 0] for old in late], axis=1))
        assert inputs.books.digest() == snapshot.books.digest()


def test_a_bar_taken_out_again_was_never_there() -> None:
    taught = lesson()
    first, second = MarketWindow(taught.feed.info), MarketWindow(taught.feed.info)
    for snapshot in taught.bars[:320]:
        first.append(snapshot)
        second.append(snapshot)
    second.append(taught.bars[320])
    second.drop_last()
    for window in (first, second):
        window.append(taught.bars[321])
    account = moment().inputs.account
    assert first.build_inputs(320, account, TradingConfig(), ()).digest() == second.build_inputs(320, account, TradingConfig(), ()).digest()


def test_the_bars_that_a_window_lacks_are_listed_by_symbol_and_those_before_its_first_are_not() -> None:
    taught = lesson()
    window, lacking = MarketWindow(taught.feed.info), {3: [0], 5: [0, 1], WINDOW_BARS + 2: [1]}
    assert window.find_missing_bars() == {}
    for number, snapshot in enumerate(taught.bars[: WINDOW_BARS + 4]):
        closes = snapshot.close.copy()
        closes[lacking.get(number, [])] = np.nan
        window.append(replace(snapshot, at=START + number * MINUTE, close=closes))
        if number == 9:
            assert window.find_missing_bars() == {0: [START + 3 * MINUTE, START + 5 * MINUTE], 1: [START + 5 * MINUTE]}
    assert window.find_missing_bars() == {0: [START + 5 * MINUTE], 1: [START + 5 * MINUTE, START + (WINDOW_BARS + 2) * MINUTE]}


@pytest.mark.parametrize("late", [0, -MINUTE])
def test_time_that_goes_back_is_refused(late: int) -> None:
    window = MarketWindow(replace(lesson().feed.info, symbols=("A",), levels=0, has_flow=False))
    window.append(bar(START))
    with pytest.raises(ValueError, match=f"^bars go back in time: {START + late} after {START}$"):
        window.append(bar(START + late))


def filled(ticks: int = 60, symbols: int = 3, capacity: int = 1_000, seed: int = 1, first: int = 0) -> tuple[TrainingRows, Floats, Floats]:
    """Rows of random walks, with the log prices and volatilities they were made of; some bars are missing."""
    draw = np.random.default_rng(seed)
    price = np.cumsum(draw.normal(0, 0.01, (ticks, symbols)), axis=0)
    price[draw.random(price.shape) < 0.1] = np.nan
    sigma = draw.uniform(0.005, 0.02, price.shape)
    sigma[:5] = np.nan
    rows = TrainingRows(symbols, ("a", "b"), capacity)
    for tick in range(ticks):
        rows.append(TrainingRow(first + tick, np.full((symbols, 2), tick, dtype=np.float32), price[tick], sigma[tick]))
    return rows, price, sigma


@pytest.mark.parametrize("until", [0, 10, 30, 59, 100])
def test_targets_are_those_of_a_loop_and_nothing_later_than_until_is_known(until: int) -> None:
    rows, price, sigma = filled()
    made = rows.training_set(until, HORIZONS, 0)
    expected_x, expected_y, expected_tick = [], [], []
    for tick in range(min(until, 59) + 1):
        for symbol in range(3):
            if not (np.isfinite(price[tick, symbol]) and np.isfinite(sigma[tick, symbol])):
                continue
            later = [price[tick + h, symbol] if tick + h <= min(until, 59) else np.nan for h in HORIZONS]
            scale = sigma[tick, symbol] * np.sqrt(np.array(HORIZONS))
            expected_y.append(np.clip((np.array(later) - price[tick, symbol]) / scale, -5, 5))
            expected_x.append(tick)
            expected_tick.append(tick)
    assert made.tick.tolist() == expected_tick
    assert made.x[:, 0].tolist() == expected_x
    np.testing.assert_allclose(made.y, np.array(expected_y).reshape(-1, 3), rtol=1e-9)
    for index, horizon in enumerate(HORIZONS):
        assert np.isnan(made.y[made.tick > until - horizon, index]).all()
    assert made.until == until


def test_what_comes_after_until_leaves_the_fitted_bytes_as_they_are() -> None:
    def fitted(seed: int) -> list[str]:
        draw = np.random.default_rng(4)
        rows = TrainingRows(4, tuple("abcdefgh"), 2_000)
        for tick in range(260):
            if tick > 200:
                draw = np.random.default_rng([seed, tick])
            price = draw.normal(0, 0.01, 4) + (0 if tick <= 200 else seed)
            rows.append(TrainingRow(tick, draw.normal(size=(4, 8)).astype(np.float32), price, np.full(4, 0.01)))
        made = rows.training_set(200, HORIZONS, 0)
        return [training.fit_model(model.name, Recipe(model.name), made, 7, 212).data_digest for model in training.select_models()]

    assert fitted(1) == fitted(2)
    assert len(set(fitted(1))) == len(training.select_models())


def test_a_full_block_forgets_the_oldest_and_keeps_the_order() -> None:
    rows, price, _ = filled(ticks=130, capacity=50)
    made = rows.training_set(1_000, HORIZONS, 0)
    assert (int(made.tick.min()), int(made.tick.max())) == (80, 129)
    assert (np.diff(made.tick) >= 0).all()
    assert len(made.tick) == int(np.isfinite(price[80:]).sum())


def test_a_block_grows_without_losing_a_row() -> None:
    rows, price, sigma = filled(ticks=2_600, symbols=1, capacity=5_000)
    good = np.isfinite(price) & np.isfinite(sigma)
    assert rows.training_set(2_599, HORIZONS, 0).tick.tolist() == np.flatnonzero(good[:, 0]).tolist()


def test_rows_are_thinned_evenly_and_keep_their_targets() -> None:
    rows, _, _ = filled(ticks=400)
    whole, thin = rows.training_set(399, HORIZONS, 0), rows.training_set(399, HORIZONS, 300)
    assert len(thin.tick) <= 300
    steps = np.diff(np.unique(thin.tick))
    assert steps.max() <= 5
    for tick in np.unique(thin.tick):
        np.testing.assert_array_equal(thin.y[thin.tick == tick], whole.y[whole.tick == tick])


def test_a_tick_that_was_lost_is_no_target() -> None:
    rows = TrainingRows(1, ("a",), 100)
    for tick in [*range(10), *range(12, 20)]:
        rows.append(TrainingRow(tick, np.zeros((1, 1), dtype=np.float32), np.array([float(tick)]), np.array([1.0])))
    made = rows.training_set(19, (1,), 0)
    assert np.isnan(made.y[made.tick == 9]).all()
    assert np.isfinite(made.y[made.tick == 8]).all()
