"""The tables of decisions, positions and fills: frames as rows, in words and units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from engine import units
from engine.domain.intents import phrase_gate
from engine.store.read.decision import DecisionDetails
from engine.store.read.decisions import GateCounts
from engine.store.read.status import SessionInfo
from pages.decision import charts
from pages.ui import theme
from pages.ui.tables import Cell, Column, TableRow, render_table

TIME_FORMAT = "%m-%d %H:%M"
PAIR_COLUMNS = (Column("", nowrap=True), Column("", right=True, wrap=True))
FIGURE_COLUMNS = (Column(""), Column("", right=True))
GATE_COLUMNS = (Column("Gate"), Column("Value", right=True), Column("Limit", right=True), Column("Margin", right=True), Column("Verdict"))
VOTE_COLUMNS = (
    Column("Model"),
    Column("Version"),
    Column("Horizon", right=True),
    Column("Forecast", right=True),
    Column("Trust", right=True),
    Column("Weight", right=True),
)
OUTCOME_COLUMNS = (Column("Horizon"), Column("Price move", right=True), Column("In trade direction", right=True))
FILL_COLUMNS = (
    Column("Tick", right=True),
    Column("Symbol"),
    Column("Side"),
    Column("Size", right=True),
    Column("Price", right=True),
    Column("Mid", right=True),
    Column("Fee, bps", right=True),
    Column("Spread, bps", right=True),
    Column("Impact, bps", right=True),
    Column("Total cost, bps", right=True),
    Column("Realised P&L", right=True),
)
_DECISIONS = (
    Column("Symbol"),
    Column("Action"),
    Column("Intent and reason", full_width=True),
    Column("Edge, bps", right=True),
    Column("Cost, bps", right=True),
    Column("Target", right=True),
    Column("Tick", right=True),
    Column("Market time", right=True),
)
_MORE = (Column("Position", right=True), Column("P(direction)", right=True), Column("Regime"), Column("Price", right=True))
_POSITIONS = (
    Column("Symbol"),
    Column("Side"),
    Column("Size", right=True),
    Column("Entry", right=True),
    Column("Mark", right=True),
    Column("Value", right=True),
    Column("Unrealised P&L", right=True),
    Column("Share of equity", right=True),
    Column("Target", right=True),
)


def render_gate_shares(counts: GateCounts, session: SessionInfo) -> str:
    """Return the share of decisions of each binding gate, largest first, then of the intents without one."""
    places = {name: place for place, (name, _, _) in enumerate(session.gates)}
    bound = sorted(((gate, n) for gate, n in counts.gates if n), key=lambda pair: -pair[1])
    lines = [_share(gate, phrase_gate(gate), n / counts.total, n, theme.gate_colour(places[gate]), f"gate={gate}") for gate, n in bound]
    lines += [_share(intent, f"traded: {intent}", n / counts.total, n, theme.UP, f"intent={intent}") for intent, n in counts.intents if n]
    if counts.unbound:
        lines.append(_share("none", "held: no gate failed", counts.unbound / counts.total, counts.unbound, theme.FREE, "action=hold&gate=none"))
    columns = (Column("Reason"), Column("Share of decisions", full_width=True), Column("Share", right=True), Column("Decisions", right=True))
    return render_table(columns, lines, label="Share of decisions by binding gate", cards=False)


def _share(key: str, name: str, share: float, n: int, colour: str, query: str) -> TableRow:
    return TableRow(key, (Cell(name, colour), Cell("", colour, bar=share), units.format_percent(share), f"{n:,}"), f"/decisions?{query}")


def render_decisions(frame: pd.DataFrame, *, wide: bool = False) -> str:
    lines = []
    for decision in _each(frame):
        cells: list[Cell | str] = [
            decision.symbol,
            _state(decision.action),
            _reason(decision),
            units.format_number(decision.edge_bps, 1, signed=True),
            units.format_number(decision.cost_bps, 1),
            units.format_percent(decision.target, signed=True),
            f"{decision.tick:,}",
            units.format_time(int(decision.at), TIME_FORMAT),
        ]
        if wide:
            cells += [
                units.format_percent(decision.position, signed=True),
                units.format_percent(decision.confidence),
                decision.regime,
                units.format_price(decision.price),
            ]
        lines.append(TableRow(f"{decision.tick} {decision.symbol}", tuple(cells), link_to_decision(decision.tick, decision.symbol)))
    return render_table((*_DECISIONS, *(_MORE if wide else ())), lines, label="Decisions")


def render_positions(frame: pd.DataFrame) -> str:
    lines = []
    for position in _each(frame):
        gain = (position.mark - position.entry) * position.units
        cells = (
            position.symbol,
            _state("long" if position.units > 0 else "short"),
            units.format_quantity(position.units),
            units.format_price(position.entry),
            units.format_price(position.mark),
            units.format_money(position.units * position.mark),
            units.format_money(gain, signed=True),
            units.format_percent(position.position, signed=True),
            units.format_percent(position.target, signed=True),
        )
        lines.append(TableRow(f"{position.tick} {position.symbol}", cells, link_to_decision(position.tick, position.symbol)))
    return render_table(_POSITIONS, lines, label="Positions", empty="no open positions")


def render_fills(frame: pd.DataFrame) -> str:
    lines = []
    for fill in _each(frame):
        size = "not filled" if not fill.size else units.format_quantity(fill.size)
        cells = (
            f"{fill.tick:,}",
            fill.symbol,
            _state(fill.side),
            Cell(size, small=f"{units.format_quantity(fill.unfilled)} unfilled" if fill.unfilled else ""),
            units.format_price(fill.price),
            units.format_price(fill.mid),
            units.format_number(fill.fee_bps, 1),
            units.format_number(fill.spread_bps, 1),
            units.format_number(fill.impact_bps, 1),
            units.format_number(fill.cost_bps, 1),
            units.format_money(fill.realised, signed=True),
        )
        lines.append(TableRow(f"{fill.id}|{fill.tick - 1} {fill.symbol}", cells, link_to_decision(fill.tick - 1, fill.symbol)))
    return render_table(FILL_COLUMNS, lines, label="Fills", empty="no fills yet")


def list_order_fills(decision: DecisionDetails) -> list[TableRow]:
    lines = []
    for place, fill in enumerate(decision.fills):
        lines.append(
            TableRow(
                str(place),
                (
                    _state(fill.side),
                    Cell(
                        units.format_quantity(fill.size) if fill.size else "not filled", small=f"{units.format_quantity(fill.unfilled)} unfilled" if fill.unfilled else ""
                    ),
                    units.format_price(fill.price),
                    units.format_price(fill.mid),
                    units.format_number(fill.fee_bps, 1),
                    units.format_number(fill.spread_bps, 1),
                    units.format_number(fill.impact_bps, 1),
                    units.format_number(fill.cost_bps, 1),
                    units.format_money(fill.realised, signed=True),
                ),
            )
        )
    return lines


def list_gates(decision: DecisionDetails) -> list[TableRow]:
    lines = []
    for rung in decision.gates:
        sense = rung.sense.replace("<=", "≤").replace(">=", "≥")
        verdict = "binding" if rung.name == decision.binding_gate else "pass" if rung.passed else "fail"
        cells = (
            rung.name,
            Cell(units.format_quantity(rung.value), small=rung.fault or "") if rung.unit else "",
            f"{sense} {units.format_quantity(rung.limit)} {rung.unit}" if rung.unit else "",
            f"{units.format_quantity(rung.margin)} {rung.unit}" if rung.unit else "",
            _state(verdict),
        )
        lines.append(TableRow(rung.name, cells, highlighted=verdict == "binding"))
    return lines


def list_votes(decision: DecisionDetails) -> list[TableRow]:
    lines = [
        TableRow(
            f"{vote.model} {vote.horizon}",
            (
                vote.model,
                vote.version or "not trained yet",
                units.format_count(vote.horizon, "bar"),
                units.format_bps(vote.bps, signed=True, missing="not active"),
                units.format_number(vote.trust, 2),
                units.format_number(vote.weight, 3),
            ),
        )
        for vote in decision.votes
    ]
    for expected in decision.forecast:
        band = units.format_interval(expected.low_bps, expected.high_bps, 1)
        lines.append(
            TableRow(
                f"ensemble {expected.horizon}",
                (
                    Cell("ensemble", theme.UP),
                    f"P(rise) {units.format_percent(expected.probability)}",
                    units.format_count(expected.horizon, "bar"),
                    Cell(units.format_bps(expected.bps, signed=True), small=f"90 %: {band}"),
                    "",
                    "",
                ),
                highlighted=expected.horizon == decision.horizon,
            )
        )
    return lines


def describe_gates(decision: DecisionDetails) -> dict[str, str]:
    return {rung.name: charts.describe_gate(rung) for rung in decision.gates}


def link_to_decision(tick: int, symbol: str) -> str:
    return f"/decision?tick={tick}&symbol={symbol}"


def _reason(decision: Any) -> Cell:
    return Cell(
        f"{decision.intent}: {decision.reason}",
        small=", ".join(part for part in (get_data_fault(decision), "degraded" if decision.degraded else "") if part),
    )


def get_data_fault(decision: Any) -> str:
    """Return the data incident behind the binding gate "fresh data"; "" where there is none."""
    return decision.fault if decision.binding_gate == "fresh data" and isinstance(decision.fault, str) else ""


def _state(word: str) -> Cell:
    return Cell(word, theme.state_colour(word))


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    return frame.itertuples(index=False)
