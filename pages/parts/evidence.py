"""The header, tiles and tables of one decision: costs, outcome, and the state of market and machine."""

from __future__ import annotations

from html import escape

from engine.explain import describe_fault
from engine.store.decision_query import DecisionTold, Rung
from pages.parts import spoken, tables, theme, units
from pages.parts.tables import Cell, Line
from pages.parts.widgets import Tile


def header(told: DecisionTold, *, following: bool = False) -> str:
    newest = '<span class="pd-muted">newest, updated with every tick</span>' if following else ""
    warm = '<span class="pd-muted">warm-up decision</span>' if told.warm else ""
    broken = "".join(tables.chip(f"{phase}: fallback", theme.WARNING) for phase in told.degraded)
    return (
        f'<div class="pd"><div class="pd-head" style="margin-top:.2rem"><span style="font-size:1.3rem;font-weight:650">{escape(told.symbol)}</span>'
        f'<span style="font-size:1.15rem;font-weight:600">{tables.chip(told.action)}</span>{_intent(told)}'
        f"<span>tick <b>{told.tick:,}</b></span><span>market {units.moment(told.at)} UTC</span>"
        f'<span class="pd-muted">decided {units.moment(told.wall)} UTC in {units.ms(told.ms)}</span>{newest}{warm}{broken}</div></div>'
    )


def _intent(told: DecisionTold) -> str:
    return "" if told.action == "hold" else f"<span>intent: {escape(told.intent)}</span>"


def tiles(told: DecisionTold) -> list[Tile]:
    expected = next((one for one in told.forecast if one.horizon == told.horizon), None)
    band = units.NOT_ENOUGH if expected is None else units.interval(expected.low_bps, expected.high_bps, 1, "bps")
    binding = next((rung for rung in told.rungs if rung.name == told.binding_gate), None)
    place = told.session.horizons.index(told.horizon) if told.horizon in told.session.horizons else None
    low, estimate = (_at(told.skill.get(name), place) for name in ("low", "estimate"))
    return [
        Tile(
            "Intent and reason" if binding is None else "Binding gate",
            f"{told.intent}: {spoken.reason(told)}",
            "Binding gate: none" if binding is None else binding_reason(binding),
        ),
        Tile(f"Expected move, {units.count(told.horizon, 'bar')}", units.bps(told.edge_bps, signed=True, missing=units.NOT_ENOUGH), f"90 %: {band}"),
        Tile("Round-trip cost", units.bps(told.cost_bps), f"edge above cost {units.bps(_less(told.edge_bps, told.cost_bps), signed=True)}"),
        Tile("Target", units.percent(told.target, signed=True), f"of equity; position before {units.percent(told.position, signed=True)}"),
        Tile("P(direction)", units.percent(told.confidence), f"cross-check: {told.verdict}"),
        Tile(
            "Proven skill (R²)",
            units.percent(low, 2, missing=units.NOT_ENOUGH),
            f"lower bound; estimate {units.percent(estimate, 2, missing=units.NOT_ENOUGH)}",
        ),
        Tile("Edge to flip", units.bps(told.flip_bps, signed=True, missing="none"), flip(told)),
    ]


def binding_reason(rung: Rung) -> str:
    """Return the data incident behind the binding gate, else its margin."""
    if rung.fault is not None:
        return describe_fault(rung.fault, rung.value)
    if not rung.unit:
        return f"gate {rung.name}"
    return f"{rung.name}: {units.NOT_ENOUGH}" if rung.margin is None else f"{rung.name}: margin {units.size(rung.margin)} {rung.unit}"


def flip(told: DecisionTold) -> str:
    """Explain the smallest change that flips the decision."""
    if told.flip_bps is None:
        return "no change of the expected move alone would flip it"
    return "smallest change of the expected move that flips it, other gates passed"


def cost(told: DecisionTold) -> list[Line]:
    half = None if told.spread_bps is None else told.spread_bps / 2
    one_way = None if half is None or told.fee_bps is None or told.impact_bps is None else half + told.fee_bps + told.impact_bps
    told_lines = (
        ("Fee", units.bps(told.fee_bps)),
        (f"Half-spread ({told.spread_source})", units.bps(half)),
        ("Impact of the largest order", units.bps(told.impact_bps)),
        ("Total, one way", units.bps(one_way)),
        ("Round trip", units.bps(told.cost_bps)),
        ("Expected move", units.bps(told.edge_bps, signed=True)),
        ("Execution", told.execution),
    )
    return [Line(name, (name, value), marked=name == "Round trip") for name, value in told_lines]


def came(told: DecisionTold) -> list[Line]:
    sign = {"buy": 1.0, "sell": -1.0}.get(told.action)
    lines = []
    for one in told.came:
        move = one.why if one.bps is None else units.bps(one.bps, signed=True)
        colour = None if one.bps is None else theme.UP if one.bps > 0 else theme.DOWN
        acted = "no trade" if sign is None else units.MISSING if one.bps is None else units.bps(sign * one.bps, signed=True)
        lines.append(Line(str(one.horizon), (units.count(one.horizon, "bar"), Cell(move, colour), acted), marked=one.horizon == told.horizon))
    return lines


def market(told: DecisionTold) -> list[Line]:
    regimes = ", ".join(f"{name} {units.percent(share, 0)}" for name, share in told.regimes)
    pairs = [
        ("Regime", told.regime),
        ("Probabilities", regimes),
        ("Price", units.price(told.price)),
        ("Volatility per bar", units.bps(told.sigma_bps)),
        ("Spread", units.bps(told.spread_bps)),
        ("Book imbalance", units.number(told.micro.get("imbalance"), 2, signed=True)),
        ("Flow pressure", units.number(told.micro.get("pressure"), 2, signed=True)),
        ("Depth, money", units.money(told.micro.get("depth"))),
        ("Bar", next((describe_fault(rung.fault, rung.value) for rung in told.rungs if rung.fault), "fresh" if told.fresh else "missing or stale")),
    ]
    return [Line(name, (name, value)) for name, value in pairs if value]


def machine(told: DecisionTold) -> list[Line]:
    """List the readings of the machine; the container's where there is one, and only known ones."""
    known = {name: value for name, value in told.machine.items() if value is not None}
    limited = "container" if "container.memory_percent" in known else "host"
    shown = (
        ("CPU, host", "host.cpu_percent", "%"),
        ("CPU, process", "process.cpu_percent", "%"),
        ("CPU throttled", "container.cpu_throttled_percent", "%"),
        (f"Memory, {limited}", f"{limited}.memory_percent", "%"),
        ("Memory, process", "process.rss_bytes", "bytes"),
        ("CPU pressure", "host.cpu_pressure_percent", "%"),
        ("Memory pressure", "host.memory_pressure_percent", "%"),
        ("I/O pressure", "host.io_pressure_percent", "%"),
        ("GC pause", "process.gc_pause_ms", "ms"),
        ("Data age", "engine.data_age_ms", "ms"),
        ("Threads", "process.threads", "count"),
    )
    return [
        Line(label, (label, units.age(known[name] / 1000) if name == "engine.data_age_ms" else units.reading(known[name], unit)))
        for label, name, unit in shown
        if name in known
    ]


def _less(edge: float | None, price: float | None) -> float | None:
    return None if edge is None or price is None else abs(edge) - price


def _at(values: list[float | None] | None, place: int | None) -> float | None:
    return values[place] if values and place is not None and place < len(values) else None
