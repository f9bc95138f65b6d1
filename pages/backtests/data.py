"""What the recordings of backtests came to, as tables: rows read and left out by symbol, and files that were not read."""

from __future__ import annotations

from collections.abc import Sequence

from engine import units
from engine.domain.data_counts import UNKNOWN, ZERO
from engine.store.backtest_files import StoredBacktest
from pages.backtests import tables
from pages.ui.tables import Cell, Column, TableRow

COUNTS = (
    Column("Symbol", nowrap=True), Column("Rows", right=True), Column("Bars", right=True), Column("Duplicates", right=True),
    Column("Faulty", right=True), Column("No volume", right=True), Column("Off session", right=True), Column("Trades with side", right=True),
    Column("Trades without bar", right=True), Column("Unsound books", right=True),
)  # fmt: skip
LEFT_OUT = (Column("Not read", nowrap=True), Column("Reason and remedy", full_width=True))
MEANING = (
    "duplicates, faulty rows, bars off session and trades without bar are left out; nothing is opened on a bar without volume; "
    "unsound books are crossed, one-sided or malformed"
)
_FIGURES = (
    "rows", "bars", "duplicates", "faulty", "without_volume", "outside_session", "signed_trades", "trades_without_bar", "faulty_books",
)  # fmt: skip
_VOLUME = {UNKNOWN: "volume not known", ZERO: "volume 0 in every bar"}


def list_data_counts(chosen: Sequence[StoredBacktest]) -> list[TableRow]:
    """A row for each symbol of each run that read a recording; runs of before version 0.4 did not count."""
    lines = []
    for place, run in enumerate(chosen):
        for symbol, found in tables.as_mapping(run.report.get("data")).items():
            volume = _VOLUME.get(str(tables.as_mapping(found).get("volume")), "")
            figures = [units.format_number(tables.get_number(run.report, "data", symbol, figure)) for figure in _FIGURES]
            label = Cell(_label(place, chosen, symbol), small=volume)
            lines.append(TableRow(f"{place}/{symbol}", (label, *figures)))
    return lines


def list_unread_files(chosen: Sequence[StoredBacktest]) -> list[TableRow]:
    """A row for each symbol or file that is there and was not read."""
    return [
        TableRow(f"{place}/{name}", (_label(place, chosen, name), str(reason)))
        for place, run in enumerate(chosen)
        for name, reason in tables.as_mapping(run.report.get("left_out")).items()
    ]


def _label(place: int, chosen: Sequence[StoredBacktest], name: str) -> str:
    return f"{tables.name_run(place, chosen)} {name}".strip()
