"""Forest plots: estimates with intervals, a row per subject and a colour per series; and labels at the ends of lines."""

from __future__ import annotations

import statistics
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pandas as pd

from engine import units
from pages.ui import theme
from pages.ui.charts import NO_FILL, Figure, escape_text, new_figure

Number = float | None
Series = tuple[str, str]  # its name and its colour
HOVER_TEMPLATE = "%{hovertext}<extra></extra>"
ROW, LANE = 20, 11  # px of a row, and of each series in it
NARROW_CHARACTERS = 40  # in a line of a legend on a phone
LEGEND_LINE = 15  # px
MAX_REACH = 4.0  # intervals longer than this many times the median are cut at the edge


@dataclass(frozen=True, slots=True)
class IntervalEstimate:
    """One estimate with its interval; None where there is not enough data."""

    row: str
    series: str
    value: Number
    low: Number
    high: Number
    n: int
    colour: str | None = None  # overrides the colour of the series
    hover_note: str = ""  # added to the hover


def finite_or_none(value: object) -> Number:
    """Return a finite number as float; None for anything else."""
    return float(value) if isinstance(value, int | float) and units.is_known(float(value)) else None


def to_percent(value: object) -> Number:
    """Return a share in percent; None for what is not a finite number."""
    share = finite_or_none(value)
    return None if share is None else share * 100


def iterate_rows(frame: pd.DataFrame) -> Iterator[Any]:
    """Iterate over the rows of a frame; columns are attributes.

    It gives what `itertuples` does, which reads columns of text one value at a time.
    """
    make = _row_maker(tuple(str(name) for name in frame.columns))
    return map(make, zip(*(frame[name].tolist() for name in frame.columns), strict=True))


@lru_cache(maxsize=64)
def _row_maker(columns: tuple[str, ...]) -> Callable[[Iterable[Any]], Any]:
    make: Callable[[Iterable[Any]], Any] = namedtuple("Row", columns, rename=True)._make  # type: ignore[attr-defined]  # noqa: PYI024
    return make


def plot_intervals(
    estimates: Sequence[IntervalEstimate],
    rows: Sequence[str],
    series: Sequence[Series],
    *,
    unit: str = "%",
    digits: int = 2,
    marks: Sequence[float] = (0.0,),
    height: int | None = None,
) -> Figure:
    """Plot dots with intervals; `marks` are reference values drawn as lines. A row without any estimate says so."""
    drawn = new_figure(height=height or 58 + len(rows) * (ROW + LANE * len(series)), top=24 if len(series) > 1 else 8, bottom=30)
    low, high = _axis_range(estimates, marks)
    for value in marks:
        drawn.layout["shapes"].append(
            {"type": "line", "x0": value, "x1": value, "yref": "paper", "y0": 0, "y1": 1, "line": {"color": theme.MUTED, "width": 1}}
        )
    for lane, (name, colour) in enumerate(series):
        shift = (lane - (len(series) - 1) / 2) * LANE / (ROW + LANE * len(series))
        points = [point for point in estimates if point.series == name and point.value is not None]
        _add_dots(drawn, points, [rows.index(point.row) + shift for point in points], colour, unit=unit, digits=digits)
    for position, row in enumerate(rows):
        points = [point for point in estimates if point.row == row]
        if all(point.value is None for point in points):
            most = max((point.n for point in points), default=0)
            drawn.add_note(f"{units.NOT_ENOUGH}, n={most:,}", x=0.5, xref="paper", y=position, font={"size": 11, "color": theme.MUTED})
    if len(series) > 1:
        add_legend(drawn, [(_series_label(name, [point for point in estimates if point.series == name]), colour) for name, colour in series])
    drawn.set_axis("yaxis", tickvals=list(range(len(rows))), ticktext=[escape_text(row) for row in rows], range=[len(rows) - 0.5, -0.5],
               fixedrange=True, showgrid=True, tickfont={"color": theme.TEXT, "size": 12}, ticklabelstandoff=6)  # fmt: skip
    drawn.set_axis("xaxis", ticksuffix=f" {unit}", range=[low, high], nticks=7)
    return drawn


