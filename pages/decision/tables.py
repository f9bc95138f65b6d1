"""The figures of one decision: its head, its tiles, its costs, the market it met, and what came of it."""

from __future__ import annotations

from html import escape

from engine import units
from engine.explain import describe_fault
from engine.store.read.decision import DecisionDetails, GateResult
from pages.decision import text
from pages.ui import tables, theme
from pages.ui.tables import Cell, TableRow
from pages.ui.widgets import Tile


def render_header(told: DecisionDetails, *, following: bool = False) -> str:
    newest = '<span class="pd-muted">the newest, followed as ticks come</span>' if following else ""
    warm = '<span class="pd-muted">decided in the warm-up</span>' if told.warm else ""
    broken = "".join(tables.render_chip(f"{phase} fell back", theme.WARNING) for phase in told.degraded)
    return (
        f'<div class="pd"><div class="pd-head" style="margin-top:.2rem"><span style="font-size:1.3rem;font-weight:650">{escape(told.symbol)}</span>'
        f'<span style="font-size:1.15rem;font-weight:600">{tables.render_chip(told.action)}</span>{_intent(told)}'
        f"<span>tick <b>{told.tick:,}</b></span><span>market {units.format_time(told.at)} UTC</span>"
        f'<span class="pd-muted">decided {units.format_time(told.wall)} UTC in {units.format_ms(told.ms)}</span>{newest}{warm}{broken}</div></div>'
    )


def _intent(told: DecisionDetails) -> str:
    return "" if told.action == "hold" else f"<span>to {escape(told.intent)}</span>"


def build_decision_tiles(told: DecisionDetails) -> list[Tile]:
    expected = next((one for one in told.forecast if one.horizon == told.horizon), None)
    band = units.NOT_ENOUGH if expected is None else units.format_interval(expected.low_bps, expected.high_bps, 1, "bps")
    binding = next((rung for rung in told.gates if rung.name == told.binding_gate), None)
    place = told.session.horizons.index(told.horizon) if told.horizon in told.session.horizons else None
    low, estimate = (_at(told.skill.get(name), place) for name in ("low", "estimate"))
    return [
        Tile(
            "Intent and reason" if binding is None else "Binding gate",
            f"{told.intent}: {text.describe_reason(told)}",
            "Binding gate: none" if binding is None else describe_binding_gate(binding),
        ),
        Tile(
            f"Expected move, {units.format_count(told.horizon, 'bar')}",
            units.format_bps(told.edge_bps, signed=True, missing=units.NOT_ENOUGH),
            f"90 %: {band}",
        ),
        Tile(
            "Round trip costs",
            units.format_bps(told.cost_bps),
            f"edge over cost {units.format_bps(_less(told.edge_bps, told.cost_bps), signed=True)}",
        ),
        Tile("Target", units.format_percent(told.target, signed=True), f"held {units.format_percent(told.position, signed=True)} of equity before"),
        Tile("P(direction)", units.format_percent(told.confidence), f"cross-check: {told.verdict}"),
        Tile(
            "Proven skill (R²)",
            units.format_percent(low, 2, missing=units.NOT_ENOUGH),
            f"lower bound; estimate {units.format_percent(estimate, 2, missing=units.NOT_ENOUGH)}",
        ),
        Tile("Would have flipped at", units.format_bps(told.edge_to_flip_bps, signed=True, missing="no change would"), describe_flip(told)),
    ]


def describe_binding_gate(rung: GateResult) -> str:
    """The fault of the data that shut the gate, else by how much it failed."""
    if rung.fault is not None:
        return describe_fault(rung.fault, rung.value)
    return f"{rung.name}: margin {units.format_quantity(rung.margin)} {rung.unit}" if rung.unit else f"gate {rung.name}"


def describe_flip(told: DecisionDetails) -> str:
    """What the smallest change that flips the decision means."""
    if told.edge_to_flip_bps is None:
        return "of the expected move alone"
    return "smallest change of the expected move, other gates passed"


