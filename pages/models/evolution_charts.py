"""The chart of a contest: evidence against the bar over time, by horizon."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from engine import units
from pages.ui import evolution_text, forest_plot, theme
from pages.ui.charts import Figure, new_figure
from pages.ui.forest_plot import iterate_rows

HEIGHT = 320  # px
LOWEST = -1.3  # log10 of the smallest e-value that is shown: below it there is no evidence to speak of
HIGHEST = 12.0
_LN10 = math.log(10.0)


def plot_race(points: pd.DataFrame, horizons: Sequence[int]) -> Figure:
    """Plot the e-values of better (solid) and worse (dotted) by horizon; the dashed line is the bar that one of them has to reach."""
    drawn = new_figure(height=HEIGHT, top=28, bottom=44, right=16)
    bar = points["threshold"].dropna()
    top = 0.0 if bar.empty else float(bar.iloc[-1]) / _LN10
    for place, horizon in enumerate(horizons):
        part = points[points["horizon"] == horizon].sort_values("tick")
        for column, dash, word in (("not_better", "solid", "better"), ("not_worse", "dot", "worse")):
            values = [_log10(value) for value in part[column].tolist()]
            top = max([top, *(value for value in values if value is not None)])
            drawn.add_trace(
                "scatter", x=part["tick"].tolist(), y=values, mode="lines", connectgaps=False,
                line={"color": theme.category_colour(place), "width": 2.0 if dash == "solid" else 1.4, "dash": dash},
                hovertext=[_hover(row, horizon, column, word) for row in iterate_rows(part)], hovertemplate=forest_plot.HOVER_TEMPLATE,
            )  # fmt: skip
    if not bar.empty:
        _add_bar(drawn, float(bar.iloc[-1]) / _LN10)
    names = [(units.format_count(horizon, "bar"), theme.category_colour(place)) for place, horizon in enumerate(horizons)]
    forest_plot.add_legend(drawn, names)
    ticks = range(-1, math.ceil(top) + 2)
    shown = [tick for tick in ticks if top < 6 or tick % 2 == 0]
    drawn.set_axis(
        "yaxis", range=[LOWEST, top + 0.35], tickvals=shown, ticktext=[_power(tick) for tick in shown],
        title={"text": "e-value", "font": {"size": 11, "color": theme.MUTED}},
    )  # fmt: skip
    title = {"text": "tick", "font": {"size": 11, "color": theme.MUTED}, "standoff": 4}
    drawn.set_axis("xaxis", tickformat=",d", showgrid=False, nticks=7, title=title)
    drawn.layout["meta"] = {"narrow": {"layout.xaxis.nticks": 4}}
    return drawn


def _add_bar(drawn: Figure, value: float) -> None:
    drawn.layout["shapes"].append(
        {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": value, "y1": value, "line": {"color": theme.MUTED, "width": 1.2, "dash": "dash"}}
    )
    drawn.add_note(f"bar {units.format_quantity(10.0**value)}", x=0, xref="paper", y=value, xanchor="left", yanchor="bottom", xshift=4)


def _log10(log_e: float | None) -> float | None:
    if log_e is None or not math.isfinite(log_e):
        return None
    return min(log_e / _LN10, HIGHEST)


def _power(exponent: int) -> str:
    return f"10<sup>{exponent}</sup>" if exponent > 4 else f"{10.0**exponent:,.10g}"


def _hover(row: object, horizon: int, column: str, word: str) -> str:
    value = _log10(getattr(row, column))
    e_value = evolution_text.format_e_value(None if value is None else 10.0**value)
    gain = units.format_percent(forest_plot.finite_or_none(getattr(row, "r2_gain", None)), 3, signed=True, missing=units.NOT_ENOUGH)
    return (
        f"<b>{units.format_count(horizon, 'bar')}</b>, {word}: e-value {e_value}<br>"
        f"gain in R² {gain}, {units.format_count(int(getattr(row, 'blocks', 0)), 'block')}"
    )
