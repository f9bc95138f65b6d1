"""The columns of the table of fills."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine import units
from engine.store.read.history_tables import FILLS
from pages.ui.history_table import TIME_FORMAT, HistoryView, ShownColumn
from pages.ui.tables import Cell, Column
from pages.ui.trading_tables import FILL_COLUMNS, link_to_decision, list_fill_cells

_NAMES = ("side", "size", "price", "mid", "fee_bps", "spread_bps", "impact_bps", "cost_bps", "realised")  # as in FILL_COLUMNS


def _cell(place: int) -> Callable[[Any], Cell | str]:
    return lambda fill: list_fill_cells(fill)[place]


HISTORY = HistoryView(
    FILLS,
    (
        ShownColumn("tick", Column("Tick", right=True), lambda fill: f"{fill.tick:,}"),
        ShownColumn("symbol", Column("Symbol"), lambda fill: str(fill.symbol)),
        *(ShownColumn(name, head, _cell(place)) for place, (name, head) in enumerate(zip(_NAMES, FILL_COLUMNS, strict=True))),
        ShownColumn("at", Column("Market time", right=True), lambda fill: units.format_time(int(fill.at), TIME_FORMAT)),
    ),
    row_id=lambda fill: f"{fill.id}|{fill.tick - 1} {fill.symbol}",
    noun="fill",
    empty="no fills yet",
    label="Fills",
    link=lambda fill: link_to_decision(fill.tick - 1, fill.symbol),
)
