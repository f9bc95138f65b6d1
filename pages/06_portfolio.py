"""Portfolio: what is held, what was filled at what cost and how, and equity with its drawdown."""

from __future__ import annotations

import streamlit as st

from engine.store.status_query import Status
from pages.parts import charts_machine, charts_overview, glance, live, reads, rows_execution, rowsets, tables, venue, widgets

FILLS = 100
ROWS = 8  # that lists which change with every tick take
WORKING = 3  # rows of orders at work


@st.fragment(run_every=2)
def portfolio() -> None:
    with widgets.reading():
        status = reads.status()
        if status.last is None or status.session is None:
            widgets.waiting("the first tick")
            return
        widgets.tiles(glance.account(status), lines=3)
        lines(status.session.settings.get("capital"))
        holdings(status)
        widgets.note(glance.costs(status, reads.knobs(status)))


def lines(capital: float | None) -> None:
    told = reads.equity()
    if len(told) > 1:
        widgets.heading("Equity", "gain since the start of the session after every cost, against buying all symbols in equal parts and holding")
        live.chart(charts_overview.equity(told, capital), key="equity", label="Equity over time")
        widgets.heading("Drawdown", "loss from the peak, which resuming after a drawdown stop restarts")
        live.chart(charts_machine.drawdown(told), key="drawdown", label="Drawdown over time")


def holdings(status: Status) -> None:
    told = reads.positions()
    held = told[told["units"].fillna(0.0) != 0.0]
    widgets.heading("Positions", f"{len(held)} of {len(told)} symbols held")
    live.rows(rowsets.positions(held), key="positions", reserved=min(len(told), ROWS))
    orders()
    rules(status, held["symbol"].tolist())
    fills = reads.fills(limit=FILLS)
    widgets.heading("Fills", f"the newest {len(fills)}; costs in bps of the money filled" if len(fills) else "")
    live.rows(rowsets.fills(fills), key="fills", reserved=3 * ROWS // 2)


def orders() -> None:
    """The orders that stand over, and what each kind of order has come to."""
    widgets.heading("Orders at work", "they go on while they are wanted; a decision that wants otherwise cancels them")
    live.rows(rows_execution.working(reads.working()), key="working", reserved=WORKING)
    widgets.heading("How orders were filled", "by kind; what was not filled counts at the price when it was given up")
    live.rows(rows_execution.kinds(reads.execution()), key="execution")


def rules(status: Status, held: list[str]) -> None:
    """What orders must keep to and what trading and holding cost."""
    if status.last is None or status.session is None:
        return
    lines = venue.table(reads.knobs(status), status.session.symbols, status.last.spread_sources, held)
    if lines:
        widgets.heading("Trading rules and costs", "of what is held, else of the first symbols; each symbol's are on Market")
        rows = tables.html(venue.RULES, lines, label="Trading rules and costs by symbol")
        live.rows(rows, key="rules", reserved=min(len(status.session.symbols), ROWS))


portfolio()
