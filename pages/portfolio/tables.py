"""The tables of working orders and of execution quality by order type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from engine import units
from pages.ui import theme
from pages.ui.tables import Cell, Column, TableRow, render_table

WORDS = {
    "passive": "rests at the touch, then takes",
    "aggressive": "takes at once",
    "slice": "equal parts over the next bars",
}
_KINDS = (
    Column("Order type"),
    Column("Orders ended", right=True),
    Column("Filled", right=True),
    Column("Unfilled", right=True),
    Column("Cost against aggressive, bps", right=True),
    Column("95 % interval", right=True),
    Column("n", right=True),
    Column("Recommended"),
)
_WORKING = (
    Column("Symbol"),
    Column("Side"),
    Column("Order type"),
    Column("Remaining", right=True),
    Column("Requested", right=True),
    Column("Limit", right=True),
    Column("Age, bars", right=True),
)


def render_execution(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return one row per order type; aggressive orders are the baseline of the others."""
    lines = []
    for row in rows:
        taken = row["kind"] == "aggressive"
        cost = "baseline" if taken else units.format_number(row["shortfall_bps"], 2, signed=True, missing=units.NOT_ENOUGH)
        cells = (
            Cell(row["kind"], small=WORDS[row["kind"]]),
            f"{row['orders']:,}",
            Cell(units.format_percent(row["filled"], missing="none yet"), small=_filled_interval(row)),
            units.format_percent(row["unfilled"], missing="none yet"),
            cost,
            "" if taken else units.format_interval(row["low"], row["high"], 2),
            "" if taken else f"{row['n']:,}",
            "yes" if row["offered"] else "no: proven to cost more",
        )
        lines.append(TableRow(row["kind"], cells))
    return render_table(_KINDS, lines, label="Execution quality by order type")


def _filled_interval(row: Mapping[str, Any]) -> str:
    low, high = row.get("filled_low"), row.get("filled_high")
    return "" if low is None or high is None else units.format_interval(100.0 * low, 100.0 * high, 1, "%")


def render_working_orders(frame: pd.DataFrame) -> str:
    lines = []
    each: Iterator[Any] = frame.itertuples(index=False)
    for order in each:
        cells = (
            order.symbol,
            Cell(order.side, theme.state_colour(order.side)),
            order.kind,
            units.format_quantity(order.left),
            units.format_quantity(order.asked),
            units.format_price(order.limit) if order.kind == "passive" else "",
            f"{order.bars}",
        )
        lines.append(TableRow(f"{order.symbol}", cells))
    return render_table(_WORKING, lines, label="Working orders", empty="no working orders")
