"""The price panel of Market: candles, what was decided and filled, the forecast cone, the last price and the marked decision."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from engine import units
from engine.domain.intents import classify_intent, phrase_gate
from engine.store.read.market import MarketHistory
from pages.ui import theme
from pages.ui.charts import Figure, escape_text
from pages.ui.forest_plot import HOVER_TEMPLATE, iterate_rows
from pages.ui.trading_tables import get_data_fault


def link_rows(history: MarketHistory, rows: pd.DataFrame) -> list[str]:
    """Return the decision that each row leads to, as a click on it needs it."""
    return [f"{tick} {history.symbol}" for tick in rows["tick"].tolist()]


def draw_candles(figure: Figure, history: MarketHistory, bars: pd.DataFrame, axis: str) -> None:
    at = (bars["at"] // units.MS).to_numpy()
    figure.add_trace(
        "candlestick", name="bars", x=at, **{part: bars[part].to_numpy() for part in ("open", "high", "low", "close")}, yaxis=axis,
        line={"width": 1}, increasing={"line": {"color": theme.UP}, "fillcolor": theme.GROUND},
        decreasing={"line": {"color": theme.DOWN}, "fillcolor": theme.DOWN}, whiskerwidth=0, hoverinfo="text",
        customdata=link_rows(history, bars), hovertext=[_describe_bar(bar) for bar in iterate_rows(bars)],
    )  # fmt: skip
    for action, colour, column, angle in (("buy", theme.UP, "low", 0), ("sell", theme.DOWN, "high", 180)):  # away from the bar, against the angle
        marker = {"symbol": "triangle-up", "color": colour, "size": 11, "angle": angle, "standoff": 13}
        _draw_marks(figure, history, bars[bars["action"] == action], column, axis, marker, action)
    fallen = bars[bars["degraded"].fillna(0) > 0]
    _draw_marks(figure, history, fallen, "low", axis, {"symbol": "diamond", "color": theme.WARNING, "size": 9, "standoff": 25}, "fallback")
    _draw_fills(figure, history, bars, axis)
    figure.set_axis(f"yaxis{axis[1:]}", exponentformat="none", separatethousands=True)  # digits by the distance of the ticks


def draw_cone(figure: Figure, history: MarketHistory, axis: str) -> None:
    """Draw the newest tick's forecast over each horizon, in price, with its 90 % interval; nothing where there is none."""
    newest = history.bars.iloc[-1]
    frame = history.forecasts[(history.forecasts["tick"] == newest["tick"]) & history.forecasts["mean_bps"].notna()].sort_values("due")
    if frame.empty or not units.is_known(newest["log_price"]):
        return
    at = [int(newest["at"]) // units.MS, *(frame["due"] // units.MS).tolist()]
    bounds = {name: np.exp(float(newest["log_price"]) + np.array([0.0, *frame[name]]) / 1e4) for name in ("high_bps", "low_bps", "mean_bps")}
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "yaxis": axis}
    figure.add_trace("scatter", name="forecast, upper bound", x=at, y=bounds["high_bps"], **edge)
    figure.add_trace(
        "scatter", name="forecast, lower bound", x=at, y=bounds["low_bps"], fill="tonexty", fillcolor=theme.with_alpha(theme.GOOD, 0.2), **edge
    )
    words = ["now", *(_describe_cone(row, *prices) for row, *prices in zip(iterate_rows(frame), *(bounds[name][1:] for name in bounds), strict=True))]
    figure.add_trace(
        "scatter", name="forecast", x=at, y=bounds["mean_bps"], mode="lines+markers", yaxis=axis,
        line={"color": theme.GOOD, "width": 1.6, "dash": "dot"}, marker={"size": [0, *[5] * len(frame)]},
        customdata=[f"{int(newest['tick'])} {history.symbol}"] * len(at), hovertext=words, hovertemplate=HOVER_TEMPLATE,
    )  # fmt: skip


def tag_price(figure: Figure, history: MarketHistory, *, log: bool) -> None:
    """Tag the last price on the axis, with a line through the panel; nothing where it is unknown."""
    price = float(history.bars["price"].iloc[-1])
    if not units.is_known(price) or price <= 0:
        return
    line = {"color": theme.UP, "width": 1, "dash": "dot"}
    figure.layout["shapes"].append({"type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": "y", "y0": price, "y1": price, "line": line})
    figure.layout["annotations"].append(
        {"text": units.format_price(price), "showarrow": False, "xref": "paper", "x": 0, "xanchor": "right", "yref": "y",
         "y": math.log10(price) if log else price, "bgcolor": theme.UP, "borderpad": 2, "font": {"size": 11, "color": "#FFFFFF"}}
    )  # fmt: skip


