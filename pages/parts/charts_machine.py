"""The machine over time: small multiples on one shared time axis; and drawdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pages.parts import theme, units

LEFT = 62  # px left of the axes


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a panel; with `band`, also its lowest and highest reading in a step."""

    source: str
    name: str
    label: str
    band: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One small chart."""

    title: str
    series: tuple[Series, ...]


def multiples(frame: pd.DataFrame, panels: Sequence[Panel], since: int, until: int) -> go.Figure:
    """A row a panel; a gap in the readings is a gap in the line."""
    figure = make_subplots(rows=len(panels), cols=1, shared_xaxes=True, vertical_spacing=0.32 / max(len(panels), 1))
    house = theme.figure(height=40 + 128 * len(panels), left=LEFT, right=10, top=26).layout
    figure.update_layout(house)
    figure.update_xaxes(house.xaxis.to_plotly_json() | {"range": [units.moment(since), units.moment(until)], "showgrid": True, "nticks": 6})
    figure.update_yaxes(house.yaxis.to_plotly_json() | {"rangemode": "tozero", "nticks": 4, "fixedrange": True, "automargin": False})
    for row, panel in enumerate(panels, start=1):
        told = [frame[(frame["source"] == one.source) & (frame["name"] == one.name)] for one in panel.series]
        unit = next((str(lines["unit"].iloc[0]) for lines in told if len(lines)), "")
        by, suffix = _scale(unit, max((float(lines["high"].max()) for lines in told if len(lines)), default=0.0))
        figure.add_trace(
            go.Scatter(x=[units.moment(since)], y=[None], mode="markers", hoverinfo="skip"), row=row, col=1
        )  # an axis even if nothing was read
        for place, (series, lines) in enumerate(zip(panel.series, told, strict=True)):
            if len(lines):
                _line(figure, _gaps(lines), series, place, row, by)
        _title(figure, panel, told, row)
        figure.update_yaxes({"ticksuffix": suffix} if unit else {"showticklabels": False, "range": [0, 1]}, row=row, col=1)
    figure.update_layout(hovermode="x unified")
    figure.update_xaxes(showticklabels=True, row=len(panels), col=1)
    return figure


def drawdown(frame: pd.DataFrame) -> go.Figure:
    """Loss from the highest equity so far."""
    figure = theme.figure(height=150)
    at = [units.moment(int(one)) for one in frame["at"]]
    loss = [-abs(value) * 100 if units.known(value) else None for value in frame["drawdown"].tolist()]
    figure.add_trace(
        go.Scatter(
            x=at,
            y=loss,
            mode="lines",
            line={"color": theme.DOWN, "width": 1.5},
            fill="tozeroy",
            fillcolor=_faint(theme.DOWN),
            hovertemplate="%{y:.2f} %<br>%{x|%Y-%m-%d %H:%M} UTC<extra></extra>",
        )
    )
    figure.update_yaxes(ticksuffix=" %", nticks=4, rangemode="tozero")
    figure.update_xaxes(showgrid=False, nticks=8)
    return figure


def _line(figure: go.Figure, told: pd.DataFrame, series: Series, place: int, row: int, by: float) -> None:
    unit, colour = str(told["unit"].iloc[0]), theme.category(place)
    at, mean = [units.moment(int(one)) for one in told["at"]], _scaled(told["mean"], by)
    if series.band:
        low, high = _scaled(told["low"], by), _scaled(told["high"], by)
        figure.add_trace(go.Scatter(x=at, y=high, mode="lines", line={"width": 0}, hoverinfo="skip", connectgaps=False), row=row, col=1)
        figure.add_trace(
            go.Scatter(
                x=at,
                y=low,
                mode="lines",
                line={"width": 0},
                fill="tonexty",
                fillcolor=_faint(colour),
                hoverinfo="skip",
                connectgaps=False,
            ),
            row=row,
            col=1,
        )
    figure.add_trace(
        go.Scatter(
            x=at,
            y=mean,
            mode="lines",
            name=series.label,
            line={"color": colour, "width": 1.6},
            connectgaps=False,
            text=[units.reading(value if units.known(value) else None, unit) for value in told["mean"].tolist()],
            hovertemplate=f"{series.label} %{{text}}<extra></extra>",
        ),
        row=row,
        col=1,
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
    holes["at"] -= 1_000_000_000
    holes[["low", "mean", "high"]] = float("nan")
    return pd.concat([told, holes]).sort_values("at")


def _scaled(values: pd.Series[float], by: float) -> list[float | None]:
    return [value / by if units.known(value) else None for value in values.tolist()]


def _scale(unit: str, highest: float) -> tuple[float, str]:
    """What the axis is divided by, and the unit that makes."""
    if unit not in {"bytes", "bytes/s"}:
        return 1.0, "" if unit in {"count", ""} else f" {unit}"
    per = "/s" if unit == "bytes/s" else ""
    return next(((by, f" {name}B{per}") for by, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if highest >= by), (1.0, f" B{per}"))


def _title(figure: go.Figure, panel: Panel, told: Sequence[pd.DataFrame], row: int) -> None:
    """The panel's name, then each line's name in its colour with its newest value."""
    parts = [f"<b>{panel.title}</b>"]
    for place, (series, lines) in enumerate(zip(panel.series, told, strict=True)):
        newest = "not measured" if lines.empty else units.reading(float(lines["mean"].iloc[-1]), str(lines["unit"].iloc[0]))
        parts.append(f'<span style="color:{theme.category(place)}">■</span> {series.label} {newest}')
    axis = "" if row == 1 else str(row)
    figure.add_annotation(
        xref="paper",
        x=0,
        xanchor="left",
        xshift=6 - LEFT,
        yref=f"y{axis} domain",
        y=1,
        yanchor="bottom",
        yshift=4,
        showarrow=False,
        text="  ".join(parts),
        font={"size": 11, "color": theme.TEXT},
        align="left",
    )


def _faint(colour: str) -> str:
    return f"rgba({int(colour[1:3], 16)},{int(colour[3:5], 16)},{int(colour[5:7], 16)},0.16)"
