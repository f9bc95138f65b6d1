"""P&L by symbol, by hour of the day and by regime."""

from __future__ import annotations

import streamlit as st

from engine import units
from engine.store.read import pnl
from engine.store.read.pnl import PnlAttribution, PnlGroup
from pages.ui import cache, live, shared, theme, travel, widgets
from pages.ui.tables import Cell, Column, TableRow, number_columns, render_table

SECONDS = 20  # s between two readings
ROWS = 12  # reserved at most
GROUPS = {"symbol": "Symbol", "hour": "Hour of the day, UTC", "regime": "Regime"}


def show_pnl() -> None:
    """Draw the choice of groups, which is in the address, and the P&L of each."""
    choice = st.segmented_control("P&L by", list(GROUPS), default="symbol", key="pnl", bind="query-params", required=True)
    _show_groups(str(choice) if choice in GROUPS else "symbol")


@travel.live_part(SECONDS)
def _show_groups(by: str) -> None:
    with widgets.reading_store():
        attribution = shared.build_every(("pnl",), lambda: pnl.read_pnl(cache.get_reader()), seconds=SECONDS)
        if attribution is None:
            widgets.show_waiting("the second tick")
            return
        rows = min(len(list_groups(attribution, by)) + 2, ROWS)
        live.show_live_table(render_groups(attribution, by), key=f"pnl_{by}", reserved=rows, label=f"P&L by {by}")
        widgets.show_note(describe_span(attribution))


def list_groups(attribution: PnlAttribution, by: str) -> list[PnlGroup]:
    """Return the groups that had a position."""
    groups = {"symbol": attribution.symbols, "hour": attribution.hours, "regime": attribution.regimes}[by]
    return [group for group in groups if group.n or group.pnl]


def render_groups(attribution: PnlAttribution, by: str) -> str:
    """Return a row per group with a position, then what belongs to none, and the sum: the change of equity."""
    shown = list_groups(attribution, by)
    largest = max((abs(group.pnl) for group in shown), default=0.0) or 1.0
    columns = (Column(GROUPS[by]), Column("P&L", right=True), *number_columns("Mean per bar", "95 % interval", "n"))
    rows = [_group_row(group, largest, f"{group.name}:00 UTC" if by == "hour" else group.name) for group in shown]
    if attribution.carry:
        rows.append(_plain_row("Borrow and funding", attribution.carry))
    if abs(attribution.rest) >= 0.005:  # money: less is not shown
        rows.append(_plain_row("Not attributed", attribution.rest))
    rows.append(_plain_row("Change of equity", attribution.change, highlighted=True))
    return render_table(columns, rows, label=f"P&L by {by}", empty="no position yet")


def describe_span(attribution: PnlAttribution) -> str:
    since = units.format_time(attribution.since, "%Y-%m-%d %H:%M")
    return (
        f"After the close of tick {attribution.first:,} ({since} UTC) up to tick {attribution.last:,}, after costs; n: bars with a position. "
        "An hour is the one in which the bar began, and stays UTC where other times are local. "
        "A regime is the symbol's at the decision before the bar."
    )


def _group_row(group: PnlGroup, largest: float, name: str) -> TableRow:
    has_interval = group.low is not None and group.high is not None
    cells = (
        name,
        Cell(units.format_money(group.pnl, signed=True), theme.UP if group.pnl >= 0 else theme.DOWN, bar=abs(group.pnl) / largest),
        units.format_number(group.mean, 2, signed=True) if has_interval else units.NOT_ENOUGH,
        units.format_interval(group.low, group.high, 2) if has_interval else "",
        f"{group.n:,}",
    )
    return TableRow(group.name, cells)


def _plain_row(name: str, money: float, *, highlighted: bool = False) -> TableRow:
    return TableRow(name, (name, units.format_money(money, signed=True), "", "", ""), highlighted=highlighted)
