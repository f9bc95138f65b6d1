"""Blocks of a backtest: every bit is that of a tick that computes its own values, wherever the bars are cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import broker
from engine.backtest import build_block_engine
from engine.domain.market import BackfilledBars, Inputs, MarketSnapshot, MarketView
from engine.domain.model import Catalog, FeatureFamily, Model, ServingModel
from engine.domain.ports import FeedInfo
from engine.domain.record import Floats
from engine.phases import features, learning, market, microstructure
from engine.plugins import discover_plugins
from engine.service.block_predictions import BlockPredictions
from engine.service.blocks import BlockWindow
from engine.service.windows import MarketWindow
from engine.window import WINDOW_BARS
from tests.makers import KNOBS, MINUTE, START, Inline, StoppedClock, no_books, simulated, walk_bars
from tests.makers import play as play_engine
from tests.makers import settings as make_settings

FAMILIES: tuple[FeatureFamily, ...] = discover_plugins("engine.features", "FAMILY")
BLOCKED = [family for family in FAMILIES if family.takes_blocks]
WHOLE, MISSING, LATE, QUIET, UNKNOWN = "no bar missing", "bars missing", "a symbol listed late", "no trades", "volume unknown"
FIRST = WINDOW_BARS - 10  # bar from which on results are compared: the window is still filling up


@dataclass
class Playing:
    """A feed that fails after the last bar where `error` is given."""

    info: FeedInfo
    bars: Sequence[MarketSnapshot]
    error: Exception | None = None

    def slices(self, after: int | None) -> Iterator[MarketSnapshot]:
        yield from self.bars
        if self.error is not None:
            raise self.error

    def switch_signal(self, signal: float, at: int) -> None:
        raise ValueError("these bars have no signal to switch")


def _snapshot(bar: int, values: Floats) -> MarketSnapshot:
    none, blank = no_books(values.shape[1]), np.empty((values.shape[1], 0))
    opened, high, low, close, volume = values
    return MarketSnapshot(START + (bar + 1) * MINUTE, opened, high, low, close, volume, np.isfinite(close), none, none, blank, blank)


@cache
def feed(symbols: int, kind: str, length: int = WINDOW_BARS + 30) -> Playing:
    """Seeded bars of a kind."""
    draw = np.random.default_rng([symbols, length])
    walk = walk_bars(symbols, length, 5)
    parts = np.array([walk.open, walk.high, walk.low, walk.close, walk.volume])
    if kind == MISSING:
        parts[:, (draw.random((symbols, length)) < 0.1) & (np.arange(length) != length - 1)] = np.nan
    if kind == LATE:
        parts[:, -1, : length - 40] = np.nan
    if kind == QUIET:
        parts[4, 0, -100:] = 0.0
        parts[:4, 0, -60:] = parts[3, 0, -60]
    if kind == UNKNOWN:
        parts[4, 0, ::3] = np.nan
    bars = [_snapshot(bar, parts[:, :, bar].copy()) for bar in range(length)]
    names = tuple(f"S{index}" for index in range(symbols))
    info = replace(simulated().info, symbols=names, interval=MINUTE, levels=0, has_flow=False, tick_size=(0.0,) * symbols)
    return Playing(info, bars)


def stateless_phases(inputs: Inputs) -> tuple[str, ...]:
    """The digests of the window, and of all that the first three phases return."""
    catalog = Catalog(FAMILIES, (), ())
    state = learning.blank_state(len(inputs.symbols), (), inputs.config.horizons)
    with np.errstate(invalid="ignore", divide="ignore"):
        results = (market.analyse_market(inputs, state), microstructure.measure_liquidity(inputs, state))
        try:
            columns = features.build_features(inputs, catalog).digest()
        except ValueError as error:
            columns = str(error)
    return (replace(inputs.view, prepared=None).digest(), columns, *(result.digest() for result in results))


def play(window: MarketWindow, bars: Iterator[MarketSnapshot], first: int = FIRST) -> list[tuple[str, ...]]:
    digests = []
    for tick, bar in enumerate(bars):
        window.append(bar)
        if tick >= first:
            digests.append(stateless_phases(window.build_inputs(tick, broker.open_account(1e4, len(bar.close)), KNOBS, ())))
    return digests


@cache
def plain(symbols: int, kind: str) -> list[tuple[str, ...]]:
    return play(MarketWindow(feed(symbols, kind).info), feed(symbols, kind).slices(None))


def blocks(market_feed: Playing, families: tuple[FeatureFamily, ...] = FAMILIES) -> BlockWindow:
    return BlockWindow(market_feed.info, families, KNOBS.volatility_halflife)


def cut(window: BlockWindow, market_feed: Playing, lengths: Sequence[int]) -> Iterator[MarketSnapshot]:
    """The feed's bars, in blocks of these lengths in turn."""
    window.length = lengths[0]
    for tick, bar in enumerate(window.read(market_feed, None), 1):
        window.length = lengths[tick % len(lengths)]
        yield bar


