"""The contract of every feature family."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.market import Bars, Books, Inputs, MarketSnapshot, OrderFlow
from engine.domain.model import FeatureFamily
from engine.domain.record import Floats
from engine.phases import features
from engine.plugins import discover_plugins
from engine.service.windows import MarketWindow
from engine.window import build_view
from tests.makers import KNOBS, START, Moment, lesson, moment, no_books, no_flow, walk_bars

FAMILIES: tuple[FeatureFamily, ...] = discover_plugins("engine.features", "FAMILY")
EVERY = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
ALONE = pytest.mark.parametrize("family", [family for family in FAMILIES if family.name != "cross_section"], ids=lambda family: family.name)


def built(family: FeatureFamily, at: Moment) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return np.asarray(family.build(at.inputs.view))


def sliced(record: Bars | Books | OrderFlow, symbols: slice) -> list[Floats]:
    return [np.ascontiguousarray(getattr(record, name)[symbols]) for name in type(record).__slots__]


def test_there_are_enough_columns_in_enough_families_and_names_are_unique() -> None:
    columns = lesson().moments[740].catalog.columns
    names = {family.name for family in FAMILIES}
    assert len(columns) == len(set(columns)) >= 66
    assert names >= {"returns", "volatility", "volume", "technical", "cross_section", "calendar", "book"}
    assert len(names) == len(FAMILIES)
    assert sum(len(family.columns) for family in FAMILIES if family.name not in {"book", "flow"}) >= 60  # those that need bars only


@EVERY
def test_removing_a_family_leaves_the_others_unchanged(family: FeatureFamily) -> None:
    at = moment()
    remaining = tuple(single for single in FAMILIES if single is not family)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        whole, less = (features.build_features(at.inputs, replace(at.catalog, families=families)) for families in (FAMILIES, remaining))
    places = [whole.columns.index(column) for column in less.columns]
    assert len(less.columns) == len(whole.columns) - len(family.columns)
    assert less.values.tobytes() == np.ascontiguousarray(whole.values[:, places]).tobytes()


@EVERY
def test_it_gives_a_column_for_each_name_and_numbers_where_it_must(family: FeatureFamily) -> None:
    for tick, at in lesson().moments.items():
        values = built(family, at)
        assert values.shape == (8, len(family.columns)), tick
        assert values.dtype == np.float64
        if tick >= 120:
            assert np.isfinite(values).all(), tick


@EVERY
def test_it_looks_at_nothing_but_the_view_and_gives_the_same_twice(family: FeatureFamily) -> None:
    at = moment()
    before = at.inputs.view.digest()
    assert built(family, at).tobytes() == built(family, at).tobytes()
    assert at.inputs.view.digest() == before


@EVERY
def test_what_comes_later_changes_nothing(family: FeatureFamily) -> None:
    """Two markets that are the same until bar 700: every row until then is the same in bits, also when it is asked for later; the next is not."""
    feed = lesson().feed
    first, second = MarketWindow(feed.info), MarketWindow(feed.info)
    account = moment().inputs.account
    remaining: list[tuple[Inputs, Floats]] = []
    for tick, bar in enumerate(lesson().bars[:706]):
        changed = bar if tick <= 700 else _shaken(bar, tick)
        first.append(bar)
        second.append(changed)
        if tick >= 694:
            single, other = (window.build_inputs(tick, account, KNOBS, ()) for window in (first, second))
            rows = built(family, Moment(single, moment().state, moment().catalog)), built(family, Moment(other, moment().state, moment().catalog))
            assert (rows[0].tobytes() == rows[1].tobytes()) == (tick <= 700 or family.name == "calendar"), tick
            remaining.append((other, rows[1]))
    for inputs, row in remaining:
        assert built(family, Moment(inputs, moment().state, moment().catalog)).tobytes() == row.tobytes()


def _shaken(bar: MarketSnapshot, tick: int) -> MarketSnapshot:
    """The bar with other prices, sizes and flow."""
    by = 1.0 + 0.01 * (tick - 699) * np.arange(1, 1 + len(bar.close)) * (-1.0) ** np.arange(len(bar.close))
    prices = {name: getattr(bar, name) * by for name in ("open", "high", "low", "close")}
    books = replace(bar.books, bid_size=bar.books.bid_size * by[:, None], ask_price=bar.books.ask_price * (1.0 + 1e-4 * by[:, None]))
    return replace(bar, **prices, volume=bar.volume * by, books=books, flow=bar.flow * by[:, None] ** 2, ofi=bar.ofi * by[:, None] ** 3)


@EVERY
def test_the_order_of_symbols_says_nothing(family: FeatureFamily) -> None:
    inputs = moment().inputs
    order = np.array([3, 1, 7, 0, 2, 6, 5, 4])
    turned = build_view(
        Bars(*(part[order] for part in sliced(inputs.bars, slice(None)))), Books(*(part[order] for part in sliced(inputs.books, slice(None)))),
        OrderFlow(*(part[order] for part in sliced(inputs.flow, slice(None)))), inputs.at, inputs.interval, 60.0,
    )  # fmt: skip
    np.testing.assert_allclose(family.build(turned), built(family, moment())[order], rtol=1e-9, atol=1e-10)


@ALONE
def test_symbols_do_not_hang_together_but_where_they_are_compared(family: FeatureFamily) -> None:
    inputs = moment().inputs
    alone = []
    for symbol in range(8):
        single = slice(symbol, symbol + 1)
        view = build_view(
            Bars(*sliced(inputs.bars, single)),
            Books(*sliced(inputs.books, single)),
            OrderFlow(*sliced(inputs.flow, single)),
            inputs.at,
            inputs.interval,
            60.0,
        )
        alone.append(family.build(view)[0])
    np.testing.assert_allclose(np.stack(alone), built(family, moment()), rtol=1e-9, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), missing=st.floats(0.0, 0.6), broken=st.sampled_from([np.nan, np.inf, 0.0, -1.0]), length=st.integers(120, 300))
def test_symbols_with_enough_history_have_every_column_they_must(seed: int, missing: float, broken: float, length: int) -> None:
    """Whatever bars are missing or broken, as long as some come in at the end."""
    draw = np.random.default_rng(seed)
    bars = walk_bars(5, 300, seed, volatility=10.0 ** draw.uniform(-5, -1))
    absent = (draw.random((5, 300)) < missing) | (np.arange(300) < 300 - length)
    absent[:, -1] = False
    bars = Bars(*(np.where(absent, broken, part) for part in sliced(bars, slice(None))))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        view = build_view(bars, no_books(5), no_flow(5), START, 10**9, 60.0)
        usable = (view.known >= 40) & np.isfinite(view.sigma)
        for family in FAMILIES:
            values = family.build(view)
            assert not np.isinf(values).any(), family.name
            if not family.may_be_blank or family.name == "volume":
                assert np.isfinite(values[usable]).all(), family.name


@EVERY
def test_hazards_in_the_data_never_make_it_fail_or_infinite(family: FeatureFamily) -> None:
    inputs = moment().inputs
    flat = np.full_like(inputs.bars.close, 100.0)
    still = Bars(flat, flat, flat, flat, flat * 0)
    jump = inputs.bars.close.copy()
    jump[0, 200:] *= 1e6
    jump[1, 250:] *= 1e-6
    for bars in (
        still,
        replace(inputs.bars, volume=inputs.bars.volume * 0),
        replace(inputs.bars, volume=inputs.bars.volume * np.nan),
        replace(inputs.bars, close=jump, high=jump * 1.01, low=jump * 0.99, open=jump),
        Bars(*(part * np.nan for part in sliced(inputs.bars, slice(None)))),
        Bars(*(np.where(np.arange(300) < 299, np.nan, part) for part in sliced(inputs.bars, slice(None)))),
    ):
        for books, flow in ((inputs.books, inputs.flow), (no_books(8), no_flow(8))):
            with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
                view = build_view(bars, books, flow, inputs.at, inputs.interval, 60.0)
                assert not np.isinf(family.build(view)).any()


@EVERY
def test_it_costs_little(family: FeatureFamily) -> None:
    """All symbols together: 500 take as many steps of Python as 8, so that a loop over symbols fails."""
    few, many = (count_steps(family, symbols) for symbols in (8, 500))
    assert many <= 1.5 * few


def count_steps(family: FeatureFamily, symbols: int) -> int:
    """Lines and calls of Python in one build of a family."""
    inputs = moment().inputs

    def repeat(record: Bars | Books | OrderFlow) -> list[Floats]:
        return [np.tile(part, (symbols // 8 + 1,) + (1,) * (part.ndim - 1))[:symbols] for part in sliced(record, slice(None))]

    bars, books, flow = Bars(*repeat(inputs.bars)), Books(*repeat(inputs.books)), OrderFlow(*repeat(inputs.flow))
    view = build_view(bars, books, flow, inputs.at, inputs.interval, 60.0)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        family.build(view)  # what is made once is made
        steps, before = 0, sys.gettrace()

        def count(_frame: object, _event: str, _arg: object) -> object:
            nonlocal steps
            steps += 1
            return count

        sys.settrace(count)  # type: ignore[arg-type]
        try:
            family.build(view)
        finally:
            sys.settrace(before)
    return steps


def test_no_two_columns_say_the_same() -> None:
    assert _twins(lesson().x, moment().catalog.columns) == []


def _twins(x: Floats, columns: tuple[str, ...], limit: float = 0.995) -> list[tuple[str, str, float]]:
    """Pairs of columns that are correlated above the limit in absolute value, over rows in which both are known."""
    known = np.isfinite(x).all(axis=1)
    spread = x[known].std(axis=0) > 0
    values = x[known][:, spread]
    names = [name for name, moves in zip(columns, spread, strict=True) if moves]
    matrix = np.abs(np.corrcoef(values.T)) - 2 * np.eye(values.shape[1])
    return [(names[i], names[j], float(matrix[i, j])) for i, j in np.argwhere(np.triu(matrix) > limit)]
