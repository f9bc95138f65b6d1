"""The machine over time: small multiples on one shared time axis; and drawdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pages.parts import theme, units


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
    height = 40 + 128 * len(panels)
    house = theme.figure(height=height, right=12, top=26).layout
    figure.update_layout(house)
    figure.update_xaxes(house.xaxis.to_plotly_json() | {"range": [units.moment(since), units.moment(until)], "showgrid": True})
    figure.update_yaxes(house.yaxis.to_plotly_json() | {"rangemode": "tozero", "nticks": 4, "fixedrange": True})
    for row, panel in enumerate(panels, start=1):
        units_seen = [_line(figure, frame, series, place, row) for place, series in enumerate(panel.series)]
        _title(figure, panel, frame, row)
        unit = next((one for one in units_seen if one), "")
        _axis(figure, unit, row)
    figure.update_layout(hovermode="x unified", hoversubplots="axis")
    figure.update_xaxes(showticklabels=True, row=len(panels), col=1)
    return figure


def drawdown(frame: pd.DataFrame) -> go.Figure:
    """Loss from the highest equity so far."""
    figure = theme.figure(height=150)
    at = [units.moment(int(one)) for one in frame["at"]]
    loss = [-abs(value) * 100 if units.known(value) else None for value in frame["drawdown"].tolist()]
    figure.add_trace(go.Scatter(
        x=at, y=loss, mode="lines", line={"color": theme.DOWN, "width": 1.5}, fill="tozeroy", fillcolor=_faint(theme.DOWN),
        hovertemplate="%{y:.2f} %<br>%{x|%Y-%m-%d %H:%M} UTC<extra></extra>",
    ))  # fmt: skip
    figure.update_yaxes(ticksuffix=" %", nticks=4, rangemode="tozero")
    figure.update_xaxes(showgrid=False, nticks=8)
    return figure


def _line(figure: go.Figure, frame: pd.DataFrame, series: Series, place: int, row: int) -> str:
    told = frame[(frame["source"] == series.source) & (frame["name"] == series.name)]
    if told.empty:
        return ""
    told = _gaps(told)
    unit = str(told["unit"].iloc[0])
    at, mean = [units.moment(int(one)) for one in told["at"]], _scaled(told["mean"], unit)
    colour = theme.category(place)
    if series.band:
        low, high = _scaled(told["low"], unit), _scaled(told["high"], unit)
        figure.add_trace(go.Scatter(x=at, y=high, mode="lines", line={"width": 0}, hoverinfo="skip", connectgaps=False), row=row, col=1)
        figure.add_trace(go.Scatter(
            x=at, y=low, mode="lines", line={"width": 0}, fill="tonexty", fillcolor=_faint(colour), hoverinfo="skip", connectgaps=False,
        ), row=row, col=1)  # fmt: skip
    figure.add_trace(go.Scatter(
        x=at, y=mean, mode="lines", name=series.label, line={"color": colour, "width": 1.6}, connectgaps=False,
        text=[units.reading(value if units.known(value) else None, unit) for value in told["mean"].tolist()],
        hovertemplate=f"{series.label} %{{text}}<extra></extra>",
    ), row=row, col=1)  # fmt: skip
    return unit


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


def _scaled(values: pd.Series[float], unit: str) -> list[float | None]:
    by = 1e9 if unit == "bytes" else 1e6 if unit == "bytes/s" else 1.0
    return [value / by if units.known(value) else None for value in values.tolist()]


def _title(figure: go.Figure, panel: Panel, frame: pd.DataFrame, row: int) -> None:
    """The panel's name, then each line's name in its colour with its newest value."""
    parts = [f"<b>{panel.title}</b>"]
    for place, series in enumerate(panel.series):
        told = frame[(frame["source"] == series.source) & (frame["name"] == series.name)]
        newest = "not measured" if told.empty else units.reading(float(told["mean"].iloc[-1]), str(told["unit"].iloc[0]))
        parts.append(f'<span style="color:{theme.category(place)}">■</span> {series.label} {newest}')
    axis = "" if row == 1 else str(row)
    figure.add_annotation(
        xref="paper", x=0, xanchor="left", yref=f"y{axis} domain", y=1, yanchor="bottom", yshift=4, showarrow=False, text="   ".join(parts),
        font={"size": 12, "color": theme.TEXT}, align="left",
    )  # fmt: skip


def _axis(figure: go.Figure, unit: str, row: int) -> None:
    suffix = {"bytes": " GB", "bytes/s": " MB/s", "count": "", "": ""}.get(unit, f" {unit}")
    figure.update_yaxes(ticksuffix=suffix, row=row, col=1)
    if not any(True for trace in figure.select_traces(row=row, col=1)):
        figure.update_yaxes(showticklabels=False, range=[0, 1], row=row, col=1)


def _faint(colour: str) -> str:
    return f"rgba({int(colour[1:3], 16)},{int(colour[3:5], 16)},{int(colour[5:7], 16)},0.16)"