@pytest.mark.parametrize(
    ("symbols", "kind", "length"),
    [*((3, WHOLE, length) for length in (1, 2, 7, 64, 1000)), (1, WHOLE, 64), (1, QUIET, 7), (3, MISSING, 64), (3, LATE, 7), (3, UNKNOWN, 64)],
)
def test_the_bits_do_not_depend_on_the_length_of_a_block(symbols: int, kind: str, length: int) -> None:
    window, market_feed = blocks(feed(symbols, kind)), feed(symbols, kind)
    assert play(window, cut(window, market_feed, [length])) == plain(symbols, kind)


@settings(max_examples=4, deadline=None)
@given(lengths=st.lists(st.integers(1, 90), min_size=1, max_size=9), market_kind=st.sampled_from([(1, WHOLE), (3, MISSING), (3, LATE)]))
def test_the_bits_do_not_depend_on_the_cuts(lengths: list[int], market_kind: tuple[int, str]) -> None:
    window, market_feed = blocks(feed(*market_kind)), feed(*market_kind)
    assert play(window, cut(window, market_feed, lengths)) == plain(*market_kind)


@pytest.mark.parametrize("family", BLOCKED, ids=lambda family: family.name)
def test_a_family_gives_each_bar_of_a_block_the_bits_of_its_own_window(family: FeatureFamily) -> None:
    for symbols in (1, 3, 8):
        window, alone = blocks(feed(symbols, WHOLE)), MarketWindow(feed(symbols, WHOLE).info)
        prepared = 0
        for tick, bar in enumerate(window.read(feed(symbols, WHOLE), None)):
            window.append(bar)
            alone.append(bar)
            if tick % 29 == 0:
                account = broker.open_account(1e4, symbols)
                view, own = (side.build_inputs(tick, account, KNOBS, ()).view for side in (window, alone))
                if view.prepared is not None and family.build in view.prepared:
                    prepared += 1
                    assert np.asarray(view.prepared[family.build]).tobytes() == family.build(own).tobytes(), (symbols, tick)
        assert prepared > 5, symbols


def test_most_families_take_blocks() -> None:
    others = {family.name for family in FAMILIES} - {family.name for family in BLOCKED}
    assert others == {family.name for family in FAMILIES if family.builds_ahead} == {"book", "calendar", "flow"}


def shapes_seen(family: FeatureFamily, shapes: list[tuple[int, ...]]) -> FeatureFamily:
    def build(view: MarketView) -> Floats:
        shapes.append(view.log_close.shape)
        return family.build(view)

    return replace(family, build=build)


def test_a_family_that_does_not_take_blocks_is_called_bar_by_bar() -> None:
    in_blocks, one_by_one = list[tuple[int, ...]](), list[tuple[int, ...]]()
    returns, book = (next(family for family in FAMILIES if family.name == name) for name in ("returns", "book"))
    families = (shapes_seen(returns, in_blocks), shapes_seen(book, one_by_one))
    market_feed = feed(3, WHOLE)
    window, catalog = blocks(market_feed, families), Catalog(families, (), ())
    for tick, bar in enumerate(window.read(market_feed, None)):
        window.append(bar)
        if tick >= WINDOW_BARS - 40:
            features.build_features(window.build_inputs(tick, broker.open_account(1e4, 3), KNOBS, ()), catalog)
    assert set(one_by_one) == {(3, WINDOW_BARS)}
    assert {shape[1:] for shape in in_blocks if len(shape) == 3} == {(3, WINDOW_BARS)}


@pytest.mark.parametrize("builds_ahead", [True, False])
def test_features_are_expected_only_where_every_family_builds_a_bar_before_its_tick(builds_ahead: bool) -> None:
    shapes, market_feed, predictions = list[tuple[int, ...]](), feed(3, WHOLE), BlockPredictions()
    returns, book = (next(family for family in FAMILIES if family.name == name) for name in ("returns", "book"))
    families = (returns, replace(shapes_seen(book, shapes), builds_ahead=builds_ahead))
    window = BlockWindow(market_feed.info, families, KNOBS.volatility_halflife, predictions=predictions)
    for bar in window.read(market_feed, None):
        window.append(bar)
    inputs = window.build_inputs(1, broker.open_account(1e4, 3), KNOBS, ())
    assert bool(shapes) == builds_ahead, "called before any tick"
    x = features.build_features(inputs, Catalog(families, (), ())).values
    forecast = predictions.find(serve(lambda _, x: np.ascontiguousarray(x[..., :2].swapaxes(-1, -2))), x)
    assert (forecast is not None) == builds_ahead
    assert forecast is None or forecast.tobytes() == x[:, :2].T.tobytes()


