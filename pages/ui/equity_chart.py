"""Equity against the benchmark, with the events below it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from engine import units
from pages.ui import theme
from pages.ui.charts import Figure, escape_text, new_figure

EQUAL_EXPOSURE = "equal exposure"
LANE = 18  # px of a lane of events
EVENT_LANES = {  # kind of event: word, mark, colour
    "acted": ("trades", "line-ns-open", theme.UP),
    "retrained": ("retrainings", "triangle-up", theme.GOOD),
    "incident": ("incidents", "diamond", theme.HARM),
    "optimized": ("optimizations", "circle", theme.WARNING),
}


def plot_equity(frame: pd.DataFrame, capital: float | None, marks: pd.DataFrame | None = None, matched: pd.DataFrame | None = None) -> Figure:
    """Gain since the start after all costs, against the benchmark and the `matched` one of equal exposure; below it the events."""
    start = capital or float(frame["equity"].iloc[0])
    at, ticks = _milliseconds(frame), [str(tick) for tick in frame["tick"].tolist()]
    figure = new_figure(height=250 if marks is None else 250 + LANE * len(EVENT_LANES), right=92 if marks is None else 104)
    for name, column, colour, width in (("benchmark", "benchmark", theme.NEUTRAL, 1.3), ("Podium", "equity", theme.UP, 2.0)):
        gain = _gains(frame[column], start)
        figure.add_trace(
            "scatter", x=at, y=gain, mode="lines", name=name, line={"color": colour, "width": width}, connectgaps=False,
            hovertemplate=f"{name} %{{y:+.2f}} %{', tick %{customdata}' if column == 'equity' else ''}<extra></extra>",
            **({"customdata": ticks} if column == "equity" else {}),
        )  # fmt: skip
    if matched is not None and len(matched) > 1:
        _add_matched(figure, matched, start)
    _label_ends(figure)
    _mark_warmup_end(figure, frame)
    figure.set_axis("yaxis", ticksuffix=" %", zeroline=True, zerolinecolor=theme.GRID, nticks=6)
    figure.set_axis("xaxis", type="date", showgrid=False, nticks=8)
    lines = [[place, trace["name"]] for place, trace in enumerate(figure.data)]
    figure.layout["meta"] = {"cross": True, "readout": {"trace": 1, "lines": lines[1::-1] + lines[2:], "digits": 2, "suffix": " %"}}
    if marks is not None:
        _add_events(figure, marks)
    return figure


def _milliseconds(frame: pd.DataFrame) -> list[int]:
    moments: list[int] = (frame["at"].to_numpy(dtype=np.int64) // units.MS).tolist()
    return moments


def _gains(values: pd.Series, start: float) -> list[float | None]:
    """Return the gains since the start in percent; None for what is unknown."""
    gains = (values.to_numpy(dtype=float, na_value=np.nan) / start - 1) * 100
    return [gain if is_known else None for gain, is_known in zip(gains.tolist(), np.isfinite(gains).tolist(), strict=True)]


def _add_matched(figure: Figure, matched: pd.DataFrame, start: float) -> None:
    """Draw the benchmark of equal exposure: tick, at, value."""
    figure.add_trace(
        "scatter", x=_milliseconds(matched), y=_gains(matched["value"], start),
        mode="lines", name=EQUAL_EXPOSURE, line={"color": theme.WARNING, "width": 1.3, "dash": "dot"}, connectgaps=False,
        hovertemplate=f"{EQUAL_EXPOSURE} %{{y:+.2f}} %<extra></extra>",
    )  # fmt: skip


def _add_events(figure: Figure, marks: pd.DataFrame) -> None:
    """Draw one lane per kind of event under the lines, on the same time axis."""
    share = LANE * len(EVENT_LANES) / (250 + LANE * len(EVENT_LANES) - 36)
    figure.set_axis("yaxis", domain=[share + 0.05, 1])
    figure.set_axis(
        "yaxis2", domain=[0, share], range=[len(EVENT_LANES) - 0.5, -0.5], showgrid=False, showticklabels=False, fixedrange=True, anchor="x"
    )
    figure.set_axis("xaxis", anchor="y2")
    events: dict[str, list[tuple[int, str]]] = {}
    for kind, at, detail in zip(marks["kind"].tolist(), marks["at"].tolist(), marks["detail"].tolist(), strict=True):
        events.setdefault(kind, []).append((at // units.MS, detail))
    for place, (kind, (word, symbol, colour)) in enumerate(EVENT_LANES.items()):
        some = events.get(kind, [])
        marker = {"symbol": symbol, "size": 9, "color": colour, "line": {"width": 1.5 if "open" in symbol else 0}}
        figure.add_trace(
            "scatter", x=np.array([at for at, _ in some], dtype=np.int64), y=[place] * len(some), yaxis="y2", mode="markers", name=word,
            marker=marker, hovertext=[escape_text(detail) for _, detail in some],
            hovertemplate=f"{word}: %{{hovertext}}<extra></extra>",
        )  # fmt: skip
        figure.add_note(word if len(some) else f"no {word}", x=1, xref="paper", xanchor="left", xshift=6, y=place, yref="y2")


def _mark_warmup_end(figure: Figure, frame: pd.DataFrame) -> None:
    """Mark the end of the warm-up, before which decisions are over history."""
    flags = frame["warm"].tolist() if "warm" in frame else []
    warm = [at for at, is_warm in zip(frame["at"].tolist(), flags, strict=False) if is_warm == 1]
    if warm and len(warm) < len(frame):
        x = int(warm[-1]) // units.MS
        line = {"color": theme.MUTED, "width": 1, "dash": "dot"}
        figure.layout["shapes"].append({"type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1, "line": line})
        figure.add_note("warm-up ", x=x, xref="x", xanchor="right", y=1, yref="paper", yanchor="top")


def _label_ends(figure: Figure) -> None:
    """Label the lines at their right ends, pushed apart where they meet."""
    line_ends = sorted((trace["y"][-1], trace["name"]) for trace in figure.data if trace["y"] and trace["y"][-1] is not None)
    values = [value for trace in figure.data for value in trace["y"] if value is not None]
    if not line_ends:
        return
    room = 0.2 * ((max(values) - min(values)) or 1.0)
    shifts = _spread_labels([value for value, _ in line_ends], room)
    for (value, name), shift in zip(line_ends, shifts, strict=True):
        text = f"<b>{name}</b><br>{units.format_number(value, 2, '%', signed=True)}"
        figure.add_note(text, x=1, xref="paper", y=value, xanchor="left", xshift=6, yshift=shift, align="left")


def _spread_labels(values: list[float], room: float) -> list[int]:
    """Return the shift in px of each label, from the lowest value up, so that labels closer than `room` do not cover each other."""
    if len(values) == 2:
        return [-15, 15] if values[1] - values[0] < room else [0, 0]
    close = [upper - lower < room for lower, upper in pairwise(values)]
    if len(values) < 3 or not any(close):
        return [0] * len(values)
    if all(close):
        return [-30, 0, 30]
    return [-15, 15, 0] if close[0] else [0, -15, 15]
