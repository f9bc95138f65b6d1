"""Rolling windows against plain slices, and training rows without knowledge of the future."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.domain.live import Candle, StreamFault
from engine.domain.recipe import Recipe
from engine.domain.record import Floats
from engine.domain.tick import TrainingRow
from engine.domain.trading_config import TradingConfig
from engine.live.bar_builder import LiveBarBuilder
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


SPAN = 10 * MINUTE
BAR, QUIET, NONE = "tqn"  # a bar of trades, of mids, none


def play_bars(text: str, second: str | None = None) -> MarketWindow:
    """A window with a bar of each kind in turn, of one symbol or of two, after as many bars of trades as a window holds."""
    rows = [BAR * WINDOW_BARS + kinds for kinds in (text, second) if kinds is not None]
    window = MarketWindow(replace(lesson().feed.info, symbols=tuple("AB"[: len(rows)]), levels=0, has_flow=False, interval=MINUTE))
    for number, kinds in enumerate(zip(*rows, strict=True)):
        closes, volumes = (
            np.array([values[kind] for kind in kinds]) for values in ({BAR: 9.0, QUIET: 9.0, NONE: np.nan}, {BAR: 5.0, QUIET: 0.0, NONE: np.nan})
        )
        window.append(replace(bar(START + (number - WINDOW_BARS) * MINUTE, price=(9.0,) * len(rows)), close=closes, volume=volumes))
    return window


def list_requested(text: str) -> str:
    """The kinds of bars, those that are requested in capitals."""
    requested = play_bars(text).find_missing_bars(SPAN).get(0, [])
    return "".join(kind.upper() if START + number * MINUTE in requested else kind for number, kind in enumerate(text))


def test_the_bars_that_a_window_lacks_are_listed_by_symbol_and_those_before_its_first_are_not() -> None:
    assert MarketWindow(lesson().feed.info).find_missing_bars(SPAN) == {}
    assert play_bars(NONE + BAR * (WINDOW_BARS - 1)).find_missing_bars(SPAN) == {0: [START]}
    assert play_bars(NONE + BAR * WINDOW_BARS).find_missing_bars(SPAN) == {}
    assert play_bars("ttntnt", "tttttt").find_missing_bars(SPAN) == {0: [START + number * MINUTE for number in (1, 2, 3, 4)]}
    assert play_bars("tttttt", "ttttnt").find_missing_bars(SPAN) == {1: [START + number * MINUTE for number in (3, 4)]}


@pytest.mark.parametrize(
    "marked",
    [
        "tttTQQQNNNt",  # a silence that was noticed after three bars, and the bar in which it began
        "tqtTQQ",  # killed before it was noticed
        "tqttqt",  # quiet bars that trades followed
        "tqqQQQQQQQQQQN",  # no silence is noticed later than after the span
        "TQNtTNNNTQ",
        "tttt",
    ],
)
def test_bars_of_a_silence_that_was_noticed_late_are_requested_with_those_that_are_missing(marked: str) -> None:
    assert list_requested(marked.lower()) == marked


def test_flat_bars_of_a_silence_become_the_exchanges_candles_in_an_engine_that_starts_again() -> None:
    window, builder, last = play_bars("tttqqn"), LiveBarBuilder(1, MINUTE, 1, 0), START + 5 * MINUTE
    for column, closes in window.find_missing_bars(SPAN).items():
        builder.add(StreamFault(column, "candles", "missing", last, " ".join(map(str, closes))))
    for number in range(6):
        builder.add(Candle(0, START + (number - 1) * MINUTE, last, (10.0, 12.0, 8.0, 11.0, 7.0 + number)))
    window.append(builder.close_bar(last + MINUTE, last + MINUTE, 0).snapshot)
    bars = window.build_inputs(0, moment().inputs.account, TradingConfig(), ()).bars
    assert bars.volume[0, -8:-1].tolist() == [5.0, 5.0, 5.0, 9.0, 10.0, 11.0, 12.0]
    assert bars.close[0, -8:-1].tolist() == [9.0, 9.0, 9.0, 11.0, 11.0, 11.0, 11.0]


def test_the_bar_before_a_missing_bar_is_requested_where_bars_are_longer_than_the_span() -> None:
    assert play_bars("tttn").find_missing_bars(1)[0] == [START + 2 * MINUTE, START + 3 * MINUTE]


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
