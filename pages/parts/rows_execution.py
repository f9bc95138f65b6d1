"""The tables of working orders and of execution quality by order type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from pages.parts import theme, units
from pages.parts.tables import Cell, Column, Line, html

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


def kinds(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return one row per order type; aggressive orders are the baseline of the others."""
    lines = []
    for row in rows:
        taken = row["kind"] == "aggressive"
        cost = "baseline" if taken else units.number(row["shortfall_bps"], 2, signed=True, missing=units.NOT_ENOUGH)
        cells = (
            Cell(row["kind"], small=WORDS[row["kind"]]),
            f"{row['orders']:,}",
            Cell(units.percent(row["filled"], missing="none yet"), small=_filled_interval(row)),
            units.percent(row["unfilled"], missing="none yet"),
            cost,
            "" if taken else units.interval(row["low"], row["high"], 2),
            "" if taken else f"{row['n']:,}",
            "yes" if row["offered"] else "no: proven to cost more",
        )
        lines.append(Line(row["kind"], cells))
    return html(_KINDS, lines, label="Execution quality by order type")


def _filled_interval(row: Mapping[str, Any]) -> str:
    low, high = row.get("filled_low"), row.get("filled_high")
    return "" if low is None or high is None else units.interval(100.0 * low, 100.0 * high, 1, "%")


def working(frame: pd.DataFrame) -> str:
    lines = []
    each: Iterator[Any] = frame.itertuples(index=False)
    for order in each:
        cells = (
            order.symbol,
            Cell(order.side, theme.state(order.side)),
            order.kind,
            units.size(order.left),
            units.size(order.asked),
            units.price(order.limit) if order.kind == "passive" else "",
            f"{order.bars}",
        )
        lines.append(Line(f"{order.symbol}", cells))
    return html(_WORKING, lines, label="Working orders", empty="no working orders")
