"""The order book of the decision, with the order walked through it."""

from __future__ import annotations

import streamlit as st

from engine import units
from engine.store.read.decision import DecisionDetails
from engine.store.read.moment import BookLevel, WalkedBook
from pages.ui import theme, widgets
from pages.ui.tables import Cell, Column, TableRow, number_columns

LADDER_COLUMNS = (Column("Side"), *number_columns("Price", "Size", "Filled"))
LEVELS = 6  # of a side, and as many more as the order reaches


def show_book(decision: DecisionDetails, book: WalkedBook | None) -> None:
    """Draw the book as a ladder, the walked levels marked."""
    widgets.show_heading("Book and the order in it", "asks above, bids below")
    if book is None:
        widgets.show_empty("no valid order book at this tick")
        return
    with st.container(key="walk"):  # of a fixed height while the newest is followed
        widgets.show_note(describe_walk(decision, book))
    widgets.show_table(LADDER_COLUMNS, list_ladder(book), label="Order book with the levels that the order fills", cards=False)


def describe_walk(decision: DecisionDetails, book: WalkedBook) -> str:
    """Return what the order would take from the book, and what that costs against the mid."""
    order = "The order" if decision.delta else "The largest order allowed"
    amount = f"{units.format_quantity(book.units)} {decision.symbol}"
    levels = units.format_count(sum(level.filled > 0 for level in (book.asks if book.side == "buy" else book.bids)), "level")
    if book.cost_bps is None:
        return f"{order}, to {book.side} {amount}, is larger than the book: {units.format_quantity(book.filled)} on {levels}."
    return f"{order}, to {book.side} {amount}, takes {levels} and costs {units.format_bps(book.cost_bps)} against the mid."


def list_ladder(book: WalkedBook) -> list[TableRow]:
    """List the levels from the highest ask down to the lowest bid; bars for sizes."""
    asks, bids = (shorten_side(side) for side in (book.asks, book.bids))
    largest = max((level.size for level in (*asks, *bids)), default=1.0)
    rows = [_level(f"ask {place}", level, largest, theme.DOWN) for place, level in reversed([*enumerate(asks, 1)])]
    return rows + [_level(f"bid {place}", level, largest, theme.UP) for place, level in enumerate(bids, 1)]


def shorten_side(side: tuple[BookLevel, ...]) -> tuple[BookLevel, ...]:
    """Return the best levels of a side, and all that the order reaches."""
    return side[: max(LEVELS, sum(level.filled > 0 for level in side) + 1)]


def _level(name: str, level: BookLevel, largest: float, colour: str) -> TableRow:
    filled = f"{units.format_quantity(level.filled)} ({units.format_percent(level.filled / level.size, 0)})" if level.filled > 0 else ""
    size = Cell(units.format_quantity(level.size), colour, bar=level.size / largest)
    return TableRow(name, (Cell(name, colour), units.format_price(level.price), size, filled), highlighted=level.filled > 0)
