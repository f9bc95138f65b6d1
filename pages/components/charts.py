"""How long ticks took through time, on a scale of equal ratios, and where a phase fell back."""

from __future__ import annotations

import math

import pandas as pd

from engine import units
from engine.store.read.components import LatencyStats
from pages.ui import theme
from pages.ui.charts import Figure, new_figure

TICKS = [one * 10**power for power in range(-2, 5) for one in (1, 2, 5)]  # ms named on the axis
MIN_MS = 0.01  # ms drawn


def plot_latency(told: LatencyStats) -> Figure:
    """The middle and the longest tick of each piece of the last ticks; an amber mark where a phase fell back."""
    line = told.series
    at = line["tick"].to_numpy()
    when = [units.format_time(int(wall), "%m-%d %H:%M:%S") for wall in line["wall"].tolist()]
    drawn = new_figure(height=230, right=78, bottom=40)
    for name, column, colour, width in (("longest", "longest", theme.NEUTRAL, 1.3), ("p50", "p50", theme.UP, 2.0)):
        drawn.add_trace(
            "scatter", x=at, y=line[column].to_numpy(), mode="lines", name=name, line={"color": colour, "width": width}, connectgaps=False,
            customdata=when, hovertemplate=f"{name} %{{y:.2f}} ms, %{{customdata}} UTC<extra></extra>",
        )  # fmt: skip
    _names(drawn, line)
    fell = line[line["fallbacks"] > 0]
    if len(fell):
        drawn.add_trace(
            "scatter", x=fell["tick"].to_numpy(), y=fell["longest"].to_numpy(), mode="markers",
            marker={"symbol": "diamond", "size": 9, "color": theme.WARNING}, hovertext=[f"{n} fallbacks" for n in fell["fallbacks"].tolist()],
            hovertemplate="%{hovertext}<extra></extra>",
        )  # fmt: skip
    low, high = (max(MIN_MS, float(one)) for one in (line["p50"].min(), line["longest"].max()))
    named = [one for one in TICKS if high < 100 * low or math.log10(one) % 1 == 0]
    drawn.set_axis(
        "yaxis", type="log", range=[math.log10(low / 1.6), math.log10(high * 1.6)], tickvals=named, ticktext=[units.format_ms(one) for one in named]
    )
    drawn.set_axis(
        "xaxis", showgrid=False, nticks=6, tickformat=",d", title={"text": "tick", "font": {"size": 11, "color": theme.MUTED}, "standoff": 4}
    )
    drawn.layout["hovermode"] = "x unified"
    return drawn


def _names(drawn: Figure, line: pd.DataFrame) -> None:
    """Names the lines at their right ends, pushed apart where they meet."""
    p50, longest = (max(MIN_MS, float(line[name].iloc[-1])) for name in ("p50", "longest"))
    close = longest < 2 * p50
    for name, value, shift in (("longest", longest, 12), ("p50", p50, -12)):
        text = f"<b>{name}</b><br>{units.format_ms(value)}"
        drawn.add_note(text, x=1, xref="paper", y=math.log10(value), xanchor="left", xshift=6, yshift=shift if close else 0, align="left")