def mark_decision(figure: Figure, history: MarketHistory, bars: pd.DataFrame, tick: int, axis: str) -> None:
    """Ring the bar of a decision and draw a line through all panels; a decision outside the bars is not drawn."""
    rows = bars[bars["tick"] == tick]
    if rows.empty:
        return
    at = int(rows["at"].iloc[0]) // units.MS
    line = {"color": theme.TEXT, "width": 1.2, "dash": "dash"}
    figure.layout["shapes"].append({"type": "line", "x0": at, "x1": at, "yref": "paper", "y0": 0, "y1": 1, "line": line})
    figure.add_note(
        f"<b>decision at tick {tick:,}</b>", x=at, xref="x", yref="y domain", y=0.01, yanchor="bottom", xanchor="auto", bgcolor=theme.PANEL
    )
    marker = {"symbol": "circle-open", "size": 20, "color": theme.TEXT, "line": {"width": 2.5}}
    figure.add_trace(
        "scatter", name="marked decision", x=[at], y=rows["close"].fillna(rows["price"]).to_numpy(), mode="markers", yaxis=axis, marker=marker,
        customdata=link_rows(history, rows), hovertext=[_describe_bar(row) for row in iterate_rows(rows)], hovertemplate=HOVER_TEMPLATE,
    )  # fmt: skip


def count_price_digits(history: MarketHistory) -> int:
    """Return the digits after the point of the symbol's prices."""
    return len(units.format_price(float(history.bars["close"].max())).partition(".")[2])


def _draw_marks(figure: Figure, history: MarketHistory, rows: pd.DataFrame, column: str, axis: str, marker: dict[str, Any], name: str) -> None:
    """Draw marks beside their bars; a decision without a bar is drawn at the last price."""
    if rows.empty:
        return
    figure.add_trace(
        "scatter", name=name, x=(rows["at"] // units.MS).to_numpy(), y=rows[column].fillna(rows["price"]).to_numpy(), mode="markers", yaxis=axis,
        marker=marker, customdata=link_rows(history, rows), hovertext=[_describe_bar(bar) for bar in iterate_rows(rows)],
        hovertemplate=HOVER_TEMPLATE,
    )  # fmt: skip


def _draw_fills(figure: Figure, history: MarketHistory, bars: pd.DataFrame, axis: str) -> None:
    rows = history.fills[history.fills["tick"] >= int(bars["tick"].iloc[0])] if len(history.fills) else history.fills
    if rows.empty:
        return
    full = (rows["size"] > 0).tolist()
    marker = {
        "symbol": ["circle-open" if yes else "x" for yes in full], "color": [theme.TEXT if yes else theme.HARM for yes in full],
        "size": 8, "line": {"width": 1.6},
    }  # fmt: skip
    figure.add_trace(
        "scatter", name="fills", x=(rows["at"] // units.MS).to_numpy(),
        y=rows["price"].fillna(rows["mid"]).to_numpy(), mode="markers", yaxis=axis, marker=marker,
        customdata=[f"{tick - 1} {history.symbol}" for tick in rows["tick"].tolist()],
        hovertext=[_describe_fill(fill) for fill in iterate_rows(rows)], hovertemplate=HOVER_TEMPLATE,
    )  # fmt: skip


def _describe_bar(bar: Any) -> str:
    """Return a bar and its decision in words."""
    prices = "no bar" if not units.is_known(bar.close) else (
        f"open {units.format_price(bar.open)}, high {units.format_price(bar.high)}, low {units.format_price(bar.low)}, "
        f"close {units.format_price(bar.close)}<br>volume {units.format_quantity(bar.volume)}"
    )  # fmt: skip
    if not isinstance(bar.action, str):
        return f"<b>tick {bar.tick:,}</b><br>{prices}"
    reason_text = "no gate failed" if bar.action == "hold" else f"intent: {classify_intent(bar.position, bar.target)}"
    if isinstance(bar.binding_gate, str):
        reason = get_data_fault(bar)
        reason_text = phrase_gate(bar.binding_gate) + (f" ({reason})" if reason else "")
    fell = "<br>a phase used its fallback" if bar.degraded else ""
    when = units.format_time(int(bar.at), "%Y-%m-%d %H:%M:%S")
    return f"<b>{escape_text(bar.action)}</b> · {escape_text(reason_text)} · tick {bar.tick:,}<br>{when} UTC<br>{prices}{fell}"


def _describe_fill(fill: Any) -> str:
    if not fill.size:
        return f"<b>{escape_text(fill.side)}</b> not filled: {units.format_quantity(fill.unfilled)} unfilled · tick {fill.tick:,}"
    return (
        f"<b>{escape_text(fill.side)}</b> {units.format_quantity(fill.size)} filled at {units.format_price(fill.price)} · tick {fill.tick:,}"
        f"<br>mid {units.format_price(fill.mid)}, cost {units.format_bps(fill.cost_bps)}"
    )


def _describe_cone(forecast: Any, high: float, low: float, mean: float) -> str:
    return (
        f"<b>forecast over {units.format_count(int(forecast.horizon), 'bar')}</b>: {units.format_price(mean)}"
        f" ({units.format_bps(forecast.mean_bps, signed=True)})<br>90 %: {units.format_price(low)} to {units.format_price(high)}"
        f"<br>due {units.format_time(int(forecast.due), '%m-%d %H:%M:%S')} UTC"
    )
