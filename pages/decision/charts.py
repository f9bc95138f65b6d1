"""The charts of one decision: gates, phases, votes and position sizing."""

from __future__ import annotations

from engine import units
from engine.store.read.decision import DecisionDetails, GateResult, PhaseSpan
from pages.decision import text
from pages.ui import theme
from pages.ui.charts import Figure, category_axis, escape_text, new_figure
from pages.ui.forest_plot import HOVER_TEMPLATE

LONG_NAME = 12  # characters of a model's name on one line


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
    figure.layout["meta"] = {"narrow": {"layout.xaxis.range": [-1.08, 3.4], "layout.font.size": 11}}
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


def plot_votes(decision: DecisionDetails) -> Figure:
    """The forecast of each model over each horizon, larger with its weight; the ensemble below with its 90 % interval."""
    horizons, names = decision.session.horizons, [*map(_model_label, decision.session.models), "ensemble"]
    figure = new_figure(height=70 + 30 * len(names), top=28, bottom=34)
    width = (1 - 0.04 * (len(horizons) - 1)) / len(horizons)
    for column, horizon in enumerate(horizons):
        number, left = (str(column + 1) if column else ""), column * (width + 0.04)
        figure.set_axis(f"xaxis{number}", domain=[left, left + width], anchor="y", nticks=4, zeroline=True, zerolinecolor=theme.MUTED)
        figure.add_note(_column_title(horizon, decision), size=12, xref="paper", x=left + width / 2, yref="paper", y=1, yanchor="bottom", yshift=4)
        _add_models(figure, decision, horizon, f"x{number}")
        _add_ensemble(figure, decision, horizon, f"x{number}")
    figure.set_axis("yaxis", **category_axis(names) | {"showgrid": True})
    titles = {f"layout.annotations.{column}.text": units.format_count(horizon, "bar") for column, horizon in enumerate(horizons)}
    figure.layout["meta"] = {"narrow": {"layout.xaxis.nticks": 3, **titles}}
    return figure


def plot_sizing(decision: DecisionDetails) -> Figure:
    """The desired size and the size after each limit, as a share of equity; limits that changed it in amber."""
    names = [escape_text("desired size" if name == "wanted" else name) for name, _ in decision.limits]
    values = [value * 100 if value is not None else None for _, value in decision.limits]
    edge = _edge_value(values)
    drawn_values = [None if value is None else max(-edge, min(edge, value)) for value in values]
    changed = [place > 0 and values[place] != values[place - 1] for place in range(len(values))]
    marker = {
        "size": 10,
        "color": [theme.WARNING if change else theme.UP for change in changed],
        "symbol": [_marker_symbol(value, edge, changed=change) for value, change in zip(values, changed, strict=True)],
    }
    figure = new_figure(height=40 + 27 * len(names), bottom=30)
    figure.add_trace(
        "scatter", x=drawn_values, y=names, mode="lines+markers", line={"shape": "vh", "color": theme.MUTED, "width": 1.5}, marker=marker,
        hovertemplate=HOVER_TEMPLATE,
        hovertext=[f"after {name}: {units.format_number(value, 2, '%', signed=True)} of equity" for name, value in zip(names, values, strict=True)],
    )  # fmt: skip
    for name, value in zip(names, values, strict=True):
        figure.add_note(units.format_number(value, 2, "%", signed=True), xref="paper", x=1, xanchor="right", y=name)
    known = [value for value in drawn_values if value is not None] or [0.0]
    low, high = min(0.0, *known), max(0.0, *known)
    reach = (high - low) or 1.0
    figure.set_axis("xaxis", ticksuffix=" %", range=[low - 0.06 * reach, high + 0.36 * reach], zeroline=True, zerolinecolor=theme.MUTED, nticks=6)
    figure.set_axis("yaxis", **category_axis(names))
    return figure


