"""The charts of Overview: which gate bound where and when, and equity against buying and holding."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from engine.store.status_query import Session
from pages.parts import theme, units

ROWS = 24  # symbols in the strip at most
FREE = 2.5  # held although no gate failed
CODES = 3  # buy, sell and free come before the gates


def gate_strip(frame: pd.DataFrame, session: Session) -> go.Figure:
    """A row a symbol, a column a tick, coloured by the gate that bound; bright where it bought or sold."""
    names = [name for name, _, _ in session.gates]
    symbols = list(session.symbols[:ROWS])
    ticks = sorted(frame["tick"].unique().tolist())
    place = {tick: column for column, tick in enumerate(ticks)}
    z: list[list[float | None]] = [[None] * len(ticks) for _ in symbols]
    hover = [[""] * len(ticks) for _ in symbols]
    links = [[""] * len(ticks) for _ in symbols]
    rows = {symbol: row for row, symbol in enumerate(symbols)}
    told: Iterator[Any] = frame.itertuples(index=False)
    for one in told:
        if one.symbol not in rows:
            continue
        row, column = rows[one.symbol], place[one.tick]
        z[row][column] = _code(one.action, one.binding_gate, names)
        hover[row][column] = _hover(one, session)
        links[row][column] = f"{one.tick} {one.symbol}"
    figure = theme.figure(height=46 + 24 * len(symbols), bottom=26)
    figure.add_trace(
        go.Heatmap(
            z=z,
            x=ticks,
            y=symbols,
            text=hover,
            customdata=links,
            hovertemplate="%{text}<extra></extra>",
            showscale=False,
            xgap=1,
            ygap=2,
            zmin=0,
            zmax=len(names) + CODES,
            colorscale=_scale(len(names)),
        )
    )
    figure.update_yaxes(autorange="reversed", showgrid=False, type="category", fixedrange=True, tickfont={"color": theme.TEXT, "size": 12})
    figure.update_xaxes(showgrid=False, tickformat=",d", nticks=8, title={"text": "tick", "font": {"size": 11, "color": theme.MUTED}, "standoff": 4})
    return figure


def equity(frame: pd.DataFrame, capital: float | None) -> go.Figure:
    """Gain since the start, after all costs, against buying all symbols in equal parts and holding."""
    start = capital or float(frame["equity"].iloc[0])
    at = [units.moment(int(one)) for one in frame["at"]]
    figure = theme.figure(height=250, right=92)
    for name, column, colour, width in (("buy, hold", "naive", theme.NEUTRAL, 1.3), ("Podium", "equity", theme.UP, 2.0)):
        gain = [(value / start - 1) * 100 if units.known(value) else None for value in frame[column].tolist()]
        figure.add_trace(
            go.Scatter(
                x=at,
                y=gain,
                mode="lines",
                name=name,
                line={"color": colour, "width": width},
                connectgaps=False,
                customdata=[str(tick) for tick in frame["tick"]],
                hovertemplate=f"{name} %{{y:+.2f}} %<br>tick %{{customdata}}<br>" + "%{x|%Y-%m-%d %H:%M} UTC<extra></extra>",
            )
        )
    _labels(figure)
    figure.update_yaxes(ticksuffix=" %", zeroline=True, zerolinecolor=theme.GRID, nticks=6)
    figure.update_xaxes(showgrid=False, nticks=8)
    figure.update_layout(hovermode="x unified")
    return figure


def _labels(figure: go.Figure) -> None:
    """Names the lines at their right ends, pushed apart where they meet."""
    ends = sorted((trace.y[-1], trace.name) for trace in figure.data if trace.y and trace.y[-1] is not None)
    values = [value for trace in figure.data for value in trace.y if value is not None]
    if not ends:
        return
    close = len(ends) == 2 and ends[1][0] - ends[0][0] < 0.2 * ((max(values) - min(values)) or 1.0)
    for rank, (value, name) in enumerate(ends):
        figure.add_annotation(
            x=1,
            xref="paper",
            y=value,
            xanchor="left",
            xshift=6,
            yshift=(-15 if rank == 0 else 15) if close else 0,
            showarrow=False,
            text=f"<b>{name}</b><br>{units.number(value, 2, '%', signed=True)}",
            font={"size": 11, "color": theme.TEXT},
            align="left",
        )


def _code(action: str, gate: str | None, names: list[str]) -> float:
    if action != "hold":
        return 0.5 if action == "buy" else 1.5
    return names.index(gate) + CODES + 0.5 if gate in names else FREE


def _scale(gates: int) -> list[list[object]]:
    colours = [theme.UP, theme.DOWN, theme.FREE, *(theme.gate(place) for place in range(gates))]
    steps: list[list[object]] = []
    for place, colour in enumerate(colours):
        steps += [[place / len(colours), colour], [(place + 1) / len(colours), colour]]
    return steps


def _hover(one: Any, session: Session) -> str:
    head = f"<b>{one.symbol}</b> {one.action} · tick {one.tick:,}<br>{units.moment(int(one.at), '%Y-%m-%d %H:%M')} UTC"
    gate = one.binding_gate
    names = [name for name, _, _ in session.gates]
    if gate not in names:
        return head + ("" if one.action != "hold" else "<br>no gate failed: nothing worth an order")
    told = json.loads(one.gates)
    place = names.index(gate)
    _, sense, unit = session.gates[place]
    value, limit = told["value"][place], told["limit"][place]
    margin = None if value is None or limit is None else (limit - value if sense == "<=" else value - limit)
    digits = 2 if margin is not None and math.isfinite(margin) and abs(margin) < 10 else 1
    needs = f"{units.number(value, digits)}, needs {sense} {units.number(limit, digits, unit)}"
    return f"{head}<br>{gate}: {needs} (margin {units.number(margin, digits, signed=True)})"
