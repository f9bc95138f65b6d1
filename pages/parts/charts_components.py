"""How long ticks took through time, and where a phase fell back."""

from __future__ import annotations

from engine.store.component_queries import Latency
from pages.parts import theme, units
from pages.parts.figure import Figure, figure


def latency(told: Latency) -> Figure:
    """The middle and the longest tick of each piece of the last ticks; an amber mark where a phase fell back."""
    line = told.line
    at = (line["wall"] // units.MS).to_numpy()
    drawn = figure(height=230, right=78, bottom=30)
    for name, column, colour, width in (("longest", "longest", theme.NEUTRAL, 1.3), ("p50", "p50", theme.UP, 2.0)):
        drawn.add(
            "scatter", x=at, y=line[column].to_numpy(), mode="lines", name=name, line={"color": colour, "width": width}, connectgaps=False,
            hovertemplate=f"{name} %{{y:.2f}} ms<extra></extra>",
        )  # fmt: skip
        drawn.note(
            f"<b>{name}</b><br>{units.ms(float(line[column].iloc[-1]))}", x=1, xref="paper", y=float(line[column].iloc[-1]), xanchor="left", xshift=6,
            yshift=12 if column == "longest" else -10, align="left",
        )  # fmt: skip
    fell = line[line["fallbacks"] > 0]
    if len(fell):
        drawn.add(
            "scatter", x=(fell["wall"] // units.MS).to_numpy(), y=fell["longest"].to_numpy(), mode="markers",
            marker={"symbol": "diamond", "size": 9, "color": theme.WARNING}, hovertext=[f"{n} fallbacks" for n in fell["fallbacks"].tolist()],
            hovertemplate="%{hovertext}<extra></extra>",
        )  # fmt: skip
    drawn.axis("yaxis", ticksuffix=" ms", rangemode="tozero", nticks=5)
    drawn.axis("xaxis", type="date", showgrid=False, nticks=6, hoverformat="%m-%d %H:%M:%S UTC")
    drawn.layout["hovermode"] = "x unified"
    return drawn
