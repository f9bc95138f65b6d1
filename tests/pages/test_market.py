"""Market: what was done and what came, beside the bars; what the feed does not have is said in a line; a link is obeyed or answered."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from engine import units
from engine.store.read import market
from engine.store.read.market import IntervalCoverage, MarketHistory, OrderBook
from engine.store.read.reader import Reader
from pages.market import charts, tables
from pages.ui import theme
from tests.pages.stores import store
from tests.pages.test_pages import run, text
from tests.store.made import SYMBOLS


@pytest.fixture(scope="module")
def history(full_store: str) -> MarketHistory:
    reader = Reader(full_store)
    missing_symbol = reader.frame("SELECT symbol FROM decisions WHERE fresh = 0 AND tick > 50 ORDER BY tick LIMIT 1")["symbol"].iloc[0]
    loaded = market.read_market(reader, str(missing_symbol))  # a symbol with a bar that is missing
    assert loaded is not None
    return loaded


@contextmanager
def page(full: str, folder: Path, change: str | None = None, **query: str) -> Iterator[AppTest]:
    with store("full", full, folder) as url:
        if change is not None:
            with closing(sqlite3.connect(folder / "podium.db")) as made, made:
                made.execute(change)
        yield run("04_market.py", url, **query)


def drawn(history: MarketHistory, shown: int = 120) -> dict[str, Any]:
    figure: dict[str, Any] = json.loads(charts.plot_bars(history, shown).to_json())
    return figure


def titles(history: MarketHistory) -> str:
    return " ".join(note["text"] for note in drawn(history)["layout"]["annotations"])


def test_a_tiny_price_has_its_digits_beside_the_axis_and_room_for_them(history: MarketHistory) -> None:
    tiny = history.bars.assign(**{name: history.bars[name] * 1e-12 for name in ("open", "high", "low", "close", "price")})
    usual, small = drawn(history)["layout"], drawn(replace(history, bars=tiny))["layout"]
    assert "tickformat" not in small["yaxis"]  # a fixed number of digits would be too few or too many
    assert small["yaxis"]["exponentformat"] == "none"
    assert small["margin"]["l"] > usual["margin"]["l"]


def test_price_chart_and_book_name_the_one_tick_they_are_of(history: MarketHistory) -> None:
    tick = int(history.bars["tick"].iloc[-1])
    assert f"at tick {tick}, " in titles(history)
    assert f"at tick {tick};" in tables.build_market_tiles(history, 120)[0].small
    assert history.book is not None
    assert f"tick {tick}<" in tables.render_order_book(history.book, tables.get_tick(history))


def test_what_is_not_known_at_the_last_bar_is_not_taken_from_the_one_before(history: MarketHistory) -> None:
    lacking = history.bars.copy()
    lacking.loc[lacking.index[-1], ["spread_bps", "quoted_bps", "bid_depth", "signed_volume", "ofi"]] = float("nan")
    older = history.forecasts[history.forecasts["tick"] < lacking["tick"].iloc[-1]]
    behind = replace(history, bars=lacking, forecasts=older)
    shown = titles(behind)
    for name in ("at the decision", "mean over the bar", "bid", "base units "):
        assert re.search(rf"{name} +{units.MISSING}", shown), name
    assert "no forecast yet" in [tile.small for tile in tables.build_market_tiles(behind, 120)]


def test_every_part_of_the_market_is_a_panel_on_one_time_axis(history: MarketHistory) -> None:
    figure = drawn(history)
    for name in ("Spread", "Depth", "Signed volume", "Order-flow imbalance", "Regime"):
        assert name in titles(history)
    assert {trace.get("xaxis", "x") for trace in figure["data"]} == {"x"}
    domains = [figure["layout"][f"yaxis{place}"]["domain"] for place in ("", *range(2, 7))]
    assert all(lower[1] < upper[0] for upper, lower in pairwise(domains))


def test_what_was_bought_and_sold_is_marked_and_leads_to_its_decision(history: MarketHistory) -> None:
    marks = [trace for trace in drawn(history)["data"] if str(trace.get("marker", {}).get("symbol")).startswith("triangle")]
    bars = history.bars.tail(120)
    acted = {f"{tick} {history.symbol}" for tick in bars[bars["action"].isin(["buy", "sell"])]["tick"]}
    assert {point for trace in marks for point in trace["customdata"]} == acted
    assert acted


def test_a_fill_leads_to_the_decision_it_came_from(history: MarketHistory) -> None:
    fills = next(trace for trace in drawn(history)["data"] if isinstance(trace.get("marker", {}).get("symbol"), list))
    ticks = history.fills[history.fills["tick"] >= history.bars["tick"].iloc[-120]]["tick"].tolist()
    assert fills["customdata"] == [f"{tick - 1} {history.symbol}" for tick in ticks]


def test_a_bar_that_is_missing_is_a_gap(history: MarketHistory) -> None:
    candles = next(trace for trace in drawn(history)["data"] if trace["type"] == "candlestick")
    assert candles["close"].count(None) > 0
    assert candles["close"].count(None) == int((~history.bars.tail(120)["fresh"].astype(bool)).sum())


def test_a_symbol_without_any_bar_yet_is_drawn_empty_and_no_error(history: MarketHistory) -> None:
    bars = history.bars.copy()
    bars[["open", "high", "low", "close", "volume", "price", "quoted_bps"]] = float("nan")
    candles = next(trace for trace in drawn(replace(history, bars=bars))["data"] if trace["type"] == "candlestick")
    assert set(candles["close"]) == {None}
    assert tables.build_market_tiles(replace(history, bars=bars), 60)[0].value == units.MISSING


def test_a_store_that_knows_nothing_but_bars_is_drawn(full_store: str, tmp_path: Path) -> None:
    nothing = ", ".join(f"{name} = NULL" for name in ("price", "log_price", "spread_bps", "edge_bps", "cost_bps", "confidence", "target", "position"))
    change = f"UPDATE decisions SET {nothing}, forecast = '', regimes = '[]', micro = '{{}}', regime = '', action = 'hold'"
    with page(full_store, tmp_path, change) as app:
        assert not app.exception
        shown = text(app)
    assert "no forecast yet: the models are not trained" in shown
    assert "nan" not in shown.lower()
    with store("full", full_store, tmp_path / "b") as url:
        with closing(sqlite3.connect(tmp_path / "b" / "podium.db")) as made, made:
            made.execute(change)
        loaded = market.read_market(Reader(url), SYMBOLS[0])
    assert loaded is not None
    assert drawn(loaded)["data"]


def test_an_incident_is_a_shade_over_its_bars_and_named(history: MarketHistory) -> None:
    at = history.bars["at"].tolist()
    loaded = pd.DataFrame(
        {"id": [2, 1], "kind": ["halt", "volume-feed change"], "symbol": ["*", history.symbol], "since": [at[-40], at[-20]], "until": [at[-30], None],
         "detail": ["8 of 8", "x12"]}
    )  # fmt: skip
    layout = drawn(replace(history, incidents=loaded))["layout"]
    shades = [shape for shape in layout["shapes"] if shape["type"] == "rect"]
    assert [(shade["x0"], shade["x1"]) for shade in shades] == [(at[-40] // 10**6, at[-30] // 10**6), (at[-20] // 10**6, at[-1] // 10**6)]
    words = [note["text"] for note in layout["annotations"]]
    assert any("halt" in text and "ongoing" not in text for text in words)
    assert any("volume-feed change, ongoing" in text for text in words)
    old = replace(history, incidents=loaded.assign(since=at[0], until=at[1]))
    assert [shape for shape in drawn(old, 60)["layout"]["shapes"] if shape["type"] == "rect"] == []


def test_a_feed_without_a_book_has_no_panel_for_it(history: MarketHistory) -> None:
    bare = replace(history, book=None, has_flow=False, spread_source="Abdi-Ranaldo 2017")
    assert "Depth" not in titles(bare)
    assert "Signed volume" not in titles(bare)
    assert "from Abdi-Ranaldo 2017" in titles(bare)
    line = tables.describe_missing_data(bare)
    assert line is not None
    assert "no order book" in line
    assert tables.describe_missing_data(history) is None


def test_what_lay_outside_the_interval_stands_out(history: MarketHistory) -> None:
    points = json.loads(charts.plot_forecasts(history, 1, 300).to_json())["data"][-1]
    frame = history.forecasts[(history.forecasts["horizon"] == 1) & history.forecasts["realised_bps"].notna()]
    outside = ((frame["realised_bps"] < frame["low_bps"]) | (frame["realised_bps"] > frame["high_bps"])).sum()
    assert points["marker"]["color"].count(theme.WARNING) == outside
    assert len(points["y"]) == len(frame)


@pytest.mark.parametrize(
    ("covered", "words"),
    [
        (IntervalCoverage(1, 0, 0, 0.0, None, None), "no forecast over 1 bar has fallen due here"),
        (IntervalCoverage(3, 12, 11, 4.0, None, None), units.NOT_ENOUGH),
        (IntervalCoverage(1, 200, 180, 200.0, 0.85, 0.93), "90.0 % (95 %: 85.0 to 93.0 %, n=200)"),
        (IntervalCoverage(3, 240, 216, 80.0, 0.81, 0.95), "n=240, effective n=80"),
    ],
)
def test_a_share_inside_the_interval_tells_what_it_rests_on(covered: IntervalCoverage, words: str) -> None:
    assert words in tables.describe_coverage(covered)


def test_the_ladder_has_asks_above_bids_and_money_that_adds_up() -> None:
    html = tables.render_order_book(OrderBook((99.0, 98.0), (2.0, 1.0), (101.0, 102.0), (1.0, 3.0)), 7)
    ids = [part.split('"')[0] for part in html.split('data-id="')[1:]]
    assert ids == ["ask 1", "ask 0", "mid", "bid 0", "bid 1"]
    assert "407.00" in html  # 101 + 3 x 102
    assert ">200.0</td>" in html  # the spread, in the middle


def test_the_address_chooses_symbol_bars_and_horizon(full_store: str, tmp_path: Path) -> None:
    with page(full_store, tmp_path, symbol="SOL", over="3 bars") as app:
        assert not app.exception
        assert app.selectbox[0].value == "SOL"
        assert "Forecast and outcome, 3 bars" in text(app)


def test_a_symbol_that_is_not_followed_is_told(full_store: str, tmp_path: Path) -> None:
    with page(full_store, tmp_path, symbol="<b>NOBODY") as app:
        assert not app.exception
        assert "&lt;b&gt;NOBODY in the address is not one of the symbols; BTC is shown" in text(app)


def test_how_well_the_book_is_foreseen_is_told_with_its_n_or_not_at_all(full_store: str, tmp_path: Path) -> None:
    with page(full_store, tmp_path / "a", "DELETE FROM liquidity_forecast") as app:
        assert "not measured yet" in text(app)
    change = "INSERT OR REPLACE INTO liquidity_forecast VALUES ('spread', 0.31, 0.24, 0.38, 1280, 410.0), ('depth', 0.5, NULL, NULL, 12, 3.0)"
    with page(full_store, tmp_path / "b", change) as app:
        shown = text(app)
    assert "24.0 to 38.0 %" in shown
    assert "1,280" in shown
    assert shown.count(units.NOT_ENOUGH) >= 1


def test_decisions_say_which_filter_of_the_address_there_is_not(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        app = run("02_decisions.py", url, symbol="NOBODY", gate="no such gate")
        fine = run("02_decisions.py", url, symbol="SOL", gate="none")
    assert "unknown in the address and ignored: symbol NOBODY, gate no such gate" in text(app)
    assert "unknown in the address" not in text(fine)
