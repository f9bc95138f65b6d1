"""Readings over time: small multiples on one shared time axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from engine import units
from pages.ui import theme
from pages.ui.charts import Figure, escape_text, new_figure
from pages.ui.equity_chart import EVENT_LANES

LEFT = 62  # px left of the axes
LANE = 17  # px of a lane of events
LANES = {kind: EVENT_LANES[kind] for kind in ("acted", "optimized", "incident")}
SIGNS = {"acted": "|", "optimized": "●", "incident": "◆"}
LINES = 40  # vertical lines of each kind at most, the newest
DECIMALS = 4  # sent to the browser
ROW = 128  # px
AIR = 42  # px above the axes of a row, for its title


@dataclass(frozen=True, slots=True)
class ReadingSeries:
    """One line of a panel; `band` adds the lowest and highest reading of each step."""

    source: str
    name: str
    label: str
    band: bool = False


@dataclass(frozen=True, slots=True)
class ReadingPanel:
    """One small chart."""

    title: str
    series: tuple[ReadingSeries, ...]


def plot_small_multiples(frame: pd.DataFrame, panels: Sequence[ReadingPanel], since: int, until: int, events: pd.DataFrame | None = None) -> Figure:
    """Plot a row per panel on one time axis, with events above them; a gap in the readings is a gap in the line."""
    rows = len(panels)
    above = 0 if events is None else LANE * len(LANES) + 26
    drawn = new_figure(height=40 + ROW * rows + above, left=LEFT, right=10, top=26, bottom=34)
    readings = dict(iter(frame.groupby(["source", "name"], sort=False)))
    height = ROW * rows - 20 + above
    for row, panel in enumerate(panels):
        lines = [readings.get((series.source, series.name), frame.iloc[:0]) for series in panel.series]
        top = 1 - (above + row * ROW) / height
        # points without a value: an axis even without readings, with a range that zooming may override
        drawn.add_trace("scatter", x=[since // units.MS, until // units.MS], y=[None, None], mode="lines", hoverinfo="skip", yaxis=_axis(row))
        _panel(drawn, panel, lines, row, (max(0.0, top - (ROW - AIR) / height), top))
    drawn.set_axis("xaxis", type="date", nticks=6, anchor=_axis(rows - 1), hoverformat="%m-%d %H:%M:%S UTC")
    drawn.layout["hovermode"] = "x unified"
    if events is not None:
        _add_events(drawn, events, rows, 1 - LANE * len(LANES) / height)
    return drawn


def _axis(row: int) -> str:
    return f"y{row + 1}" if row else "y"


def _panel(drawn: Figure, panel: ReadingPanel, lines: Sequence[pd.DataFrame], row: int, domain: tuple[float, float]) -> None:
    unit = next((str(line["unit"].iloc[0]) for line in lines if len(line)), "")
    divisor, name = units.scale_unit(unit, max((float(line["high"].max()) for line in lines if len(line)), default=0.0))
    suffix = f" {escape_text(name)}" if name else ""
    axis = f"yaxis{row + 1}" if row else "yaxis"
    drawn.set_axis(axis, domain=list(domain), rangemode="tozero", nticks=4, fixedrange=True, automargin=False, anchor="x")
    drawn.set_axis(axis, **({"ticksuffix": suffix} if unit else {"showticklabels": False, "range": [0, 1]}))
    for place, (series, line) in enumerate(zip(panel.series, lines, strict=True)):
        if len(line):
            _line(drawn, _gaps(line), series, theme.category_colour(place), _axis(row), divisor, suffix)
    _title(drawn, panel, lines, _axis(row))


def _add_events(drawn: Figure, events: pd.DataFrame, row: int, bottom: float) -> None:
    """Add a lane per kind of event, and a thin line through all panels for each optimization and incident."""
    drawn.set_axis(
        f"yaxis{row + 1}", domain=[bottom, 1], range=[len(LANES) - 0.5, -0.5], showgrid=False, showticklabels=False, fixedrange=True, anchor="x"
    )
    for place, (kind, (word, symbol, colour)) in enumerate(LANES.items()):
        part = events[events["kind"] == kind]
        times = (part["at"] // units.MS).tolist()
        marker = {"symbol": symbol, "size": 8, "color": colour, "line": {"width": 1.5 if "open" in symbol else 0}}
        drawn.add_trace(
            "scatter", x=times, y=[place] * len(times), yaxis=f"y{row + 1}", mode="markers", name=word, marker=marker,
            hovertext=[escape_text(detail) for detail in part["detail"]], hovertemplate=f"{word}: %{{hovertext}}<extra></extra>",
        )  # fmt: skip
        text = f'<span style="color:{colour}">{SIGNS[kind]}</span> {word if times else f"no {word}"}'
        drawn.add_note(text, x=0, xref="paper", xanchor="left", xshift=6 - LEFT, y=place, yref=f"y{row + 1}", align="left")
        if kind != "acted":
            line = {
                "type": "line",
                "y0": 0,
                "y1": bottom,
                "yref": "paper",
                "layer": "below",
                "line": {"color": theme.with_alpha(colour, 0.5), "width": 1},
            }
            drawn.layout["shapes"] += [{**line, "x0": at, "x1": at} for at in times[-LINES:]]


def _line(drawn: Figure, readings: pd.DataFrame, series: ReadingSeries, colour: str, axis: str, divisor: float, suffix: str) -> None:
    if series.band:
        _band(drawn, readings, divisor, colour, axis)
    drawn.add_trace(
        "scatter", x=(readings["at"] // units.MS).to_numpy(), y=(readings["mean"] / divisor).round(DECIMALS).to_numpy(), mode="lines",
        name=escape_text(series.label), line={"color": colour, "width": 1.6}, connectgaps=False, yaxis=axis,
        hovertemplate=f"{escape_text(series.label)} %{{y:.4~g}}{suffix}<extra></extra>",
    )  # fmt: skip


def _band(drawn: Figure, readings: pd.DataFrame, divisor: float, colour: str, axis: str) -> None:
    """Add an area from the lowest to the highest reading of each step, one per stretch without a gap."""
    columns = (("at", units.MS), ("low", divisor), ("high", divisor))
    at, low, high = ((readings[name] / scale).round(DECIMALS).to_numpy() for name, scale in columns)
    x: list[float | None] = []
    y: list[float | None] = []
    gaps = np.flatnonzero(np.isnan(low))
    for begin, end in pairwise([-1, *gaps.tolist(), len(low)]):
        part = slice(begin + 1, end)
        x += [*at[part].tolist(), *at[part][::-1].tolist(), None]
        y += [*high[part].tolist(), *low[part][::-1].tolist(), None]
    drawn.add_trace(
        "scatter", x=x, y=y, mode="lines", line={"width": 0}, fill="toself", fillcolor=theme.with_alpha(colour), hoverinfo="skip", yaxis=axis
    )


def _gaps(readings: pd.DataFrame) -> pd.DataFrame:
    """Insert an empty row wherever readings are missing for more than three usual steps."""
    steps = readings["at"].diff()
    usual = steps.median()
    if not usual or len(readings) < 3:
        return readings
    gaps = readings[steps > 3 * usual].copy()
    if gaps.empty:
        return readings
    gaps["at"] -= units.SECOND
    gaps[["low", "mean", "high"]] = float("nan")
    return pd.concat([readings, gaps]).sort_values("at")


def _title(drawn: Figure, panel: ReadingPanel, lines: Sequence[pd.DataFrame], axis: str) -> None:
    """Add the panel's title, then the name of each line in its colour with its newest value."""
    parts = [f"<b>{escape_text(panel.title)}</b>"]
    for place, (series, line) in enumerate(zip(panel.series, lines, strict=True)):
        newest = units.NOT_MEASURED if line.empty else escape_text(units.format_reading(float(line["mean"].iloc[-1]), str(line["unit"].iloc[0])))
        parts.append(f'<span style="color:{theme.category_colour(place)}">■</span> {escape_text(series.label)} {newest}')
    drawn.add_note(
        "  ".join(parts), xref="paper", x=0, xanchor="left", xshift=6 - LEFT, yref=f"{axis} domain", y=1, yanchor="bottom", yshift=4, align="left"
    )
