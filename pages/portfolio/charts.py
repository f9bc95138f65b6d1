"""The drawdown chart of Portfolio."""

from __future__ import annotations

import pandas as pd

from engine import units
from pages.ui import theme
from pages.ui.charts import Figure, new_figure


def plot_drawdown(frame: pd.DataFrame) -> Figure:
    """Loss from the peak of equity; resuming after a drawdown stop restarts the peak."""
    figure = new_figure(height=150)
    at = [int(moment) // units.MS for moment in frame["at"]]
    loss = [-abs(value) * 100 if units.is_known(value) else None for value in frame["drawdown"].tolist()]
    figure.add_trace(
        "scatter", x=at, y=loss, mode="lines", line={"color": theme.DOWN, "width": 1.5}, fill="tozeroy", fillcolor=theme.with_alpha(theme.DOWN),
        hovertemplate="%{y:.2f} %<br>%{x|%Y-%m-%d %H:%M} UTC<extra></extra>",
    )  # fmt: skip
    figure.set_axis("yaxis", ticksuffix=" %", nticks=4, rangemode="tozero")
    figure.set_axis("xaxis", type="date", showgrid=False, nticks=8)
    figure.layout["meta"] = {"cross": True, "readout": {"trace": 0, "lines": [[0, "drawdown"]], "digits": 2, "suffix": " %"}}
    return figure
