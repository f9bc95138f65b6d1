"""Market: bars, order book, flow and regime of one symbol, with its forecasts and trades."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from engine import units
from engine.store.read.market import IntervalCoverage, MarketHistory
from pages.market import charts, comparison, tables
from pages.market.choice import MarketChoice, show_filters, show_mark
from pages.ui import cache, live, params, shared, trading_rules, travel, widgets
from pages.ui.charts import Figure
from pages.ui.tables import PAIR_COLUMNS, TableRow
from pages.ui.widgets import Tile


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
            widgets.show_empty(f"{unknown} in the address is not one of the symbols; {chosen.symbol} is shown")
        travel.run_live(show_symbol, 2, chosen)


def build_view(history: MarketHistory, choice: MarketChoice) -> SymbolView:
    shown, horizon = choice.shown, choice.horizon
    config = cache.fetch_config(cache.fetch_status())
    rules = trading_rules.list_symbol_rules(config, history.session.symbols, history.symbol, history.spread_source, history.micro)
    liquidity_forecasts = cache.fetch_liquidity_forecasts()
    forecasts = history.forecasts.loc[history.forecasts["horizon"] == horizon, "mean_bps"]
    return SymbolView(
        market=history,
        stamp=f"{history.symbol} {tables.get_tick(history)} {shown}",
        tiles=tables.build_market_tiles(history, shown),
        rules=rules,
        chart=shared.build_once(
            ("bars", history.symbol, shown, choice.log, choice.mark), lambda: charts.plot_bars(history, shown, log=choice.log, mark=choice.mark)
        ),
        book=tables.render_order_book(history.book, tables.get_tick(history))
        if history.book is not None and tables.is_two_sided(history.book)
        else None,
        costs=tables.list_current_costs(history),
        liquidity=tables.list_forecast_skill(liquidity_forecasts) if tables.is_scored(liquidity_forecasts) else None,
        coverage=next((entry for entry in history.coverage if entry.horizon == horizon), None),
        forecast_chart=charts.plot_forecasts(history, horizon, shown) if forecasts.notna().any() else None,
    )


def show_symbol(choice: MarketChoice) -> None:
    """Draw the whole page as one live fragment."""
    with widgets.reading_store():
        history = cache.fetch_market(choice.symbol)
        if history is None:
            widgets.show_empty(f"no tick of {choice.symbol} is stored")
            return
        choice = show_mark(history, choice)
        view = build_view(history, choice)
        live.show_live_table(widgets.render_tiles(view.tiles), key=f"tiles_{choice.symbol}", label=f"Figures of {choice.symbol}", after=view.stamp)
        if view.rules:
            with st.expander("Trading rules and costs"):
                widgets.show_table(PAIR_COLUMNS, view.rules, label="Trading rules and costs of the symbol", cards=False)
        missing = tables.describe_missing_data(history)
        if missing is not None:
            widgets.show_note(missing)
        if history.book is None and not history.has_flow:
            show_bars(view, choice)
            return
        left, right = st.columns([7, 4], gap="medium")
        with right:
            show_book(view)  # sent before the chart, which it waits for: so that both change in one frame
        with left:
            show_bars(view, choice)
        with right:
            if view.costs:
                widgets.show_heading("Cost and flow now", "forecast for an order filled after the latency; fees not included")
                widgets.show_table(PAIR_COLUMNS, view.costs, label="Cost of trading and direction of the flow now", cards=False)
            show_liquidity_forecasts(view)


def show_bars(view: SymbolView, choice: MarketChoice) -> None:
    """Draw the bars with everything on their time axis, the symbols compared, and the forecasts below."""
    history, shown = view.market, choice.shown
    bars = f"{units.format_bar_length(history.session.interval)} bars at their close, times in UTC; click to open the decision, drag to zoom"
    widgets.show_heading("Market", bars)
    label = f"Bars of {history.symbol} with decisions, fills and incidents"
    live.show_chart(view.chart, key=f"tape_{history.symbol}_{shown}_{choice.log}", label=label, clickable=True, stamp=view.stamp)
    if choice.others:
        comparison.show_compared_symbols((history.symbol, *choice.others), shown, log=choice.log)
    show_forecasts(view, choice.horizon, shown)


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
