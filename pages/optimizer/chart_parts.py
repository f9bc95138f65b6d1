"""Parts of the optimizer's charts: lines, bands, marks and legends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from engine import units
from engine.domain.record import Floats, Ints
from pages.ui.charts import Figure, escape_text

POINTS = 600  # pieces of a line, each drawn with its lowest and highest sample


def axis_scale(unit: str, highest: float) -> tuple[float, str]:
    """Return the divisor and the tick suffix of an axis in this unit."""
    divisor, name = units.scale_unit(unit, highest)
    return divisor, f" {escape_text(name)}" if name else ""


def format_mark(sign: str, colour: str, text: str) -> str:
    return f'<span style="color:{colour}">{sign}</span> {text}'


def add_legend(drawn: Figure, parts: Sequence[str]) -> None:
    drawn.add_note("   ".join(parts), x=0, xref="paper", y=1, yref="paper", xanchor="left", yanchor="bottom", yshift=4, align="left")


def set_time_axes(drawn: Figure, suffix: str) -> None:
    drawn.set_axis("yaxis", ticksuffix=suffix, nticks=6)
    drawn.set_axis("xaxis", type="date", nticks=6, hoverformat="%m-%d %H:%M:%S UTC")


def add_line(drawn: Figure, readings: pd.DataFrame, unit: str, colour: str, *, at_least: float = 0.0) -> tuple[float, str]:
    """Add the readings as a line; return the divisor and tick suffix of the axis."""
    values = readings["value"].to_numpy(dtype=float)
    highest = float(np.nanmax(np.abs(values))) if len(values) else 0.0
    divisor, suffix = axis_scale(unit, max(highest, at_least))
    at, values = _thinned((readings["at"] // units.MS).to_numpy(), values)
    drawn.add_trace(
        "scatter", x=at, y=values / divisor, mode="lines", line={"color": colour, "width": 1.5},
        hovertemplate=f"%{{y:.5~g}}{suffix}<br>%{{x|%m-%d %H:%M:%S}} UTC<extra></extra>",
    )  # fmt: skip
    return divisor, suffix


def _thinned(at: Ints, values: Floats) -> tuple[Ints, Floats]:
    """Keep the lowest and the highest sample of each of POINTS pieces where there are more samples than can be seen."""
    if len(values) <= 2 * POINTS:
        return at, values
    pieces = np.array_split(np.arange(len(values)), POINTS)
    extremes = np.unique([place for piece in pieces for place in (piece[np.argmin(values[piece])], piece[np.argmax(values[piece])])])
    return at[extremes], values[extremes]


def mean_of(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")


def add_level(drawn: Figure, seconds: Floats, values: Floats, colour: str) -> None:
    """Add the mean over a window as a thick bar."""
    if len(values):
        mean = mean_of(values)
        ends = [float(seconds[0]), float(seconds[-1])]
        drawn.add_trace("scatter", x=ends, y=[mean, mean], mode="lines", line={"color": colour, "width": 4}, opacity=0.45, hoverinfo="skip")


def add_band(drawn: Figure, begin: float, end: float, colour: str) -> None:
    _shape(drawn, {"x0": begin, "x1": end, "fillcolor": colour, "line": {"width": 0}, "type": "rect", "layer": "below"})


def add_span(drawn: Figure, begin: int, end: int, colour: str) -> None:
    add_band(drawn, begin // units.MS, end // units.MS, colour)


def add_mark(drawn: Figure, at: int, colour: str) -> None:
    _shape(drawn, {"x0": at // units.MS, "x1": at // units.MS, "type": "line", "line": {"color": colour, "width": 1.6}})


def _shape(drawn: Figure, shape: dict[str, Any]) -> None:
    drawn.layout["shapes"].append({"yref": "paper", "y0": 0, "y1": 1, **shape})