def list_costs(told: DecisionDetails) -> list[TableRow]:
    half = None if told.spread_bps is None else told.spread_bps / 2
    one_way = None if half is None or told.fee_bps is None or told.impact_bps is None else half + told.fee_bps + told.impact_bps
    told_lines = (
        ("Fee, one way", units.format_bps(told.fee_bps)),
        (f"Half the spread ({told.spread_source})", units.format_bps(half)),
        ("Impact, one way, of the largest order", units.format_bps(told.impact_bps)),
        ("One way in all", units.format_bps(one_way)),
        ("Round trip", units.format_bps(told.cost_bps)),
        ("Expected move", units.format_bps(told.edge_bps, signed=True)),
        ("Execution", told.execution),
    )
    return [TableRow(name, (name, value), highlighted=name == "Round trip") for name, value in told_lines]


def list_outcomes(told: DecisionDetails) -> list[TableRow]:
    sign = {"buy": 1.0, "sell": -1.0}.get(told.action)
    lines = []
    for one in told.outcomes:
        move = one.reason if one.bps is None else units.format_bps(one.bps, signed=True)
        colour = None if one.bps is None else theme.UP if one.bps > 0 else theme.DOWN
        acted = "held" if sign is None else units.MISSING if one.bps is None else units.format_bps(sign * one.bps, signed=True)
        lines.append(
            TableRow(str(one.horizon), (units.format_count(one.horizon, "bar"), Cell(move, colour), acted), highlighted=one.horizon == told.horizon)
        )
    return lines


def list_market_state(told: DecisionDetails) -> list[TableRow]:
    regimes = ", ".join(f"{name} {units.format_percent(share, 0)}" for name, share in told.regimes)
    pairs = [
        ("Regime", told.regime),
        ("Probabilities", regimes),
        ("Price", units.format_price(told.price)),
        ("Volatility of a bar", units.format_bps(told.sigma_bps)),
        ("Spread", units.format_bps(told.spread_bps)),
        ("Book imbalance", units.format_number(told.micro.get("imbalance"), 2, signed=True)),
        ("Flow pressure", units.format_number(told.micro.get("pressure"), 2, signed=True)),
        ("Depth, money", units.format_money(told.micro.get("depth"))),
        ("Bar", next((describe_fault(rung.fault, rung.value) for rung in told.gates if rung.fault), "fresh" if told.fresh else "missing or stale")),
    ]
    return [TableRow(name, (name, value)) for name, value in pairs if value]


def list_machine_state(told: DecisionDetails) -> list[TableRow]:
    """What the machine was like; a container's figure stands where there is one, and what was not known is left out."""
    known = {name: value for name, value in told.machine.items() if value is not None}
    limited = "container" if "container.memory_percent" in known else "host"
    shown = (
        ("CPU, host", "host.cpu_percent", "%"),
        ("CPU, this process", "process.cpu_percent", "%"),
        ("Throttled", "container.cpu_throttled_percent", "%"),
        (f"Memory of the {limited}", f"{limited}.memory_percent", "%"),
        ("Memory of this process", "process.rss_bytes", "bytes"),
        ("Waited for a CPU", "host.cpu_pressure_percent", "%"),
        ("Waited for memory", "host.memory_pressure_percent", "%"),
        ("Waited for a disk", "host.io_pressure_percent", "%"),
        ("Paused for garbage", "process.gc_pause_ms", "ms"),
        ("Since the tick before", "engine.data_age_ms", "ms"),
        ("Threads", "process.threads", "count"),
    )
    return [
        TableRow(label, (label, units.format_age(known[name] / 1000) if name == "engine.data_age_ms" else units.format_reading(known[name], unit)))
        for label, name, unit in shown
        if name in known
    ]


def _less(edge: float | None, price: float | None) -> float | None:
    return None if edge is None or price is None else abs(edge) - price


def _at(values: list[float | None] | None, place: int | None) -> float | None:
    return values[place] if values and place is not None and place < len(values) else None
