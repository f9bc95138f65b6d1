"""How orders are filled, by kind, and the orders that stand over, as rows of tables."""

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
    "slice": "an equal part of each coming bar's book",
}
_KINDS = (
    Column("Kind of order"),
    Column("Orders over", right=True),
    Column("Filled", right=True),
    Column("Unfilled", right=True),
    Column("Cost against taking at once, bps", right=True),
    Column("95 % interval", right=True),
    Column("Compared", right=True),
    Column("Recommended"),
)
_WORKING = (
    Column("Symbol"),
    Column("Side"),
    Column("Kind of order"),
    Column("Left", right=True),
    Column("Asked", right=True),
    Column("Limit", right=True),
    Column("Bars so far", right=True),
)


def render_execution(rows: Sequence[Mapping[str, Any]]) -> str:
    """A row a kind of order; what taking at once costs is what the others are compared with."""
    lines = []
    for row in rows:
        taken = row["kind"] == "aggressive"
        cost = "the comparison" if taken else units.format_number(row["shortfall_bps"], 2, signed=True, missing=units.NOT_ENOUGH)
        cells = (
            Cell(row["kind"], small=WORDS[row["kind"]]),
            f"{row['orders']:,}",
            Cell(units.format_percent(row["filled"], missing="none yet"), small=_filled_interval(row)),
            units.format_percent(row["unfilled"], missing="none yet"),
            cost,
            "" if taken else units.format_interval(row["low"], row["high"], 2),
            "" if taken else f"{row['n']:,}",
            "where it applies" if row["offered"] else "no: proven to cost more",
        )
        lines.append(TableRow(row["kind"], cells))
    return render_table(_KINDS, lines, label="How orders were filled")


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
    return render_table(_WORKING, lines, label="Orders at work", empty="no order is at work")
