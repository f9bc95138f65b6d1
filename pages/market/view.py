"""Market: bars, order book, flow and regime of one symbol, with its forecasts and trades."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from engine import units
from engine.store.read.market import IntervalCoverage, MarketHistory
from engine.store.read.status import SessionInfo
from pages.market import charts, tables
from pages.ui import cache, live, params, trading_rules, travel, widgets
from pages.ui.charts import Figure
from pages.ui.tables import PAIR_COLUMNS, TableRow
from pages.ui.widgets import Tile

BARS = {"60": 60, "120": 120, "300": 300}


@dataclass(frozen=True, slots=True)
class SymbolView:
    """Everything shown of one tick, built before the first part is sent."""

    market: MarketHistory
    stamp: str  # what the chart is of: tiles and book change together with it
    tiles: list[Tile]
    rules: list[TableRow]
    chart: Figure
    book: str | None  # None where the book is not two-sided
    costs: list[TableRow]
    liquidity: list[TableRow] | None  # None where no forecast of the book is scored yet
    coverage: IntervalCoverage | None  # None where a new session with other horizons has not decided yet
    forecast_chart: Figure | None  # None without a forecast


def show_market() -> None:
    """Draw the filters and the live part of the page."""
    with widgets.reading_store(page=True):
        session = cache.fetch_status().session
        if session is None or cache.fetch_status().last is None:
            widgets.show_waiting("the first tick")
            widgets.rerun_on_change(cache.store_version())
            st.stop()
        chosen = show_filters(session)
        unknown = params.find_unknown(session.symbols, name="symbol")
        if unknown is not None:
            widgets.show_empty(f"{unknown} in the address is not one of the symbols; {chosen[0]} is shown")
        travel.run_live(show_symbol, 2, *chosen)


def show_filters(session: SessionInfo) -> tuple[str, int, int]:
    """Draw the choice of symbol, bars and horizon, which are in the address, so that a view can be saved and sent."""
    horizons = {f"{units.format_count(horizon, 'bar')}": horizon for horizon in session.horizons}
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        symbol = params.select_one("Symbol", session.symbols, name="symbol", width=170)
        bars = st.segmented_control("Bars", list(BARS), default="120", key="bars", bind="query-params", required=True)
        ahead = st.segmented_control("Forecast horizon", list(horizons), default=next(iter(horizons)), key="over", bind="query-params", required=True)
    return symbol, BARS.get(str(bars), 120), horizons.get(str(ahead), session.horizons[0])


def build_view(history: MarketHistory, shown: int, horizon: int) -> SymbolView:
    rules = trading_rules.list_symbol_rules(
        cache.fetch_config(cache.fetch_status()), history.session.symbols, history.symbol, history.spread_source, history.micro
    )
    liquidity_forecasts = cache.fetch_liquidity_forecasts()
    frame = history.forecasts[history.forecasts["horizon"] == horizon]
    return SymbolView(
        market=history,
        stamp=f"{history.symbol} {tables.get_tick(history)} {shown}",
        tiles=tables.build_market_tiles(history, shown),
        rules=rules,
        chart=charts.plot_bars(history, shown),
        book=tables.render_order_book(history.book, tables.get_tick(history))
        if history.book is not None and tables.is_two_sided(history.book)
        else None,
        costs=tables.list_current_costs(history),
        liquidity=tables.list_forecast_skill(liquidity_forecasts) if tables.is_scored(liquidity_forecasts) else None,
        coverage=next((entry for entry in history.coverage if entry.horizon == horizon), None),
        forecast_chart=charts.plot_forecasts(history, horizon, shown) if frame["mean_bps"].notna().any() else None,
    )


def show_symbol(symbol: str, shown: int, horizon: int) -> None:
    """Draw the whole page as one live fragment."""
    with widgets.reading_store():
        history = cache.fetch_market(symbol)
        if history is None:
            widgets.show_empty(f"no tick of {symbol} is stored")
            return
        view = build_view(history, shown, horizon)
        live.show_live_table(widgets.render_tiles(view.tiles), key=f"tiles_{symbol}", label=f"Figures of {symbol}", after=view.stamp)
        if view.rules:
            with st.expander("Trading rules and costs"):
                widgets.show_table(PAIR_COLUMNS, view.rules, label="Trading rules and costs of the symbol", cards=False)
        missing = tables.describe_missing_data(history)
        if missing is not None:
            widgets.show_note(missing)
        if history.book is None and not history.has_flow:
            show_bars(view, shown, horizon)
            return
        left, right = st.columns([7, 4], gap="medium")
        with right:
            show_book(view)  # sent before the chart, which it waits for: so that both change in one frame
        with left:
            show_bars(view, shown, horizon)
        with right:
            if view.costs:
                widgets.show_heading("Cost and flow now", "forecast for an order filled after the latency; fees not included")
                widgets.show_table(PAIR_COLUMNS, view.costs, label="Cost of trading and direction of the flow now", cards=False)
            show_liquidity_forecasts(view)


def show_bars(view: SymbolView, shown: int, horizon: int) -> None:
    """Draw the bars with everything on their time axis, and the forecasts below."""
    history = view.market
    bars = f"{units.format_bar_length(history.session.interval)} bars at their close, UTC; click to open the decision, drag to zoom"
    widgets.show_heading("Market", bars)
    label = f"Bars of {history.symbol} with decisions, fills and incidents"
    live.show_chart(view.chart, key=f"tape_{history.symbol}_{shown}", label=label, clickable=True, stamp=view.stamp)
    show_forecasts(view, horizon, shown)


def show_book(view: SymbolView) -> None:
    history = view.market
    if history.book is None:
        return
    widgets.show_heading("Order book", tables.describe_levels(history.book))
    if view.book is not None:
        live.show_live_table(view.book, key="book", label="Order book", after=view.stamp)
    else:
        widgets.show_empty("the book is empty on at least one side at this tick")


def show_liquidity_forecasts(view: SymbolView) -> None:
    widgets.show_heading("Liquidity forecast skill", "next bar, all symbols, out of sample, against a forecast of no change")
    if view.liquidity is None:
        widgets.show_empty(f"spread, depth and cost of the next bar: {units.NOT_MEASURED}")
    else:
        widgets.show_table(tables.SKILL_COLUMNS, view.liquidity, label="Skill of the liquidity forecasts", cards=False)


def show_forecasts(view: SymbolView, horizon: int, shown: int) -> None:
    if view.coverage is None:
        widgets.show_waiting("the first forecast over this horizon")
        return
    widgets.show_heading(f"Forecast and outcome, {units.format_count(horizon, 'bar')}", tables.describe_coverage(view.coverage))
    if view.forecast_chart is not None:
        key = f"expected_{view.market.symbol}_{horizon}_{shown}"
        live.show_chart(view.forecast_chart, key=key, label="Forecasts with their interval, and outcomes", clickable=True)
        widgets.show_note(
            "Shown at the time each falls due. Line and band: forecast with its 90 % interval. "
            "Points: outcomes; amber diamonds lie outside the interval."
        )
    else:
        widgets.show_empty("no forecast yet: the models are not trained")
