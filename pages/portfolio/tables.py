"""The tiles of the account, and the tables of positions, orders and fills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from engine import units
from engine.store.read.status import EngineStatus
from pages.ui import skill, theme, tiles, trading_rules
from pages.ui.forest_plot import iterate_rows
from pages.ui.tables import Cell, Column, TableRow, number_columns, render_table, text_columns
from pages.ui.trading_tables import link_to_decision
from pages.ui.widgets import Tile

ORDER_TYPES = {
    "passive": "rests at the best price, then crosses the spread",
    "aggressive": "crosses the spread at once",
    "slice": "equal parts over the next bars",
}
_POSITIONS = (*text_columns("Symbol", "Side"), *number_columns("Size", "Entry", "Mark", "Value", "Unrealised P&L", "Share of equity", "Target"))
_EXECUTION = (
    Column("Order type"),
    *number_columns("Finished orders", "Filled", "Unfilled", "Cost against aggressive, bps", "95 % interval", "n"),
    Column("Recommended"),
)
_WORKING = (*text_columns("Symbol", "Side", "Order type"), *number_columns("Remaining", "Requested", "Limit price", "Age, bars"))


def build_account_tiles(status: EngineStatus) -> list[Tile]:
    """Build the tiles of the account: equity, cash, benchmark, drawdown, carry and exposure."""
    last, session = status.last, status.session
    if last is None or session is None:
        return []
    capital = session.settings.get("capital")
    return [
        Tile(
            "Equity",
            units.format_money(last.equity),
            f"{units.format_percent(tiles.compute_gain(last.equity, capital), 2, signed=True)} since the start, after costs, {skill.WARM}",
        ),
        Tile("Cash", units.format_money(last.cash), f"started with {units.format_money(capital)}"),
        Tile(
            "Benchmark",
            units.format_percent(tiles.compute_gain(last.benchmark, capital), 2, signed=True),
            f"{units.format_money(last.benchmark)}; equal-weight buy and hold, without costs",
        ),
        tiles.build_drawdown_tile(last),
        Tile("Borrow and funding", *trading_rules.describe_carry(last.borrow, last.funding)),
        Tile("Gross exposure", units.format_percent(last.gross), "of equity: long plus short"),
        Tile("Net exposure", units.format_percent(last.net, signed=True), "of equity: long minus short"),
    ]


def render_positions(frame: pd.DataFrame) -> str:
    rows = []
    for position in iterate_rows(frame):
        side = "long" if position.units > 0 else "short"
        gain = (position.mark - position.entry) * position.units
        cells = (
            position.symbol,
            Cell(side, theme.state_colour(side)),
            units.format_quantity(position.units),
            units.format_price(position.entry),
            units.format_price(position.mark),
            units.format_money(position.units * position.mark),
            units.format_money(gain, signed=True),
            units.format_percent(position.position, signed=True),
            units.format_percent(position.target, signed=True),
        )
        rows.append(TableRow(f"{position.tick} {position.symbol}", cells, link_to_decision(position.tick, position.symbol)))
    return render_table(_POSITIONS, rows, label="Positions", empty="no open positions")


def render_execution(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return one row per order type; aggressive orders are the baseline of the others."""
    lines = []
    for row in rows:
        is_baseline = row["kind"] == "aggressive"
        cost = "baseline" if is_baseline else units.format_number(row["shortfall_bps"], 2, signed=True, missing=units.NOT_ENOUGH)
        cells = (
            Cell(row["kind"], small=ORDER_TYPES[row["kind"]]),
            f"{row['orders']:,}",
            Cell(units.format_percent(row["filled"], missing="none yet"), small=_filled_interval(row)),
            units.format_percent(row["unfilled"], missing="none yet"),
            cost,
            "" if is_baseline else units.format_interval(row["low"], row["high"], 2),
            "" if is_baseline else f"{row['n']:,}",
            "yes" if row["offered"] else "no: proven to cost more",
        )
        lines.append(TableRow(row["kind"], cells))
    return render_table(_EXECUTION, lines, label="Execution quality by order type", empty="no order has ended yet")


def render_working_orders(frame: pd.DataFrame) -> str:
    rows = []
    for order in iterate_rows(frame):
        cells = (
            order.symbol,
            Cell(order.side, theme.state_colour(order.side)),
            order.kind,
            units.format_quantity(order.left),
            units.format_quantity(order.requested),
            units.format_price(order.limit) if order.kind == "passive" else "",
            f"{order.bars}",
        )
        rows.append(TableRow(f"{order.symbol}", cells))
    return render_table(_WORKING, rows, label="Working orders", empty="no working orders")


def _filled_interval(row: Mapping[str, Any]) -> str:
    low, high = row.get("filled_low"), row.get("filled_high")
    return units.NOT_ENOUGH if low is None or high is None else units.format_interval(100.0 * low, 100.0 * high, 1, "%")
