"""Market's cone, tag, book map, comparison and marked decision; Portfolio's P&L by group: right figures, and nothing where nothing is known."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import units
from engine.evidence.pnl_attribution import PnlGroup
from engine.store.read import market, pnl
from engine.store.read.market import MarketHistory
from engine.store.read.pnl import PnlAttribution
from engine.store.read.reader import Reader
from pages.market import book_map, charts, comparison
from pages.portfolio import pnl as pnl_page
from tests.pages.sent import sent_value
from tests.pages.stores import store
from tests.pages.test_pages import run, text
from tests.store.made import SYMBOLS


@pytest.fixture(scope="module")
def history(full_store: str) -> MarketHistory:
    loaded = market.read_market(Reader(full_store), SYMBOLS[0])
    assert loaded is not None
    return loaded


def drawn(history: MarketHistory, **options: Any) -> dict[str, Any]:
    figure: dict[str, Any] = json.loads(charts.plot_bars(history, 120, **options).to_json())
    return figure


def trace(figure: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((part for part in figure["data"] if part.get("name") == name), None)


def test_the_cone_is_the_newest_forecast_in_price_at_the_time_it_falls_due(history: MarketHistory) -> None:
    last = history.bars.iloc[-1]
    rows = history.forecasts[history.forecasts["tick"] == last["tick"]].sort_values("horizon")
    figure = drawn(history)
    mean, low, high = (trace(figure, f"forecast{part}") for part in ("", ", lower bound", ", upper bound"))
    assert mean is not None
    assert low is not None
    assert high is not None
    assert mean["x"] == [int(last["at"]) // units.MS, *(int(due) // units.MS for due in rows["due"])]
    price = math.exp(last["log_price"])
    for drawn_bound, column in ((mean, "mean_bps"), (low, "low_bps"), (high, "high_bps")):
        assert drawn_bound["y"] == pytest.approx([price, *(price * math.exp(bps / 1e4) for bps in rows[column])])
    assert set(mean["customdata"]) == {f"{last['tick']} {history.symbol}"}


def test_without_a_forecast_at_the_newest_tick_there_is_no_cone(history: MarketHistory) -> None:
    older = replace(history, forecasts=history.forecasts[history.forecasts["tick"] < history.bars["tick"].iloc[-1]])
    assert trace(drawn(older), "forecast") is None


@pytest.mark.parametrize("log", [False, True])
def test_the_last_price_is_tagged_where_the_axis_has_it(history: MarketHistory, log: bool) -> None:
    price = float(history.bars["price"].iloc[-1])
    layout = drawn(history, log=log)["layout"]
    tag = next(note for note in layout["annotations"] if note["text"] == units.format_price(price))
    assert tag["y"] == pytest.approx(math.log10(price) if log else price)
    assert layout["yaxis"].get("type") == ("log" if log else None)
    unknown = replace(history, bars=history.bars.assign(price=float("nan")))
    assert not [note for note in drawn(unknown)["layout"]["annotations"] if note.get("bgcolor")]


def test_a_marked_decision_is_ringed_and_leads_to_itself_and_another_is_not_drawn(history: MarketHistory) -> None:
    tick = int(history.bars["tick"].iloc[-7])
    ring = trace(drawn(history, mark=tick), "marked decision")
    assert ring is not None
    assert ring["customdata"] == [f"{tick} {history.symbol}"]
    assert trace(drawn(history, mark=10**9), "marked decision") is None


def test_every_axis_that_fits_what_is_seen_is_one_of_the_chart(history: MarketHistory) -> None:
    layout = drawn(history)["layout"]
    assert set(layout["meta"]["fit"]) <= set(layout)
    assert drawn(history)["data"][layout["meta"]["readout"]["trace"]]["type"] == "candlestick"


def test_the_book_map_has_the_money_of_each_level_at_its_distance() -> None:
    levels = np.array([[5, -3.0, 10.0], [5, -1.0, 20.0], [5, 1.0, 30.0], [5, 3.0, 40.0], [7, -1.0, 1.0], [7, 1.0, 2.0]])
    middle, money = book_map.bin_levels(levels, np.array([5, 6, 7]), 2)
    assert middle.tolist() == [-3.0, -1.0, 1.0, 3.0]
    assert money[:, 0].tolist() == [10.0, 20.0, 30.0, 40.0]
    assert np.isnan(money[:, 1]).all()  # no book
    assert np.isnan(money[[0, 3], 2]).all()  # deeper than this book is stored
    assert money[1:3, 2].tolist() == [1.0, 2.0]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(1, 14))
def test_no_money_is_made_or_moved_to_another_tick_by_the_bins(seed: int, ticks: int, bins: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 80))
    levels = np.column_stack([np.sort(random.integers(0, ticks, count)), random.normal(scale=4.0, size=count), random.gamma(2.0, size=count)])
    middle, money = book_map.bin_levels(levels, np.arange(ticks), bins)
    width = middle[1] - middle[0]
    near = np.abs(levels[:, 1]) < bins * width
    totals = np.bincount(levels[near, 0].astype(int), levels[near, 2], minlength=ticks)
    assert np.nansum(money, axis=0) == pytest.approx(totals)


def test_a_feed_without_books_has_no_book_map(history: MarketHistory) -> None:
    assert trace(drawn(history), "book") is not None
    bare = replace(history, book=None, book_levels=np.empty((0, 3)))
    figure = drawn(bare)
    assert trace(figure, "book") is None
    assert "Order book over time" not in str(figure["layout"]["annotations"])


def test_compared_symbols_are_100_at_the_first_bar_at_which_all_are_known() -> None:
    prices = {"A": [float("nan"), 50.0, 55.0], "B": [7.0, 10.0, float("nan")]}
    frame = pd.DataFrame(
        [(tick, tick, name, price) for name, row in prices.items() for tick, price in enumerate(row)], columns=["tick", "at", "symbol", "price"]
    )
    table = comparison.normalise_prices(frame, ("B", "A"))
    assert list(table.columns) == ["B", "A"]
    assert table["A"].tolist() == [100.0, pytest.approx(110.0)]
    assert table["B"].iloc[0] == 100.0
    assert comparison.normalise_prices(frame[frame["at"] != 1], ("A", "B")).empty


def test_the_address_chooses_scale_comparison_and_mark(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        app = run("04_market.py", url, symbol="ETH", log="yes", mark="3", bars="60", **{"with": "SOL,NOBODY,ETH"})
        assert not app.exception
        figures = [sent_value(part.proto.json) for part in app.get("bidi_component") if part.proto.component_name == "podium_chart"]
        assert figures[0]["layout"]["yaxis"]["type"] == "log"
        assert len(figures[0]["data"][0]["x"]) == 160  # enough bars to show the marked one
        assert [part["name"] for part in figures[1]["data"]] == ["ETH", "SOL"]
        other = run("04_market.py", url, symbol="ETH", mark="99999")
        assert "The decision at tick 99,999 is not among the newest 160 bars" in text(other)
        assert not run("04_market.py", url, mark="<b>", log="maybe").exception


@pytest.mark.parametrize("by", ["symbol", "hour", "regime"])
def test_portfolio_shows_what_adds_up_to_the_change_of_equity(full_store: str, tmp_path: Path, by: str) -> None:
    with store("full", full_store, tmp_path) as url:
        app = run("06_portfolio.py", url, pnl=by)
        assert not app.exception
        assert f"P&amp;L by {by}" in text(app)
        assert "Change of equity" in text(app)
        assert (":00 UTC" in text(app)) == (by == "hour")  # hours of the day are not moved to local time


def test_few_bars_have_no_mean_and_what_nothing_explains_is_named() -> None:
    groups = (PnlGroup("A", 10.0, 1.0, None, None, 10), PnlGroup("B", -4.0, -0.5, -0.9, -0.1, 400), PnlGroup("C", 0.0, None, None, None, 0))
    made = PnlAttribution(0, 500, 0, 7.0, -0.5, groups, (), ())
    html = pnl_page.render_groups(made, "symbol")
    assert units.NOT_ENOUGH in html.split('data-id="B"', maxsplit=1)[0]
    assert units.format_money(-0.5, signed=True) in html
    assert 'data-id="C"' not in html
    assert made.rest == pytest.approx(1.5)
    assert 'data-id="Not attributed"' in html
    whole = pnl_page.render_groups(replace(made, change=5.5), "symbol")
    assert "Not attributed" not in whole


def test_the_span_is_bounded_however_long_the_history(full_store: str) -> None:
    result = pnl.read_pnl(Reader(full_store), 10**9)
    assert result is not None
    assert result.last - result.first <= pnl.MAX_BARS
