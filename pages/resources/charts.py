"""The machine over time: small multiples on one shared time axis; and drawdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from engine import units
from pages.overview import charts
from pages.ui import theme
from pages.ui.charts import Figure, escape_text, new_figure

LEFT = 62  # px left of the axes
LANE = 17  # px of a lane of events
LANES = {kind: charts.EVENT_LANES[kind] for kind in ("acted", "optimized", "incident")}
SIGNS = {"acted": "|", "optimized": "●", "incident": "◆"}
LINES = 40  # through all panels, of each kind, at most: the newest
DECIMALS = 4  # that travel
ROW = 128  # px
AIR = 42  # px of a row above its axes, for its name


@dataclass(frozen=True, slots=True)
class ReadingSeries:
    """One line of a panel; with `band`, also its lowest and highest reading in a step."""

    source: str
    name: str
    label: str
    band: bool = False


@dataclass(frozen=True, slots=True)
class ReadingPanel:
    """One small chart."""

    title: str
    series: tuple[ReadingSeries, ...]


def plot_small_multiples(frame: pd.DataFrame, panels: Sequence[ReadingPanel], since: int, until: int, marks: pd.DataFrame | None = None) -> Figure:
    """A row a panel, all on one time axis, and above them what happened when; a gap in the readings is a gap in the line."""
    rows = len(panels)
    above = 0 if marks is None else LANE * len(LANES) + 26
    drawn = new_figure(height=40 + ROW * rows + above, left=LEFT, right=10, top=26, bottom=34)
    readings = dict(iter(frame.groupby(["source", "name"], sort=False)))
    whole = ROW * rows - 20 + above
    for row, panel in enumerate(panels):
        told = [readings.get((one.source, one.name), frame.iloc[:0]) for one in panel.series]
        top = 1 - (above + row * ROW) / whole
        # points without a value: an axis where nothing was read, and a reach that zooming may override
        drawn.add_trace("scatter", x=[since // units.MS, until // units.MS], y=[None, None], mode="lines", hoverinfo="skip", yaxis=_axis(row))
        _panel(drawn, panel, told, row, (max(0.0, top - (ROW - AIR) / whole), top))
    drawn.set_axis("xaxis", type="date", nticks=6, anchor=_axis(rows - 1), hoverformat="%m-%d %H:%M:%S UTC")
    drawn.layout["hovermode"] = "x unified"
    if marks is not None:
        _happened(drawn, marks, rows, 1 - LANE * len(LANES) / whole)
    return drawn


def _axis(row: int) -> str:
    return f"y{row + 1}" if row else "y"


def _panel(drawn: Figure, panel: ReadingPanel, told: Sequence[pd.DataFrame], row: int, domain: tuple[float, float]) -> None:
    unit = next((str(lines["unit"].iloc[0]) for lines in told if len(lines)), "")
    by, suffix = _scale(escape_text(unit), max((float(lines["high"].max()) for lines in told if len(lines)), default=0.0))
    name = f"yaxis{row + 1}" if row else "yaxis"
    drawn.set_axis(name, domain=list(domain), rangemode="tozero", nticks=4, fixedrange=True, automargin=False, anchor="x")
    drawn.set_axis(name, **({"ticksuffix": suffix} if unit else {"showticklabels": False, "range": [0, 1]}))
    for place, (series, lines) in enumerate(zip(panel.series, told, strict=True)):
        if len(lines):
            _line(drawn, _gaps(lines), series, theme.category_colour(place), _axis(row), by, suffix)
    _title(drawn, panel, told, _axis(row))


def _happened(drawn: Figure, marks: pd.DataFrame, row: int, bottom: float) -> None:
    """A lane a kind of event; through all panels a thin line for what was done to the machine and for what went wrong."""
    drawn.set_axis(
        f"yaxis{row + 1}", domain=[bottom, 1], range=[len(LANES) - 0.5, -0.5], showgrid=False, showticklabels=False, fixedrange=True, anchor="x"
    )
    for place, (kind, (word, symbol, colour)) in enumerate(LANES.items()):
        some = marks[marks["kind"] == kind]
        at = (some["at"] // units.MS).tolist()
        marker = {"symbol": symbol, "size": 8, "color": colour, "line": {"width": 1.5 if "open" in symbol else 0}}
        drawn.add_trace(
            "scatter", x=at, y=[place] * len(at), yaxis=f"y{row + 1}", mode="markers", name=word, marker=marker,
            hovertext=[escape_text(detail) for detail in some["detail"]], hovertemplate=f"{word}: %{{hovertext}}<extra></extra>",
        )  # fmt: skip
        text = f'<span style="color:{colour}">{SIGNS[kind]}</span> {word if at else f"no {word}"}'
        drawn.add_note(text, x=0, xref="paper", xanchor="left", xshift=6 - LEFT, y=place, yref=f"y{row + 1}", align="left")
        if kind != "acted":
            drawn.layout["shapes"] += [
                {
                    "type": "line",
                    "x0": one,
                    "x1": one,
                    "y0": 0,
                    "y1": bottom,
                    "yref": "paper",
                    "layer": "below",
                    "line": {"color": theme.with_alpha(colour, 0.5), "width": 1},
                }
                for one in at[-LINES:]
            ]


def plot_drawdown(frame: pd.DataFrame) -> Figure:
    """Loss from the peak equity, which resuming after a drawdown stop restarts."""
    drawn = new_figure(height=150)
    at = [int(one) // units.MS for one in frame["at"]]
    loss = [-abs(value) * 100 if units.is_known(value) else None for value in frame["drawdown"].tolist()]
    drawn.add_trace(
        "scatter", x=at, y=loss, mode="lines", line={"color": theme.DOWN, "width": 1.5}, fill="tozeroy", fillcolor=theme.with_alpha(theme.DOWN),
        hovertemplate="%{y:.2f} %<br>%{x|%Y-%m-%d %H:%M} UTC<extra></extra>",
    )  # fmt: skip
    drawn.set_axis("yaxis", ticksuffix=" %", nticks=4, rangemode="tozero")
    drawn.set_axis("xaxis", type="date", showgrid=False, nticks=8)
    return drawn


def _line(drawn: Figure, told: pd.DataFrame, series: ReadingSeries, colour: str, axis: str, by: float, suffix: str) -> None:
    at = (told["at"] // units.MS).to_numpy()
    if series.band:
        _band(drawn, told, by, colour, axis)
    drawn.add_trace(
        "scatter", x=at, y=(told["mean"] / by).round(DECIMALS).to_numpy(), mode="lines", name=escape_text(series.label),
        line={"color": colour, "width": 1.6}, connectgaps=False, yaxis=axis,
        hovertemplate=f"{escape_text(series.label)} %{{y:.4~g}}{suffix}<extra></extra>",
    )  # fmt: skip


def _band(drawn: Figure, told: pd.DataFrame, by: float, colour: str, axis: str) -> None:
    """From the lowest to the highest reading of each step: an area for each stretch without a gap."""
    at, low, high = ((told[name] / over).round(DECIMALS).to_numpy() for name, over in (("at", units.MS), ("low", by), ("high", by)))
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


def _gaps(told: pd.DataFrame) -> pd.DataFrame:
    """An empty row wherever readings are missing for more than three usual steps."""
    steps = told["at"].diff()
    usual = steps.median()
    if not usual or len(told) < 3:
        return told
    holes = told[steps > 3 * usual].copy()
    if holes.empty:
        return told
    holes["at"] -= units.SECOND
    holes[["low", "mean", "high"]] = float("nan")
    return pd.concat([told, holes]).sort_values("at")


def _scale(unit: str, highest: float) -> tuple[float, str]:
    """What the axis is divided by, and the unit that makes."""
    if unit == "ms" and highest >= 10_000:
        return 1e3, " s"
    if unit not in {"bytes", "bytes/s"}:
        return 1.0, "" if unit in {"count", ""} else f" {unit}"
    per = "/s" if unit == "bytes/s" else ""
    return next(((by, f" {name}B{per}") for by, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if highest >= by), (1.0, f" B{per}"))


def _title(drawn: Figure, panel: ReadingPanel, told: Sequence[pd.DataFrame], axis: str) -> None:
    """The panel's name, then each line's name in its colour with its newest value."""
    parts = [f"<b>{escape_text(panel.title)}</b>"]
    for place, (series, lines) in enumerate(zip(panel.series, told, strict=True)):
        newest = "not measured" if lines.empty else escape_text(units.format_reading(float(lines["mean"].iloc[-1]), str(lines["unit"].iloc[0])))
        parts.append(f'<span style="color:{theme.category_colour(place)}">■</span> {escape_text(series.label)} {newest}')
    drawn.add_note(
        "  ".join(parts), xref="paper", x=0, xanchor="left", xshift=6 - LEFT, yref=f"{axis} domain", y=1, yanchor="bottom", yshift=4, align="left"
    )
