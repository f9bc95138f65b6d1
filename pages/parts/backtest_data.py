"""The data tables of backtests: rows read and left out by symbol, and files that were not read."""

from __future__ import annotations

from collections.abc import Sequence

from engine.domain.data_counts import UNKNOWN, ZERO
from engine.store.shelf import Kept
from pages.parts import backtest_rows, units
from pages.parts.tables import Cell, Column, Line

COUNTS = (
    Column("Symbol", nowrap=True), Column("Rows", right=True), Column("Bars", right=True), Column("Duplicates", right=True),
    Column("Faulty", right=True), Column("No volume", right=True), Column("Outside session", right=True), Column("Trades with side", right=True),
    Column("Trades without bar", right=True), Column("Invalid books", right=True),
)  # fmt: skip
LEFT_OUT = (Column("Not read", nowrap=True), Column("Reason and remedy", whole=True))
MEANING = (
    "left out: duplicates, faulty rows, bars outside the session, trades without a bar; no position is opened on a bar without volume; "
    "invalid books are crossed, one-sided or malformed"
)
_FIGURES = (
    "rows", "bars", "duplicates", "faulty", "without_volume", "outside_session", "signed_trades", "trades_without_bar", "faulty_books",
)  # fmt: skip
_VOLUME = {UNKNOWN: "volume unknown", ZERO: "volume 0 in every bar"}


def counts(chosen: Sequence[Kept]) -> list[Line]:
    """Return one row per symbol of each run on a recording; runs before version 0.4 have no counts."""
    lines = []
    for place, run in enumerate(chosen):
        for symbol, symbol_counts in backtest_rows.mapping(run.report.get("data")).items():
            volume = _VOLUME.get(str(backtest_rows.mapping(symbol_counts).get("volume")), "")
            figures = [units.number(backtest_rows.number(run.report, "data", symbol, figure)) for figure in _FIGURES]
            label = Cell(_label(place, chosen, symbol), small=volume)
            lines.append(Line(f"{place}/{symbol}", (label, *figures)))
    return lines


def left_out(chosen: Sequence[Kept]) -> list[Line]:
    """Return one row per symbol or file that was not read."""
    return [
        Line(f"{place}/{name}", (_label(place, chosen, name), str(reason)))
        for place, run in enumerate(chosen)
        for name, reason in backtest_rows.mapping(run.report.get("left_out")).items()
    ]


def _label(place: int, chosen: Sequence[Kept], name: str) -> str:
    return f"{backtest_rows.name(place, chosen)} {name}".strip()