def _add_models(figure: Figure, decision: DecisionDetails, horizon: int, axis: str) -> None:
    there = [vote for vote in decision.votes if vote.horizon == horizon and vote.bps is not None]
    marker = {
        "size": [8 + 14 * (vote.weight or 0.0) for vote in there],
        "color": [theme.UP if (vote.bps or 0.0) > 0 else theme.DOWN for vote in there],
        "opacity": [0.35 + 0.65 * (vote.trust or 0.0) for vote in there],
    }
    hover = [
        f"<b>{escape_text(vote.model)}</b> {escape_text(vote.version or '')}<br>forecast {units.format_bps(vote.bps, signed=True)}"
        f"<br>reliability {units.format_number(vote.trust, 2)}, weight {units.format_number(vote.weight, 3)}"
        for vote in there
    ]
    figure.add_trace(
        "scatter", x=[vote.bps for vote in there], y=[_model_label(vote.model) for vote in there], xaxis=axis, mode="markers", marker=marker,
        hovertext=hover, hovertemplate=HOVER_TEMPLATE,
    )  # fmt: skip


def _add_ensemble(figure: Figure, decision: DecisionDetails, horizon: int, axis: str) -> None:
    forecast = next((expected for expected in decision.forecast if expected.horizon == horizon), None)
    if forecast is None or forecast.bps is None:
        return
    band: dict[str, object] = {}
    if forecast.low_bps is not None and forecast.high_bps is not None:
        reach = {"array": [forecast.high_bps - forecast.bps], "arrayminus": [forecast.bps - forecast.low_bps]}
        band = {"error_x": {"type": "data", "symmetric": False, "thickness": 1.5, "width": 5, "color": theme.TEXT} | reach}
    interval = units.format_interval(forecast.low_bps, forecast.high_bps, 1, "bps")
    hover = f"<b>ensemble</b> {units.format_bps(forecast.bps, signed=True)}<br>90 %: {interval}"
    figure.add_trace(
        "scatter", x=[forecast.bps], y=["ensemble"], xaxis=axis, mode="markers", hovertext=[hover], hovertemplate=HOVER_TEMPLATE,
        marker={"size": 12, "symbol": "diamond", "color": theme.UP if forecast.bps > 0 else theme.DOWN}, **band,
    )  # fmt: skip


def _describe_span(span: PhaseSpan) -> str:
    fallback = f"<br>fallback: {escape_text(span.error)}" if span.fallback else ""
    times = f"from {units.format_ms(span.start_ms)}, took {units.format_ms(span.ms)}"
    return f"<b>{escape_text(span.phase)}</b> on {escape_text(span.thread)}<br>{times}{fallback}"


def _edge_value(values: list[float | None]) -> float:
    """Return the value beyond which a size is drawn at the edge: the desired size may be a hundred times the final one."""
    there = sorted(abs(value) for value in values if value)
    return 3.0 * (there[(len(there) - 1) // 2] + there[len(there) // 2]) / 2 if there else 1.0


def _marker_symbol(value: float | None, edge: float, *, changed: bool) -> str:
    if value is not None and abs(value) > edge:
        return "triangle-right" if value > 0 else "triangle-left"
    return "diamond" if changed else "circle"


def _annotate_gate(decision: DecisionDetails, gate: GateResult) -> str:
    verdict = "pass" if gate.passed else "<b>FAIL</b>"
    return f"{escape_text(text.describe_gate(gate))}  {verdict}" + ("  <b>← binding</b>" if gate.name == decision.binding_gate else "")


def _model_label(model: str) -> str:
    """Return a model's name for an axis, a long one on two lines."""
    first, _, last = escape_text(model).replace("_", " ").rpartition(" ")
    return f"{first}{'<br>' if len(model) > LONG_NAME else ' '}{last}" if first else last


def _column_title(horizon: int, decision: DecisionDetails) -> str:
    mark = ", acted on" if horizon == decision.horizon else ""
    return f"{units.format_count(horizon, 'bar')}{mark}, bps"
