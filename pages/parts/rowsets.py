"""The tables of decisions, positions and fills: frames as rows, in words and units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from engine.domain.intents import gate_in_words
from engine.store.decision_query import DecisionTold
from engine.store.page_queries import Bound
from engine.store.status_query import Session
from pages.parts import charts_decision, theme, units
from pages.parts.tables import Cell, Column, Line, html

CLOCK = "%m-%d %H:%M"
PAIR = (Column("", nowrap=True), Column("", right=True, wrap=True))
FIGURE = (Column(""), Column("", right=True))
LADDER = (Column("Gate"), Column("Value", right=True), Column("Limit", right=True), Column("Margin", right=True), Column("Verdict"))
VOTES = (
    Column("Model"),
    Column("Version"),
    Column("Horizon", right=True),
    Column("Forecast", right=True),
    Column("Trust", right=True),
    Column("Weight", right=True),
)
CAME = (Column("Horizon"), Column("Price move", right=True), Column("In trade direction", right=True))
FILLS = (
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
    Column("Intent and reason", whole=True),
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


def gates(told: Bound, session: Session) -> str:
    """Return the share of decisions of each binding gate, largest first, then of the intents without one."""
    places = {name: place for place, (name, _, _) in enumerate(session.gates)}
    bound = sorted(((gate, n) for gate, n in told.gates if n), key=lambda one: -one[1])
    lines = [_share(gate, gate_in_words(gate), n / told.n, n, theme.gate(places[gate]), f"gate={gate}") for gate, n in bound]
    lines += [_share(intent, f"traded: {intent}", n / told.n, n, theme.UP, f"intent={intent}") for intent, n in told.intents if n]
    if told.free:
        lines.append(_share("none", "held: no gate failed", told.free / told.n, told.free, theme.FREE, "action=hold&gate=none"))
    columns = (Column("Reason"), Column("Share of decisions", whole=True), Column("Share", right=True), Column("Decisions", right=True))
    return html(columns, lines, label="Share of decisions by binding gate", cards=False)


def _share(key: str, name: str, share: float, n: int, colour: str, query: str) -> Line:
    return Line(key, (Cell(name, colour), Cell("", colour, bar=share), units.percent(share), f"{n:,}"), f"/decisions?{query}")


def decisions(frame: pd.DataFrame, *, wide: bool = False) -> str:
    lines = []
    for one in _each(frame):
        cells: list[Cell | str] = [
            one.symbol,
            _state(one.action),
            _reason(one),
            units.number(one.edge_bps, 1, signed=True),
            units.number(one.cost_bps, 1),
            units.percent(one.target, signed=True),
            f"{one.tick:,}",
            units.moment(int(one.at), CLOCK),
        ]
        if wide:
            cells += [units.percent(one.position, signed=True), units.percent(one.confidence), one.regime, units.price(one.price)]
        lines.append(Line(f"{one.tick} {one.symbol}", tuple(cells), link(one.tick, one.symbol)))
    return html((*_DECISIONS, *(_MORE if wide else ())), lines, label="Decisions")


def positions(frame: pd.DataFrame) -> str:
    lines = []
    for one in _each(frame):
        gain = (one.mark - one.entry) * one.units
        cells = (
            one.symbol,
            _state("long" if one.units > 0 else "short"),
            units.size(one.units),
            units.price(one.entry),
            units.price(one.mark),
            units.money(one.units * one.mark),
            units.money(gain, signed=True),
            units.percent(one.position, signed=True),
            units.percent(one.target, signed=True),
        )
        lines.append(Line(f"{one.tick} {one.symbol}", cells, link(one.tick, one.symbol)))
    return html(_POSITIONS, lines, label="Positions", empty="no open positions")


def fills(frame: pd.DataFrame) -> str:
    lines = []
    for one in _each(frame):
        size = "not filled" if not one.size else units.size(one.size)
        cells = (
            f"{one.tick:,}",
            one.symbol,
            _state(one.side),
            Cell(size, small=f"{units.size(one.unfilled)} unfilled" if one.unfilled else ""),
            units.price(one.price),
            units.price(one.mid),
            units.number(one.fee_bps, 1),
            units.number(one.spread_bps, 1),
            units.number(one.impact_bps, 1),
            units.number(one.cost_bps, 1),
            units.money(one.realised, signed=True),
        )
        lines.append(Line(f"{one.id}|{one.tick - 1} {one.symbol}", cells, link(one.tick - 1, one.symbol)))
    return html(FILLS, lines, label="Fills", empty="no fills yet")


def filled(told: DecisionTold) -> list[Line]:
    lines = []
    for place, one in enumerate(told.fills):
        lines.append(
            Line(
                str(place),
                (
                    _state(one.side),
                    Cell(units.size(one.size) if one.size else "not filled", small=f"{units.size(one.unfilled)} unfilled" if one.unfilled else ""),
                    units.price(one.price),
                    units.price(one.mid),
                    units.number(one.fee_bps, 1),
                    units.number(one.spread_bps, 1),
                    units.number(one.impact_bps, 1),
                    units.number(one.cost_bps, 1),
                    units.money(one.realised, signed=True),
                ),
            )
        )
    return lines


def ladder(told: DecisionTold) -> list[Line]:
    lines = []
    for rung in told.rungs:
        sense = rung.sense.replace("<=", "≤").replace(">=", "≥")
        verdict = "binding" if rung.name == told.binding_gate else "pass" if rung.passed else "fail"
        cells = (
            rung.name,
            Cell(units.size(rung.value), small=rung.fault or "") if rung.unit else "",
            f"{sense} {units.size(rung.limit)} {rung.unit}" if rung.unit else "",
            f"{units.size(rung.margin)} {rung.unit}" if rung.unit else "",
            _state(verdict),
        )
        lines.append(Line(rung.name, cells, marked=verdict == "binding"))
    return lines


def votes(told: DecisionTold) -> list[Line]:
    lines = [
        Line(
            f"{one.model} {one.horizon}",
            (
                one.model,
                one.version or "not trained yet",
                units.count(one.horizon, "bar"),
                units.bps(one.bps, signed=True, missing="not active"),
                units.number(one.trust, 2),
                units.number(one.weight, 3),
            ),
        )
        for one in told.votes
    ]
    for expected in told.forecast:
        band = units.interval(expected.low_bps, expected.high_bps, 1)
        lines.append(
            Line(
                f"ensemble {expected.horizon}",
                (
                    Cell("ensemble", theme.UP),
                    f"P(rise) {units.percent(expected.probability)}",
                    units.count(expected.horizon, "bar"),
                    Cell(units.bps(expected.bps, signed=True), small=f"90 %: {band}"),
                    "",
                    "",
                ),
                marked=expected.horizon == told.horizon,
            )
        )
    return lines


def figures_of(told: DecisionTold) -> dict[str, str]:
    return {rung.name: charts_decision.figures(rung) for rung in told.rungs}


def link(tick: int, symbol: str) -> str:
    return f"/decision?tick={tick}&symbol={symbol}"


def _reason(one: Any) -> Cell:
    return Cell(f"{one.intent}: {one.reason}", small=", ".join(part for part in (fault_of(one), "degraded" if one.degraded else "") if part))


def fault_of(one: Any) -> str:
    """Return the data incident behind the binding gate "fresh data"; "" where there is none."""
    return one.fault if one.binding_gate == "fresh data" and isinstance(one.fault, str) else ""


def _state(word: str) -> Cell:
    return Cell(word, theme.state(word))


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    return frame.itertuples(index=False)
