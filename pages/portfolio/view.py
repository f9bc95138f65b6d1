"""Portfolio: equity and drawdown, positions, orders, and fills with their costs."""

from __future__ import annotations

import streamlit as st

from engine import units
from engine.store.read.status import EngineStatus, SessionInfo
from pages.portfolio import bots, charts, fills, pnl, tables, text
from pages.ui import cache, equity_chart, history_table, live, trading_rules, travel, widgets
from pages.ui.tables import render_table

FILLS_HEIGHT = 520  # px of the table at most
ROWS = 8  # reserved for lists that change with every tick
WORKING = 3  # rows reserved for working orders
RANGES = {"all": None, "7 d": 168, "1 d": 24, "6 h": 6}  # hours of market time that every chart covers


def show_portfolio() -> None:
    """Draw the account, and every fill there is."""
    hours: int | None = None
    with widgets.reading_store():
        hours = select_range() if cache.fetch_status().last is not None else None
    _show_account(hours)
    with widgets.reading_store(page=True):
        if cache.fetch_status().last is None:
            return
        widgets.show_heading("P&L by group", "the parts add up to the change of equity")
        pnl.show_pnl()
        widgets.show_heading("Fills", "costs in bps of the amount filled; click a fill to open its decision")
        history_table.show_toolbar(fills.HISTORY)
    _show_fills()
    _show_bots()


@travel.live_part(4)
def _show_bots() -> None:
    with widgets.reading_store():
        bots.show_bots()


@travel.live_part(4)
def _show_fills() -> None:
    with widgets.reading_store():
        history_table.show_rows(fills.HISTORY, height=FILLS_HEIGHT)
        status = cache.fetch_status()
        widgets.show_note(text.describe_cost_settings(status, cache.fetch_config(status)))


@travel.live_part(2)
def _show_account(hours: int | None) -> None:
    with widgets.reading_store():
        status = cache.fetch_status()
        if status.last is None or status.session is None:
            widgets.show_waiting("the first tick")
            return
        widgets.show_tiles(tables.build_account_tiles(status), detail_lines=3)
        show_equity(status.session, hours)
        show_holdings(status)


def select_range() -> int | None:
    """Return the hours that every chart covers, None for the whole session; the address holds the choice."""
    chosen = st.segmented_control("Range of the charts", list(RANGES), default="all", key="range", bind="query-params", required=True)
    return RANGES.get(str(chosen))


def show_equity(session: SessionInfo, hours: int | None) -> None:
    capital = session.settings.get("capital")
    frame = cache.fetch_equity(None if hours is None else hours * 3_600 * units.SECOND // session.interval)
    if len(frame) > 1:
        widgets.show_heading("Equity", "gain since the start of the session after all costs; benchmark: equal-weight buy and hold")
        live.show_chart(equity_chart.plot_equity(frame, capital), key="equity", label="Equity over time")
        widgets.show_heading("Drawdown", "loss from the peak; resuming after a drawdown stop restarts the peak")
        live.show_chart(charts.plot_drawdown(frame), key="drawdown", label="Drawdown over time")


def show_holdings(status: EngineStatus) -> None:
    positions = cache.fetch_positions()
    held = positions[positions["units"].fillna(0.0) != 0.0]
    widgets.show_heading("Positions", f"{len(held)} of {len(positions)} symbols held")
    live.show_live_table(tables.render_positions(held), key="positions", reserved=min(len(positions), ROWS))
    show_orders()
    show_rules(status, held["symbol"].tolist())


def show_orders() -> None:
    """Draw the working orders and the execution quality of each order type."""
    widgets.show_heading("Working orders", "active until filled; a decision with another target cancels them")
    live.show_live_table(tables.render_working_orders(cache.fetch_working_orders()), key="working", reserved=WORKING)
    widgets.show_heading("Execution quality", "by order type; an unfilled part counts at the price at which the order ended")
    if not travel.show_cannot_travel("Execution quality"):
        live.show_live_table(tables.render_execution(cache.fetch_execution()), key="execution")


def show_rules(status: EngineStatus, held: list[str]) -> None:
    """Draw the rules for orders and the costs of trading and holding."""
    if status.last is None or status.session is None:
        return
    lines = trading_rules.list_rules(cache.fetch_config(status), status.session.symbols, status.last.spread_sources, held)
    if lines:
        widgets.show_heading("Trading rules and costs", "of the symbols held, or of the first symbols if none is held; Market shows all others")
        rows = render_table(trading_rules.RULE_COLUMNS, lines, label="Trading rules and costs by symbol")
        live.show_live_table(rows, key="rules", reserved=min(len(status.session.symbols), ROWS))
