"""How orders are filled, by kind, and the orders that stand over, as rows of tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from pages.parts import theme, units
from pages.parts.tables import Cell, Column, Line, html

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


def kinds(rows: Sequence[Mapping[str, Any]]) -> str:
    """A row a kind of order; what taking at once costs is what the others are compared with."""
    lines = []
    for row in rows:
        taken = row["kind"] == "aggressive"
        cost = "the comparison" if taken else units.number(row["shortfall_bps"], 2, signed=True, missing=units.NOT_ENOUGH)
        cells = (
            Cell(row["kind"], small=WORDS[row["kind"]]),
            f"{row['orders']:,}",
            Cell(units.percent(row["filled"], missing="none yet"), small=_filled_interval(row)),
            units.percent(row["unfilled"], missing="none yet"),
            cost,
            "" if taken else units.interval(row["low"], row["high"], 2),
            "" if taken else f"{row['n']:,}",
            "where it applies" if row["offered"] else "no: proven to cost more",
        )
        lines.append(Line(row["kind"], cells))
    return html(_KINDS, lines, label="How orders were filled")


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
    return html(_WORKING, lines, label="Orders at work", empty="no order is at work")
