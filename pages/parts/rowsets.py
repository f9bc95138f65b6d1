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


def gates(counts: Bound, session: Session) -> str:
    """Return the share of decisions of each binding gate, largest first, then of the intents without one."""
    places = {name: place for place, (name, _, _) in enumerate(session.gates)}
    bound = sorted(((gate, n) for gate, n in counts.gates if n), key=lambda pair: -pair[1])
    lines = [_share(gate, gate_in_words(gate), n / counts.n, n, theme.gate(places[gate]), f"gate={gate}") for gate, n in bound]
    lines += [_share(intent, f"traded: {intent}", n / counts.n, n, theme.UP, f"intent={intent}") for intent, n in counts.intents if n]
    if counts.free:
        lines.append(_share("none", "held: no gate failed", counts.free / counts.n, counts.free, theme.FREE, "action=hold&gate=none"))
    columns = (Column("Reason"), Column("Share of decisions", whole=True), Column("Share", right=True), Column("Decisions", right=True))
    return html(columns, lines, label="Share of decisions by binding gate", cards=False)


def _share(key: str, name: str, share: float, n: int, colour: str, query: str) -> Line:
    return Line(key, (Cell(name, colour), Cell("", colour, bar=share), units.percent(share), f"{n:,}"), f"/decisions?{query}")


def decisions(frame: pd.DataFrame, *, wide: bool = False) -> str:
    lines = []
    for decision in _each(frame):
        cells: list[Cell | str] = [
            decision.symbol,
            _state(decision.action),
            _reason(decision),
            units.number(decision.edge_bps, 1, signed=True),
            units.number(decision.cost_bps, 1),
            units.percent(decision.target, signed=True),
            f"{decision.tick:,}",
            units.moment(int(decision.at), CLOCK),
        ]
        if wide:
            cells += [units.percent(decision.position, signed=True), units.percent(decision.confidence), decision.regime, units.price(decision.price)]
        lines.append(Line(f"{decision.tick} {decision.symbol}", tuple(cells), link(decision.tick, decision.symbol)))
    return html((*_DECISIONS, *(_MORE if wide else ())), lines, label="Decisions")


def positions(frame: pd.DataFrame) -> str:
    lines = []
    for position in _each(frame):
        gain = (position.mark - position.entry) * position.units
        cells = (
            position.symbol,
            _state("long" if position.units > 0 else "short"),
            units.size(position.units),
            units.price(position.entry),
            units.price(position.mark),
            units.money(position.units * position.mark),
            units.money(gain, signed=True),
            units.percent(position.position, signed=True),
            units.percent(position.target, signed=True),
        )
        lines.append(Line(f"{position.tick} {position.symbol}", cells, link(position.tick, position.symbol)))
    return html(_POSITIONS, lines, label="Positions", empty="no open positions")


def fills(frame: pd.DataFrame) -> str:
    lines = []
    for fill in _each(frame):
        size = "not filled" if not fill.size else units.size(fill.size)
        cells = (
            f"{fill.tick:,}",
            fill.symbol,
            _state(fill.side),
            Cell(size, small=f"{units.size(fill.unfilled)} unfilled" if fill.unfilled else ""),
            units.price(fill.price),
            units.price(fill.mid),
            units.number(fill.fee_bps, 1),
            units.number(fill.spread_bps, 1),
            units.number(fill.impact_bps, 1),
            units.number(fill.cost_bps, 1),
            units.money(fill.realised, signed=True),
        )
        lines.append(Line(f"{fill.id}|{fill.tick - 1} {fill.symbol}", cells, link(fill.tick - 1, fill.symbol)))
    return html(FILLS, lines, label="Fills", empty="no fills yet")


def filled(decision: DecisionTold) -> list[Line]:
    lines = []
    for place, fill in enumerate(decision.fills):
        lines.append(
            Line(
                str(place),
                (
                    _state(fill.side),
                    Cell(
                        units.size(fill.size) if fill.size else "not filled", small=f"{units.size(fill.unfilled)} unfilled" if fill.unfilled else ""
                    ),
                    units.price(fill.price),
                    units.price(fill.mid),
                    units.number(fill.fee_bps, 1),
                    units.number(fill.spread_bps, 1),
                    units.number(fill.impact_bps, 1),
                    units.number(fill.cost_bps, 1),
                    units.money(fill.realised, signed=True),
                ),
            )
        )
    return lines


def ladder(decision: DecisionTold) -> list[Line]:
    lines = []
    for rung in decision.rungs:
        sense = rung.sense.replace("<=", "≤").replace(">=", "≥")
        verdict = "binding" if rung.name == decision.binding_gate else "pass" if rung.passed else "fail"
        cells = (
            rung.name,
            Cell(units.size(rung.value), small=rung.fault or "") if rung.unit else "",
            f"{sense} {units.size(rung.limit)} {rung.unit}" if rung.unit else "",
            f"{units.size(rung.margin)} {rung.unit}" if rung.unit else "",
            _state(verdict),
        )
        lines.append(Line(rung.name, cells, marked=verdict == "binding"))
    return lines


def votes(decision: DecisionTold) -> list[Line]:
    lines = [
        Line(
            f"{vote.model} {vote.horizon}",
            (
                vote.model,
                vote.version or "not trained yet",
                units.count(vote.horizon, "bar"),
                units.bps(vote.bps, signed=True, missing="not active"),
                units.number(vote.trust, 2),
                units.number(vote.weight, 3),
            ),
        )
        for vote in decision.votes
    ]
    for expected in decision.forecast:
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
                marked=expected.horizon == decision.horizon,
            )
        )
    return lines


def figures_of(decision: DecisionTold) -> dict[str, str]:
    return {rung.name: charts_decision.figures(rung) for rung in decision.rungs}


def link(tick: int, symbol: str) -> str:
    return f"/decision?tick={tick}&symbol={symbol}"


def _reason(decision: Any) -> Cell:
    return Cell(
        f"{decision.intent}: {decision.reason}",
        small=", ".join(part for part in (fault_of(decision), "degraded" if decision.degraded else "") if part),
    )


def fault_of(decision: Any) -> str:
    """Return the data incident behind the binding gate "fresh data"; "" where there is none."""
    return decision.fault if decision.binding_gate == "fresh data" and isinstance(decision.fault, str) else ""


def _state(word: str) -> Cell:
    return Cell(word, theme.state(word))


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    return frame.itertuples(index=False)
