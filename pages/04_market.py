"""Market: one symbol's bars, book, flow and regime, what was expected of it, and what was done."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from engine import units
from engine.store.read.market import IntervalCoverage, MarketHistory
from engine.store.read.status import SessionInfo
from pages.decisions import tables as decisions_tables
from pages.market import charts, tables
from pages.ui import cache, live, params, trading_rules, widgets
from pages.ui.charts import Figure
from pages.ui.tables import TableRow
from pages.ui.widgets import Tile

BARS = {"60": 60, "120": 120, "300": 300}


def filters(session: SessionInfo) -> tuple[str, int, int]:
    """Symbol, bars and horizon, in the address so that the view can be kept and sent."""
    horizons = {f"{units.format_count(one, 'bar')}": one for one in session.horizons}
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        symbol = params.select_one("Symbol", session.symbols, name="symbol", width=170)
        bars = st.segmented_control("Bars", list(BARS), default="120", key="bars", bind="query-params", required=True)
        ahead = st.segmented_control("Forecast over", list(horizons), default=next(iter(horizons)), key="over", bind="query-params", required=True)
    return symbol, BARS.get(str(bars), 120), horizons.get(str(ahead), session.horizons[0])


@dataclass(frozen=True, slots=True)
class View:
    """All that is shown of one tick, made before the first part is sent."""

    market: MarketHistory
    stamp: str  # what the chart is of: tiles and book change together with it
    tiles: list[Tile]
    rules: list[TableRow]
    tape: Figure
    book: str | None  # None where the book is not two-sided
    now: list[TableRow]
    foreseen: list[TableRow] | None  # None where no forecast of the book is scored yet
    covered: IntervalCoverage | None  # None where a new session with other horizons has not decided yet
    expected: Figure | None  # None without a forecast


def make_view(told: MarketHistory, shown: int, horizon: int) -> View:
    rules = trading_rules.list_symbol_rules(
        cache.fetch_config(cache.fetch_status()), told.session.symbols, told.symbol, told.spread_source, told.micro
    )
    outlook = cache.fetch_liquidity_forecasts()
    frame = told.forecasts[told.forecasts["horizon"] == horizon]
    return View(
        market=told,
        stamp=f"{told.symbol} {tables.get_tick(told)} {shown}",
        tiles=tables.build_market_tiles(told, shown),
        rules=rules,
        tape=charts.plot_bars(told, shown),
        book=tables.render_order_book(told.book, tables.get_tick(told)) if told.book is not None and tables.is_two_sided(told.book) else None,
        now=tables.list_current_costs(told),
        foreseen=tables.list_forecast_skill(outlook) if tables.is_scored(outlook) else None,
        covered=next((one for one in told.coverage if one.horizon == horizon), None),
        expected=charts.plot_forecasts(told, horizon, shown) if frame["mean_bps"].notna().any() else None,
    )


def market(symbol: str, shown: int, horizon: int) -> None:
    """All of it in one live part."""
    with widgets.reading_store():
        told = cache.fetch_market(symbol)
        if told is None:
            widgets.show_empty(f"no tick of {symbol} is kept")
            return
        view = make_view(told, shown, horizon)
        live.show_live_table(widgets.render_tiles(view.tiles), key=f"tiles_{symbol}", label=f"Figures of {symbol}", after=view.stamp)
        if view.rules:
            with st.expander("Trading rules and costs"):
                widgets.show_table(decisions_tables.PAIR_COLUMNS, view.rules, label="Trading rules and costs of the symbol", cards=False)
        lacking = tables.describe_missing_data(told)
        if lacking is not None:
            widgets.show_note(lacking)
        if told.book is None and not told.has_flow:
            drawn(view, shown, horizon)
            return
        left, right = st.columns([8, 4], gap="medium")
        with right:
            book(view)  # sent before the chart, which it waits for: so that both change in one frame
        with left:
            drawn(view, shown, horizon)
        with right:
            if view.now:
                widgets.show_heading("Cost and flow now", "foreseen for an order filled after the latency; fee apart")
                widgets.show_table(decisions_tables.PAIR_COLUMNS, view.now, label="What trading costs now and which way the flow leans", cards=False)
            foreseen(view)


def drawn(view: View, shown: int, horizon: int) -> None:
    """The bars with all that goes on beside them, and what was expected of them."""
    told = view.market
    bars = f"{units.format_bar_length(told.session.interval)} bars, drawn at their close, UTC; a click opens the decision, drag to zoom"
    widgets.show_heading("Market", bars)
    label = f"Bars of {told.symbol} with decisions, fills and incidents"
    live.show_chart(view.tape, key=f"tape_{told.symbol}_{shown}", label=label, clickable=True, stamp=view.stamp)
    forecasts(view, horizon, shown)


def book(view: View) -> None:
    told = view.market
    if told.book is None:
        return
    widgets.show_heading("Order book", tables.describe_levels(told.book))
    if view.book is not None:
        live.show_live_table(view.book, key="book", label="Order book", after=view.stamp)
    else:
        widgets.show_empty("the book has no level on one side or on both at this tick")


def foreseen(view: View) -> None:
    widgets.show_heading("How well it is foreseen", 'the next bar, all symbols, out of sample, against "the same as now"')
    if view.foreseen is None:
        widgets.show_empty(f"spread, depth and cost ahead: {units.NOT_MEASURED}")
    else:
        widgets.show_table(tables.SKILL_COLUMNS, view.foreseen, label="Forecasts of the book against what came", cards=False)


def forecasts(view: View, horizon: int, shown: int) -> None:
    if view.covered is None:
        widgets.show_waiting("the first forecast over this horizon")
        return
    widgets.show_heading(f"Expected and what came, {units.format_count(horizon, 'bar')}", tables.describe_coverage(view.covered))
    if view.expected is not None:
        key = f"expected_{view.market.symbol}_{horizon}_{shown}"
        live.show_chart(view.expected, key=key, label="Forecasts with their interval against what came", clickable=True)
        widgets.show_note(
            "Each stands at the time it falls due: line and band are what was expected, points are what came, amber diamonds lay outside the band."
        )
    else:
        widgets.show_empty("no forecast yet: models are heard once they are trained")


with widgets.reading_store(page=True):
    session = cache.fetch_status().session
    if session is None or cache.fetch_status().last is None:
        widgets.show_waiting("the first tick")
        widgets.rerun_on_change(cache.store_version())
        st.stop()
    chosen = filters(session)
    odd = params.find_unknown(session.symbols, name="symbol")
    if odd is not None:
        widgets.show_empty(f"the address asks for {odd}, which is not followed: shown is {chosen[0]}")
    st.fragment(market, run_every=2)(*chosen)
