"""Equity against the benchmark, with the events below it."""

from __future__ import annotations

import pandas as pd

from engine import units
from pages.ui import theme
from pages.ui.charts import Figure, escape_text, new_figure

LANE = 18  # px of a lane of events
EVENT_LANES = {  # kind of event: word, mark, colour
    "acted": ("trades", "line-ns-open", theme.UP),
    "retrained": ("retrainings", "triangle-up", theme.GOOD),
    "incident": ("incidents", "diamond", theme.HARM),
    "optimized": ("optimizations", "circle", theme.WARNING),
}


def plot_equity(frame: pd.DataFrame, capital: float | None, marks: pd.DataFrame | None = None) -> Figure:
    """Gain since the start after all costs, against the benchmark; below it the events."""
    start = capital or float(frame["equity"].iloc[0])
    at = [int(moment) // units.MS for moment in frame["at"]]
    lines = new_figure(height=250 if marks is None else 250 + LANE * len(EVENT_LANES), right=92 if marks is None else 104)
    for name, column, colour, width in (("benchmark", "naive", theme.NEUTRAL, 1.3), ("Podium", "equity", theme.UP, 2.0)):
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
    """Draw one lane per kind of event under the lines, on the same time axis."""
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
    """Mark the end of the warm-up, before which decisions are over history."""
    warm = frame[frame["warm"] == 1]["at"] if "warm" in frame else frame["at"][:0]
    if len(warm) and len(warm) < len(frame):
        x = int(warm.iloc[-1]) // units.MS
        line = {"color": theme.MUTED, "width": 1, "dash": "dot"}
        lines.layout["shapes"].append({"type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1, "line": line})
        lines.add_note("warm-up ", x=x, xref="x", xanchor="right", y=1, yref="paper", yanchor="top")


def _labels(lines: Figure) -> None:
    """Label the lines at their right ends, pushed apart where they meet."""
    ends = sorted((trace["y"][-1], trace["name"]) for trace in lines.data if trace["y"] and trace["y"][-1] is not None)
    values = [value for trace in lines.data for value in trace["y"] if value is not None]
    if not ends:
        return
    close = len(ends) == 2 and ends[1][0] - ends[0][0] < 0.2 * ((max(values) - min(values)) or 1.0)
    for rank, (value, name) in enumerate(ends):
        apart = (-15 if rank == 0 else 15) if close else 0
        text = f"<b>{name}</b><br>{units.format_number(value, 2, '%', signed=True)}"
        lines.add_note(text, x=1, xref="paper", y=value, xanchor="left", xshift=6, yshift=apart, align="left")
