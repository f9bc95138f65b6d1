"""The columns of the table of decisions."""

from __future__ import annotations

from typing import Any

from engine import units
from engine.domain.intents import phrase_gate
from engine.store.read.history_tables import DECISIONS
from pages.ui import theme
from pages.ui.history_table import TIME_FORMAT, HistoryView, ShownColumn
from pages.ui.tables import Cell, Column
from pages.ui.trading_tables import link_to_decision, reason_cell


def _number(label: str) -> Column:
    return Column(label, right=True)


def _action(decision: Any) -> Cell:
    return Cell(decision.action, theme.state_colour(decision.action))


def _phrase_binding_gate(decision: Any) -> str:
    return phrase_gate(decision.binding_gate) if decision.binding_gate else "none"


HISTORY = HistoryView(
    DECISIONS,
    (
        ShownColumn("symbol", Column("Symbol"), lambda row: str(row.symbol)),
        ShownColumn("action", Column("Action"), _action),
        ShownColumn("reason", Column("Intent and reason", full_width=True), reason_cell),
        ShownColumn("edge_bps", _number("Edge, bps"), lambda row: units.format_number(row.edge_bps, 1, signed=True)),
        ShownColumn("cost_bps", _number("Cost, bps"), lambda row: units.format_number(row.cost_bps, 1)),
        ShownColumn("target", _number("Target"), lambda row: units.format_percent(row.target, signed=True)),
        ShownColumn("tick", _number("Tick"), lambda row: f"{row.tick:,}"),
        ShownColumn("at", _number("Market time"), lambda row: units.format_time(int(row.at), TIME_FORMAT)),
        ShownColumn("position", _number("Position"), lambda row: units.format_percent(row.position, signed=True)),
        ShownColumn("confidence", _number("P(direction)"), lambda row: units.format_percent(row.confidence)),
        ShownColumn("regime", Column("Regime"), lambda row: str(row.regime)),
        ShownColumn("price", _number("Price"), lambda row: units.format_price(row.price)),
        ShownColumn("binding_gate", Column("Binding gate"), _phrase_binding_gate),
        ShownColumn("outcome_bps", _number("Outcome, bps"), lambda row: units.format_number(row.outcome_bps, 1, signed=True)),
        ShownColumn("edge_to_flip_bps", _number("Edge to flip, bps"), lambda row: units.format_number(row.edge_to_flip_bps, 1, signed=True)),
        ShownColumn("horizon", _number("Horizon"), lambda row: units.format_count(int(row.horizon), "bar")),
        ShownColumn("tick_ms", _number("Decided in"), lambda row: units.format_ms(row.tick_ms)),
        ShownColumn("wall", _number("Decided at"), lambda row: units.format_time(int(row.wall), TIME_FORMAT)),
    ),
    row_id=lambda row: f"{row.tick} {row.symbol}",
    noun="decision",
    empty="no decision yet",
    label="Decisions",
    link=lambda row: link_to_decision(row.tick, row.symbol),
)
