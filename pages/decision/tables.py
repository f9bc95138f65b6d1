"""The header, tiles and tables of one decision: gates and votes."""

from __future__ import annotations

from html import escape

from engine import units
from engine.store.read.decision import DecisionDetails
from pages.decision import text
from pages.ui import tables, theme
from pages.ui.tables import Cell, Column, TableRow, number_columns, text_columns
from pages.ui.widgets import Tile

GATE_COLUMNS = (Column("Gate"), *number_columns("Value", "Limit", "Margin"), Column("Verdict", term="gate verdict"))
VOTE_COLUMNS = (*text_columns("Model", "Version"), *number_columns("Horizon", "Forecast", "Reliability", "Weight"))


def render_header(decision: DecisionDetails, *, following: bool = False) -> str:
    """Return the head of the page: symbol, action, intent, tick and times."""
    decided = f'<span class="pd-muted">decided {units.format_time(decision.wall)} UTC in {units.format_ms(decision.ms)}</span>'
    newest = '<span class="pd-muted">newest, updated with every tick</span>'
    box = ' tabindex="0" role="group" aria-label="The newest decision"' if following else ""  # of fixed height: the keyboard scrolls it
    warm = '<span class="pd-muted">warm-up decision</span>' if decision.warm else ""
    fallbacks = "".join(tables.render_chip(f"{phase}: fallback", theme.WARNING) for phase in decision.degraded)
    return (
        f'<div class="pd"><div class="pd-head" style="margin-top:.2rem"{box}>'
        f'<span style="font-size:1.3rem;font-weight:650">{escape(decision.symbol)}</span>'
        f'<span style="font-size:1.15rem;font-weight:600">{tables.render_chip(decision.action)}</span>{_intent(decision)}'
        f"<span>tick <b>{decision.tick:,}</b></span><span>market {units.format_time(decision.at)} UTC</span>"
        f"{newest if following else decided}{warm}{fallbacks}</div></div>"
    )


def build_decision_tiles(decision: DecisionDetails) -> list[Tile]:
    """Build the tiles: binding gate or reason, expected move, cost, target, probability, skill and edge to flip."""
    expected = next((forecast for forecast in decision.forecast if forecast.horizon == decision.horizon), None)
    interval = units.NOT_ENOUGH if expected is None else units.format_interval(expected.low_bps, expected.high_bps, 1, "bps")
    binding = next((gate for gate in decision.gates if gate.name == decision.binding_gate), None)
    column = decision.session.horizons.index(decision.horizon) if decision.horizon in decision.session.horizons else None
    low, estimate = (_value_at(decision.skill.get(name), column) for name in ("low", "estimate"))
    return [
        Tile(
            "Intent and reason" if binding is None else "Binding gate",
            f"{decision.intent}: {text.describe_reason(decision)}",
            "Binding gate: none" if binding is None else text.describe_binding_gate(binding),
        ),
        Tile(
            f"Expected move, {units.format_count(decision.horizon, 'bar')}",
            units.format_bps(decision.edge_bps, signed=True, missing=units.NOT_ENOUGH),
            f"90 %: {interval}",
        ),
        Tile(
            "Round-trip cost",
            units.format_bps(decision.cost_bps),
            f"edge above cost {units.format_bps(_excess(decision.edge_bps, decision.cost_bps), signed=True)}",
        ),
        Tile(
            "Target",
            units.format_percent(decision.target, signed=True),
            f"of equity; position before {units.format_percent(decision.position, signed=True)}",
        ),
        Tile("P(direction)", units.format_percent(decision.confidence), f"cross-check: {decision.verdict}"),
        Tile(
            "Proven skill (R²)",
            units.format_percent(low, 2, missing=units.NOT_ENOUGH),
            f"lower bound; estimate {units.format_percent(estimate, 2, missing=units.NOT_ENOUGH)}",
        ),
        Tile("Edge to flip", units.format_bps(decision.edge_to_flip_bps, signed=True, missing="none"), text.describe_flip(decision)),
    ]


def list_gates(decision: DecisionDetails) -> list[TableRow]:
    """List every gate with value, limit, margin and verdict."""
    rows = []
    for gate in decision.gates:
        sense = gate.sense.replace("<=", "≤").replace(">=", "≥")
        verdict = "binding" if gate.name == decision.binding_gate else "pass" if gate.passed else "fail"
        cells = (
            gate.name,
            Cell(units.format_quantity(gate.value), small=gate.fault or "") if gate.unit else "",
            f"{sense} {units.format_quantity(gate.limit)} {gate.unit}" if gate.unit else "",
            f"{units.format_quantity(gate.margin)} {gate.unit}" if gate.unit else "",
            Cell(verdict, theme.state_colour(verdict)),
        )
        rows.append(TableRow(gate.name, cells, highlighted=verdict == "binding"))
    return rows


def list_votes(decision: DecisionDetails) -> list[TableRow]:
    """List the forecast of every model, then of the ensemble, by horizon."""
    rows = [
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
    for ensemble in decision.forecast:
        interval = units.format_interval(ensemble.low_bps, ensemble.high_bps, 1)
        rows.append(
            TableRow(
                f"ensemble {ensemble.horizon}",
                (
                    Cell("ensemble", theme.UP),
                    f"P(rise) {units.format_percent(ensemble.probability)}",
                    units.format_count(ensemble.horizon, "bar"),
                    Cell(units.format_bps(ensemble.bps, signed=True), small=f"90 %: {interval}"),
                    "",
                    "",
                ),
                highlighted=ensemble.horizon == decision.horizon,
            )
        )
    return rows


def _intent(decision: DecisionDetails) -> str:
    reason = f"<b>{escape(text.describe_reason(decision))}</b>"
    return f"<span>{reason}</span>" if decision.action == "hold" else f"<span>intent: {escape(decision.intent)}, {reason}</span>"


def _excess(edge: float | None, cost: float | None) -> float | None:
    return None if edge is None or cost is None else abs(edge) - cost


def _value_at(values: list[float | None] | None, place: int | None) -> float | None:
    return values[place] if values and place is not None and place < len(values) else None
