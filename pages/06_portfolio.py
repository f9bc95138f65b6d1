"""Portfolio: equity and drawdown, positions, orders, and fills with their costs."""

from __future__ import annotations

import streamlit as st

from engine.store.status_query import Status
from pages.parts import charts_machine, charts_overview, glance, live, reads, rows_execution, rowsets, tables, venue, widgets

FILLS = 100
ROWS = 8  # reserved for lists that change with every tick
WORKING = 3  # rows reserved for working orders


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
    frame = reads.equity()
    if len(frame) > 1:
        widgets.heading("Equity", "gain since the start of the session after all costs; benchmark: equal-weight buy and hold")
        live.chart(charts_overview.equity(frame, capital), key="equity", label="Equity over time")
        widgets.heading("Drawdown", "loss from the peak; resuming after a drawdown stop restarts the peak")
        live.chart(charts_machine.drawdown(frame), key="drawdown", label="Drawdown over time")


def holdings(status: Status) -> None:
    positions = reads.positions()
    held = positions[positions["units"].fillna(0.0) != 0.0]
    widgets.heading("Positions", f"{len(held)} of {len(positions)} symbols held")
    live.rows(rowsets.positions(held), key="positions", reserved=min(len(positions), ROWS))
    orders()
    rules(status, held["symbol"].tolist())
    fills = reads.fills(limit=FILLS)
    widgets.heading("Fills", f"the newest {len(fills)}; costs in bps of the amount filled" if len(fills) else "")
    live.rows(rowsets.fills(fills), key="fills", reserved=3 * ROWS // 2)


def orders() -> None:
    """Draw the working orders and the execution quality of each order type."""
    widgets.heading("Working orders", "kept until filled; a decision with another target cancels them")
    live.rows(rows_execution.working(reads.working()), key="working", reserved=WORKING)
    widgets.heading("Execution quality", "by order type; an unfilled part counts at the price at which the order ended")
    live.rows(rows_execution.kinds(reads.execution()), key="execution")


def rules(status: Status, held: list[str]) -> None:
    """Draw the rules for orders and the costs of trading and holding."""
    if status.last is None or status.session is None:
        return
    lines = venue.table(reads.knobs(status), status.session.symbols, status.last.spread_sources, held)
    if lines:
        widgets.heading("Trading rules and costs", "of held symbols, or of the first ones if none is held; all others are on Market")
        rows = tables.html(venue.RULES, lines, label="Trading rules and costs by symbol")
        live.rows(rows, key="rules", reserved=min(len(status.session.symbols), ROWS))


portfolio()
