"""Frames as rows of tables: what each column shows, in words and units."""

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
GATE_COLUMNS = (Column("Gate"), Column("Value", right=True), Column("Needs", right=True), Column("Margin", right=True), Column("Verdict"))
VOTE_COLUMNS = (
    Column("Model"),
    Column("Version"),
    Column("Horizon", right=True),
    Column("Expects", right=True),
    Column("Trust", right=True),
    Column("Weight", right=True),
)
OUTCOME_COLUMNS = (Column("After"), Column("Move", right=True), Column("With the action", right=True))
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
    Column("In all, bps", right=True),
    Column("Realised", right=True),
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
_MORE = (Column("Held", right=True), Column("P(direction)", right=True), Column("Regime"), Column("Price", right=True))
_POSITIONS = (
    Column("Symbol"),
    Column("Side"),
    Column("Size", right=True),
    Column("Entry", right=True),
    Column("Mark", right=True),
    Column("Worth", right=True),
    Column("Gain, not realised", right=True),
    Column("Share of equity", right=True),
    Column("Target", right=True),
)


def render_gate_shares(told: GateCounts, session: SessionInfo) -> str:
    """Shares of the gates that bound, largest first; what was done, where none did, comes last."""
    places = {name: place for place, (name, _, _) in enumerate(session.gates)}
    bound = sorted(((gate, n) for gate, n in told.gates if n), key=lambda one: -one[1])
    lines = [_share(gate, phrase_gate(gate), n / told.total, n, theme.gate_colour(places[gate]), f"gate={gate}") for gate, n in bound]
    lines += [_share(intent, f"traded: {intent}", n / told.total, n, theme.UP, f"intent={intent}") for intent, n in told.intents if n]
    if told.unbound:
        lines.append(_share("none", "held: no gate failed", told.unbound / told.total, told.unbound, theme.FREE, "action=hold&gate=none"))
    columns = (Column("Reason"), Column("Share of decisions", full_width=True), Column("Share", right=True), Column("Decisions", right=True))
    return render_table(columns, lines, label="How often each gate bound", cards=False)


def _share(key: str, name: str, share: float, n: int, colour: str, query: str) -> TableRow:
    return TableRow(key, (Cell(name, colour), Cell("", colour, bar=share), units.format_percent(share), f"{n:,}"), f"/decisions?{query}")


def render_decisions(frame: pd.DataFrame, *, wide: bool = False) -> str:
    lines = []
    for one in _each(frame):
        cells: list[Cell | str] = [
            one.symbol,
            _state(one.action),
            _reason(one),
            units.format_number(one.edge_bps, 1, signed=True),
            units.format_number(one.cost_bps, 1),
            units.format_percent(one.target, signed=True),
            f"{one.tick:,}",
            units.format_time(int(one.at), TIME_FORMAT),
        ]
        if wide:
            cells += [
                units.format_percent(one.position, signed=True),
                units.format_percent(one.confidence),
                one.regime,
                units.format_price(one.price),
            ]
        lines.append(TableRow(f"{one.tick} {one.symbol}", tuple(cells), link_to_decision(one.tick, one.symbol)))
    return render_table((*_DECISIONS, *(_MORE if wide else ())), lines, label="Decisions")


def render_positions(frame: pd.DataFrame) -> str:
    lines = []
    for one in _each(frame):
        gain = (one.mark - one.entry) * one.units
        cells = (
            one.symbol,
            _state("long" if one.units > 0 else "short"),
            units.format_quantity(one.units),
            units.format_price(one.entry),
            units.format_price(one.mark),
            units.format_money(one.units * one.mark),
            units.format_money(gain, signed=True),
            units.format_percent(one.position, signed=True),
            units.format_percent(one.target, signed=True),
        )
        lines.append(TableRow(f"{one.tick} {one.symbol}", cells, link_to_decision(one.tick, one.symbol)))
    return render_table(_POSITIONS, lines, label="Positions", empty="nothing is held")


