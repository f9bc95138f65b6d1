"""The tables of decisions and fills that several pages show."""

from __future__ import annotations

from typing import Any

import pandas as pd

from engine import units
from pages.ui import theme
from pages.ui.forest_plot import iterate_rows
from pages.ui.tables import Cell, Column, TableRow, number_columns, render_table, text_columns

TIME_FORMAT = "%m-%d %H:%M"
FILL_COLUMNS = (Column("Side"), *number_columns("Size", "Price", "Mid", "Fee, bps", "Spread, bps", "Impact, bps", "Total cost, bps", "Realised P&L"))
_DECISIONS = (
    *text_columns("Symbol", "Action"),
    Column("Intent and reason", full_width=True),
    *number_columns("Edge, bps", "Cost, bps", "Target", "Tick", "Market time"),
)
_MORE = (*number_columns("Position", "P(direction)"), Column("Regime"), Column("Price", right=True))


def render_decisions(frame: pd.DataFrame, *, wide: bool = False) -> str:
    """Return the table of decisions; `wide` adds position, probability, regime and price."""
    rows = []
    for decision in iterate_rows(frame):
        cells: list[Cell | str] = [
            decision.symbol,
            Cell(decision.action, theme.state_colour(decision.action)),
            reason_cell(decision),
            units.format_number(decision.edge_bps, 1, signed=True),
            units.format_number(decision.cost_bps, 1),
            units.format_percent(decision.target, signed=True),
            f"{decision.tick:,}",
            units.format_time(int(decision.at), TIME_FORMAT),
        ]
        if wide:
            cells += [
                units.format_percent(decision.position, signed=True),
                units.format_percent(decision.confidence),
                decision.regime,
                units.format_price(decision.price),
            ]
        rows.append(TableRow(f"{decision.tick} {decision.symbol}", tuple(cells), link_to_decision(decision.tick, decision.symbol)))
    return render_table((*_DECISIONS, *(_MORE if wide else ())), rows, label="Decisions")


def list_fill_cells(fill: Any) -> tuple[Cell | str, ...]:
    """Return the cells of a fill under FILL_COLUMNS, from side to realised P&L."""
    return (
        Cell(fill.side, theme.state_colour(fill.side)),
        Cell(
            units.format_quantity(fill.size) if fill.size else "not filled",
            small=f"{units.format_quantity(fill.unfilled)} unfilled" if fill.unfilled else "",
        ),
        units.format_price(fill.price),
        units.format_price(fill.mid),
        units.format_number(fill.fee_bps, 1),
        units.format_number(fill.spread_bps, 1),
        units.format_number(fill.impact_bps, 1),
        units.format_number(fill.cost_bps, 1),
        units.format_money(fill.realised, signed=True),
    )


def link_to_decision(tick: int, symbol: str) -> str:
    """Return the address of a decision."""
    return f"/decision?tick={tick}&symbol={symbol}"


def get_data_fault(decision: Any) -> str:
    """Return the data incident behind the binding gate "fresh data"; "" where there is none."""
    return decision.fault if decision.binding_gate == "fresh data" and isinstance(decision.fault, str) else ""


def reason_cell(decision: Any) -> Cell:
    """Return the intent and its reason, with the data fault behind it."""
    return Cell(
        f"{decision.intent}: {decision.reason}",
        small=", ".join(part for part in (get_data_fault(decision), "degraded" if decision.degraded else "") if part),
    )
