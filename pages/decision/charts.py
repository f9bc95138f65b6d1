"""The charts of one decision: its ladder of gates, its phases in time, its votes, and what the limits made of its size."""

from __future__ import annotations

from engine import units
from engine.explain import describe_fault
from engine.store.read.decision import DecisionDetails, GateResult, PhaseSpan
from pages.ui import theme
from pages.ui.charts import Figure, category_axis, escape_text, new_figure

NEVER = 1e6  # bars since a loss that never was
TOLD = "%{hovertext}<extra></extra>"


def plot_gates(told: DecisionDetails) -> Figure:
    """A bar a gate: how far on the right side of its limit, as a share of the larger of value and limit; the binding one outlined."""
    names = [escape_text(rung.name) for rung in told.gates]
    drawn = new_figure(height=40 + 27 * len(names), right=8, bottom=30)
    marker = {
        "color": [theme.GOOD if rung.passed else theme.HARM for rung in told.gates],
        "opacity": [1.0 if rung.name == told.binding_gate else 0.62 for rung in told.gates],
        "line": {"width": [2.5 if rung.name == told.binding_gate else 0 for rung in told.gates], "color": theme.TEXT},
    }
    hover = [
        f"<b>{escape_text(rung.name)}</b><br>{escape_text(describe_gate(rung))}<br>margin {units.format_quantity(rung.margin)} {escape_text(rung.unit)}"
        for rung in told.gates
    ]
    reach = [scale_margin(rung) for rung in told.gates]
    drawn.add_trace("bar", y=names, x=reach, orientation="h", width=0.62, marker=marker, hovertext=hover, hovertemplate=TOLD)
    for rung in told.gates:
        drawn.add_note(_side(told, rung), xref="paper", x=1, xanchor="right", y=escape_text(rung.name), align="right")
    drawn.layout["shapes"].append({"type": "line", "x0": 0, "x1": 0, "yref": "paper", "y0": 0, "y1": 1, "line": {"color": theme.MUTED, "width": 1}})
    drawn.set_axis("yaxis", **category_axis(names))
    drawn.set_axis("xaxis", range=[-1.08, 2.1], tickvals=[-1, 0, 1], ticktext=["fails", "limit", "passes"], fixedrange=True)
    drawn.layout["meta"] = {"narrow": {"layout.xaxis.range": [-1.08, 3.4], "layout.font.size": 11}}
    return drawn


def scale_margin(rung: GateResult) -> float:
    """The margin between -1 and 1, so that gates of any unit stand in one chart; an unknown value lies at the limit."""
    margin = rung.margin
    if margin is None or rung.value is None or rung.limit is None:
        return 0.04 if rung.passed else -0.04
    size = max(abs(rung.value), abs(rung.limit)) or 1.0
    told = max(-1.0, min(1.0, margin / size))
    least = 0.015 if rung.unit else 0.5
    return told if abs(told) > least else (least if rung.passed else -least)


def plot_phases(told: DecisionDetails) -> Figure:
    """When each phase ran, coloured by the thread it ran on; fallbacks named."""
    threads = sorted({span.thread for span in told.spans}, key=lambda name: (name != "tick", name))
    lanes = {thread: theme.LANES[place % len(theme.LANES)] for place, thread in enumerate(threads)}
    end = max((span.start_ms + span.ms for span in told.spans), default=1.0)
    least = end * 0.004  # wide enough to be seen
    drawn = new_figure(height=44 + 25 * len(told.spans), bottom=38)
    drawn.add_trace(
        "bar", y=[escape_text(span.phase) for span in told.spans], x=[max(span.ms, least) for span in told.spans],
        base=[span.start_ms for span in told.spans], orientation="h", width=0.58,
        marker={"color": [theme.WARNING if span.fallback else lanes[span.thread] for span in told.spans]},
        hovertext=[_ran(span) for span in told.spans], hovertemplate=TOLD,
    )  # fmt: skip
    for span in told.spans:
        words = (
            units.format_ms(span.ms)
            + (f"  {escape_text(span.thread)}" if span.thread != "tick" else "")
            + ("  <b>fallback</b>" if span.fallback else "")
        )
        late = span.start_ms > 0.62 * end
        place = span.start_ms if late else span.start_ms + max(span.ms, least)
        drawn.add_note(words, x=place, y=escape_text(span.phase), xanchor="right" if late else "left", xshift=-5 if late else 5)
    drawn.set_axis("yaxis", **category_axis([escape_text(span.phase) for span in told.spans]))
    drawn.set_axis("xaxis", ticksuffix=" ms", range=[-0.005 * end, end * 1.12], nticks=7)
    return drawn


def plot_votes(told: DecisionDetails) -> Figure:
    """What each model expects over each horizon, larger where it weighs more; the ensemble below with its 90 % interval."""
    horizons, names = told.session.horizons, [*map(escape_text, told.session.models), "ensemble"]
    drawn = new_figure(height=70 + 30 * len(names), top=28, bottom=34)
    width = (1 - 0.04 * (len(horizons) - 1)) / len(horizons)
    for column, horizon in enumerate(horizons):
        number, left = (str(column + 1) if column else ""), column * (width + 0.04)
        drawn.set_axis(f"xaxis{number}", domain=[left, left + width], anchor="y", nticks=4, zeroline=True, zerolinecolor=theme.MUTED)
        drawn.add_note(_bars(horizon, told), size=12, xref="paper", x=left + width / 2, yref="paper", y=1, yanchor="bottom", yshift=4)
        _models(drawn, told, horizon, f"x{number}")
        _ensemble(drawn, told, horizon, f"x{number}")
    drawn.set_axis("yaxis", **category_axis(names) | {"showgrid": True})
    return drawn


