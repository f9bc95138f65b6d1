"""The duration of ticks over time on a logarithmic axis, with marks where a phase fell back."""

from __future__ import annotations

import math

import pandas as pd

from engine import units
from engine.store.read.components import LatencyStats
from pages.ui import theme
from pages.ui.charts import Figure, new_figure

TICKS = [digit * 10**power for power in range(-2, 5) for digit in (1, 2, 5)]  # ms, labels of the axis
MIN_MS = 0.01  # ms, lowest value drawn


def plot_latency(measured: LatencyStats) -> Figure:
    """Plot the median and the longest tick of each piece of the newest ticks; an amber mark shows a fallback."""
    line = measured.series
    when = [units.format_time(int(wall), "%m-%d %H:%M:%S") for wall in line["wall"].tolist()]
    drawn = new_figure(height=230, right=78, bottom=40)
    for name, colour, width in (("longest", theme.NEUTRAL, 1.3), ("p50", theme.UP, 2.0)):
        drawn.add_trace(
            "scatter", x=line["tick"].to_numpy(), y=line[name].to_numpy(), mode="lines", name=name, line={"color": colour, "width": width},
            connectgaps=False, customdata=when, hovertemplate=f"{name} %{{y:.2f}} ms, %{{customdata}} UTC<extra></extra>",
        )  # fmt: skip
    _label_lines(drawn, line)
    degraded = line[line["fallbacks"] > 0]
    if len(degraded):
        drawn.add_trace(
            "scatter", x=degraded["tick"].to_numpy(), y=degraded["longest"].to_numpy(), mode="markers",
            marker={"symbol": "diamond", "size": 9, "color": theme.WARNING},
            hovertext=[units.format_count(n, "fallback") for n in degraded["fallbacks"].tolist()], hovertemplate="%{hovertext}<extra></extra>",
        )  # fmt: skip
    low, high = (max(MIN_MS, float(value)) for value in (line["p50"].min(), line["longest"].max()))
    labels = [tick for tick in TICKS if high < 100 * low or math.log10(tick) % 1 == 0]
    axis_range = [math.log10(low / 1.6), math.log10(high * 1.6)]
    drawn.set_axis("yaxis", type="log", range=axis_range, tickvals=labels, ticktext=[units.format_ms(tick) for tick in labels])
    drawn.set_axis(
        "xaxis", showgrid=False, nticks=6, tickformat=",d", title={"text": "tick", "font": {"size": 11, "color": theme.MUTED}, "standoff": 4}
    )
    drawn.layout["hovermode"] = "x unified"
    return drawn


def _label_lines(drawn: Figure, line: pd.DataFrame) -> None:
    """Label the lines at their right ends, apart where they meet."""
    p50, longest = (max(MIN_MS, float(line[name].iloc[-1])) for name in ("p50", "longest"))
    close = longest < 2 * p50
    for name, value, shift in (("longest", longest, 12), ("p50", p50, -12)):
        text = f"<b>{name}</b><br>{units.format_ms(value)}"
        drawn.add_note(text, x=1, xref="paper", y=math.log10(value), xanchor="left", xshift=6, yshift=shift if close else 0, align="left")
