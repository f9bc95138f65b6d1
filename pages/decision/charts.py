"""The charts of one decision: its gates and its phases."""

from __future__ import annotations

from engine import units
from engine.store.read.decision import DecisionDetails, GateResult, PhaseSpan
from pages.decision import text
from pages.ui import theme
from pages.ui.charts import Figure, category_axis, escape_text, new_figure
from pages.ui.forest_plot import HOVER_TEMPLATE


def plot_gates(decision: DecisionDetails) -> Figure:
    """One bar per gate: the margin to its limit, relative to the larger of value and limit; the binding one outlined."""
    names = [escape_text(gate.name) for gate in decision.gates]
    figure = new_figure(height=40 + 27 * len(names), right=8, bottom=30)
    marker = {
        "color": [theme.GOOD if gate.passed else theme.HARM for gate in decision.gates],
        "opacity": [1.0 if gate.name == decision.binding_gate else 0.62 for gate in decision.gates],
        "line": {"width": [2.5 if gate.name == decision.binding_gate else 0 for gate in decision.gates], "color": theme.TEXT},
    }
    hover = [
        f"<b>{escape_text(gate.name)}</b><br>{escape_text(text.describe_gate(gate))}"
        f"<br>margin {units.format_quantity(gate.margin)} {escape_text(gate.unit)}"
        for gate in decision.gates
    ]
    reach = [scale_margin(gate) for gate in decision.gates]
    figure.add_trace("bar", y=names, x=reach, orientation="h", width=0.62, marker=marker, hovertext=hover, hovertemplate=HOVER_TEMPLATE)
    for gate in decision.gates:
        figure.add_note(_annotate_gate(decision, gate), xref="paper", x=1, xanchor="right", y=escape_text(gate.name), align="right")
    figure.layout["shapes"].append({"type": "line", "x0": 0, "x1": 0, "yref": "paper", "y0": 0, "y1": 1, "line": {"color": theme.MUTED, "width": 1}})
    figure.set_axis("yaxis", **category_axis(names))
    figure.set_axis("xaxis", range=[-1.08, 2.1], tickvals=[-1, 0, 1], ticktext=["fails", "limit", "passes"], fixedrange=True)
    figure.layout["meta"] = {"narrow": {"layout.xaxis.range": [-1.08, 4.2], "layout.font.size": 11}}
    return figure


def scale_margin(gate: GateResult) -> float:
    """Scale the margin to -1..1, so that gates of any unit fit one chart; an unknown value lies at the limit."""
    margin = gate.margin
    if margin is None or gate.value is None or gate.limit is None:
        return 0.04 if gate.passed else -0.04
    size = max(abs(gate.value), abs(gate.limit)) or 1.0
    scaled = max(-1.0, min(1.0, margin / size))
    smallest = 0.015 if gate.unit else 0.5
    return scaled if abs(scaled) > smallest else (smallest if gate.passed else -smallest)


def plot_phases(decision: DecisionDetails) -> Figure:
    """Start and duration of each phase, coloured by its thread; fallbacks are named."""
    threads = sorted({span.thread for span in decision.spans}, key=lambda name: (name != "tick", name))
    lanes = {thread: theme.LANES[place % len(theme.LANES)] for place, thread in enumerate(threads)}
    end = max((span.start_ms + span.ms for span in decision.spans), default=1.0)
    smallest = end * 0.004  # wide enough to be seen
    figure = new_figure(height=44 + 25 * len(decision.spans), bottom=38)
    figure.add_trace(
        "bar", y=[escape_text(span.phase) for span in decision.spans], x=[max(span.ms, smallest) for span in decision.spans],
        base=[span.start_ms for span in decision.spans], orientation="h", width=0.58,
        marker={"color": [theme.WARNING if span.fallback else lanes[span.thread] for span in decision.spans]},
        hovertext=[_describe_span(span) for span in decision.spans], hovertemplate=HOVER_TEMPLATE,
    )  # fmt: skip
    for span in decision.spans:
        note = (
            units.format_ms(span.ms)
            + (f"  {escape_text(span.thread)}" if span.thread != "tick" else "")
            + ("  <b>fallback</b>" if span.fallback else "")
        )
        is_late = span.start_ms > 0.62 * end
        place = span.start_ms if is_late else span.start_ms + max(span.ms, smallest)
        figure.add_note(note, x=place, y=escape_text(span.phase), xanchor="right" if is_late else "left", xshift=-5 if is_late else 5)
    figure.set_axis("yaxis", **category_axis([escape_text(span.phase) for span in decision.spans]))
    figure.set_axis("xaxis", ticksuffix=" ms", range=[-0.005 * end, end * 1.12], nticks=7)
    return figure


def _describe_span(span: PhaseSpan) -> str:
    fallback = f"<br>fallback: {escape_text(span.error)}" if span.fallback else ""
    times = f"from {units.format_ms(span.start_ms)}, took {units.format_ms(span.ms)}"
    return f"<b>{escape_text(span.phase)}</b> on {escape_text(span.thread)}<br>{times}{fallback}"


def _annotate_gate(decision: DecisionDetails, gate: GateResult) -> str:
    verdict = "pass" if gate.passed else "<b>FAIL</b>"
    return f"{escape_text(text.describe_gate(gate))}  {verdict}" + ("  <b>← binding</b>" if gate.name == decision.binding_gate else "")