def plot_sizing(told: DecisionDetails) -> Figure:
    """The size wanted and what was left of it after each limit, as a share of equity; limits that changed it in amber."""
    names = [escape_text(name) for name, _ in told.limits]
    values = [value * 100 if value is not None else None for _, value in told.limits]
    edge = _edge(values)
    shown = [None if value is None else max(-edge, min(edge, value)) for value in values]
    changed = [place > 0 and values[place] != values[place - 1] for place in range(len(values))]
    marker = {
        "size": 10,
        "color": [theme.WARNING if change else theme.UP for change in changed],
        "symbol": [_mark(value, edge, changed=change) for value, change in zip(values, changed, strict=True)],
    }
    drawn = new_figure(height=40 + 27 * len(names), bottom=30)
    drawn.add_trace(
        "scatter", x=shown, y=names, mode="lines+markers", line={"shape": "vh", "color": theme.MUTED, "width": 1.5}, marker=marker,
        hovertemplate=TOLD,
        hovertext=[f"after {name}: {units.format_number(value, 2, '%', signed=True)} of equity" for name, value in zip(names, values, strict=True)],
    )  # fmt: skip
    for name, value in zip(names, values, strict=True):
        drawn.add_note(units.format_number(value, 2, "%", signed=True), xref="paper", x=1, xanchor="right", y=name)
    known = [value for value in shown if value is not None] or [0.0]
    low, high = min(0.0, *known), max(0.0, *known)
    reach = (high - low) or 1.0
    drawn.set_axis("xaxis", ticksuffix=" %", range=[low - 0.06 * reach, high + 0.36 * reach], zeroline=True, zerolinecolor=theme.MUTED, nticks=6)
    drawn.set_axis("yaxis", **category_axis(names))
    return drawn


def _models(drawn: Figure, told: DecisionDetails, horizon: int, axis: str) -> None:
    there = [vote for vote in told.votes if vote.horizon == horizon and vote.bps is not None]
    marker = {
        "size": [8 + 14 * (vote.weight or 0.0) for vote in there],
        "color": [theme.UP if (vote.bps or 0.0) > 0 else theme.DOWN for vote in there],
        "opacity": [0.35 + 0.65 * (vote.trust or 0.0) for vote in there],
    }
    hover = [
        f"<b>{escape_text(vote.model)}</b> {escape_text(vote.version or '')}<br>expects {units.format_bps(vote.bps, signed=True)}"
        f"<br>trust {units.format_number(vote.trust, 2)}, weight {units.format_number(vote.weight, 3)}"
        for vote in there
    ]
    drawn.add_trace(
        "scatter", x=[vote.bps for vote in there], y=[escape_text(vote.model) for vote in there], xaxis=axis, mode="markers", marker=marker,
        hovertext=hover, hovertemplate=TOLD,
    )  # fmt: skip


def _ensemble(drawn: Figure, told: DecisionDetails, horizon: int, axis: str) -> None:
    one = next((expected for expected in told.forecast if expected.horizon == horizon), None)
    if one is None or one.bps is None:
        return
    band: dict[str, object] = {}
    if one.low_bps is not None and one.high_bps is not None:
        reach = {"array": [one.high_bps - one.bps], "arrayminus": [one.bps - one.low_bps]}
        band = {"error_x": {"type": "data", "symmetric": False, "thickness": 1.5, "width": 5, "color": theme.TEXT} | reach}
    hover = f"<b>ensemble</b> {units.format_bps(one.bps, signed=True)}<br>90 % interval {units.format_interval(one.low_bps, one.high_bps, 1, 'bps')}"
    drawn.add_trace(
        "scatter", x=[one.bps], y=["ensemble"], xaxis=axis, mode="markers", hovertext=[hover], hovertemplate=TOLD,
        marker={"size": 12, "symbol": "diamond", "color": theme.UP if one.bps > 0 else theme.DOWN}, **band,
    )  # fmt: skip


def _ran(span: PhaseSpan) -> str:
    fallback = f"<br>fallback: {escape_text(span.error)}" if span.fallback else ""
    return f"<b>{escape_text(span.phase)}</b> on {escape_text(span.thread)}<br>from {units.format_ms(span.start_ms)}, took {units.format_ms(span.ms)}{fallback}"


def _edge(values: list[float | None]) -> float:
    """What is wanted before any limit may be a hundred times what is left: beyond this it is shown at the chart's edge."""
    there = sorted(abs(value) for value in values if value)
    return 3.0 * (there[(len(there) - 1) // 2] + there[len(there) // 2]) / 2 if there else 1.0


def _mark(value: float | None, edge: float, *, changed: bool) -> str:
    if value is not None and abs(value) > edge:
        return "triangle-right" if value > 0 else "triangle-left"
    return "diamond" if changed else "circle"


def _side(told: DecisionDetails, rung: GateResult) -> str:
    verdict = "pass" if rung.passed else "<b>FAIL</b>"
    return f"{escape_text(describe_gate(rung))}  {verdict}" + ("  <b>← binding</b>" if rung.name == told.binding_gate else "")


def describe_gate(rung: GateResult) -> str:
    """A gate's value against its limit; "" for a gate that only holds or does not."""
    if rung.fault is not None:
        return describe_fault(rung.fault, rung.value)
    if not rung.unit:
        return ""
    value = "none yet" if rung.value is not None and rung.value >= NEVER and rung.unit == "bars" else units.format_quantity(rung.value)
    return f"{value}, needs {rung.sense.replace('<=', '≤').replace('>=', '≥')} {units.format_quantity(rung.limit)} {rung.unit}"


def _bars(horizon: int, told: DecisionDetails) -> str:
    mark = ", acted on" if horizon == told.horizon else ""
    return f"{units.format_count(horizon, 'bar')}{mark}, bps"