def render_fills(frame: pd.DataFrame) -> str:
    lines = []
    for one in _each(frame):
        size = "cannot fill" if not one.size else units.format_quantity(one.size)
        cells = (
            f"{one.tick:,}",
            one.symbol,
            _state(one.side),
            Cell(size, small=f"{units.format_quantity(one.unfilled)} unfilled" if one.unfilled else ""),
            units.format_price(one.price),
            units.format_price(one.mid),
            units.format_number(one.fee_bps, 1),
            units.format_number(one.spread_bps, 1),
            units.format_number(one.impact_bps, 1),
            units.format_number(one.cost_bps, 1),
            units.format_money(one.realised, signed=True),
        )
        lines.append(TableRow(f"{one.id}|{one.tick - 1} {one.symbol}", cells, link_to_decision(one.tick - 1, one.symbol)))
    return render_table(FILL_COLUMNS, lines, label="Fills", empty="nothing has been bought or sold yet")


def list_order_fills(told: DecisionDetails) -> list[TableRow]:
    lines = []
    for place, one in enumerate(told.fills):
        lines.append(
            TableRow(
                str(place),
                (
                    _state(one.side),
                    Cell(
                        units.format_quantity(one.size) if one.size else "cannot fill",
                        small=f"{units.format_quantity(one.unfilled)} unfilled" if one.unfilled else "",
                    ),
                    units.format_price(one.price),
                    units.format_price(one.mid),
                    units.format_number(one.fee_bps, 1),
                    units.format_number(one.spread_bps, 1),
                    units.format_number(one.impact_bps, 1),
                    units.format_number(one.cost_bps, 1),
                    units.format_money(one.realised, signed=True),
                ),
            )
        )
    return lines


def list_gates(told: DecisionDetails) -> list[TableRow]:
    lines = []
    for rung in told.gates:
        sense = rung.sense.replace("<=", "≤").replace(">=", "≥")
        verdict = "binding" if rung.name == told.binding_gate else "pass" if rung.passed else "fail"
        cells = (
            rung.name,
            Cell(units.format_quantity(rung.value), small=rung.fault or "") if rung.unit else "",
            f"{sense} {units.format_quantity(rung.limit)} {rung.unit}" if rung.unit else "",
            f"{units.format_quantity(rung.margin)} {rung.unit}" if rung.unit else "",
            _state(verdict),
        )
        lines.append(TableRow(rung.name, cells, highlighted=verdict == "binding"))
    return lines


def list_votes(told: DecisionDetails) -> list[TableRow]:
    lines = [
        TableRow(
            f"{one.model} {one.horizon}",
            (
                one.model,
                one.version or "not fitted yet",
                units.format_count(one.horizon, "bar"),
                units.format_bps(one.bps, signed=True, missing="not heard"),
                units.format_number(one.trust, 2),
                units.format_number(one.weight, 3),
            ),
        )
        for one in told.votes
    ]
    for expected in told.forecast:
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
                highlighted=expected.horizon == told.horizon,
            )
        )
    return lines


def describe_gates(told: DecisionDetails) -> dict[str, str]:
    return {rung.name: charts.describe_gate(rung) for rung in told.gates}


def link_to_decision(tick: int, symbol: str) -> str:
    return f"/decision?tick={tick}&symbol={symbol}"


def _reason(one: Any) -> Cell:
    return Cell(f"{one.intent}: {one.reason}", small=", ".join(part for part in (get_data_fault(one), "degraded" if one.degraded else "") if part))


def get_data_fault(one: Any) -> str:
    """The incident that shut "fresh data", where that gate binds; "" where there is none."""
    return one.fault if one.binding_gate == "fresh data" and isinstance(one.fault, str) else ""


def _state(word: str) -> Cell:
    return Cell(word, theme.state_colour(word))


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    return frame.itertuples(index=False)
