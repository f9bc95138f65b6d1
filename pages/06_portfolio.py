"""Portfolio: what is held, what was filled at what cost and how, and equity with its drawdown."""

from __future__ import annotations

import streamlit as st

from engine.store.read.status import EngineStatus
from pages.decisions import tables as decisions_tables
from pages.overview import charts as overview_charts
from pages.portfolio import tables as portfolio_tables
from pages.resources import charts
from pages.ui import cache, live, tables, tiles, trading_rules, widgets

FILLS = 100
ROWS = 8  # that lists which change with every tick take
WORKING = 3  # rows of orders at work


@st.fragment(run_every=2)
def portfolio() -> None:
    with widgets.reading_store():
        status = cache.fetch_status()
        if status.last is None or status.session is None:
            widgets.show_waiting("the first tick")
            return
        widgets.show_tiles(tiles.build_account_tiles(status), detail_lines=3)
        lines(status.session.settings.get("capital"))
        holdings(status)
        widgets.show_note(tiles.describe_cost_settings(status, cache.fetch_config(status)))


def lines(capital: float | None) -> None:
    told = cache.fetch_equity()
    if len(told) > 1:
        widgets.show_heading("Equity", "gain since the start of the session after every cost, against buying all symbols in equal parts and holding")
        live.show_chart(overview_charts.plot_equity(told, capital), key="equity", label="Equity over time")
        widgets.show_heading("Drawdown", "loss from the peak, which resuming after a drawdown stop restarts")
        live.show_chart(charts.plot_drawdown(told), key="drawdown", label="Drawdown over time")


def holdings(status: EngineStatus) -> None:
    told = cache.fetch_positions()
    held = told[told["units"].fillna(0.0) != 0.0]
    widgets.show_heading("Positions", f"{len(held)} of {len(told)} symbols held")
    live.show_live_table(decisions_tables.render_positions(held), key="positions", reserved=min(len(told), ROWS))
    orders()
    rules(status, held["symbol"].tolist())
    fills = cache.fetch_fills(limit=FILLS)
    widgets.show_heading("Fills", f"the newest {len(fills)}; costs in bps of the money filled" if len(fills) else "")
    live.show_live_table(decisions_tables.render_fills(fills), key="fills", reserved=3 * ROWS // 2)


def orders() -> None:
    """The orders that stand over, and what each kind of order has come to."""
    widgets.show_heading("Orders at work", "they go on while they are wanted; a decision that wants otherwise cancels them")
    live.show_live_table(portfolio_tables.render_working_orders(cache.fetch_working_orders()), key="working", reserved=WORKING)
    widgets.show_heading("How orders were filled", "by kind; what was not filled counts at the price when it was given up")
    live.show_live_table(portfolio_tables.render_execution(cache.fetch_execution()), key="execution")


def rules(status: EngineStatus, held: list[str]) -> None:
    """What orders must keep to and what trading and holding cost."""
    if status.last is None or status.session is None:
        return
    lines = trading_rules.list_rules(cache.fetch_config(status), status.session.symbols, status.last.spread_sources, held)
    if lines:
        widgets.show_heading("Trading rules and costs", "of what is held, else of the first symbols; each symbol's are on Market")
        rows = tables.render_table(trading_rules.RULE_COLUMNS, lines, label="Trading rules and costs by symbol")
        live.show_live_table(rows, key="rules", reserved=min(len(status.session.symbols), ROWS))


portfolio()
