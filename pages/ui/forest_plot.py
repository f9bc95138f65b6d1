"""Estimates side by side: a dot, its interval and its n, a row a thing, a colour a series; and lines named at their ends."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from engine import units
from pages.ui import theme
from pages.ui.charts import NO_FILL, Figure, escape_text, new_figure

Number = float | None
Series = tuple[str, str]  # its name and its colour
HOVER_TEMPLATE = "%{hovertext}<extra></extra>"
ROW, LANE = 20, 11  # pixels of a row by itself, and of each series in it
MAX_REACH = 4.0  # intervals that reach this many times further than most are cut at the edge


@dataclass(frozen=True, slots=True)
class IntervalEstimate:
    """One figure with its interval; None where there is not enough data."""

    row: str
    series: str
    value: Number
    low: Number
    high: Number
    n: int
    colour: str | None = None  # instead of its series'
    hover_note: str = ""  # words in the hover


def finite_or_none(value: object) -> Number:
    """A figure of a frame or a report; None for what is missing."""
    return float(value) if isinstance(value, int | float) and units.is_known(float(value)) else None


def to_percent(value: object) -> Number:
    """A share as a figure in percent."""
    told = finite_or_none(value)
    return None if told is None else told * 100


def iterate_rows(frame: pd.DataFrame) -> Iterator[Any]:
    """The rows of a frame by name of the column."""
    return frame.itertuples(index=False)


def plot_intervals(
    told: Sequence[IntervalEstimate],
    rows: Sequence[str],
    series: Sequence[Series],
    *,
    unit: str = "%",
    digits: int = 2,
    marks: Sequence[float] = (0.0,),
    height: int | None = None,
) -> Figure:
    """Dots with intervals; `marks` are values to compare with, drawn as lines. A row without any estimate says so."""
    drawn = new_figure(height=height or 58 + len(rows) * (ROW + LANE * len(series)), top=24 if len(series) > 1 else 8, bottom=30)
    low, high = _reach(told, marks)
    for value in marks:
        drawn.layout["shapes"].append(
            {"type": "line", "x0": value, "x1": value, "yref": "paper", "y0": 0, "y1": 1, "line": {"color": theme.MUTED, "width": 1}}
        )
    for lane, (name, colour) in enumerate(series):
        shift = (lane - (len(series) - 1) / 2) * LANE / (ROW + LANE * len(series))
        there = [one for one in told if one.series == name and one.value is not None]
        _dots(drawn, there, [rows.index(one.row) + shift for one in there], colour, unit=unit, digits=digits)
    for place, row in enumerate(rows):
        if not any(one.value is not None for one in told if one.row == row):
            most = max((one.n for one in told if one.row == row), default=0)
            drawn.add_note(f"{units.NOT_ENOUGH}, n={most:,}", x=0.5, xref="paper", y=place, font={"size": 11, "color": theme.MUTED})
    if len(series) > 1:
        add_legend(drawn, [(_told(name, [one for one in told if one.series == name]), colour) for name, colour in series])
    drawn.set_axis("yaxis", tickvals=list(range(len(rows))), ticktext=[escape_text(row) for row in rows], range=[len(rows) - 0.5, -0.5],
               fixedrange=True, showgrid=True, tickfont={"color": theme.TEXT, "size": 12}, ticklabelstandoff=6)  # fmt: skip
    drawn.set_axis("xaxis", ticksuffix=f" {unit}", range=[low, high], nticks=7)
    return drawn


def add_legend(drawn: Figure, series: Sequence[Series]) -> None:
    """The names of the series above the chart, each after its colour."""
    words = "   ".join(
        f'<span style="color:{colour}">●</span> {escape_text(name)}' if colour != theme.TEXT else f"● {escape_text(name)}" for name, colour in series
    )
    drawn.add_note(words, x=0, xref="paper", y=1, yref="paper", xanchor="left", yanchor="bottom", yshift=4, align="left")


def label_line_ends(drawn: Figure, *, digits: int = 2, unit: str = "%", least: float = 0.075, lines: bool = False) -> None:
    """Names lines at their right ends, pushed apart where they would meet; `least` is the share of the height a name needs; `lines` puts
    the figure below the name."""
    values = [value for trace in drawn.data for value in trace["y"] if value is not None]
    ends = sorted((trace["y"][-1], trace["name"], trace["line"]["color"]) for trace in drawn.data if trace["y"] and trace["y"][-1] is not None)
    if not ends:
        return
    low, high = min(values), max(values)
    gap = ((high - low) or 1.0) * least
    places: list[float] = []
    for value, _, _ in ends:
        places.append(max(value, places[-1] + gap) if places else value)
    over = max(0.0, places[-1] - max(high, low + gap * (len(ends) - 1)))
    for place, (value, name, colour) in zip(places, ends, strict=True):
        text = f'<span style="color:{colour}">●</span> {name}{"<br>" if lines else " "}{units.format_number(value, digits, unit)}'
        drawn.add_note(text, x=1, xref="paper", y=place - over, xanchor="left", xshift=6, align="left")


def _told(name: str, part: Sequence[IntervalEstimate]) -> str:
    """A series' name, and that nothing could be estimated of it where that is so."""
    return name if any(one.value is not None for one in part) else f"{name}: {units.NOT_ENOUGH}"


def _dots(drawn: Figure, there: Sequence[IntervalEstimate], places: Sequence[float], colour: str, *, unit: str, digits: int) -> None:
    colours = [one.colour or colour for one in there]
    for one, place, own in zip(there, places, colours, strict=True):
        if one.low is not None and one.high is not None:
            drawn.add_trace("scatter", x=[one.low, one.high], y=[place, place], mode="lines", line={"color": own, "width": 2}, hoverinfo="skip")
    known = [one.low is not None and one.high is not None for one in there]
    marker = {
        "size": 8,
        "color": [own if sure else NO_FILL for own, sure in zip(colours, known, strict=True)],
        "line": {"color": colours, "width": 1.5},
    }
    hover = [_hover(one, unit, digits) for one in there]
    drawn.add_trace(
        "scatter", x=[one.value for one in there], y=list(places), mode="markers", marker=marker, hovertext=hover, hovertemplate=HOVER_TEMPLATE
    )


def _hover(one: IntervalEstimate, unit: str, digits: int) -> str:
    more = f"<br>{escape_text(one.hover_note)}" if one.hover_note else ""
    band = units.format_interval(one.low, one.high, digits, unit)
    value = units.format_number(one.value, digits, unit, signed=True)
    return f"<b>{escape_text(one.row)}</b> {escape_text(one.series)}<br>{value}<br>95 %: {band}<br>n={one.n:,}{more}"


def _reach(told: Sequence[IntervalEstimate], marks: Sequence[float]) -> tuple[float, float]:
    """The span to show: every dot, and intervals up to a few times what most of them reach."""
    dots = [one.value for one in told if one.value is not None]
    wide = [
        max(abs(one.low - one.value), abs(one.high - one.value))
        for one in told
        if one.value is not None and one.low is not None and one.high is not None
    ]
    most = MAX_REACH * statistics.median(wide) if wide else 0.0
    ends = [end for one in told if one.value is not None for end in (one.low, one.high) if end is not None and abs(end - one.value) <= most]
    values = [*marks, *dots, *ends]
    low, high = min(values, default=-1.0), max(values, default=1.0)
    room = 0.06 * ((high - low) or 1.0)
    return low - room, high + room