def add_legend(drawn: Figure, series: Sequence[Series]) -> None:
    """Add the names of the series above the chart, each after its colour; a narrow chart has them in several lines."""
    marked = [
        f'<span style="color:{colour}">●</span> {escape_text(name)}' if colour != theme.TEXT else f"● {escape_text(name)}" for name, colour in series
    ]
    lines = _fill_lines([len(name) + 3 for name, _ in series], NARROW_CHARACTERS)
    if len(lines) > 1:
        margin = drawn.layout["margin"]["t"] + LEGEND_LINE * (len(lines) - 1)
        wrapped = "<br>".join("   ".join(marked[start:end]) for start, end in lines)
        narrow = {f"layout.annotations.{len(drawn.layout['annotations'])}.text": wrapped, "layout.margin.t": margin}
        drawn.layout.setdefault("meta", {}).setdefault("narrow", {}).update(narrow)
    drawn.add_note("   ".join(marked), x=0, xref="paper", y=1, yref="paper", xanchor="left", yanchor="bottom", yshift=4, align="left")


def _fill_lines(widths: Sequence[int], room: int) -> list[tuple[int, int]]:
    """Return the first and the end of each line, as many names in it as have room."""
    lines, start, used = [], 0, 0
    for place, width in enumerate(widths):
        if place > start and used + width > room:
            lines.append((start, place))
            start, used = place, 0
        used += width
    return [*lines, (start, len(widths))]


def label_line_ends(drawn: Figure, *, digits: int = 2, unit: str = "%", least: float = 0.075, lines: bool = False) -> None:
    """Label lines at their right ends, spaced so that labels do not overlap.

    `least` is the share of the chart's height that a label needs; `lines` puts the value below the name.
    """
    values = [value for trace in drawn.data for value in trace["y"] if value is not None]
    ends = sorted((trace["y"][-1], trace["name"], trace["line"]["color"]) for trace in drawn.data if trace["y"] and trace["y"][-1] is not None)
    if not ends:
        return
    low, high = min(values), max(values)
    gap = ((high - low) or 1.0) * least
    positions: list[float] = []
    for value, _, _ in ends:
        positions.append(max(value, positions[-1] + gap) if positions else value)
    excess = max(0.0, positions[-1] - max(high, low + gap * (len(ends) - 1)))
    for position, (value, name, colour) in zip(positions, ends, strict=True):
        text = f'<span style="color:{colour}">●</span> {name}{"<br>" if lines else " "}{units.format_number(value, digits, unit)}'
        drawn.add_note(text, x=1, xref="paper", y=position - excess, xanchor="left", xshift=6, align="left")


def _series_label(name: str, points: Sequence[IntervalEstimate]) -> str:
    """Return a series' name, with "not enough data" where it has no estimate."""
    return name if any(point.value is not None for point in points) else f"{name}: {units.NOT_ENOUGH}"


def _add_dots(drawn: Figure, points: Sequence[IntervalEstimate], positions: Sequence[float], colour: str, *, unit: str, digits: int) -> None:
    """Add dots with their intervals; a dot without an interval is hollow."""
    colours = [point.colour or colour for point in points]
    fills = []
    for point, position, own in zip(points, positions, colours, strict=True):
        has_interval = point.low is not None and point.high is not None
        fills.append(own if has_interval else NO_FILL)
        if has_interval:
            drawn.add_trace(
                "scatter", x=[point.low, point.high], y=[position, position], mode="lines", line={"color": own, "width": 2}, hoverinfo="skip"
            )
    marker = {"size": 8, "color": fills, "line": {"color": colours, "width": 1.5}}
    hover = [_hover(point, unit, digits) for point in points]
    drawn.add_trace(
        "scatter",
        x=[point.value for point in points],
        y=list(positions),
        mode="markers",
        marker=marker,
        hovertext=hover,
        hovertemplate=HOVER_TEMPLATE,
    )


def _hover(point: IntervalEstimate, unit: str, digits: int) -> str:
    more = f"<br>{escape_text(point.hover_note)}" if point.hover_note else ""
    value = units.format_number(point.value, digits, unit, signed=True)
    band = units.format_interval(point.low, point.high, digits, unit)
    return f"<b>{escape_text(point.row)}</b> {escape_text(point.series)}<br>{value}<br>95 %: {band}<br>n={point.n:,}{more}"


def _axis_range(estimates: Sequence[IntervalEstimate], marks: Sequence[float]) -> tuple[float, float]:
    """Return the range of the axis: every dot, and intervals up to a multiple of the median length."""
    points = [(point.value, point.low, point.high) for point in estimates if point.value is not None]
    lengths = [max(abs(low - value), abs(high - value)) for value, low, high in points if low is not None and high is not None]
    longest = MAX_REACH * statistics.median(lengths) if lengths else 0.0
    ends = [end for value, low, high in points for end in (low, high) if end is not None and abs(end - value) <= longest]
    values = [*marks, *(value for value, _, _ in points), *ends]
    low, high = min(values, default=-1.0), max(values, default=1.0)
    room = 0.06 * ((high - low) or 1.0)
    return low - room, high + room
