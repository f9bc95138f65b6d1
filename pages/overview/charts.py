"""The charts of Overview: which gate bound where and when, and equity against buying and holding."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import orjson
import pandas as pd

from engine import units
from engine.domain.intents import phrase_gate
from engine.explain import describe_fault
from engine.store.read.status import SessionInfo
from pages.ui import theme
from pages.ui.charts import Figure, escape_text, new_figure

ROWS = 24  # symbols in the strip at most
CODES = 3  # bought, sold and held freely come before the gates
LANE = 18  # px of a lane of events
EVENT_LANES = {  # kind of event: word, mark, colour
    "acted": ("trades", "line-ns-open", theme.UP),
    "retrained": ("retrainings", "triangle-up", theme.GOOD),
    "incident": ("incidents", "diamond", theme.HARM),
    "optimized": ("optimizations", "circle", theme.WARNING),
}
FREE = 2.5  # held although no gate failed


def plot_gate_strip(frame: pd.DataFrame, session: SessionInfo) -> Figure:
    """A row a symbol, a column a tick, coloured by the gate that bound; bright where it bought or sold."""
    names = [name for name, _, _ in session.gates]
    symbols = list(session.symbols[:ROWS])
    ticks = sorted({int(tick) for tick in frame["tick"]})
    place = {tick: column for column, tick in enumerate(ticks)}
    rows = {symbol: row for row, symbol in enumerate(symbols)}
    z: list[list[float | None]] = [[None] * len(ticks) for _ in symbols]
    hover = [[""] * len(ticks) for _ in symbols]
    links = [[""] * len(ticks) for _ in symbols]
    gates = {name: place for place, name in enumerate(names)}
    times = {int(at): units.format_time(int(at), "%Y-%m-%d %H:%M") for at in frame["at"].unique()}
    told: Iterator[Any] = frame.itertuples(index=False)
    for one in told:
        if one.symbol in rows:
            row, column = rows[one.symbol], place[one.tick]
            z[row][column] = _code(one.action, one.binding_gate, names)
            hover[row][column] = _hover(one, times[one.at], gates.get(one.binding_gate), session)
            links[row][column] = f"{one.tick} {one.symbol}"
    strip = new_figure(height=46 + 24 * len(symbols), bottom=26)
    strip.add_trace(
        "heatmap", z=z, x=ticks, y=[escape_text(symbol) for symbol in symbols], text=hover, customdata=links,
        hovertemplate="%{text}<extra></extra>", showscale=False, xgap=1, ygap=2, zmin=0, zmax=len(names) + CODES, colorscale=_scale(len(names)),
    )  # fmt: skip
    strip.set_axis("yaxis", autorange="reversed", showgrid=False, type="category", fixedrange=True, tickfont={"color": theme.TEXT, "size": 12})
    strip.set_axis(
        "xaxis", showgrid=False, tickformat=",d", nticks=8, title={"text": "tick", "font": {"size": 11, "color": theme.MUTED}, "standoff": 4}
    )
    return strip


def plot_equity(frame: pd.DataFrame, capital: float | None, marks: pd.DataFrame | None = None) -> Figure:
    """Gain since the start, after all costs, against buying all symbols in equal parts and holding; below it what happened when."""
    start = capital or float(frame["equity"].iloc[0])
    at = [int(one) // units.MS for one in frame["at"]]
    lines = new_figure(height=250 if marks is None else 250 + LANE * len(EVENT_LANES), right=92 if marks is None else 104)
    for name, column, colour, width in (("buy, hold", "naive", theme.NEUTRAL, 1.3), ("Podium", "equity", theme.UP, 2.0)):
        gain = [(value / start - 1) * 100 if units.is_known(value) else None for value in frame[column].tolist()]
        lines.add_trace(
            "scatter", x=at, y=gain, mode="lines", name=name, line={"color": colour, "width": width}, connectgaps=False,
            customdata=[str(tick) for tick in frame["tick"]], hovertemplate=f"{name} %{{y:+.2f}} %, tick %{{customdata}}<extra></extra>",
        )  # fmt: skip
    _labels(lines)
    _live(lines, frame)
    lines.set_axis("yaxis", ticksuffix=" %", zeroline=True, zerolinecolor=theme.GRID, nticks=6)
    lines.set_axis("xaxis", type="date", showgrid=False, nticks=8, hoverformat="%Y-%m-%d %H:%M UTC")
    lines.layout["hovermode"] = "x unified"
    if marks is not None:
        _happened(lines, marks)
    return lines


def _happened(lines: Figure, marks: pd.DataFrame) -> None:
    """A lane a kind of event under the line, on the same time axis."""
    share = LANE * len(EVENT_LANES) / (250 + LANE * len(EVENT_LANES) - 36)
    lines.set_axis("yaxis", domain=[share + 0.05, 1])
    lines.set_axis(
        "yaxis2", domain=[0, share], range=[len(EVENT_LANES) - 0.5, -0.5], showgrid=False, showticklabels=False, fixedrange=True, anchor="x"
    )
    lines.set_axis("xaxis", anchor="y2")
    for place, (kind, (word, symbol, colour)) in enumerate(EVENT_LANES.items()):
        some = marks[marks["kind"] == kind]
        marker = {"symbol": symbol, "size": 9, "color": colour, "line": {"width": 1.5 if "open" in symbol else 0}}
        lines.add_trace(
            "scatter", x=(some["at"] // units.MS).to_numpy(), y=[place] * len(some), yaxis="y2", mode="markers", name=word,
            marker=marker, hovertext=[escape_text(detail) for detail in some["detail"]],
            hovertemplate=f"{word}: %{{hovertext}}<extra></extra>",
        )  # fmt: skip
        lines.add_note(word if len(some) else f"no {word}", x=1, xref="paper", xanchor="left", xshift=6, y=place, yref="y2")


def _live(lines: Figure, frame: pd.DataFrame) -> None:
    """Where the warm-up ends: what lies before was decided over history."""
    warm = frame[frame["warm"] == 1]["at"] if "warm" in frame else frame["at"][:0]
    if len(warm) and len(warm) < len(frame):
        x = int(warm.iloc[-1]) // units.MS
        line = {"color": theme.MUTED, "width": 1, "dash": "dot"}
        lines.layout["shapes"].append({"type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1, "line": line})
        lines.add_note("warm-up ", x=x, xref="x", xanchor="right", y=1, yref="paper", yanchor="top")


def _labels(lines: Figure) -> None:
    """Names the lines at their right ends, pushed apart where they meet."""
    ends = sorted((trace["y"][-1], trace["name"]) for trace in lines.data if trace["y"] and trace["y"][-1] is not None)
    values = [value for trace in lines.data for value in trace["y"] if value is not None]
    if not ends:
        return
    close = len(ends) == 2 and ends[1][0] - ends[0][0] < 0.2 * ((max(values) - min(values)) or 1.0)
    for rank, (value, name) in enumerate(ends):
        apart = (-15 if rank == 0 else 15) if close else 0
        text = f"<b>{name}</b><br>{units.format_number(value, 2, '%', signed=True)}"
        lines.add_note(text, x=1, xref="paper", y=value, xanchor="left", xshift=6, yshift=apart, align="left")


def _code(action: str, gate: str | None, names: list[str]) -> float:
    if action != "hold":
        return 0.5 if action == "buy" else 1.5
    return names.index(gate) + CODES + 0.5 if gate in names else FREE


def _scale(gates: int) -> list[list[object]]:
    colours = [theme.UP, theme.DOWN, theme.FREE, *(theme.gate_colour(place) for place in range(gates))]
    steps: list[list[object]] = []
    for place, colour in enumerate(colours):
        steps += [[place / len(colours), colour], [(place + 1) / len(colours), colour]]
    return steps


def _hover(one: Any, when: str, place: int | None, session: SessionInfo) -> str:
    head = f"<b>{escape_text(one.symbol)}</b> {escape_text(one.action)} · tick {one.tick:,}<br>{when} UTC"
    if place is None:
        return head + (f"<br>to {escape_text(one.intent)}" if one.action != "hold" else "<br>no gate failed")
    told = orjson.loads(one.gates)
    gate, sense, unit = session.gates[place]
    value, limit = told["value"][place], told["limit"][place]
    margin = None if value is None or limit is None else (limit - value if sense == "<=" else value - limit)
    digits = 2 if margin is not None and math.isfinite(margin) and abs(margin) < 10 else 1
    needs = escape_text(f"{units.format_number(value, digits)}, needs {sense} {units.format_number(limit, digits, unit)}")
    if gate == "fresh data" and told.get("fault"):
        return f"{head}<br>{escape_text(phrase_gate(gate))}: {escape_text(describe_fault(told['fault'], value))}"
    if not unit:
        return f"{head}<br>{escape_text(phrase_gate(gate))}"
    return f"{head}<br>{escape_text(phrase_gate(gate))}: {escape_text(gate)} {needs} (margin {units.format_number(margin, digits, signed=True)})"