def serve(predict: Callable[[object, Floats], Floats]) -> ServingModel:
    """A version in service that predicts blocks by a function."""
    none = np.empty(0)
    model = Model("own", "a model of a test", lambda: b"", lambda _: None, predict, takes_blocks=True)
    return ServingModel(model, "own-1", "digest", None, none, none, 0, none)


def test_a_backtest_decides_the_same_with_forecasts_of_blocks_and_uses_them() -> None:
    knobs = replace(KNOBS, first_training=WINDOW_BARS + 4, retrain_every=1_000)
    used = list[str]()
    digests = []
    for is_prepared in (True, False):
        engine = build_block_engine(make_settings(trading=knobs), feed(1, WHOLE, WINDOW_BARS + 60), StoppedClock(), Inline())
        find = engine.catalog.find_prepared
        assert find is not None

        def find_counted(served: ServingModel, x: Floats, find: Callable[[ServingModel, Floats], Floats | None] = find) -> Floats | None:
            forecast = find(served, x)
            used.extend([] if forecast is None else [served.place])
            return forecast

        engine.catalog = replace(engine.catalog, find_prepared=find_counted if is_prepared else None)
        digests.append([(tick.phase_digests, tick.decisions_digest) for tick in play_engine(engine)])
        assert any(served is not None for served in engine.catalog.serving)
    assert digests[0] == digests[1]
    counts = Counter(used)
    assert set(counts) == {"kmeans_prototypes", "lightgbm", "neural", "random_fourier_features", "ridge"}
    assert min(counts.values()) > 10


def test_a_family_that_fails_on_a_block_is_called_bar_by_bar_and_reports_its_error_there() -> None:
    def fail(view: MarketView) -> Floats:
        raise ValueError(f"{view.log_close.ndim} axes")

    market_feed = feed(3, WHOLE)
    broken = replace(BLOCKED[0], build=fail)
    window = blocks(market_feed, (broken,))
    for bar in window.read(market_feed, None):
        window.append(bar)
    inputs = window.build_inputs(1, broker.open_account(1e4, 3), KNOBS, ())
    with pytest.raises(ValueError, match="2 axes"):
        features.build_features(inputs, Catalog((broken,), (), ()))


def test_a_family_that_returns_another_shape_for_a_block_is_called_bar_by_bar() -> None:
    market_feed = feed(3, WHOLE)
    flattened = replace(BLOCKED[0], build=lambda view: BLOCKED[0].build(view).reshape(-1, len(BLOCKED[0].columns)))
    window = blocks(market_feed, (flattened,))
    for bar in window.read(market_feed, None):
        window.append(bar)
    inputs, catalog = window.build_inputs(1, broker.open_account(1e4, 3), KNOBS, ()), Catalog((flattened,), (), ())
    assert features.build_features(inputs, catalog).values.tobytes() == BLOCKED[0].build(inputs.view).tobytes()


def test_an_error_of_the_feed_comes_after_the_bars_before_it() -> None:
    market_feed = feed(1, WHOLE)
    failing = Playing(market_feed.info, market_feed.bars[:10], ValueError("the file ends here"))
    bars = blocks(failing).read(failing, None)
    assert [next(bars).at for _ in range(10)] == [bar.at for bar in market_feed.bars[:10]]
    with pytest.raises(ValueError, match="the file ends here"):
        next(bars)


def test_bars_after_a_dropped_one_are_decided_from_the_window_without_it() -> None:
    market_feed = feed(3, WHOLE)
    window, alone = blocks(market_feed), MarketWindow(market_feed.info)
    for tick, bar in enumerate(window.read(market_feed, None)):
        for side in (window, alone):
            side.append(bar)
            if tick == WINDOW_BARS + 10:
                side.drop_last()
    account = broker.open_account(1e4, 3)
    assert stateless_phases(window.build_inputs(1, account, KNOBS, ())) == stateless_phases(alone.build_inputs(1, account, KNOBS, ()))


def test_a_block_with_bars_filled_in_later_is_not_prepared() -> None:
    market_feed = feed(3, WHOLE)
    bars = list(market_feed.bars)
    place = WINDOW_BARS + 5
    late = BackfilledBars(np.array([bars[place - 3].at]), np.full((5, 1, 3), 77.0))
    bars[place] = replace(bars[place], backfilled=late)
    filled = Playing(market_feed.info, bars)
    window = blocks(filled)
    assert play(window, window.read(filled, None)) == play(MarketWindow(filled.info), filled.slices(None))
